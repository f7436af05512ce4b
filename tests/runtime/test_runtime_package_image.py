"""`faas-runtime package --to image` chooses an engine, and says what is wrong. A script stands in for the engines.

`tests/images/test_package_image.py` has the real ones.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from pathlib import Path

import pytest
from faas_runtime._version import IMAGE, __version__

from tests.recipes.support import script
from tests.runtime.check_command import LAUNCH
from tests.runtime.target_libraries import libraries
from tests.waiting import wait_until

# It keeps its arguments, its variables and the Containerfile, and has every image that it is asked for.
ENGINE = """\
#!/bin/sh
case "$1" in
  info) exit 0 ;;
  build)
    printf '%s\\n' "$@" > ARGUMENTS; env > VARIABLES; echo building
    for last; do :; done
    cp "$last/Containerfile" CONTAINERFILE; ls -l --time-style=+%s "$last/task" > LISTING ;;
  *) echo 1a2b3c amd64 ;;
esac
"""
BROKEN = "#!/bin/sh\necho 'no daemon' >&2\nexit 1\n"


@pytest.fixture(scope="module")
def made() -> Path:
    return libraries()


def package(folder: Path, programs: Path, *words: str | Path, **variables: str) -> tuple[int, str, str]:
    """Run the command where only these programs are on PATH; in its words, the stand-in's files are in `folder`."""
    argv = [*LAUNCH, "package", "--to", "image", *map(str, words)]
    environment = {"PATH": str(programs), "HOME": str(folder), **variables}
    done = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


def stand_in(programs: Path, name: str, text: str = ENGINE) -> None:
    script(programs / name, text.replace("#!/bin/sh\n", f"#!/bin/sh\nPATH={shlex.quote(os.defpath)}\n", 1))


@pytest.mark.parametrize("name", ["podman", "docker", "buildah"])
def test_the_engine_gets_a_containerfile_and_files_with_fixed_times_and_modes(
    made: Path, tmp_path: Path, programs: Path, name: str
) -> None:
    stand_in(programs, name)
    exit_code, output, errors = package(tmp_path, programs, made / "beside" / "libfunction.so", "--for", "ubi,x86_64")
    assert exit_code == 0, output + errors
    base = f"{IMAGE}:{__version__}-ubi"
    assert errors == f"faas-runtime package: {name} builds function on {base}\nbuilding\n"
    assert (tmp_path / "CONTAINERFILE").read_text() == (
        f'FROM {base}\nCOPY task/ /var/task/\nCMD ["function.handle"]\n'
    )
    listed = [line.split() for line in (tmp_path / "LISTING").read_text().splitlines()[1:]]
    assert [(mode, time, file) for mode, _, _, _, _, time, file in listed] == [
        ("-rwxr-xr-x", "0", "libfunction.so"), ("-rwxr-xr-x", "0", "libother.so"),
    ]  # fmt: skip
    arguments = (tmp_path / "ARGUMENTS").read_text().splitlines()
    assert {"--tag=function", "--platform=linux/amd64", "--pull=false"} <= set(arguments)
    assert ("--timestamp=0" in arguments) == (name != "docker")
    first, *commands = output.splitlines()
    assert first == f"function: image 1a2b3c for linux/amd64 on {base}, handler function.handle"
    address = "ACCOUNT.dkr.ecr.REGION.amazonaws.com/function:1"
    pushes = ["docker tag", "docker push"] if name == "docker" else [f"{name} push"]
    assert [line.rpartition(" ")[0].removesuffix(" function") for line in commands if f"{name} " in line[:8]] == pushes
    create = next(shlex.split(line) for line in commands if "create-function" in line)
    values = dict(zip(create[3::2], create[4::2], strict=True))
    assert values == {
        "--function-name": "function", "--package-type": "Image", "--architectures": "x86_64",
        "--code": f"ImageUri={address}", "--role": "ROLE_ARN",
    }  # fmt: skip
    assert commands[-1].endswith(f" --image-uri {address}")


def test_the_first_engine_that_works_is_taken(made: Path, tmp_path: Path, programs: Path) -> None:
    library = made / "no-libc" / "libfunction.so"
    exit_code, output, errors = package(tmp_path, programs, library)
    assert (exit_code, output) == (2, "")
    assert "install one of them, or start docker: podman is not on PATH; docker is not on PATH; buildah is" in errors
    stand_in(programs, "docker", BROKEN)
    assert "; docker: `docker info` fails: no daemon; " in package(tmp_path, programs, library)[2]
    stand_in(programs, "buildah")
    assert "faas-runtime package: buildah builds " in package(tmp_path, programs, library)[2]
    stand_in(programs, "podman")
    assert "faas-runtime package: podman builds " in package(tmp_path, programs, library)[2]
    exit_code, _, errors = package(tmp_path, programs, library, "--engine", "docker")
    assert exit_code == 2
    assert "leave --engine out: docker: `docker info` fails: no daemon" in errors


def test_the_engine_gets_no_other_variables(made: Path, tmp_path: Path, programs: Path) -> None:
    stand_in(programs, "docker")
    kept = {
        "DOCKER_HOST": "ssh://me@build.example", "BUILDAH_ISOLATION": "chroot", "XDG_RUNTIME_DIR": "/run/user/1",
        "https_proxy": "http://proxy.example", "REGISTRY_AUTH_FILE": "/auth.json",
    }  # fmt: skip
    other = {"AWS_SECRET_ACCESS_KEY": "secret", "PYTHONPATH": "/nowhere", "LD_PRELOAD": ""}
    assert package(tmp_path, programs, made / "no-libc" / "libfunction.so", **kept, **other)[0] == 0
    lines = (line.partition("=") for line in (tmp_path / "VARIABLES").read_text().splitlines())
    found = {name: value for name, _, value in lines}
    assert kept.items() <= found.items()
    assert found["SOURCE_DATE_EPOCH"] == "0"
    assert not other.keys() & found.keys()


def test_failures_of_the_engine(made: Path, tmp_path: Path, programs: Path) -> None:
    library = made / "no-libc" / "libfunction.so"
    stand_in(
        programs, "podman", ENGINE.replace("build)", "build) exit 7 ;;\n  never)").replace("*)", "*) exit 1 ;;\n  no)")
    )
    exit_code, output, errors = package(tmp_path, programs, library)
    assert (exit_code, output) == (1, "")
    base = f"{IMAGE}:{__version__}-micro"
    assert f" on {base}, which is not here: podman pulls it\n" in errors
    assert f"podman has built no image\n  fix: {base}: it is not here, and it could not be pulled for amd64. " in errors
    assert "podman load --input FILE, and name it by --base IMAGE" in errors
    stand_in(programs, "podman", ENGINE.replace("build)", "build) exit 7 ;;\n  never)"))
    assert "fix: " not in package(tmp_path, programs, library)[2]  # the base is right, so it is something else
    stand_in(programs, "podman", ENGINE.replace("amd64", "arm64"))  # as docker, which takes the base that it has
    exit_code, output, errors = package(tmp_path, programs, library)
    assert (exit_code, output) == (1, "")
    assert f"{base} is for arm64 here, and the library for amd64\n  fix: podman pull --platform=linux/amd64" in errors


def test_a_build_that_is_ended_leaves_nothing(made: Path, tmp_path: Path, programs: Path) -> None:
    hangs = "trap 'kill $!; echo ended > ended; exit 1' TERM; sleep 60 & touch started; wait; wait"
    stand_in(programs, "podman", ENGINE.replace("echo building", hangs))
    argv = [*LAUNCH, "package", "--to", "image", str(made / "no-libc" / "libfunction.so")]
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment = {"PATH": str(programs), "TMPDIR": str(scratch)}
    with subprocess.Popen(argv, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL) as process:
        wait_until((tmp_path / "started").exists, "the engine does not start")
        assert list(scratch.iterdir())
        process.terminate()
        process.terminate()  # as timeout(1) does
    assert process.returncode == 128 + signal.SIGTERM
    assert not list(scratch.iterdir())
    assert (tmp_path / "ended").exists()  # the engine was told, and could clean up


def test_engine_that_stops_after_the_build(made: Path, tmp_path: Path, programs: Path) -> None:
    """Nothing is known of the image then, so nothing is said of the base, and no image is removed."""
    gone = ENGINE.replace("*)", '*) [ -e CONTAINERFILE ] && echo "$@" >> ASKED && exit 1\n  ')
    stand_in(programs, "podman", gone)
    exit_code, output, errors = package(tmp_path, programs, made / "no-libc" / "libfunction.so")
    assert (exit_code, output) == (1, "")
    assert "podman does not know function, which it has built\n  fix: see what `podman images` says" in errors
    assert "is for" not in errors
    assert "rmi" not in (tmp_path / "ASKED").read_text()


def test_library_that_does_not_fit_the_image(made: Path, tmp_path: Path, programs: Path) -> None:
    stand_in(programs, "podman")
    for name, targets, message in (
        ("musl", (), "for micro: WRONG: it is built against musl"),
        ("glibc", ("--for", "alpine"), "for alpine: WRONG: it is built against glibc"),
        ("arm64", ("--for", "x86_64"), "for x86_64: WRONG: it is built for aarch64"),
    ):
        exit_code, output, _ = package(tmp_path, programs, made / name / "libfunction.so", *targets)
        assert exit_code == 1, name
        assert message in output
    assert not (tmp_path / "ARGUMENTS").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--layer", "file"), "--to image takes no --layer; it has --tag, --base, --engine"),
        (("--output", "file"), "--to image takes no --output; it has --tag"),
        (("--to", "zip", "--tag", "name"), "--to zip takes no --tag"),
        (("--for", "micro,ubi"), "an image is on one of micro, ubi: name that one in --for, and package once for each"),
        (("--base=--all",), "is no name of an image"),
        (("--base", "x\nRUN false"), "is no name of an image"),
        (("--tag", "Upper"), "'Upper' cannot be the name of an image; choose another one: --tag NAME"),
        (("--tag", "a..b"), "'a..b' cannot be the name of an image"),
        (("--tag", "a//b"), "'a//b' cannot be the name of an image"),
        (("--tag", "Upper/b"), "'Upper/b' cannot be the name of an image"),
        (("--tag", "a" * 256), "cannot be the name of an image"),
        (("--base", ""), "--base is empty"),
        (("--tag=--all",), "'--all' cannot be the name of an image"),
        (("--engine", "other"), "argument --engine: invalid choice: 'other'"),
    ],
)
def test_wrong_usage_of_an_image(
    made: Path, tmp_path: Path, programs: Path, words: tuple[str, ...], message: str
) -> None:
    stand_in(programs, "podman")
    exit_code, output, errors = package(tmp_path, programs, made / "no-libc" / "libfunction.so", *words)
    assert (exit_code, output) == (2, "")
    assert message in errors


@pytest.mark.parametrize(
    "tag",
    [
        "a",
        "localhost/my-function",
        "registry.example:5000/a/b_c.d:1.0-x",
        "localhost:5000/a",
        "a/b/c",
        "a--b__c",
        "Host.example/a",
    ],
)
def test_names_of_images(made: Path, tmp_path: Path, programs: Path, tag: str) -> None:
    stand_in(programs, "podman")
    assert package(tmp_path, programs, made / "no-libc" / "libfunction.so", "--tag", tag)[0] == 0
    assert f"--tag={tag}\n" in (tmp_path / "ARGUMENTS").read_text()
