"""The clients of the Runtime API that are compared: bare ones in C, this runtime, AWS's in Python and in Rust.

Each is prepared below `dist/.cache/bench`. One that is not available on this machine is listed with the reason.
"""

from __future__ import annotations

import re
import shlex
import shutil
import sys
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ci.bench.figures import in_short
from ci.bench.server import SOURCES, Command, Native
from ci.builders.sdist import DIGEST, digest_of
from ci.core.errors import ReleaseError, ToolError, UsageError
from ci.core.files import fresh_folder
from ci.core.run import Runner

BENCH = Path(__file__).resolve().parent
REQUIREMENTS = BENCH / "awslambdaric.txt"
CRATE = SOURCES / "rust-echo"

# Variables that Lambda sets, and that AWS's clients need.
_LAMBDA = {
    "AWS_LAMBDA_FUNCTION_NAME": "bench",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/bench",
    "AWS_LAMBDA_LOG_STREAM_NAME": "bench",
    "AWS_REGION": "us-east-1",
}


@dataclass(frozen=True, kw_only=True)
class MeasuredClient:
    """One client; `reason` says why it cannot be measured, or is empty."""

    key: str
    title: str
    version: str
    command: Command
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class MeasuredRuntime:
    """The runtime that is measured: its tree, its interpreter, and the options that its launcher gives to that."""

    tree: Path
    python: str
    options: tuple[str, ...]

    @property
    def bare(self) -> Command:
        """The start of the interpreter alone, with which every start is compared."""
        return Command(argv=(self.python, "-I", "-S", "-c", "pass"))

    @property
    def version(self) -> str:
        """The version of the tree."""
        found = re.search(
            r'__version__ = "(.+)"', (self.tree / "faas_runtime" / "_version.py").read_text(encoding="utf-8")
        )
        return found[1] if found else ""


def choose(tree: Path, python: str | None = None) -> MeasuredRuntime:
    """A tree like `runtime/`, with the named interpreter, or else the one that the tree's launcher names."""
    launcher = tree / "bin" / "faas-runtime"
    if not launcher.is_file():
        raise UsageError(f"{launcher}: there is no such file", hint="give --runtime a folder like runtime/")
    named, *options = shlex.split(launcher.read_text(encoding="utf-8").partition("\n")[0].removeprefix("#!"))
    found = shutil.which(python or named)
    if found is None:
        raise ToolError(f"{python or named}: there is no such interpreter", hint="name another one with --python")
    return MeasuredRuntime(tree=tree.resolve(), python=found, options=tuple(options))


def prepare(
    run: Runner, native: Native, subject: MeasuredRuntime, folder: Path, *, only_own: bool = False
) -> dict[str, MeasuredClient]:
    """The clients by their keys: the bare clients, this runtime and, unless `only_own`, those of AWS."""
    own = {**_LAMBDA, "LAMBDA_TASK_ROOT": str(native.task_root), "_HANDLER": "echo.handle"}
    compiler = run.output("gcc", "--version").partition("\n")[0]
    bare = (native.client, native.task_root / "libecho.so", "handle")
    client = MeasuredClient(key="c", title="bare C client", version=compiler, command=Command(argv=bare, env=own))
    together = MeasuredClient(
        key="together",
        title="C client, three calls",
        version=compiler,
        command=Command(argv=(*bare, "together"), env=own),
    )
    runtime = MeasuredClient(
        key="runtime",
        title="faas-runtime",
        version=subject.version,
        command=Command(argv=(subject.python, *subject.options, _install(run, subject, folder)), env=own),
    )
    if only_own:
        return {each.key: each for each in (client, together, runtime)}
    rust = _if_available("rust", "lambda_runtime (Rust)", crate_version(), lambda: _rust(run, folder))
    aws = _if_available(
        "awslambdaric", "awslambdaric (Python)", _pinned_version(), lambda: _awslambdaric(run, subject, folder)
    )
    return {each.key: each for each in (client, together, runtime, rust, aws)}


def _if_available(key: str, title: str, version: str, make: Callable[[], Command]) -> MeasuredClient:
    try:
        return MeasuredClient(key=key, title=title, version=version, command=make())
    except ReleaseError as error:
        return MeasuredClient(key=key, title=title, version=version, command=Command(argv=()), reason=in_short(error))


def _install(run: Runner, subject: MeasuredRuntime, folder: Path) -> Path:
    """Copy the runtime and compile it, as the RPM does: the checkout may change later. Returns the launcher."""
    target = fresh_folder(folder / "faas-runtime")
    for part in ("bin", "faas_runtime"):
        shutil.copytree(subject.tree / part, target / part, ignore=shutil.ignore_patterns("__pycache__"))
    compile_all = ("-IS", "-m", "compileall", "-q", "--invalidation-mode", "checked-hash")
    files = {path.relative_to(target).as_posix(): path.read_bytes() for path in target.rglob("*") if path.is_file()}
    (target / DIGEST).write_bytes(digest_of(files))
    run(subject.python, *compile_all, target / "faas_runtime")
    start_file = target / "faas_runtime" / "start_file.py"
    if start_file.exists():  # older trees have none
        run(subject.python, "-IS", start_file)
    return target / "bin" / "faas-runtime"


def _awslambdaric(run: Runner, subject: MeasuredRuntime, folder: Path) -> Command:
    environment, task = folder / "awslambdaric", fresh_folder(folder / "python-echo")
    program = environment / "bin" / "python"
    run(subject.python, "-m", "venv", "--clear", "--without-pip", environment)
    pip = (sys.executable, "-m", "pip", "--python", program, "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "--require-hashes", "--only-binary", ":all:", "-r", REQUIREMENTS)
    shutil.copyfile(BENCH / "python_echo.py", task / "echo.py")
    run(program, "-m", "compileall", "-q", task)
    handler = "echo.handler"
    env: Mapping[str, str] = {**_LAMBDA, "LAMBDA_TASK_ROOT": str(task), "_HANDLER": handler, "PYTHONPATH": str(task)}
    return Command(argv=(program, "-m", "awslambdaric", handler), env=env)


def _rust(run: Runner, folder: Path) -> Command:
    target = folder / "cargo"
    run("cargo", "build", "--release", "--locked", "--target-dir", target, cwd=CRATE)
    return Command(argv=(target / "release" / CRATE.name,), env={**_LAMBDA, "_HANDLER": "echo"})


def _pinned_version() -> str:
    found = re.search(r"^awslambdaric==(\S+)", REQUIREMENTS.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else ""


def crate_version(project: Path = CRATE, crate: str = "lambda_runtime") -> str:
    """The version of one of AWS's crates in the lock file of a project."""
    packages = tomllib.loads((project / "Cargo.lock").read_text(encoding="utf-8"))["package"]
    return next(str(package["version"]) for package in packages if package["name"] == crate)
