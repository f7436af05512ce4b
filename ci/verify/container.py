"""Runs an image as Lambda would: not as root, without capabilities, read-only except /tmp, the function mounted."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from ci.core import tars
from ci.core.architectures import named
from ci.core.errors import CommandFailed, VerificationError
from ci.core.files import unpack
from ci.images import bases, engine_choice, engines, oci, trial
from ci.images.engines import Engine
from ci.pipeline.jobs import Verdict
from ci.verify.check import BuiltFunction, Check, MakeCommand, launcher, require_answers
from ci.verify.served import require_serves

_TASK_ROOT = "/var/task"
_START_TIMEOUT_S = 60.0
# buildah, the first choice for building, is the last one here: it has no read-only root.
_FOR_RUNNING = ("podman", "docker", "buildah")


def require_runs(check: Check) -> Verdict:
    """Start the image and have it answer, if this machine can. A wrong answer raises `VerificationError`."""
    flavour, architecture = check.variant.flavour, check.variant.architecture
    if missing := bases.emulation_missing(architecture):
        return _run_emulated(check) or Verdict(not_run=missing)
    release = check.project.release
    image = engines.temporary(release.name, "verify", f"{flavour}-{architecture}")
    name = engines.container_of(image)
    engine = engine_that_runs(check, image, name, partial(_try, check, image, name))
    if isinstance(engine, str):
        return Verdict(not_run=engine)
    try:
        engine.prepare(check.run, image, name)
        if not check.functions:
            wanted = f"{check.variant.libc}/{named(architecture).machine}"
            return Verdict(not_run=f"no function for {wanted} could be built here")
        require_answers(check, _command(check, engine, image, name))
        served = check.functions[0]
        require_serves(check, engine, image, name, check.folder / served.language, served)
    finally:
        engine.end(check.run, name)
        engine.remove(check.run, image)
    return Verdict(untried=("run by buildah, whose root is not read-only",) if engine.name == "buildah" else ())


def _run_emulated(check: Check) -> Verdict | None:
    """Run the image's interpreter under qemu, without a container engine; None if this cannot be done.

    It is for machines whose kernel does not start qemu by itself for programs of another architecture.
    """
    emulator = shutil.which(f"qemu-{named(check.variant.architecture).machine}-static")
    if emulator is None or check.variant.flavour != "micro" or not check.functions:
        return None
    root = check.folder / "root"
    packed = check.folder / "root.tar"
    packed.write_bytes(tars.pack(oci.added_by(oci.read_archive(check.path)[0]), check.project.release.epoch))
    unpack(packed, root)
    python = root / "usr" / "bin" / f"python{check.project.release.images.micro.python}"
    program = root / "usr" / "lib" / "faas-runtime" / "bin" / "faas-runtime"
    require_answers(check, launcher(emulator, "-L", root, python, "-IS", "-X", "utf8", program))
    return Verdict(untried=(f"answered under {Path(emulator).name}, not in a container",))


def engine_that_runs(check: Check, image: str, name: str, attempt: Callable[[Engine], str]) -> Engine | str:
    """The first engine with which `attempt` starts the image; the image is in its storage afterwards.

    Where no engine runs any container, the reason. Where one does, but not this image, raises `VerificationError`.
    `attempt` raises `CommandFailed` if the image does not start, and returns what the engine cannot do, or nothing.
    """
    chosen = check.project.options.engine
    faults, reasons = [], []
    for candidate in _FOR_RUNNING if chosen == "auto" else (chosen,):
        if fault := engine_choice.why_not(check.run, candidate):
            reasons.append(f"{candidate}: {fault}")
            continue
        engine = Engine(name=candidate)
        engine.remove_stale(check.run, check.project.release.name)
        engine.load(check.run, check.path, image)
        try:
            reason = attempt(engine)
        except VerificationError:
            engine.remove(check.run, image)
            raise
        except CommandFailed as error:
            engine.remove(check.run, image)
            if reason := trial.cannot_start(check.run, engine):
                reasons.append(f"{candidate}: {reason}")
            else:
                faults.append(f"{candidate}: {error}")
            continue
        if not reason:
            return engine
        engine.remove(check.run, image)
        reasons.append(f"{candidate}: {reason}")
    if not faults:
        return f"no engine runs containers here ({'; '.join(reasons)})"
    raise VerificationError(f"{check.output.path}: no engine starts it\n" + "\n".join((*faults, *reasons)))


def _try(check: Check, image: str, name: str, engine: Engine) -> str:
    """Start the image, and a program in a running container of it; why this engine cannot do the latter."""
    _require_version(check, engine, image, name)
    reason = _why_no_exec(check, engine, image, name)
    return reason and f"it starts containers, but no program in a running one: {reason}"


def _require_version(check: Check, engine: Engine, image: str, name: str) -> None:
    release = check.project.release
    try:
        engine.prepare(check.run, image, name)
        words = ("/var/runtime/bootstrap",) if engine.name == "buildah" else ()
        said = check.run.output(*engine.start_command(image, *words, "--version", name=name))
    finally:
        engine.end(check.run, name)
    check.require_equal(said.strip(), f"{release.name} {release.version}", "the output of --version")


def _why_no_exec(check: Check, engine: Engine, image: str, name: str) -> str:
    """Why the engine cannot start a program in a running container, as `require_serves` does; empty if it can.

    runc cannot in a root that was entered by chroot. That the image has this program is certain: its launcher is run by
    it. Of buildah, nothing is asked in a running container. Without a function, the container would end at once.
    """
    if engine.name == "buildah" or not check.functions:
        return ""
    mounts = {_task_folder(check, check.functions[0]): _TASK_ROOT}
    log = check.run.log.with_suffix(".exec.log")
    deadline = time.monotonic() + _START_TIMEOUT_S
    try:
        with check.run.start(*engine.start_command(image, name=name, network="none", mounts=mounts), log=log) as child:
            while not engine.is_running(check.run, name):
                if child.poll() is not None or time.monotonic() > deadline:
                    return ""  # what is wrong with it is found out later
                time.sleep(0.05)
            check.run(engine.name, "exec", name, "/usr/bin/python3", "-IS", "-c", "pass")
    except CommandFailed as error:
        return engine_choice.last_line(error)
    finally:
        engine.end(check.run, name)
    return ""


def _task_folder(check: Check, function: BuiltFunction) -> Path:
    """A folder with the function's library, which any user may read."""
    task = check.folder / function.language
    if not task.exists():
        task.mkdir()
        task.chmod(0o755)
        Path(shutil.copy(function.library, task)).chmod(0o755)
    return task


def _command(check: Check, engine: Engine, image: str, name: str) -> MakeCommand:
    """The command that `require_answers` starts: the handler is the image's own CMD, and not in the environment."""

    def command(
        variables: Mapping[str, str], function: BuiltFunction
    ) -> tuple[Sequence[str | Path], Mapping[str, str]]:
        engine.end(check.run, name)
        engine.prepare(check.run, image, name)
        task = _task_folder(check, function)
        environment = {key: value for key, value in variables.items() if key not in ("_HANDLER", "LAMBDA_TASK_ROOT")}
        words = ("/var/runtime/bootstrap", function.handler) if engine.name == "buildah" else ()
        argv = engine.start_command(image, *words, name=name, environment=environment, mounts={task: _TASK_ROOT})
        return argv, {}

    return command
