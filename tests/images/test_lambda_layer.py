"""The layer for Lambda, on systems with another glibc and without any Python, under AWS's emulator and under ours.

See `lambda_system.py` for what stands in for Lambda's own system.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ci.commands.running import open_project
from ci.core import tars, zips
from ci.core.architectures import host_name
from ci.core.errors import VerificationError
from ci.core.run import Runner
from ci.core.tars import FileTree
from ci.images.lambda_layer import aws_name
from ci.manifest import dist_paths
from ci.pipeline.jobs import Options, Output, Variant
from ci.verify import lambda_layer
from ci.verify.check import EVENT, BuiltFunction, Check
from tests.images import lambda_system
from tests.images.lambda_system import answers, unpack
from tests.images.test_surroundings import library as surroundings
from tests.runtime.support import LAUNCHER, PYTHON
from tests.runtime.test_runtime_rie import free_address
from tests.support import program

__all__ = ["surroundings"]

FOLDER = "faas-runtime/"
MODULE = f"{FOLDER}usr/lib/faas-runtime/faas_runtime/serving.py"
BUNDLE = f"{FOLDER}etc/ssl/certs/ca-certificates.crt"
LIBRARIES = f"{FOLDER}usr/lib/x86_64-linux-gnu/"


@pytest.fixture
def layer(built: Path) -> Path:
    """The layer for this machine's processor."""
    release = open_project(built, Options()).release
    return built / "dist" / dist_paths.lambda_layer(release, aws_name(host_name()))


@pytest.fixture(params=["bullseye", "trixie"])
def system(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return lambda_system.root(request.param, tmp_path / "root")


def package(folder: Path, *words: str | Path) -> Path:
    """The zip file that `faas-runtime package` makes."""
    target = folder / "function.zip"
    done = subprocess.run(
        [*PYTHON, str(LAUNCHER), "package", *map(str, words), "--output", str(target)],
        env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return target


def said_by(answer: bytes) -> tuple[object, object]:
    found = json.loads(answer)
    return found["event"], found["function"]


EXPECTED = (json.loads(EVENT), "simple_handler")


def test_the_layer_and_the_zip_of_the_function(
    system: Path, layer: Path, c_function: BuiltFunction, tmp_path: Path
) -> None:
    unpack(layer, system / "opt")
    unpack(package(tmp_path, c_function.library, "--to", "layer+zip"), system / "var" / "task")
    (answer,) = answers(system, "/opt/bootstrap", c_function.handler, [EVENT], tmp_path / "log")
    assert said_by(answer) == EXPECTED


def test_a_zip_with_all_of_it(system: Path, layer: Path, c_function: BuiltFunction, tmp_path: Path) -> None:
    unpack(package(tmp_path, c_function.library, "--layer", layer), system / "var" / "task")
    (answer,) = answers(system, "/var/task/bootstrap", c_function.handler, [EVENT], tmp_path / "log")
    assert said_by(answer) == EXPECTED


def test_the_file_in_the_usual_folder_is_taken(layer: Path, c_function: BuiltFunction, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "faas-runtime"
    folder.mkdir(parents=True)
    shutil.copy(layer, folder)
    command = [*PYTHON, str(LAUNCHER), "package", str(c_function.library), "--output", "usual.zip"]
    variables = {"PATH": os.environ["PATH"], "XDG_DATA_HOME": str(tmp_path / "data")}
    subprocess.run(command, cwd=tmp_path, env=variables, check=True, capture_output=True)
    named = package(tmp_path, c_function.library, "--layer", layer)
    assert (tmp_path / "usual.zip").read_bytes() == named.read_bytes()


def test_time_zones_and_certificates(system: Path, layer: Path, surroundings: Path, tmp_path: Path) -> None:
    unpack(layer, system / "opt")
    shutil.copy(surroundings, system / "var" / "task")
    port = free_address().partition(":")[2]
    events = [b'"hour Europe/Berlin"', f'"fetch {port}"'.encode()]
    found = answers(system, "/opt/bootstrap", "libsurroundings.handle", events, tmp_path / "log")
    assert found == [b"14", b"no connection"]


def test_a_second_python_of_the_layer(system: Path, layer: Path, c_function: BuiltFunction) -> None:
    unpack(layer, system / "opt")
    shutil.copy(c_function.library, system / "var" / "task")
    script = 'mount -t proc proc "$1/proc" && exec chroot "$1" /opt/bootstrap check "$2"'  # as Lambda's system has it
    words = (program("unshare"), "--mount", "sh", "-c", script, "sh", system, f"/var/task/{c_function.library.name}")
    variables = {"PATH": os.environ["PATH"]}
    done = subprocess.run(words, env=variables, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "format: ELF" in done.stdout


@pytest.mark.parametrize("word", ["./bootstrap", "opt/../bootstrap", "sh bootstrap"])
def test_a_relative_path(layer: Path, c_function: BuiltFunction, tmp_path: Path, word: str) -> None:
    """The second Python, which loads the library, is found as well."""
    unpack(layer, tmp_path)
    (tmp_path / "opt").mkdir()
    command = [*word.split(), "check", str(c_function.library)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_our_own_server(layer: Path, c_function: BuiltFunction, tmp_path: Path) -> None:
    """`serve` starts the layer's bootstrap as it starts any other program that speaks the Runtime API."""
    unpack(layer, tmp_path)
    command = [*PYTHON, str(LAUNCHER), "invoke", str(tmp_path / "bootstrap"), "--data", EVENT.decode()]
    variables = {"PATH": os.environ["PATH"], "_HANDLER": c_function.handler}
    variables["LAMBDA_TASK_ROOT"] = str(c_function.library.parent)
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert said_by(done.stdout.encode()) == EXPECTED


def test_the_start_script_is_plain_shell(layer: Path, tmp_path: Path) -> None:
    unpack(layer, tmp_path)
    subprocess.run([program("shellcheck"), "--shell=sh", tmp_path / "bootstrap"], check=True)


def changed(layer: Path, folder: Path, change: Callable[[FileTree], object], epoch: int) -> Path:
    """A copy of the layer after a change of its files."""
    tree = zips.read(layer)
    change(tree)
    path = folder / "layers" / layer.name
    path.parent.mkdir()
    path.write_bytes(zips.pack(tree, epoch))
    return path


def check_of(built: Path, path: Path, folder: Path, usable: tuple[BuiltFunction, ...] = ()) -> Check:
    project = open_project(built, Options())
    folder.mkdir()
    return Check(
        project=project,
        output=Output(kind="lambda-layer", path=f"layers/{path.name}"),
        variant=Variant(architecture=host_name(), libc="glibc"),
        path=path,
        folder=folder,
        run=Runner(log=folder.with_suffix(".log")),
        functions=usable,
    )


def replace(name: str, data: bytes, mode: int = 0o644) -> Callable[[FileTree], object]:
    return lambda tree: tree.update({name: tars.file(data, mode)})


FAULTS: dict[str, tuple[Callable[[FileTree], object], str]] = {
    "no bootstrap": (lambda tree: tree.pop("bootstrap"), "it has bootstrap"),
    "a bootstrap that is not executable": (replace("bootstrap", b"#!/bin/sh\n"), "mode of bootstrap"),
    "a file beside it": (replace("lib/libc.so.6", b""), "entries outside of faas-runtime"),
    "a path that leads out": (replace(f"{FOLDER}../libc.so.6", b""), "entries outside of faas-runtime"),
    "a link that leads out": (
        lambda tree: tree.update({f"{FOLDER}usr/lib/x": tars.link("../../../etc/passwd")}),
        "the link faas-runtime/usr/lib/x leads to what is there",
    ),
    "a link to nothing": (
        lambda tree: tree.update({f"{FOLDER}usr/lib/x": tars.link("y")}),
        "the link faas-runtime/usr/lib/x leads to what is there",
    ),
    "an absolute link": (
        lambda tree: tree.update({f"{FOLDER}usr/lib/x": tars.link("/opt/faas-runtime/usr")}),
        "the link faas-runtime/usr/lib/x is relative",
    ),
    "another payload": (replace(MODULE, b"pass\n"), "files that differ from micro's"),
    "a file that micro has not": (replace(f"{FOLDER}usr/lib/x", b""), r"files of micro: missing \[\], not expected"),
    "no certificates": (lambda tree: tree.pop(BUNDLE), r"files of micro: missing \['etc/ssl/certs/ca-cert"),
    "no libffi": (
        lambda tree: [tree.pop(name) for name in list(tree) if name.startswith(f"{LIBRARIES}libffi")],
        r"files of micro: missing \['usr/lib/x86_64-linux-gnu/libffi",
    ),
    "a list of files that are not there": (
        replace(f"{FOLDER}var/lib/dpkg/status.d/zlib1g.md5sums", b"0" * 32 + b"  usr/lib/x\n"),
        "zlib1g.md5sums says nothing else than micro's",
    ),
    "for another processor": (
        replace(f"{FOLDER}layer.json", b'{"runtime": "provided.al2023", "architecture": "arm64"}'),
        "layer.json: architecture: found 'arm64', expected 'x86_64'",
    ),
}
FAULTS_OF_THE_FILE: dict[str, tuple[Callable[[FileTree], object], str]] = {
    "a program for everybody to change": (replace(f"{FOLDER}usr/bin/x", b"", 0o777), "mode of faas-runtime/usr/bin/x"),
    "too large": (
        replace(f"{FOLDER}usr/share/x", os.urandom(lambda_layer.MOST_BYTES)),
        "it has at most 10000000 bytes",
    ),
}


@pytest.mark.mutant
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(built: Path, layer: Path, tmp_path: Path, fault: str) -> None:
    change, said = FAULTS[fault]
    tree = zips.read(layer)
    change(tree)
    with pytest.raises(VerificationError, match=rf"^layers/{layer.name}: .*{said}"):
        lambda_layer.require_files(check_of(built, layer, tmp_path / "check"), tree)


@pytest.mark.mutant
@pytest.mark.parametrize("fault", FAULTS_OF_THE_FILE)
def test_a_fault_of_the_file_is_found(built: Path, layer: Path, tmp_path: Path, fault: str) -> None:
    change, said = FAULTS_OF_THE_FILE[fault]
    path = changed(layer, tmp_path, change, open_project(built, Options()).release.epoch)
    with pytest.raises(VerificationError, match=rf"^layers/{layer.name}: .*{said}"):
        lambda_layer.verify(check_of(built, path, tmp_path / "check"))


@pytest.mark.mutant
def test_a_bootstrap_that_does_not_start(built: Path, layer: Path, c_function: BuiltFunction, tmp_path: Path) -> None:
    change = replace("bootstrap", b"#!/bin/sh\nexit 3\n", 0o755)
    path = changed(layer, tmp_path, change, open_project(built, Options()).release.epoch)
    with pytest.raises(VerificationError, match="no answer to the c function's event"):
        lambda_layer.verify(check_of(built, path, tmp_path / "check", (c_function,)))


@pytest.mark.mutant
def test_times_that_differ(built: Path, layer: Path, tmp_path: Path) -> None:
    path = changed(layer, tmp_path, lambda tree: None, open_project(built, Options()).release.epoch + 2)
    with pytest.raises(VerificationError, match="time of bootstrap"):
        lambda_layer.verify(check_of(built, path, tmp_path / "check"))


@pytest.mark.mutant
def test_a_file_that_is_no_zip(built: Path, layer: Path, tmp_path: Path) -> None:
    path = tmp_path / layer.name
    path.write_bytes(layer.read_bytes()[:1000])
    with pytest.raises(VerificationError, match=f"{layer.name}: no zip file, or damaged"):
        lambda_layer.verify(check_of(built, path, tmp_path / "check"))
