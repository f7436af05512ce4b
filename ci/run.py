"""The one place that starts outside programs.

Commands are lists and never pass through a shell. Each `Runner` writes to one log: the command as it can be
pasted into a shell, what the program printed, its exit code and how long it took. Programs see a small, fixed
environment, so that a caller's locale, time zone or build flags do not reach the bytes of an artefact.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from ci.errors import CommandFailed, HostError, ToolError

Argument = str | Path

# Where programs live, where they may write, and how they reach the network; nothing else is handed down.
_PASSED_ON = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "XDG_CACHE_HOME",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "DOCKER_HOST",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "PIP_INDEX_URL",
    "PIP_FIND_LINKS",
    "SYSTEMROOT",
)

_FIXED = {"LC_ALL": "C.UTF-8", "TZ": "UTC"}
_TAIL_LINES = 15
_GRACE_SECONDS = 5.0


def base_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment that every outside program starts from, with `extra` on top."""
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**environment, **_FIXED, **(extra or {})}


def resolve(program: Argument) -> str:
    """The program's path, or a `ToolError` that says how to get it."""
    found = shutil.which(str(program))
    if found is None:
        raise ToolError(f"{program}: not found on PATH", hint="install what the sessions need with: ci/bootstrap")
    return found


def pasteable(argv: Sequence[Argument], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """The command as one line to paste into a POSIX shell: its folder, its arguments and all variables that are set.

    It does the same there, but for two things that one line cannot hold: the variables of that shell which a `Runner`
    keeps from programs, such as CFLAGS, and what the program was given on standard input.
    """
    words = [f"{name}={shlex.quote(value)}" for name, value in sorted({**_FIXED, **(env or {})}.items())]
    words += [shlex.quote(str(word)) for word in argv]
    return f"cd {shlex.quote(str(cwd or '/'))} && {' '.join(words)}"


class Children:
    """The programs that are running now, so that an interrupted run can end them all.

    A group is signalled only under the guard, and only while its program has not been reaped or the group was found
    to have members: otherwise its number may be another's by now.
    """

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._guard = threading.Lock()
        self._ended = False

    @property
    def ended(self) -> bool:
        """Whether `end_all` was called: who waits for something should give up, and start nothing more."""
        return self._ended

    def add(self, child: subprocess.Popen[bytes]) -> None:
        """Remember a program; one that was started after `end_all` is killed at once, nobody would do so later."""
        with self._guard:
            self._running.add(child)
            if self._ended:
                _signal_group(child, signal.SIGKILL)

    def discard(self, child: subprocess.Popen[bytes]) -> None:
        """Forget a program that has ended; while `end_all` is at work, not before its own children have ended too."""
        with self._guard:
            if not self._ended:
                self._running.discard(child)
            else:
                self._is_there(child)

    def end(self, child: subprocess.Popen[bytes], grace: float = _GRACE_SECONDS) -> None:
        """Ask a program and its own children to end, kill what has not after `grace` seconds, and reap the program."""
        self._end([child], grace)
        with suppress(subprocess.TimeoutExpired):  # not even SIGKILL ends what belongs to another user
            child.wait(_GRACE_SECONDS)

    def end_all(self, grace: float = _GRACE_SECONDS) -> None:
        """Ask every program and its own children to end, and kill what has not after `grace` seconds."""
        with self._guard:
            self._ended = True
            running = list(self._running)
        self._end(running, grace)

    def _end(self, children: Sequence[subprocess.Popen[bytes]], grace: float) -> None:
        deadline = time.monotonic() + grace
        try:
            left = self._signal(children, signal.SIGTERM)
            while left and time.monotonic() < deadline:
                time.sleep(0.02)
                left = self._signal(left, 0)
        finally:  # at once if whoever interrupted does so again
            self._signal(children, signal.SIGKILL)

    def _signal(self, children: Iterable[subprocess.Popen[bytes]], number: int) -> list[subprocess.Popen[bytes]]:
        """Signal the groups of those that are still there, and return these; 0 only looks."""
        with self._guard:
            return [child for child in children if self._is_there(child) and _signal_group(child, number)]

    def _is_there(self, child: subprocess.Popen[bytes]) -> bool:
        """Whether a program or what it has started still runs; forgets it if not. The guard is held."""
        if child in self._running and (child.poll() is None or _signal_group(child, 0)):
            return True
        self._running.discard(child)
        return False


def _signal_group(child: subprocess.Popen[bytes], number: int) -> bool:
    """Whether the program's group could be signalled."""
    try:
        os.killpg(child.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


@dataclass(frozen=True, kw_only=True)
class Runner:
    """Runs programs for one job. `log` is appended to; `env` is laid over the base environment.

    `keep_open` are descriptors that each program inherits: the run's lock is one, so that the lock outlives a
    killed run for as long as a program that it started still works.
    """

    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    children: Children = field(default_factory=Children)
    keep_open: Iterable[int] = ()

    def __call__(
        self,
        *argv: Argument,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
    ) -> None:
        """Run a program to its end, in the folder `cwd` or in `/`; its output goes to the log.

        A non-zero exit raises `CommandFailed`.
        """
        self._run(argv, cwd, {**self.env, **(env or {})}, stdin, capture=False)

    def output(
        self,
        *argv: Argument,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: bytes | None = None,
    ) -> str:
        """Run a program and return its standard output as text; standard error goes to the log."""
        return self._run(argv, cwd, {**self.env, **(env or {})}, stdin, capture=True).decode(errors="replace")

    @contextmanager
    def start(
        self, *argv: Argument, env: Mapping[str, str] | None = None, log: Path | None = None
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Start a program in `/` that works while the block does; at its end it is killed with all that it started.

        Its output goes to `log`, or to the runner's own.
        """
        program, environment = resolve(argv[0]), {**self.env, **(env or {})}
        with _opened(log or self.log) as file, _timed(file, pasteable(argv, env=environment)) as ending:
            child = self._started([program, *argv[1:]], None, environment, file)
            try:
                yield child
            finally:
                ending.extend([] if child.poll() is None else [child.returncode])
                self.children.end(child, grace=0.0)
                self.children.discard(child)

    def _run(
        self,
        argv: Sequence[Argument],
        cwd: Path | None,
        env: Mapping[str, str],
        stdin: bytes | None,
        *,
        capture: bool,
    ) -> bytes:
        program, line = resolve(argv[0]), pasteable(argv, cwd=cwd, env=env)
        with _opened(self.log) as log:
            begin = log.tell()
            with _timed(log, line) as ending:
                child = self._started([program, *argv[1:]], cwd, env, log, has_input=stdin is not None, capture=capture)
                try:
                    captured, _ = child.communicate(stdin)
                except BaseException:
                    self.children.end(child)
                    raise
                finally:
                    self.children.discard(child)
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
        log: IO[bytes],
        *,
        has_input: bool = False,
        capture: bool = False,
    ) -> subprocess.Popen[bytes]:
        child = subprocess.Popen(
            [str(word) for word in argv],
            cwd=cwd or "/",  # not the current folder: cookiecutter changes that while it works
            env=base_environment(env),
            stdin=subprocess.PIPE if has_input else subprocess.DEVNULL,
            stdout=subprocess.PIPE if capture else log,
            stderr=log,
            start_new_session=True,
            pass_fds=tuple(self.keep_open),
        )
        self.children.add(child)
        return child

    def _failure(self, program: str, line: str, code: int, begin: int) -> CommandFailed | HostError:
        with self.log.open("rb") as log:
            log.seek(begin)
            printed = log.read().decode(errors="replace").splitlines()[1:-2]
        ended = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"failed with exit code {code}"
        tail = "\n".join(f"  | {text}" for text in printed[-_TAIL_LINES:]) or "  | (it printed nothing)"
        message = f"{Path(program).name} {ended}\n{tail}\n  command: {line}\n  log: {self.log}"
        if any("No space left on device" in text for text in printed):
            return HostError(message, hint="free some disk space and run the same command again")
        return CommandFailed(message)


def _opened(log: Path) -> IO[bytes]:
    log.parent.mkdir(parents=True, exist_ok=True)
    return log.open("ab", buffering=0)


@contextmanager
def _timed(log: IO[bytes], line: str) -> Iterator[list[int]]:
    """Write the command before the block and its seconds after it. The block adds the exit code to the list that it is
    given; if it does not, this tooling itself has ended the program.
    """
    log.write(f"$ {line}\n".encode())
    started = time.monotonic()
    ending: list[int] = []
    try:
        yield ending
    finally:
        how = f"exit {ending[0]}" if ending else "ended"
        log.write(f"# {how} after {time.monotonic() - started:.2f} s\n\n".encode())
