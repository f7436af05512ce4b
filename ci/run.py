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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

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

_TAIL_LINES = 15


def base_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment that every outside program starts from, with `extra` on top."""
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**environment, "LC_ALL": "C.UTF-8", "TZ": "UTC", **(extra or {})}


def resolve(program: Argument) -> str:
    """The program's path, or a `ToolError` that says how to get it."""
    found = shutil.which(str(program))
    if found is None:
        raise ToolError(f"{program}: not found on PATH", hint="install what the sessions need with: ci/bootstrap")
    return found


def pasteable(argv: Sequence[Argument], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """The command as one line that does the same when it is pasted into a POSIX shell."""
    words = [f"{name}={shlex.quote(value)}" for name, value in sorted((env or {}).items())]
    words += [shlex.quote(str(word)) for word in argv]
    return f"cd {shlex.quote(str(cwd or '/'))} && {' '.join(words)}"


class Children:
    """The programs that are running now, so that an interrupted run can end them all."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._guard = threading.Lock()
        self._ended = False

    def add(self, child: subprocess.Popen[bytes]) -> None:
        """Remember a program; one that was started after `end_all` is ended at once."""
        with self._guard:
            self._running.add(child)
            late = self._ended
        if late:
            _signal_group(child, signal.SIGTERM)

    def discard(self, child: subprocess.Popen[bytes]) -> None:
        """Forget a program that has ended."""
        with self._guard:
            self._running.discard(child)

    def end_all(self, grace: float = 5.0) -> None:
        """Ask every program and its own children to end, and kill what has not after `grace` seconds."""
        with self._guard:
            self._ended = True
            running = list(self._running)
        for child in running:
            _signal_group(child, signal.SIGTERM)
        deadline = time.monotonic() + grace
        for child in running:
            try:
                child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                _signal_group(child, signal.SIGKILL)


def _signal_group(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(child.pid, number)
    except (ProcessLookupError, PermissionError):
        return


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

    def _run(
        self,
        argv: Sequence[Argument],
        cwd: Path | None,
        env: Mapping[str, str],
        stdin: bytes | None,
        *,
        capture: bool,
    ) -> bytes:
        program = resolve(argv[0])
        line = pasteable(argv, cwd=cwd, env=env)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab", buffering=0) as log:
            begin = log.tell()
            log.write(f"$ {line}\n".encode())
            started = time.monotonic()
            child = subprocess.Popen(
                [program, *(str(word) for word in argv[1:])],
                cwd=cwd or "/",  # not the current folder: cookiecutter changes that while it works
                env=base_environment(env),
                stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
                stdout=subprocess.PIPE if capture else log,
                stderr=log,
                start_new_session=True,
                pass_fds=tuple(self.keep_open),
            )
            self.children.add(child)
            try:
                captured, _ = child.communicate(stdin)
            finally:
                self.children.discard(child)
            if captured and child.returncode:
                log.write(captured)
            seconds = time.monotonic() - started
            log.write(f"# exit {child.returncode} after {seconds:.2f} s\n\n".encode())
        if child.returncode:
            raise self._failure(str(argv[0]), line, child.returncode, begin)
        return captured or b""

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
