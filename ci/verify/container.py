"""Runs an image as Lambda would: no root, no capabilities, nothing to write but /tmp, the function mounted."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from ci import bases, engines
from ci.engines import Engine
from ci.errors import CommandFailed, VerificationError
from ci.report import NOT_RUN
from ci.verify.check import Check, Command, Function, require_answers

_TASK_ROOT = "/var/task"
# In this order, since buildah, the first choice for building, has no read-only root.
_FOR_RUNNING = ("podman", "docker", "buildah")


def require_runs(check: Check, flavour: str, architecture: str) -> str | None:
    """Start the image and let it answer. Return a note on what was not tried."""
    if lacking := bases.emulation_missing(architecture):
        return f"{NOT_RUN}: {lacking}"
    release = check.project.release
    image = engines.temporary(release.name, "verify", f"{flavour}-{architecture}")
    name = engines.container_of(image)
    engine = _engine_that_runs(check, image, name)
    try:
        engine.prepare(check.run, image, name)
        functions = {one.machine for one in check.functions}
        if functions and functions != {_machine(architecture)}:
            return f"{NOT_RUN}: it starts, but there is no function for {architecture} to ask"
        require_answers(check, _command(check, engine, image, name))
    finally:
        engine.end(check.run, name)
        engine.remove(check.run, image)
    return "run by buildah, whose root is not read-only" if engine.name == "buildah" else None


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
        launcher = ("/var/runtime/bootstrap",) if engine.name == "buildah" else ()
        said = check.run.output(*engine.start_command(image, *launcher, "--version", name=name))
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
        launcher = ("/var/runtime/bootstrap", function.handler) if engine.name == "buildah" else ()
        argv = engine.start_command(image, *launcher, name=name, environment=environment, mounts={task: _TASK_ROOT})
        return argv, {}

    return command
