"""The sessions. Each hands its arguments to `python -m ci`, which does the work and tells what happened."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import nox

nox.needs_version = ">=2026.4.10"
nox.options.default_venv_backend = "none"  # the sessions share environments, see `environment`
nox.options.sessions = ["check", "lint", "tests"]

ROOT = Path(__file__).parent
REQUIREMENTS = ROOT / "ci" / "requirements"
BIN = "Scripts" if os.name == "nt" else "bin"


def environment(session: nox.Session, name: str) -> Path:
    """The programs' folder of `.nox/NAME`, an environment with the pinned requirements of that name.

    It is made once, for all sessions that need it; nox itself would make one a session.
    """
    pinned = REQUIREMENTS / f"{name}.txt"
    location = ROOT / ".nox" / name
    stamp = location / ".requirements"
    wanted = hashlib.sha256(pinned.read_bytes() + sys.version.encode()).hexdigest()
    with alone(location.with_name(f"{name}.lock")):
        if not stamp.exists() or stamp.read_text() != wanted:
            session.run(sys.executable, "-m", "venv", "--clear", str(location), external=True)
            pip = (str(location / BIN / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
            session.run(*pip, "--require-hashes", "-r", str(pinned), external=True)
            stamp.write_text(wanted)
    return location / BIN


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Let one process at a time into the block, where the system has locks."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        if os.name != "nt":
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run(programs: Path, *command: str) -> None:
    """Run a program of an environment; nox ends with its very exit code, which tells what went wrong.

    A signal that asks nox to end goes to the program, which ends what it had started; nox waits for it.
    """
    search_path = os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)])
    argv = [str(programs / command[0]), *command[1:]]
    received: list[int] = []
    children: list[subprocess.Popen[bytes]] = []

    def hand_on(number: int, _: FrameType | None) -> None:
        received.append(number)
        if number != signal.SIGINT or not at_terminal():
            for child in children:
                child.send_signal(number)

    with signals_to(hand_on), subprocess.Popen(argv, cwd=ROOT, env={**os.environ, "PATH": search_path}) as child:
        children.append(child)
        for number in tuple(received):  # those that came before there was a child
            child.send_signal(number)
        code = child.wait()
    if not code and received:
        code = -received[0]
    if code:
        raise SystemExit(code if code > 0 else 128 - code)


@contextmanager
def signals_to(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Let the handler have the signals that ask to end, but for those that are ignored, as nohup does."""
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    taken = [number for number in numbers if before[number] != signal.SIG_IGN]
    for number in taken:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, before[number])


def at_terminal() -> bool:
    """Whether this process is in the terminal's foreground: then Ctrl-C reaches its children without its help."""
    if os.name == "nt":
        return True
    try:
        with Path("/dev/tty").open("rb", buffering=0) as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False


def release_session(name: str, summary: str) -> None:
    """Make a session of one command of the release tooling."""

    def session_function(session: nox.Session) -> None:
        run(environment(session, "release"), "python", "-m", "ci", name, *session.posargs)

    session_function.__doc__ = summary
    nox.session(name=name)(session_function)


SESSIONS: dict[str, str] = {
    "plan": "Show what a snapshot would do; -- --json for programs.",
    "snapshot": "Build everything, open each artefact again and make it answer.",
    "sdist": "Build the source tarball and the wheel.",
    "rpm": "Build the RPMs and the source RPM.",
    "msys2": "Build the MSYS2 packages.",
    "brew": "Build the Homebrew formula.",
    "images": "Build the images; -- --flavour NAME --engine NAME --base FLAVOUR=REF.",
    "bake": "Render the packaging files from release.yaml.",
    "check": "Check the manifest, the baked tree, and the baked files by their ecosystems' rules.",
    "source-hash": "Write the source tarball's sha256 into release.yaml, and bake.",
}

for session_name, session_summary in SESSIONS.items():
    release_session(session_name, session_summary)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests, two at a time; -- takes arguments of pytest."""
    programs = environment(session, "tests")
    run(programs, "python", "-m", "pytest", "-n", "2", "--dist", "loadfile", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check the Python code with ruff and mypy, strictly."""
    programs = environment(session, "tests")
    run(programs, "ruff", "check", ".")
    run(programs, "ruff", "format", "--check", ".")
    run(programs, "python", "-m", "mypy")


@nox.session(default=False)
def fuzz(session: nox.Session) -> None:
    """Fuzz the runtime's parsers for some minutes, fifty times as long as the tests do."""
    os.environ["FAAS_FUZZ_FACTOR"] = "50"
    programs = environment(session, "tests")
    files = [f"tests/runtime/test_runtime_{name}.py" for name in ("framing", "layout", "check")]
    run(programs, "python", "-m", "pytest", "-n", "2", "-m", "long or not long", *files, *session.posargs)


@nox.session(default=False)
def windows(session: nox.Session) -> None:
    """Run the runtime on a Windows Python under wine, which stands in for Windows; -- takes arguments of pytest."""
    programs = environment(session, "tests")
    run(programs, "python", "-m", "pytest", "-m", "long", "tests/windows", *session.posargs)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure against what is promised; -- takes the parts to measure. Writes dist/bench/."""
    run(environment(session, "release"), "python", "-m", "ci.bench", *session.posargs)
