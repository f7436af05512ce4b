"""The one place that starts outside programs.

Commands are lists and never pass through a shell. Each `Runner` writes to one log: the command as it can be
pasted into a shell, what the program printed, its exit code and how long it took. Programs see the environment of
`ci.core.program_environment`. Secrets (`ci.core.secrets`) are masked in the log and in errors, and refused as
arguments.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from ci.core.children import Children
from ci.core.errors import CommandFailed, HostError, ReleaseError, ToolError
from ci.core.masking import PROCESS, Masks
from ci.core.program_environment import Argument, base_environment, pasteable
from ci.core.program_log import ProgramLog, ProgramOutput

_TAIL_LINES = 15
_INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_HANDING_OVER = (
    "hand the secret over on standard input, by a file descriptor (Secret.descriptor), or in the environment of this "
    "one program"
)


def _path_of(program: Argument) -> str:
    """The program's absolute path, as it runs in another folder; or a `ToolError` that says how to get it."""
    found = shutil.which(str(program))
    if found is None:
        raise ToolError(f"{program}: not found on PATH", hint="install what the sessions need with: ci/bootstrap")
    return str(Path(found).absolute())


def ask(argv: Sequence[Argument], seconds: float) -> tuple[int, str]:
    """Run a program that only prints something, such as its version; returns its exit code and all that it printed.

    It leaves no log. If it cannot be started, or does not end in time, `OSError` says so.
    """
    try:
        asked = subprocess.run(
            [str(word) for word in argv],
            cwd="/",
            env=base_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"it has not ended within {seconds:g} s") from error
    return asked.returncode, asked.stdout.decode(errors="replace")


class Program(subprocess.Popen[bytes]):
    """A program that was started. Once it is said to have ended, all that it printed is in its log."""

    output: ProgramOutput | None = None

    def poll(self) -> int | None:
        """Its exit code; none while it runs."""
        code = super().poll()
        if code is not None and self.output is not None:
            self.output.wait()
        return code

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, when it has ended. `TimeoutExpired` after so many seconds."""
        code = super().wait(timeout)
        if self.output is not None:
            self.output.wait()
        return code


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Let signals that have handlers wait for the end of the block; the first one is then handled.

    An interrupt within `Popen` would leave a program that nobody knows of. Handlers run in the main thread alone.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[tuple[int, FrameType | None]] = []
    handlers = {number: handler for number in _INTERRUPTS if callable(handler := signal.getsignal(number))}
    try:
        for number in handlers:
            signal.signal(number, lambda *call: received.append(call))
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for received_number, frame in received[:1]:
            handlers[signal.Signals(received_number)](received_number, frame)


@dataclass(frozen=True, kw_only=True)
class Runner:
    """Runs programs for one job. `log` is appended to; `env` is added to the base environment.

    `keep_open` are descriptors that each program inherits. The run's lock is one of them: the lock of a killed run
    is then held for as long as a program that it started still runs. `masks` are the secrets that must not be seen.
    """

    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    children: Children = field(default_factory=Children)
    keep_open: Iterable[int] = ()
    masks: Masks = PROCESS

    def __call__(
        self,
        *argv: Argument,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
    ) -> None:
        """Run a program to its end, in the folder `cwd` or in `/`; its output goes to the log.

        A non-zero exit raises `CommandFailed`. An argument that contains a secret raises `ReleaseError`.
        """
        self._run(argv, cwd, env or {}, stdin, capture=False)

    def output(
        self,
        *argv: Argument,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
    ) -> str:
        """Run a program and return its standard output as text, not masked; standard error goes to the log."""
        return self.output_bytes(*argv, cwd=cwd, env=env, stdin=stdin).decode(errors="replace")

    def output_bytes(
        self,
        *argv: Argument,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
    ) -> bytes:
        """The same, as it was printed."""
        return self._run(argv, cwd, env or {}, stdin, capture=True)

    @contextmanager
    def start(
        self, *argv: Argument, env: Mapping[str, str] | None = None, log: Path | None = None
    ) -> Iterator[Program]:
        """Start a program in `/` that runs while the block does; at its end it is killed with all that it started.

        Its output goes to `log`, or to the runner's own.
        """
        self._refuse_secrets(argv)
        program, environment = _path_of(argv[0]), {**self.env, **(env or {})}
        line = pasteable(argv, env=environment, masks=self.masks)
        with ProgramLog(log or self.log, self.masks) as file, file.timed(line) as ending:
            output = file.open_output()
            child = self._started([program, *argv[1:]], None, environment, output)
            try:
                yield child
            finally:
                ending.extend([] if child.poll() is None else [child.returncode])
                self.children.end(child, grace=0.0)
                self.children.discard(child)
                output.ended()

    def _run(
        self,
        argv: Sequence[Argument],
        cwd: Path | None,
        env: Mapping[str, str],
        stdin: bytes | None,
        *,
        capture: bool,
    ) -> bytes:
        self._refuse_secrets(argv)
        program, environment = _path_of(argv[0]), {**self.env, **env}
        line = pasteable(argv, cwd=cwd, env=environment, masks=self.masks)
        with ProgramLog(self.log, self.masks) as log, log.timed(line) as ending:
            begin = log.tell()
            output = log.open_output()
            command = [program, *argv[1:]]
            child = self._started(command, cwd, environment, output, has_input=stdin is not None, capture=capture)
            try:
                captured, _ = child.communicate(stdin)
            except BaseException:
                self.children.end(child)
                raise
            finally:
                self.children.discard(child)
                output.ended()
            if captured and child.returncode:
                log.write(captured)
            ending.append(child.returncode)
        if child.returncode:
            raise self._failure(str(argv[0]), line, child.returncode, begin)
        return captured or b""

    def _started(
        self,
        argv: Sequence[Argument],
        cwd: Path | None,
        env: Mapping[str, str],
        output: ProgramOutput,
        *,
        has_input: bool = False,
        capture: bool = False,
    ) -> Program:
        started = []
        try:
            with _interrupts_held_back():
                child = Program(
                    [str(word) for word in argv],
                    cwd=cwd or "/",  # not the current folder: cookiecutter changes that while it works
                    env=base_environment(env),
                    stdin=subprocess.PIPE if has_input else subprocess.DEVNULL,
                    stdout=subprocess.PIPE if capture else output.descriptor,
                    stderr=output.descriptor,
                    start_new_session=True,
                    pass_fds=tuple(self.keep_open),
                )
                self.children.add(child)
                started.append(child)
        except BaseException:
            for child in started:
                self.children.end(child)
            raise
        finally:
            output.started()
        started[0].output = output
        return started[0]

    def _refuse_secrets(self, argv: Sequence[Argument]) -> None:
        """Raise `ReleaseError` where a secret would be seen: in an argument, or by all programs of the job."""
        if not self.masks:
            return
        program = self.masks.mask(Path(argv[0]).name)
        for number, word in enumerate(argv):
            if name := self.masks.found_in(str(word)):
                raise ReleaseError(
                    f"{program} was not started: its argument {number} contains the secret {name}, and every user of "
                    "the machine can read the arguments of a program",
                    hint=_HANDING_OVER,
                )
        for variable, value in self.env.items():
            if name := self.masks.found_in(value):
                raise ReleaseError(
                    f"{program} was not started: {variable}, in the environment of all programs of this job, contains "
                    f"the secret {name}",
                    hint=_HANDING_OVER,
                )

    def _failure(self, program: str, line: str, code: int, begin: int) -> CommandFailed | HostError:
        with self.log.open("rb") as log:
            log.seek(begin)
            printed = log.read().decode(errors="replace").splitlines()[:-2]  # without the line of the exit code
        ended = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"failed with exit code {code}"
        tail = "\n".join(f"  | {text}" for text in printed[-_TAIL_LINES:]) or "  | (it printed nothing)"
        message = f"{Path(program).name} {ended}\n{tail}\n  command: {line}\n  log: {self.log}"
        if any("No space left on device" in text for text in printed):
            return HostError(message, hint="free some disk space and run the same command again")
        return CommandFailed(message, code=code if code >= 0 else None)
