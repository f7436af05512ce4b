"""`faas-runtime package` makes zip files for Lambda. The sources and the host's Python stand in for the layer."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from faas_runtime._version import __version__
from faas_runtime.commands import package as command

from ci.core.runtime_api_stub import RuntimeApiStub
from tests.glue.support import MACHINE
from tests.runtime.check_command import LAUNCH
from tests.runtime.support import RUNTIME, Runtime
from tests.runtime.target_libraries import libraries
from tests.waiting import TIMEOUT_S

ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64"}[MACHINE]
BOOTSTRAP = """\
#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
exec %s -IS -X utf8 "$here/faas-runtime/bin/faas-runtime" "$@"
"""


@pytest.fixture(scope="module")
def made() -> Path:
    return libraries()


@pytest.fixture
def layer(tmp_path: Path) -> Path:
    return stand_in(tmp_path / "layer.zip", Path(sys.executable).resolve())


def stand_in(path: Path, program: Path) -> Path:
    """A layer whose entries are in no order, with one link, and with a program for a processor."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("bin", "faas_runtime"):
            for file in sorted((RUNTIME / name).rglob("*"), reverse=True):
                if file.is_file() and file.suffix != ".pyc":
                    archive.write(file, f"faas-runtime/{file.relative_to(RUNTIME)}")
        add(archive, "bootstrap", (BOOTSTRAP % shlex.quote(sys.executable)).encode(), stat.S_IFREG | 0o755)
        add(archive, "faas-runtime/python", b"usr/bin/python3", stat.S_IFLNK | 0o777)
        add(archive, "faas-runtime/usr/bin/python3", program.read_bytes()[:4096], stat.S_IFREG | 0o755)
    return path


def add(archive: zipfile.ZipFile, name: str, data: bytes, mode: int) -> None:
    info = zipfile.ZipInfo(name, (2024, 2, 3, 4, 5, 6))
    info.external_attr = mode << 16
    archive.writestr(info, data)


def package(folder: Path, *words: str | Path) -> tuple[int, str, str]:
    argv = [*LAUNCH, "package", *map(str, words)]
    done = subprocess.run(
        argv, cwd=folder, env={**os.environ, "XDG_DATA_HOME": str(folder)}, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def unpack(file: Path, folder: Path) -> Path:
    """Unpack with modes and links, as Lambda does."""
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            target, mode = folder / info.filename, info.external_attr >> 16
            target.parent.mkdir(parents=True, exist_ok=True)
            if stat.S_ISLNK(mode):
                target.symlink_to(archive.read(info).decode())
            else:
                target.write_bytes(archive.read(info))
                target.chmod(stat.S_IMODE(mode))
    return folder


def test_self_contained_zip_answers(made: Path, layer: Path, tmp_path: Path) -> None:
    exit_code, output, errors = package(tmp_path, made / "no-libc" / "libfunction.so", "--layer", layer)
    assert (exit_code, errors) == (0, "")
    task = unpack(tmp_path / "function.zip", tmp_path / "task")
    assert (task / "faas-runtime" / "python").is_symlink()
    launch = (str(task / "bootstrap"),)
    with RuntimeApiStub() as api, Runtime(api.address, "function.handle", task, command=launch):
        assert api.invoke(b"{}", timeout=TIMEOUT_S).body == b""
    first = output.splitlines()[0]
    assert first.startswith(f"function.zip: {(tmp_path / 'function.zip').stat().st_size} bytes, ")
    create = shlex.split(output.splitlines()[2])
    assert create[:3] == ["aws", "lambda", "create-function"]
    values = dict(zip(create[3::2], create[4::2], strict=True))
    assert values["--handler"] == "function.handle"
    assert values["--runtime"] == "provided.al2023"
    assert values["--architectures"] == ARCHITECTURE
    assert values["--zip-file"] == "fileb://function.zip"


def test_a_missing_library_is_missed_in_the_current_folder(tmp_path: Path) -> None:
    exit_code, _, errors = package(tmp_path, "absent.handle", "--to", "layer+zip")
    assert exit_code == 2
    assert f"was not found at {tmp_path}/libabsent.so, {tmp_path}/absent.so; check its name" in errors
    assert "LAMBDA_TASK_ROOT" not in errors


def test_the_same_input_gives_the_same_bytes(made: Path, layer: Path, tmp_path: Path) -> None:
    zips: list[bytes] = []
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        library = shutil.copy(made / "no-libc" / "libfunction.so", folder)
        os.utime(library, (len(zips) + 1, 10**9))
        Path(library).chmod(0o600 if zips else 0o755)
        assert package(folder, "./libfunction.so", "--layer", layer)[0] == 0
        zips.append((folder / "function.zip").read_bytes())
    assert zips[0] == zips[1]


def test_zip_for_the_layer(made: Path, layer: Path, tmp_path: Path) -> None:
    words = ("--to", "layer+zip", "--for", "al2023,arm64", "--output", "my zip.zip")
    exit_code, output, errors = package(tmp_path, f"{made}/no-libc/libfunction.so", "--to", "layer+zip")
    assert (exit_code, errors) == (0, "")
    with zipfile.ZipFile(tmp_path / "function.zip") as archive:
        assert archive.namelist() == ["libfunction.so"]
    assert "aws lambda publish-layer-version " in output
    assert " --layers LAYER_VERSION_ARN\n" in output
    exit_code, output, _ = package(tmp_path, f"{made}/arm64/libfunction.so", *words)
    assert exit_code == 0
    assert " --architectures arm64 " in output
    assert "--zip-file 'fileb://my zip.zip'" in output


def test_libraries_beside_it_come_along(made: Path, tmp_path: Path) -> None:
    assert package(tmp_path, made / "beside" / "libfunction.so", "--to", "layer+zip")[0] == 0
    with zipfile.ZipFile(tmp_path / "function.zip") as archive:
        assert archive.namelist() == ["libfunction.so", "libother.so"]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("arm64", (), f"for {ARCHITECTURE}: WRONG: it is built for aarch64"),
        ("musl", (), "for micro: WRONG: it is built against musl"),
        ("glibc-2.38", ("--for", "al2023"), "for al2023: WRONG: it needs GLIBC_2.38"),
        ("no-handler", (), "WRONG: Runtime.HandlerNotFound"),
    ],
)
def test_library_that_does_not_fit(
    made: Path, layer: Path, tmp_path: Path, name: str, options: tuple[str, ...], message: str
) -> None:
    exit_code, output, _ = package(tmp_path, made / name / "libfunction.so", "--layer", layer, *options)
    assert exit_code == 1
    assert message in output
    assert not (tmp_path / "function.zip").exists()


@pytest.mark.parametrize(
    ("limit", "message"), [("UNPACKED_LIMIT", "unpacked, it would have "), ("ZIPPED_LIMIT", "it would have ")]
)
def test_limits_of_lambda(
    made: Path, layer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    limit: str, message: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, limit, 1000)
    assert command.package([f"{made}/no-libc/libfunction.so", "--layer", str(layer)]) == 1
    errors = capsys.readouterr().err
    assert errors.startswith(f"faas-runtime package: {message}")
    assert "and Lambda accepts 1000\n  fix: " in errors
    assert [path.name for path in tmp_path.iterdir()] == ["layer.zip"]
    (tmp_path / "function.zip").write_text("the last one")
    assert command.package([f"{made}/no-libc/libfunction.so", "--layer", str(layer)]) == 1
    assert (tmp_path / "function.zip").read_text() == "the last one"
    assert len(list(tmp_path.iterdir())) == 2


def test_wrong_usage(made: Path, tmp_path: Path) -> None:
    library = made / "no-libc" / "libfunction.so"
    (tmp_path / "text").write_text("text")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("bootstrap", "")
        archive.writestr("faas-runtime/../../outside", "")
    for words, message in (
        (
            (library,),
            f"lambda-layer-{ARCHITECTURE}.zip; name it by --layer FILE, or put it into {tmp_path}/faas-runtime\n",
        ),
        (
            (library, "--layer", "absent"),
            "absent cannot be read: No such file or directory; get the file from https://",
        ),
        ((library, "--layer", "text"), "text is no zip file, or damaged"),
        ((library, "--layer", "other.zip"), "is not a layer of faas-runtime: it has faas-runtime/../../outside"),
        (("--to", "layer+zip"), "there is no project in the current folder"),
        (("./absent.so", "--to", "layer+zip"), "the function's library was not found"),
        ((library, "--to", "layer+zip", "--output", "no/folder"), "cannot be written: No such file"),
    ):
        exit_code, output, errors = package(tmp_path, *words)
        assert (exit_code, output) == (2, ""), words
        assert message in errors


def test_the_zip_file_replaces_nothing_that_it_is_made_of(made: Path, layer: Path, tmp_path: Path) -> None:
    library = Path(shutil.copy(made / "no-libc" / "libfunction.so", tmp_path))
    (tmp_path / "link").symlink_to(layer)
    os.mkfifo(tmp_path / "pipe")
    before = {path: path.read_bytes() for path in (library, layer)}
    for output, message in (
        ("layer.zip", "layer.zip goes into the zip file, so it cannot be that file; choose another --output"),
        ("link", "link goes into the zip file"),
        ("libfunction.so", "libfunction.so goes into the zip file"),
        ("pipe", "pipe is there, and is no file; choose another --output"),
        (".", ". is there, and is no file"),
        ("", "--output is empty: give it a value, or leave it out"),
    ):
        exit_code, printed, errors = package(tmp_path, library, "--layer", "layer.zip", "--output", output)
        assert (exit_code, printed) == (2, ""), output
        assert message in errors
    assert {path: path.read_bytes() for path in before} == before
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize(
    "name", ["lib$(exit).so", "lib;'q\".so", "-x.so", "lib%s.so", "libgr\u00fc\u00df.so", "lib---.so"]
)
def test_strange_names_are_quoted_and_give_a_name_for_lambda(made: Path, tmp_path: Path, name: str) -> None:
    shutil.copy(made / "no-libc" / "libfunction.so", tmp_path / name)
    exit_code, output, errors = package(tmp_path, f"./{name}", "--to", "layer+zip")
    assert (exit_code, errors) == (0, "")
    create = shlex.split(output.splitlines()[4])
    values = dict(zip(create[3::2], create[4::2], strict=True))
    stem = name.removesuffix(".so").removeprefix("lib")
    assert values["--handler"] == f"{stem}.handle"
    assert values["--zip-file"] == f"fileb://{stem}.zip"
    assert re.fullmatch("[A-Za-z0-9][A-Za-z0-9-]*", values["--function-name"])


@pytest.mark.parametrize("name", [b"lib.so", b".so", b"lib a.so", b"liba\nb.so", b"lib\xff.so"])
def test_names_that_no_handler_has(made: Path, tmp_path: Path, name: bytes) -> None:
    path = str(tmp_path / os.fsdecode(name))
    shutil.copy(made / "no-libc" / "libfunction.so", path)
    for to in ("zip", "layer+zip", "image"):
        exit_code, output, errors = package(tmp_path, path, "--to", to)
        assert (exit_code, output) == (2, "")
        assert f"{path!a}: Lambda accepts no handler of this name" in errors
    assert len(list(tmp_path.iterdir())) == 1


def test_layer_in_the_usual_folder(made: Path, layer: Path, tmp_path: Path) -> None:
    """For use with the layer, the command that publishes it names that file, and its size counts."""
    library = made / "no-libc" / "libfunction.so"
    folder = tmp_path / "faas-runtime"
    folder.mkdir()
    usual = folder / f"faas-runtime-{__version__}-lambda-layer-{ARCHITECTURE}.zip"
    exit_code, output, _ = package(tmp_path, library, "--to", "layer+zip")
    assert exit_code == 0
    assert f" --zip-file fileb://{usual.name} " in output
    layer.rename(usual)
    exit_code, output, _ = package(tmp_path, library, "--to", "layer+zip")
    assert exit_code == 0
    assert " unpacked with the layer\n" in output
    assert f" --zip-file fileb://{usual} " in output
    assert package(tmp_path, library)[0] == 0
    other = {"x86_64": "arm64", "arm64": "x86_64"}[ARCHITECTURE]
    usual.rename(folder / usual.name.replace(ARCHITECTURE, other))
    exit_code, _, errors = package(tmp_path, made / other.replace("x86_64", "no-libc") / "libfunction.so")
    assert exit_code == 2
    assert f"-{other}.zip is for {ARCHITECTURE}, whatever its name says; the page https://" in errors
