"""The sessions. Most pass their arguments to `python -m ci`, which does the work and reports it."""

from __future__ import annotations

import hashlib
import logging
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

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))  # nox does not look for modules beside the noxfile

from ci import kinds  # noqa: E402
from ci.make_environment import clean_environment  # noqa: E402

# nox looks for uv when it starts a session, and says that there is none; no session here uses it.
logging.getLogger("nox").addFilter(lambda record: "uv binary not found" not in record.getMessage())

REQUIREMENTS = ROOT / "ci" / "requirements"
BIN = "Scripts" if os.name == "nt" else "bin"


def environment(session: nox.Session, name: str) -> Path:
    """Make `.nox/NAME`, an environment with the pinned requirements of that name; return its folder of programs.

    All sessions that need it share it; nox itself would make one for each session.
    """
    if os.pathsep in str(ROOT):
        print(f"error: {ROOT}: no environment can be made at a path with {os.pathsep!r}", file=sys.stderr)
        print("what to do: move the checkout to another path", file=sys.stderr)
        raise SystemExit(15)
    pinned = REQUIREMENTS / f"{name}.txt"
    location = ROOT / ".nox" / name
    stamp = location / ".requirements"
    wanted = hashlib.sha256(pinned.read_bytes() + sys.version.encode()).hexdigest()
    with alone(location.with_name(f"{name}.lock")):
        works = (location / BIN / "python").exists()  # a link to the system's, which may have been removed since
        if not works or not stamp.exists() or stamp.read_text() != wanted:
            make = str(ROOT / "ci" / "make_environment.py")
            session.run(sys.executable, "-I", make, str(location), str(pinned), external=True)
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


def run(programs: Path, *command: str, **variables: str) -> None:
    """Run a program of an environment, with further variables. Nox ends with its exit code, which says what went wrong.

    A signal that asks nox to end is sent on to the program, and nox waits until the program has ended.
    """
    search_path = os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)])
    argv = [str(programs / command[0]), *command[1:]]
    received: list[int] = []
    children: list[subprocess.Popen[bytes]] = []

    def forward(number: int, _: FrameType | None) -> None:
        received.append(number)
        if number != signal.SIGINT or not at_terminal():
            for child in children:
                child.send_signal(number)

    environment = {**clean_environment(os.environ), "PATH": search_path, **variables}
    with signals_to(forward), subprocess.Popen(argv, cwd=ROOT, env=environment) as child:
        children.append(child)
        for number in tuple(received):  # those that came before the program was started
            child.send_signal(number)
        code = child.wait()
    if not code and received:
        code = -received[0]
    if code:
        raise SystemExit(code if code > 0 else 128 - code)


@contextmanager
def signals_to(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Let the handler receive the signals that ask to end, except those that are ignored, as with nohup."""
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
    """Whether this process is in the terminal's foreground: then the terminal sends Ctrl-C to its children, too."""
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
    "snapshot": "Build and verify everything, with all gates, and write the report; -- --quick, --locked FILE.",
    "reproduce": "Build this commit twice from clean clones, the second time elsewhere, and compare with dist/.",
    "verify": "Verify what is in dist/ with all gates; -- --previous REF_OR_DIST, --signatures, --published VERSION.",
    "compare": "Say what changed since a previous release; -- REF_OR_DIST: a git revision or a folder like dist/.",
    "inputs": "Say which inputs of the build are in dist/inputs/; -- --fetch brings those that are not.",
    "bundle": "Pack dist/release and dist/inputs into one archive; -- --unpack FILE DIR.",
    "rebuild": "Build a release again from its provenance, and compare the bytes; -- VERSION_OR_DIR.",
    **kinds.sessions(),
    "bake": "Render the packaging files from release.yaml.",
    "check": "Check the manifest and the rendered files, and run the linters of the packages.",
    "release": "Make the signed set of the tag that is checked out; -- --preflight only says what is in the way.",
    "rehearse": "Go the whole way from bump to installs, in a copy and with throw-away keys; -- VERSION.",
    "publish": "Take the signed set to its targets; -- --rehearse, --dry-run, --only TARGET, --channel testing.",
    "promote": "Let what was published to testing go to everybody, unchanged; -- VERSION.",
    "yank": 'Yank a published version as far as each target allows; -- VERSION --reason "TEXT".',
    "keys": "Show the keys of releases and when they end; -- --rotate NEW announces a key, --switch lets it sign.",
    "pin": "Write the digests of the base images into release.yaml, and render; -- --dry-run shows the changes.",
    "source-hash": "Write the source tarball's sha256 into release.yaml, and render.",
    "bump": "Make the commit and the tag of a version; -- VERSION|major|minor|patch|rc|final|dev [--dry-run].",
}

for session_name, session_summary in SESSIONS.items():
    release_session(session_name, session_summary)


# Three processes: each waits for containers, servers and the disk for a sixth of its time on two processors.
PYTEST = ("python", "-m", "pytest", "-n", "3")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests, three at a time; -- takes arguments of pytest, and --changed for what a change can affect."""
    run(environment(session, "tests"), *PYTEST, *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check the Python code: ruff, mypy in strict mode, and which module may import which (pyproject.toml)."""
    programs = environment(session, "tests")
    run(programs, "ruff", "check", ".")
    run(programs, "ruff", "format", "--check", ".")
    run(programs, "python", "-m", "mypy")
    # Not by its script, which names the Python at the path where the environment was made.
    lint_imports = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    run(programs, "python", "-c", lint_imports, "--no-cache", "--no-logo", PYTHONPATH="runtime")


@nox.session(default=False)
def fuzz(session: nox.Session) -> None:
    """Fuzz the parsers of the runtime and of the emulator for some minutes, fifty times as long as the tests do."""
    programs = environment(session, "tests")
    files = [f"tests/runtime/test_runtime_{name}.py" for name in ("http_reader", "head_template", "check")]
    run(programs, *PYTEST, "-m", "long or not long", *files, *session.posargs, FAAS_FUZZ_FACTOR="50")
    fuzzed = ["runtime/test_runtime_quoted_bytes", "runtime/test_runtime_hostile_responses"]
    fuzzed += ["runtime/test_runtime_pipelined_receipts"]
    fuzzed += ["emulator/test_emulator_runtime_api", "emulator/test_emulator_hostile_clients"]
    fuzzed += ["emulator/test_emulator_text"]
    files = [f"tests/{name}.py" for name in fuzzed]
    run(programs, *PYTEST, "-k", "fuzzed", *files, *session.posargs, FAAS_FUZZ_FACTOR="50")


@nox.session(default=False)
def windows(session: nox.Session) -> None:
    """Run the runtime on a Windows Python under wine, which stands in for Windows; -- takes arguments of pytest."""
    programs = environment(session, "tests")
    run(programs, "python", "-m", "pytest", "-m", "long", "tests/windows", *session.posargs)


@nox.session(default=False)
def debian13(session: nox.Session) -> None:
    """Run check, snapshot and the tests in a bare root of Debian 13, and compare the bytes; it takes long, as root."""
    programs = environment(session, "tests")
    run(programs, "python", "-m", "pytest", "-m", "long", "tests/hosts", *session.posargs)


# Where faults are planted besides `tests/proofs`, and snapshots killed. `tests` runs what is marked as `mutant` alone.
WITH_PROOFS = (
    "images/test_flavours.py",
    "images/test_image_index.py",
    "images/test_lambda_layer.py",
    "images/test_planted.py",
    "prove/test_compare.py",
    "prove/test_reproduce.py",
    "release/test_snapshot.py",
    "release/test_waivers.py",
    "verify",
)
# Where all other tests are that `tests` leaves out, as they are marked as `long`.
SLOW = (
    "docs/test_abi.py",
    "docs/test_debugging.py",
    "docs/test_from_lambda_runtime.py",
    "docs/test_http_fragments.py",
    "emulator/test_emulator_mixed_clients.py",
    "emulator/test_emulator_mixed_functions.py",
    "emulator/test_emulator_workspace.py",
    "glue/test_crate.py",
    "glue/test_examples.py",
    "glue/test_oldest_rust.py",
    "images/test_projects.py",
    "images/test_surroundings.py",
    "matrix/test_check_for.py",
    "prove/test_diffoscope.py",
    "publish",
    "recipes/test_projects.py",
    "recipes/test_workspace.py",
    "release/test_bump.py",
    "release/test_environment.py",
    "release/test_paths.py",
    "releases",
)


def run_long(session: nox.Session, *places: str) -> None:
    """Run the tests in some places below `tests` that are marked as `long` or `mutant`."""
    files = [f"tests/{place}" for place in places]
    run(environment(session, "tests"), *PYTEST, "-m", "long or mutant", *files, *session.posargs)


@nox.session(default=False)
def proofs(session: nox.Session) -> None:
    """Plant each fault, see its gate turn red, and kill gates and snapshots; -- takes arguments of pytest."""
    run_long(session, "proofs", *WITH_PROOFS)


@nox.session(default=False)
def slow(session: nox.Session) -> None:
    """Run the other tests that take long, whole releases among them; -- takes arguments of pytest."""
    run_long(session, *SLOW)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure, and compare with the targets; -- takes the parts to measure. Writes dist/bench/."""
    run(environment(session, "release"), "python", "-m", "ci.bench", *session.posargs)
