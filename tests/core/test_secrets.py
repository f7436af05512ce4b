"""Secrets and real programs: what the log, errors, the console and the list of processes show of them."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ci.core import masking
from ci.core.console import Console
from ci.core.errors import CommandFailed, HostError, ReleaseError
from ci.core.masking import Masks
from ci.core.program_environment import pasteable
from ci.core.run import Runner
from ci.core.secrets import Secret, register
from tests.waiting import wait_until

TOKEN = "ghp_x7/T'q+9Lw=Zk2"
BASE64 = base64.b64encode(TOKEN.encode()).decode()


@pytest.fixture
def masks() -> Masks:
    """The secrets of one test."""
    return Masks()


@pytest.fixture
def token(masks: Masks) -> Secret:
    """A secret."""
    return register("GITHUB_TOKEN", TOKEN, masks=masks)


@pytest.fixture
def run(tmp_path: Path, masks: Masks) -> Runner:
    """A runner that knows the secrets."""
    return Runner(log=tmp_path / "log", masks=masks)


@pytest.fixture
def of_this_process(monkeypatch: pytest.MonkeyPatch) -> Secret:
    """A secret of the whole process, for the time of one test."""
    monkeypatch.setattr(masking.PROCESS, "_names", {})
    monkeypatch.setattr(masking.PROCESS, "_wrapped_names", {})
    return register("GITHUB_TOKEN", TOKEN)


def command_lines(group: int) -> Iterator[str]:
    """The arguments of every process of a group, as everybody can read them."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if os.getpgid(int(folder.name)) == group:
                yield (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (ProcessLookupError, FileNotFoundError):
            continue


def require_hidden(text: str) -> None:
    for form in (TOKEN, BASE64, TOKEN[:-1], "ghp_"):
        assert form not in text, text


def test_a_secret_does_not_show_itself(token: Secret) -> None:
    assert f"{token} {token!r}" == "*** Secret(name='GITHUB_TOKEN')"
    assert token.reveal() == TOKEN


@pytest.mark.parametrize(("value", "fault"), [("", "is empty"), (" \n", "is empty"), ("1234567", "is too short")])
def test_a_value_that_cannot_be_masked_is_refused(masks: Masks, value: str, fault: str) -> None:
    with pytest.raises(HostError, match=f"^GITHUB_TOKEN {fault}") as raised:
        register("GITHUB_TOKEN", value, masks=masks)
    assert "8 characters" in raised.value.hint
    assert not value.strip() or value not in str(raised.value)


def test_what_a_program_prints_is_masked_in_the_log(run: Runner, token: Secret) -> None:
    run("sh", "-c", 'cat; echo "err: $(base64 -w0)" >&2', stdin=f"out: {TOKEN}\n".encode())
    run("sh", "-c", 'printf %s "$T" | base64', env={"T": token.reveal()})
    text = run.log.read_text()
    require_hidden(text)
    assert "\nout: ***\n" in text
    assert re.search(r"^\$ cd / && LC_ALL=C.UTF-8 T='\*\*\*' TZ=UTC sh -c .*\n\*\*\*\n# exit 0 ", text, re.MULTILINE)


@pytest.mark.parametrize("cut", range(1, len(TOKEN)))
def test_a_secret_in_two_reads_is_masked(run: Runner, token: Secret, tmp_path: Path, cut: int) -> None:
    first_read = tmp_path / "first-read"
    script = "import os, sys\nt = os.environ['T']\nc = int(sys.argv[1])\nos.write(1, ('A' + t[:c]).encode())\n"
    script += "while not os.path.exists(sys.argv[2]): pass\nos.write(1, (t[c:] + 'Z').encode())\n"
    copied = run.log
    with run.start(sys.executable, "-c", script, str(cut), first_read, env={"T": token.reveal()}) as child:
        wait_until(lambda: copied.exists() and copied.read_text().endswith("\nA"), "the first part is not copied")
        first_read.touch()
        assert child.wait(10) == 0
    assert "\nA***Z" in run.log.read_text()
    require_hidden(run.log.read_text())


def test_a_secret_that_breaks_off_is_masked(run: Runner, token: Secret) -> None:
    run("sh", "-c", 'printf %s "${T%??}"', env={"T": token.reveal()})
    require_hidden(run.log.read_text())
    assert "\n***# exit 0" in run.log.read_text()


def test_all_that_a_program_printed_is_in_the_log_when_it_has_ended(run: Runner, token: Secret) -> None:
    run(
        sys.executable,
        "-c",
        f"import os\nfor _ in range(40000): print(os.environ['T'], 'and {'x' * 20}')",
        env={"T": token.reveal()},
    )
    lines = run.log.read_text().splitlines()[-40002:-2]
    assert lines == [f"*** and {'x' * 20}"] * 40000


def test_an_error_is_masked(run: Runner, token: Secret) -> None:
    script = 'echo "bad token $T"; printf %s "$T" | base64 >&2; exit 3'
    with pytest.raises(CommandFailed) as raised:
        run("sh", "-c", script, env={"T": token.reveal()})
    require_hidden(str(raised.value))
    assert "  | bad token ***\n  | ***\n" in str(raised.value)
    assert "T='***'" in str(raised.value)


def test_captured_output_is_masked_where_it_is_logged(run: Runner, token: Secret) -> None:
    assert run.output("cat", stdin=token.reveal().encode()) == TOKEN
    with pytest.raises(CommandFailed) as raised:
        run.output("sh", "-c", "cat; exit 1", stdin=token.reveal().encode())
    require_hidden(str(raised.value) + run.log.read_text())


def test_what_a_started_program_prints_is_masked(run: Runner, token: Secret, tmp_path: Path) -> None:
    other = tmp_path / "other"
    with run.start("sh", "-c", 'echo "ready $T"; exec sleep 60', env={"T": token.reveal()}, log=other):
        wait_until(lambda: "ready ***" in other.read_text(), "the output is not in the log")
    require_hidden(other.read_text())
    assert "ready ***\n" in other.read_text()


@pytest.mark.parametrize("way", ["poll", "wait"])
def test_a_started_program_has_ended_when_its_output_is_in_the_log(run: Runner, token: Secret, way: str) -> None:
    script = f"import os\nfor _ in range(20000): print(os.environ['T'], 'and {'x' * 20}')\nprint('last')"
    with run.start(sys.executable, "-c", script, env={"T": token.reveal()}) as child:
        if way == "poll":
            wait_until(lambda: child.poll() is not None, "it has not ended")
        assert child.wait() == 0
        assert run.log.read_text().endswith("\nlast\n")


def test_what_outlives_a_program_is_not_waited_for_and_is_masked(run: Runner, token: Secret, tmp_path: Path) -> None:
    script = '(while [ ! -e "$1" ]; do sleep 0.05; done; echo "late $T") & echo early'
    begun = time.monotonic()
    run("sh", "-c", script, "x", tmp_path / "go", env={"T": token.reveal()})
    assert time.monotonic() - begun < 5
    assert "early\n# exit 0" in run.log.read_text()
    (tmp_path / "go").touch()
    wait_until(lambda: "late ***\n" in run.log.read_text(), "the late output is not in the log")
    require_hidden(run.log.read_text())


def test_programs_at_the_same_time_keep_their_logs_apart(run: Runner, token: Secret, tmp_path: Path) -> None:
    def work(number: int) -> None:
        own = replace(run, log=tmp_path / f"log-{number}")
        own("sh", "-c", f'for i in 1 2 3 4 5; do echo "{number} $T"; done', env={"T": token.reveal()})

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for number, thread in enumerate(threads):
        thread.join(20)
        assert (tmp_path / f"log-{number}").read_text().count(f"\n{number} ***") == 5


@pytest.mark.parametrize(
    "argument", [TOKEN, f"--token={TOKEN}", f"Authorization: Basic {base64.b64encode(f'me:{TOKEN}'.encode()).decode()}"]
)
def test_a_secret_as_an_argument_is_refused(run: Runner, token: Secret, argument: str, tmp_path: Path) -> None:
    for call in (run, run.output):
        with pytest.raises(
            ReleaseError, match="sh was not started: its argument 4 contains the secret GITHUB_TOKEN"
        ) as raised:
            call("sh", "-c", f"touch {tmp_path}/started", "x", argument)
        require_hidden(str(raised.value))
        assert "standard input, by a file descriptor" in raised.value.hint
    with pytest.raises(ReleaseError, match="argument 1 contains"), run.start("touch", tmp_path / argument):
        pass
    assert not (tmp_path / "started").exists()
    assert not run.log.exists()


def test_a_secret_in_the_environment_of_all_programs_is_refused(run: Runner, token: Secret) -> None:
    everywhere = replace(run, env={"GH_TOKEN": token.reveal()})
    with pytest.raises(ReleaseError, match="true was not started: GH_TOKEN, in the environment of all programs"):
        everywhere("true")


def test_no_process_shows_a_secret_in_its_arguments(run: Runner, token: Secret) -> None:
    with (
        token.descriptor() as number,
        replace(run, keep_open=(number,)).start(
            "sh",
            "-c",
            f'secret=$(cat /dev/fd/{number}); sleep 60 & echo "got $secret and $T"; wait',
            env={"T": token.reveal()},
        ) as child,
    ):
        wait_until(lambda: "got *** and ***" in run.log.read_text(), "the program does not have both")
        lines = list(command_lines(child.pid))
        assert len(lines) == 2
        require_hidden(" ".join(lines))


def test_a_file_descriptor_gives_the_secret_to_one_program(run: Runner, token: Secret) -> None:
    with token.descriptor() as number:
        own = replace(run, keep_open=(number,))
        assert own.output("cat", f"/dev/fd/{number}") == TOKEN
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


def test_a_secret_too_long_for_a_file_descriptor_is_refused(masks: Masks) -> None:
    with pytest.raises(HostError, match="has 5000 bytes"), register("KEY", "k" * 5000, masks=masks).descriptor():
        pass


def test_a_pasteable_command_is_masked(masks: Masks, token: Secret) -> None:
    line = pasteable(["gh", f"--token={TOKEN}"], cwd=Path("/tmp", TOKEN), env={"T": TOKEN}, masks=masks)
    require_hidden(line)
    assert line == "cd '/tmp/***' && LC_ALL=C.UTF-8 T='***' TZ=UTC gh '--token=***'"


def test_errors_of_the_tooling_are_masked(of_this_process: Secret) -> None:
    error = ReleaseError(f"refused: {TOKEN}", hint=f"do not use {BASE64}")
    assert (str(error), error.hint) == ("refused: ***", "do not use ***")


def test_the_console_is_masked(of_this_process: Secret, capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.say(f"uploading with {TOKEN}")
    console.started(f"upload-{BASE64}")
    console.finished("upload", "failed", f"401 for {TOKEN}")
    console.table(f"With {TOKEN}", ["name", "value"], [["token", TOKEN]])
    printed = capsys.readouterr()
    require_hidden(printed.out + printed.err)
    assert "401 for ***" in printed.err
    assert "token  ***" in printed.out


@pytest.mark.parametrize("where", ["raise ValueError(token)", "threading.Thread(target=int, args=(token,)).start()"])
def test_a_traceback_is_masked(where: str) -> None:
    script = f"""
import os, threading
from ci.core.console import mask_tracebacks
from ci.core.secrets import register
token = os.environ["T"]
register("GITHUB_TOKEN", token)
mask_tracebacks()
{where}
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], env={**os.environ, "T": TOKEN}, capture_output=True, text=True, check=False
    )
    require_hidden(ended.stderr)
    assert "ValueError" in ended.stderr
    assert "***" in ended.stderr


def test_without_secrets_a_program_writes_to_the_log_itself(tmp_path: Path) -> None:
    run = Runner(log=tmp_path / "log", masks=Masks())
    run("readlink", "/proc/self/fd/1")
    assert str(tmp_path / "log") in run.log.read_text().splitlines()
