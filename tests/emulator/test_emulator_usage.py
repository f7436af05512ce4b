"""Wrong usage of `faas-runtime serve`, and how it is explained."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.emulator.support import Emulator
from tests.runtime.support import LAUNCHER, PYTHON, SUFFIX
from tests.waiting import TIMEOUT_S

Serve = Callable[..., Emulator]


def test_a_port_in_use_is_named(serve: Serve, emulated: Path) -> None:
    port = serve("echo").port
    command = [*PYTHON, str(LAUNCHER), "serve", f"{emulated}.echo", "--port", str(port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        f"faas-runtime: cannot listen at 127.0.0.1:{port}: Address already in use; "
        "choose another port with --port, or 0 for a free one\n"
    )


def test_a_build_without_a_path_is_refused(tmp_path: Path) -> None:
    """What is there already may not be what the command makes."""
    (tmp_path / f"libmine{SUFFIX}").touch()
    command = [*PYTHON, str(LAUNCHER), "serve", "--watch", "--build", "cargo build"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 2
    example = f"serve target/debug/libmine{SUFFIX} --watch --build 'cargo build'"
    assert f"--build needs the path of what it makes: {example}\n" in done.stderr


def test_a_deleted_current_folder_is_explained(tmp_path: Path) -> None:
    start = 'mkdir gone && cd gone && rmdir ../gone && exec "$@"'
    for arguments in (("serve",), ("serve", "./libmine.so"), ("invoke", "mine.handle")):
        command = ["sh", "-c", start, "sh", *PYTHON, str(LAUNCHER), *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        assert done.returncode == 2
        assert done.stderr.startswith("faas-runtime: the current folder cannot be determined: ")
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [("serve",), ("invoke", "")])
def test_without_a_function_the_command_says_how_to_name_one(tmp_path: Path, command: tuple[str, ...]) -> None:
    done = subprocess.run(
        [*PYTHON, str(LAUNCHER), *command],
        cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == (
        f"faas-runtime: no handler is named, and {tmp_path} does not contain exactly one *{SUFFIX} (found: none); "
        "name one: LIBRARY[.HANDLER]\n"
    )


@pytest.mark.parametrize("size", ["0", "-1", "1.5", "much", "4294967296", "9" * 5000])
def test_an_invalid_memory_size_is_explained(emulated: Path, size: str) -> None:
    command = [*PYTHON, str(LAUNCHER), "serve", f"{emulated}.echo"]
    done = subprocess.run(
        command, env={"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": size}, capture_output=True, text=True, timeout=TIMEOUT_S,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert f"AWS_LAMBDA_FUNCTION_MEMORY_SIZE is '{size}'; set it to a whole number of megabytes" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--port", "70000"), "70000"),
        (("--timeout", "soon"), "--timeout"),
        (("--timeout", "1e9"), "the timeout is '1e9'; set it to a number of seconds above 0 and up to 86400 (a day)"),
        (("--cors", "foo"), "argument --cors: 'foo' is not an origin of web pages; give SCHEME://HOST"),
        (("--build", "make"), "--build runs when sources change; add --watch"),
        (("--build", "", "--watch"), "--build has an empty value"),
        (("--http", "3.0"), "argument --http: invalid choice: '3.0'"),
        (("--stage", "a/b"), "'a/b' is not a stage; expected letters"),
        (("--stage", "prod", "--http", "alb"), "a load balancer has no stages"),
        (("--host", "192.0.2.1"), "--host"),
        (("--host", "nowhere.invalid"), "--host"),
        (("--host", "a" * 64 + ".invalid"), "--host"),
        (("--host", ""), "--host"),
        (("--concurrency", "0"), "--concurrency"),
        (("--env-file", "/nowhere"), "/nowhere"),
        (("--wach",), "--wach"),
    ],
)
def test_wrong_usage_is_explained(emulated: Path, arguments: tuple[str, ...], message: str) -> None:
    command = [*PYTHON, str(LAUNCHER), "serve", f"{emulated}.echo", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
