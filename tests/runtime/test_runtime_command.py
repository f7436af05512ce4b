"""The command line, and the environment variables that it needs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.runtime.support import LAUNCHER, PYTHON, RUNTIME, SUFFIX, VERSION

LAUNCH = (*PYTHON, str(LAUNCHER))
COMMANDS: tuple[tuple[str, ...], ...] = ((), ("new",), ("serve",), ("invoke",), ("build",), ("check",), ("package",))


def run(*arguments: str, command: Sequence[str] = LAUNCH, **environment: str) -> tuple[int, str, str]:
    """Run the command: exit code, standard output, standard error."""
    done = subprocess.run([*command, *arguments], env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def core_source() -> str:
    """The source of the runtime without the emulator."""
    package = RUNTIME / "faas_runtime"
    core = (*package.glob("*.py"), *package.glob("commands/*.py"), *package.glob("binary/*.py"))
    return "".join(file.read_text() for file in core)


@pytest.mark.parametrize("environment", [{}, {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9"}])
def test_version(environment: dict[str, str]) -> None:
    assert run("--version", **environment) == (0, f"faas-runtime {VERSION}\n", "")


def test_module_is_a_command_too() -> None:
    command = (sys.executable, "-m", "faas_runtime")
    assert run("--version", command=command, PYTHONPATH=str(RUNTIME)) == (0, f"faas-runtime {VERSION}\n", "")


def test_the_launcher_names_an_isolated_python_with_utf8_everywhere() -> None:
    """In the encoding of another locale, the library of a handler beyond ASCII would not be found."""
    with LAUNCHER.open() as file:
        _, *options = shlex.split(file.readline().removeprefix("#!"))
    show = "import sys; print(sys.flags.isolated, sys.flags.no_site, sys.flags.utf8_mode)"
    command = [PYTHON[0], *options, "-c", show]
    assert subprocess.run(command, env={"LC_ALL": "C.UTF-8"}, capture_output=True, text=True).stdout == "1 1 1\n"


def test_help() -> None:
    exit_code, output, errors = run("--help")
    assert (exit_code, errors) == (0, "")
    assert output.startswith("usage: faas-runtime ")


def test_help_names_a_default_library() -> None:
    for command in ("serve", "invoke", "check"):
        assert "(default: " in " ".join(run(command, "--help")[1].split()).partition("LIBRARY[.HANDLER] ")[2]


PRINTING = [
    *(((*words, "--help"), 0) for words in COMMANDS),
    (("--version",), 0),
    (("check", "hooks"), 0),
    (("check", "absent"), 1),
    (("check", f"./librough{SUFFIX}"), 1),
    (("check", "--for", "micro", "absent"), 1),
    (("check", "--for", "micro", "./libno_version.so"), 1),
    (("package", "./libno_version.so"), 1),
]


@pytest.mark.parametrize(("words", "code"), PRINTING)
def test_a_reader_that_goes_away_changes_nothing(functions: Path, words: Sequence[str], code: int) -> None:
    """Such as `| head -1` or `| grep -q`."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*LAUNCH, *words], cwd=functions, env={}, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (code, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("words", [words for words, _ in PRINTING])
def test_a_full_disk_is_reported(functions: Path, words: Sequence[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*LAUNCH, *words], cwd=functions, env={}, stdout=full, stderr=subprocess.PIPE, text=True)
    message = "faas-runtime: standard output cannot be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (2, message)


def test_manual_has_every_option_and_no_other() -> None:
    manual = (RUNTIME / "man" / "faas-runtime.1").read_text()
    found = set(re.findall(r"--[a-z][a-z-]*", "".join(run(*words, "--help")[1] for words in COMMANDS)))
    assert found == {f"-{name}" for name in re.findall(r"(?:Fl|[|,]) (-[a-z][a-z-]*)", manual)}


def test_manual_has_every_variable_and_no_other() -> None:
    manual = (RUNTIME / "man" / "faas-runtime.1").read_text()
    section = manual.partition(".Sh ENVIRONMENT\n")[2].partition(".Sh ")[0]
    found = {name for line in re.findall(r"^\.It Ev (.*)", section, re.MULTILINE) for name in line.split(" , ")}
    assert found == set(re.findall(r'"(_?(?:AWS_LAMBDA|FAAS|HANDLER|LAMBDA|X_AMZN)[A-Z_]*)"', core_source()))


def test_manual_and_help_have_the_same_exit_codes() -> None:
    manual = (RUNTIME / "man" / "faas-runtime.1").read_text()
    section = manual.partition(".Sh EXIT STATUS\n")[2].partition(".Sh ")[0]
    found = set(re.findall(r"^\.It (\d+)$", section, re.MULTILINE))
    told = run("--help")[1].partition("exit codes:")[2]
    assert found == set(re.findall(r"\b\d+\b", told.replace("128 +", "")))


@pytest.mark.parametrize("kind", ["Runtime", "Function"])
def test_manual_has_every_error_type(kind: str) -> None:
    manual = (RUNTIME / "man" / "faas-runtime.1").read_text()
    found = set(re.findall(rf"\b{kind}\.[A-Z][A-Za-z]+", core_source()))
    assert found - set(re.findall(rf"\b{kind}\.[A-Z][A-Za-z]+", manual)) == {f"{kind}.Unknown"}


@pytest.mark.parametrize("environment", [{}, {"AWS_LAMBDA_RUNTIME_API": ""}])
def test_no_runtime_api(environment: dict[str, str]) -> None:
    exit_code, output, errors = run("simple_handler.handle", **environment)
    assert (exit_code, output) == (2, "")
    assert errors.startswith("faas-runtime: AWS_LAMBDA_RUNTIME_API is not set")
    assert "faas-runtime serve LIBRARY" in errors


@pytest.mark.parametrize(
    "address",
    [
        *("http://127.0.0.1:9001", "host:", ":9001", "host:0", "host:65536", "host:1x", "a b:1", "é:1"),
        *("::1", "[::1", "[::1]9001", "[::1]:", f"host:{'9' * 5000}", f"[::1]:{'1' * 5000}"),
    ],
)
def test_malformed_runtime_api(address: str) -> None:
    exit_code, _, errors = run(AWS_LAMBDA_RUNTIME_API=address)
    assert exit_code == 2
    assert f"AWS_LAMBDA_RUNTIME_API is {address!r}, which is not an address" in errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--verbose",), "unknown option --verbose"),
        (("check", "a.so", "b.so"), "unrecognized arguments: b.so"),
        (
            ("a.b", "c.d"),
            "there is no command a.b. The commands are new, serve, invoke, build, check and package. Without a ",
        ),
        (("sevre", "a.so"), "there is no command sevre. Did you mean serve? "),
        (
            ("chekc",),
            "there is no command chekc. Did you mean check? The commands are new, serve, invoke, build, check and ",
        ),
        (("probe",), "For the library probe, write the handler: probe.handle"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], message: str) -> None:
    exit_code, _, errors = run(*arguments, AWS_LAMBDA_RUNTIME_API="127.0.0.1:9")
    assert exit_code == 2
    first, *usage = errors.splitlines()
    assert message in first
    assert usage[0].startswith("usage: faas-runtime ")
    assert len(usage) < 10  # the message stays in sight


@pytest.mark.parametrize("environment", [{}, {"FAAS_RUNTIME_LISTEN": "127.0.0.1:0"}])
def test_a_single_word_is_a_command_with_and_without_the_runtime_api(environment: dict[str, str]) -> None:
    exit_code, output, errors = run("chekc", **environment)
    assert (exit_code, output) == (2, "")
    assert errors.startswith("faas-runtime: there is no command chekc. Did you mean check? ")


@pytest.mark.parametrize("word", ["probe", "chekc", "probe.echo", "./libprobe.so", ""])
def test_bootstrap_takes_any_word_for_a_handler(functions: Path, tmp_path: Path, word: str) -> None:
    """So does an image, whose handler is the argument of its entry point."""
    bootstrap = tmp_path / "bootstrap"
    bootstrap.symlink_to(LAUNCHER)
    environment = {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9", "LAMBDA_TASK_ROOT": str(functions)}
    exit_code, _, errors = run(word, command=(*PYTHON, str(bootstrap)), **environment)
    assert "there is no command" not in errors
    assert exit_code in (1, 3), "it looks for the library, or for the Runtime API"


def test_bootstrap_runs_commands_too(tmp_path: Path) -> None:
    bootstrap = tmp_path / "bootstrap"
    bootstrap.symlink_to(LAUNCHER)
    exit_code, _, errors = run("check", "a.so", "b.so", command=(*PYTHON, str(bootstrap)))
    assert exit_code == 2
    assert "unrecognized arguments: b.so" in errors


def test_task_root_that_cannot_be_determined(functions: os.PathLike[str], tmp_path: Path) -> None:
    """The current folder was removed; a task root with an absolute path does not need it."""
    script = 'mkdir gone && cd gone && rmdir ../gone && exec "$@" probe.echo'
    command = ("sh", "-c", script, "sh", *LAUNCH)
    shell = {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9", "PATH": os.environ["PATH"]}

    def start(**root: str) -> tuple[int, str]:
        done = subprocess.run(command, env=shell | root, cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.returncode, done.stderr

    for root in ({}, {"LAMBDA_TASK_ROOT": "functions"}):
        exit_code, errors = start(**root)
        assert exit_code == 2
        assert errors.startswith("faas-runtime: the current folder cannot be determined: ")
        assert "Set LAMBDA_TASK_ROOT" in errors
    exit_code, errors = start(LAMBDA_TASK_ROOT=str(functions))
    assert exit_code == 3
    assert "no connection" in errors


def test_a_runtime_api_that_does_not_listen_is_reported(functions: os.PathLike[str]) -> None:
    environment = {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9", "LAMBDA_TASK_ROOT": str(functions)}
    exit_code, _, errors = run("probe.echo", **environment)
    assert exit_code == 3
    assert "no connection to the Runtime API at 127.0.0.1:9: " in errors


def test_start_up_imports_nothing_heavy(functions: os.PathLike[str]) -> None:
    """Each of these takes longer to import than the runtime; what the first request does not need comes later."""
    heavy = {"argparse", "ctypes", "enum", "http", "json", "logging", "os", "pathlib", "re", "signal", "socket"}
    ours = {
        *("faas_runtime", "faas_runtime._version", "faas_runtime.__main__", "faas_runtime.errors"),
        *("faas_runtime.environment", "faas_runtime.connection", "faas_runtime.library", "faas_runtime.function"),
        *("faas_runtime.ffi", "faas_runtime.bootstrap"),
    }
    code = (
        f"import sys; sys.path.insert(0, {str(RUNTIME)!r})\n"
        "from faas_runtime import __main__, connection\n"
        "def begin(*_): raise SystemExit(' '.join(sys.modules))\n"
        "connection.RuntimeApiConnection.send_request = begin\n"
        "__main__.main(['probe.echo'])\n"
    )
    environment = {"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9", "LAMBDA_TASK_ROOT": str(functions)}
    _, _, names = run("-c", code, command=PYTHON, **environment)
    loaded = set(names.split())
    assert not loaded & heavy
    assert {name for name in loaded if name.startswith("faas_runtime")} == ours
