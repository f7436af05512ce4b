"""Follows a page as a person with two terminals would: its commands are run, and what they print is compared."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.docs.pages import Block, ConsoleStep, pattern, steps

TIMEOUT_S = 600  # ends a command that hangs; a first build takes a while
PATIENCE_S = 60  # the same for a command that is running already
POLL_S = 0.05
END_S = 5  # for a command that is still running after a failure


class Reader:
    """A reader with two terminals: the first runs one command after the other, the second one that keeps running."""

    def __init__(self, folder: Path, variables: Mapping[str, str], *, instead: tuple[str, str] = ("", "")) -> None:
        """Sit down in a folder, with these environment variables, and read one text for another wherever it is."""
        self.folder = folder
        self._instead = instead
        self._kept = folder / ".kept"  # what the next shell takes over from this one
        self._variables = dict(variables)
        self._log = folder / ".second-terminal"
        self._background: subprocess.Popen[bytes] | None = None
        self._seen = 0
        self._code = 0
        self._kept.mkdir(parents=True)
        home = Path(variables["HOME"])
        home.mkdir(exist_ok=True)
        (home / ".curlrc").write_text("no-progress-meter\n")  # a terminal shows none either
        (self._kept / "folder").write_text(str(folder))
        (self._kept / "variables").write_text("")

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        if self._background is not None:
            _signal(self._background, signal.SIGINT)  # it ends what it has started, unless it is killed
            try:
                self._background.wait(END_S)
            except subprocess.TimeoutExpired:
                _signal(self._background, signal.SIGKILL)
                self._background.wait()

    @property
    def working_folder(self) -> Path:
        """The folder that `cd` has changed to."""
        return Path((self._kept / "folder").read_text().rstrip("\n"))

    def follow(self, blocks: Iterable[Block]) -> None:
        """Do what the blocks say."""
        for block in blocks:
            if block.note in ("not run", "shown", "source", "part of"):
                continue
            if block.note == "file":
                self._write(block)
            elif block.note == "keeps running":
                todo = self._steps(block)
                self._start([step.command for step in todo])
                self._wait_for(block, todo[-1])
            elif block.language == "console":
                self._follow_console(block)
            else:
                pytest.fail(f"{block.place}: what is to be done with this block? It has no note")

    def _steps(self, block: Block) -> list[ConsoleStep]:
        shown, meant = self._instead
        return steps(replace(block, text=block.text.replace(shown, meant)) if shown else block)

    def _follow_console(self, block: Block) -> None:
        todo = self._steps(block)
        for step, following in zip(todo, [*todo[1:], None], strict=True):
            if step.command == "^C":
                assert self._background is not None
                _signal(self._background, signal.SIGINT)
                self._wait_for(block, step)
                self._background.wait(TIMEOUT_S)
                self._background = None
            elif not step.command:
                self._wait_for(block, step)
            else:
                self._run(block, step, may_fail=following is not None and following.command == "echo $?")

    def _run(self, block: Block, step: ConsoleStep, *, may_fail: bool) -> None:
        done = subprocess.run(
            self._shell(step.command),
            env=self._variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
        self._code = done.returncode
        printed = _text(done.stdout)
        if not pattern(step.expected).fullmatch(printed):
            self._complain(block, step, printed)
        if self._code and not may_fail:
            pytest.fail(f"{block.place}: exit code {self._code}: {step.command}\n{printed}", pytrace=False)

    def _shell(self, command: str) -> list[str]:
        """A shell that begins with the folder and the variables of the previous one, and saves its own for the next."""
        kept = shlex.quote(str(self._kept))
        before = f'. {kept}/variables; cd "$(cat {kept}/folder)"; (exit {self._code})'
        after = f"code=$?; pwd > {kept}/folder; export -p > {kept}/variables; exit $code"
        return ["bash", "-c", f"{before}\n{command}\n{after}"]

    def _start(self, commands: list[str]) -> None:
        """Open the second terminal. It has no variables of the first one."""
        assert self._background is None, "one command keeps running already"
        script = "\n".join([*commands[:-1], f"exec {commands[-1]}"])
        with self._log.open("wb") as output:
            self._background = subprocess.Popen(
                ["bash", "-e", "-c", script],
                cwd=self.working_folder, env=self._variables, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self._seen = 0

    def _wait_for(self, block: Block, step: ConsoleStep) -> None:
        """Wait until the command that keeps running has printed the lines."""
        end = time.monotonic() + PATIENCE_S
        while True:
            has_ended = self._background is None or self._background.poll() is not None
            printed = self._log.read_text(errors="replace")[self._seen :]
            found = pattern(step.expected).match(printed)
            if found:
                self._seen += found.end()
                return
            if has_ended or time.monotonic() > end:
                self._complain(block, step, printed)
            time.sleep(POLL_S)

    def _write(self, block: Block) -> None:
        """Write the file that the reader is asked to write, or change it."""
        file = self.working_folder / block.about
        if block.language != "diff":
            file.write_text(block.text)
            return
        lines = block.text.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if line[0] in " -")
        after = "".join(line[1:] for line in lines if line[0] in " +")
        text = file.read_text()
        assert text.count(before) == 1, f"{block.place}: these lines are not in {block.about}:\n{before}"
        file.write_text(text.replace(before, after))

    def _complain(self, block: Block, step: ConsoleStep, printed: str) -> None:
        expected = "\n".join(step.expected)
        pytest.fail(
            f"{block.place}: {step.command or 'what keeps running'}\n--- the page shows\n{expected}\n"
            f"--- it printed\n{printed}",
            pytrace=False,
        )


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    """Send the signal as a terminal does: to the command and all that it has started."""
    if process.poll() is None:
        os.killpg(process.pid, number)


def _text(data: bytes) -> str:
    text = data.decode(errors="replace")
    return text if text.endswith("\n") or not text else text + "\n"  # a terminal would show the prompt after it
