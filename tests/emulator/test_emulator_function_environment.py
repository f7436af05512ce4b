"""What the function finds in its environment, and what the emulator refuses to put into headers."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.emulator.support import Emulator
from tests.runtime.support import LAUNCHER, PYTHON
from tests.waiting import TIMEOUT_S, wait_until

Serve = Callable[..., Emulator]
Shared = Callable[[str], Emulator]


def variables(emulator: Emulator) -> dict[str, str]:
    """The environment of the function's process."""
    emulator.invoke()
    (pid,) = emulator.children
    pairs = (each.decode().partition("=") for each in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") if each)
    return {name: value for name, _, value in pairs}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1"}),
        ({"AWS_REGION": "eu-west-1"}, {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"}),
        ({"AWS_DEFAULT_REGION": "eu-west-2"}, {"AWS_REGION": "eu-west-2", "AWS_DEFAULT_REGION": "eu-west-2"}),
        (
            {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"},
            {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1"},
        ),
        ({}, {"TZ": ":UTC", "LANG": "en_US.UTF-8"}),
        ({"TZ": "Europe/Berlin"}, {"TZ": ":UTC"}),
        ({"LANG": "de_DE.ISO-8859-1"}, {"LANG": "en_US.UTF-8"}),
        ({"LC_ALL": "de_DE.UTF-8", "LANGUAGE": "de"}, {"LC_ALL": None, "LANGUAGE": None}),
        ({"LC_NUMERIC": "de_DE.UTF-8"}, {"LC_NUMERIC": None}),
        ({"EXTRA": "kept", "PATH": "/usr/bin:/bin"}, {"EXTRA": "kept", "PATH": "/usr/bin:/bin"}),
    ],
)  # fmt: skip
def test_what_lambda_sets_is_set(serve: Serve, given: dict[str, str], expected: dict[str, str | None]) -> None:
    found = variables(serve("echo", **given))
    assert {name: found.get(name) for name in expected} == expected


def test_the_arn_has_the_region(serve: Serve) -> None:
    emulator = serve("context", AWS_DEFAULT_REGION="eu-west-3")
    assert emulator.invoke().json["arn"] == "arn:aws:lambda:eu-west-3:012345678912:function:test_function"


def test_a_file_of_variables_goes_before(serve: Serve, tmp_path: Path) -> None:
    file = tmp_path / "variables"
    file.write_text("TZ=Europe/Berlin\nLANG=C.UTF-8\nLC_ALL=C\nAWS_REGION=eu-north-1\n")
    found = variables(serve("echo", "--env-file", str(file)))
    assert (found["TZ"], found["LANG"], found["LC_ALL"]) == ("Europe/Berlin", "C.UTF-8", "C")
    assert (found["AWS_REGION"], found["AWS_DEFAULT_REGION"]) == ("eu-north-1", "eu-north-1")


BROKEN = {
    "version with a line end": ("AWS_LAMBDA_FUNCTION_VERSION", "1\r\nX-Evil: 1"),
    "version with LF": ("AWS_LAMBDA_FUNCTION_VERSION", "1\n"),
    "name with a line end": ("AWS_LAMBDA_FUNCTION_NAME", "a\r\nX-Evil: 1"),
    "name with a space": ("AWS_LAMBDA_FUNCTION_NAME", "my function"),
    "name with an umlaut": ("AWS_LAMBDA_FUNCTION_NAME", "grün"),
    "name with a colon": ("AWS_LAMBDA_FUNCTION_NAME", "a:b"),
    "version with an escape": ("AWS_LAMBDA_FUNCTION_VERSION", "\x1b[2J"),
    "region with a line end": ("AWS_REGION", "eu-west-1\r\nX-Evil: 1"),
    "region with a space": ("AWS_REGION", "eu west"),
    "default region with a line end": ("AWS_DEFAULT_REGION", "eu-west-1\r\nX-Evil: 1"),
}


@pytest.mark.parametrize("command", ["serve", "invoke"])
@pytest.mark.parametrize("case", BROKEN)
def test_what_would_break_a_header_is_refused_at_the_start(emulated: Path, case: str, command: str) -> None:
    name, value = BROKEN[case]
    done = subprocess.run(
        [*PYTHON, str(LAUNCHER), command, f"{emulated}.echo", *(("--port", "0") if command == "serve" else ())],
        env={name: value}, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert f"{name} is {value!r}" in done.stderr
    assert "\x1b" not in done.stderr


TERMINAL = {
    "origin": {"Origin": "https://page.example\x9b31m"},
    "origin with NEL": {"Origin": "https://page\x85.example"},
    "origin with text that turns": {"Origin": "https://\u202eelpmaxe.egap".encode().decode("latin-1")},
    "host": {"Host": "page.example\x9b31m"},
    "invocation type": {"X-Amz-Invocation-Type": "\x9b31m"},
    "log type": {"X-Amz-Log-Type": "\x9b31m"},
    "tenant": {"X-Amz-Tenant-Id": "\x9b31m"},
    "expectation": {"Expect": "\x9b31m"},
    "transfer encoding": {"Transfer-Encoding": "\x9b31m"},
    "length": {"Content-Length": "\x9b31m"},
}


@pytest.mark.parametrize("case", TERMINAL)
def test_control_characters_do_not_reach_the_terminal(shared: Shared, case: str) -> None:
    emulator = shared("echo")
    fields = {"Host": "localhost", "Connection": "close", **TERMINAL[case]}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    before = len(emulator.err)
    emulator.raw(f"POST /2015-03-31/functions/function/invocations HTTP/1.1\r\n{head}\r\n".encode("latin-1"))
    if case in ("origin", "host"):
        wait_until(lambda: "a request was refused" in emulator.err[before:], "it is not reported")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", emulator.err[before:])
