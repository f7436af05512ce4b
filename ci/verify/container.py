"""Runs an image as Lambda would: no root, no capabilities, nothing to write but /tmp, the function mounted."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from ci import bases, engines, oci, tars
from ci.engines import Engine
from ci.errors import CommandFailed, VerificationError
from ci.files import unpack
from ci.report import NOT_RUN
from ci.verify.check import Check, Command, Function, launcher, require_answers
from ci.verify.served import require_serves

_TASK_ROOT = "/var/task"
# In this order, since buildah, the first choice for building, has no read-only root.
_FOR_RUNNING = ("podman", "docker", "buildah")


def require_runs(check: Check, flavour: str, architecture: str) -> str | None:
    """Start the image and let it answer. Return a note on what was not tried."""
    if lacking := bases.emulation_missing(architecture):
        return _emulated(check, flavour, architecture) or f"{NOT_RUN}: {lacking}"
    release = check.project.release
    image = engines.temporary(release.name, "verify", f"{flavour}-{architecture}")
    name = engines.container_of(image)
    engine = _engine_that_runs(check, image, name)
    try:
        engine.prepare(check.run, image, name)
        machines = {one.machine for one in check.functions}
        if machines and machines != {_machine(architecture)}:
            return f"{NOT_RUN}: it starts, but there is no function for {architecture} to ask"
        if not machines:
            libc = "musl" if flavour == "alpine" else "glibc"
            return f"{NOT_RUN}: no function for {libc}/{_machine(architecture)} could be built here"
        require_answers(check, _command(check, engine, image, name))
        served = check.functions[0]
        require_serves(check, engine, image, name, check.folder / served.language, served)
    finally:
        engine.end(check.run, name)
        engine.remove(check.run, image)
    return "run by buildah, whose root is not read-only" if engine.name == "buildah" else None


def _emulated(check: Check, flavour: str, architecture: str) -> str | None:
    """Let the image's own interpreter answer under qemu, where the kernel does not hand its programs over by itself.

    There is no engine in this, hence no container. Return a note, or None where it cannot be done.
    """
    emulator = shutil.which(f"qemu-{_machine(architecture)}-static")
    if emulator is None or flavour != "micro" or not check.functions:
        return None
    root = check.folder / "root"
    packed = check.folder / "root.tar"
    packed.write_bytes(tars.pack(oci.added_by(oci.read_archive(check.path)[0]), check.project.release.epoch))
    unpack(packed, root)
    python = root / "usr" / "bin" / f"python{check.project.release.images.micro.python}"
    argv = (emulator, "-L", root, python, "-I", "-S", root / "usr" / "lib" / "faas-runtime" / "bin" / "faas-runtime")
    require_answers(check, launcher(*argv))
    return f"answered under {Path(emulator).name}, not in a container"


def _machine(architecture: str) -> str:
    return {"amd64": "x86_64", "arm64": "aarch64"}[architecture]


def _engine_that_runs(check: Check, image: str, name: str) -> Engine:
    """The first engine that starts the image, which it has in its storage then."""
    chosen = check.project.options.engine
    faults = []
    for candidate in _FOR_RUNNING if chosen == "auto" else (chosen,):
        if fault := engines.why_not(check.run, candidate):
            faults.append(f"{candidate}: {fault}")
            continue
        engine = Engine(name=candidate)
        engine.load(check.run, check.path, image)
        try:
            _require_version(check, engine, image, name)
        except CommandFailed as error:
            engine.remove(check.run, image)
            faults.append(f"{candidate}: {error}")
            continue
        return engine
    raise VerificationError(f"{check.output.path}: no engine starts it\n" + "\n".join(faults))


def _require_version(check: Check, engine: Engine, image: str, name: str) -> None:
    release = check.project.release
    try:
        engine.prepare(check.run, image, name)
        words = ("/var/runtime/bootstrap",) if engine.name == "buildah" else ()
        said = check.run.output(*engine.start_command(image, *words, "--version", name=name))
    finally:
        engine.end(check.run, name)
    check.require_equal(said.strip(), f"{release.name} {release.version}", "what --version says")


def _command(check: Check, engine: Engine, image: str, name: str) -> Command:
    """The command that `require_answers` starts: the handler is the image's own CMD, and not in the environment."""

    def command(variables: Mapping[str, str], function: Function) -> tuple[Sequence[str | Path], Mapping[str, str]]:
        engine.end(check.run, name)
        engine.prepare(check.run, image, name)
        task = check.folder / function.language
        task.mkdir()
        task.chmod(0o755)
        library = Path(shutil.copy(function.library, task))
        library.chmod(0o755)
        environment = {key: value for key, value in variables.items() if key not in ("_HANDLER", "LAMBDA_TASK_ROOT")}
        words = ("/var/runtime/bootstrap", function.handler) if engine.name == "buildah" else ()
        argv = engine.start_command(image, *words, name=name, environment=environment, mounts={task: _TASK_ROOT})
        return argv, {}

    return command
