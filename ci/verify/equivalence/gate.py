"""The jobs of the gate: the functions, one record for each artefact, and the comparison of all records."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ci.core.architectures import host_name
from ci.core.errors import VerificationError
from ci.core.resolve import resolve
from ci.core.tools import Tool
from ci.pipeline.entries import entry_of
from ci.pipeline.jobs import Job, Output, Project, Variant, Verdict, Workspace
from ci.verify import in_root, roots
from ci.verify.check import BuiltFunction
from ci.verify.equivalence import compare
from ci.verify.equivalence.installed import ArtifactToInstall, rpm_in_root
from ci.verify.equivalence.record import Installed, document, read, record

GATE = "equivalence"
_FOLDER = "equivalence"
_COMPILERS = {"glibc": "gcc", "musl": "musl-gcc"}
_PANICS = f"{GATE}-panics"
_RUST = "function-rust"
_FUNCTION, _PANICS_LIBRARY = "libfunction.so", "libpanics.so"
_MOST_LINES = 20
_NO_PANIC = Verdict(not_run="a panic: the Rust function could not be built here")


@dataclass(frozen=True, kw_only=True)
class Here:
    """What this machine is, whether root works here, and why a compiler cannot be used."""

    architecture: str
    is_root: bool
    missing: Mapping[str, str]


def probe(project: Project) -> Here:
    """Ask what this machine is, and look for the compilers."""
    missing = {name: f"{name}: not found on PATH" for name in _COMPILERS.values() if not shutil.which(name)}
    return Here(architecture=host_name(), is_root=os.geteuid() == 0, missing=missing)


def jobs(project: Project, builds: Sequence[Job]) -> tuple[Job, ...]:
    """All jobs. An artefact for another architecture is not asked: its answers would be those of an emulator."""
    artifacts = [
        (build, output)
        for build in builds
        for output in build.outputs
        if output.kind and entry_of(output.kind, output.path).installed
    ]
    here = project.fact(Here)
    records = [_record_job(project, here, build, output) for build, output in artifacts]
    records += [
        _record_in_root_job(project, build, output, suite)
        for build, output in artifacts
        for suite in roots.SUITES
        if output.kind == "rpm"
    ]
    (rust,) = (build for build in builds if build.id == _RUST)
    comparison = Job(
        id=f"{GATE}-all",
        builder=GATE,
        outputs=(),
        build=_compare,
        inputs=_own_files(project),
        after_available=tuple(job.id for job in records),
        gate=GATE,
        title="every artefact answers every event in the same way",
        artifacts=tuple(output.path for _, output in artifacts),
    )
    functions = tuple(
        _function_job(project, libc, compiler, here.missing.get(compiler, "")) for libc, compiler in _COMPILERS.items()
    )
    return (*functions, _panics_job(project, rust), *records, comparison)


def _own_files(project: Project) -> tuple[Path, ...]:
    folder = project.root / "ci" / "verify"
    return (folder / "equivalence", folder / "brew_stand_in.rb")


def _function_job(project: Project, libc: str, compiler: str, missing: str) -> Job:
    return Job(
        id=f"{GATE}-function-{libc}",
        builder=GATE,
        outputs=(Output(path=f"{_FOLDER}/{libc}/{_FUNCTION}"),),
        build=partial(_build_function, compiler=compiler),
        tools=() if missing else (Tool(name=compiler, version_arguments=("-dumpversion",)),),
        inputs=(project.root / "ci" / "verify" / "equivalence" / "function.c", project.root / "runtime" / "include"),
        unavailable=missing,
    )


def _build_function(work: Workspace, *, compiler: str) -> None:
    source = work.project.root / "ci" / "verify" / "equivalence" / "function.c"
    options = (
        "-O1",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-fPIC",
        "-shared",
        "-I",
        work.project.root / "runtime" / "include",
    )
    work.run(compiler, *options, "-o", work.out / _FUNCTION, source)


def _panics_job(project: Project, rust: Job) -> Job:
    """The project of the Rust recipe, with a handler that panics."""
    return Job(
        id=_PANICS,
        builder=GATE,
        outputs=(Output(path=f"{_FOLDER}/glibc/{_PANICS_LIBRARY}"),),
        build=_build_panics,
        tools=rust.tools,
        inputs=(project.root / "ci" / "verify" / "equivalence" / "panics.rs", *rust.inputs),
        unavailable=rust.unavailable,
    )


def _build_panics(work: Workspace) -> None:
    from ci.bake.render import bake_recipe  # slow to import, see ci.builders.baked

    folder = bake_recipe(work.project.root / "recipes" / "rust-function", work.folder)
    shutil.copyfile(work.project.root / "ci" / "verify" / "equivalence" / "panics.rs", folder / "src" / "lib.rs")
    target = work.project.dist / ".cache" / "cargo-panics"
    work.run("cargo", "build", "--release", "--locked", "--target-dir", target, cwd=folder)
    shutil.copyfile(target / "release" / "libsimple_handler.so", work.out / _PANICS_LIBRARY)


def _record_job(project: Project, here: Here, build: Job, output: Output) -> Job:
    libc = build.variant.libc or "glibc"
    return Job(
        id=f"{GATE}-{output.name}",
        builder=GATE,
        variant=build.variant,
        outputs=(Output(path=_path(output)),),
        build=partial(_record, build=build, output=output, libc=libc),
        tools=(Tool(name="bsdtar"), Tool(name="ruby")),
        inputs=_own_files(project),
        after=(build.id, "sdist", f"{GATE}-function-{libc}"),
        after_available=(_PANICS,) if libc == "glibc" else (),
        unavailable=_why_not(here, build, output),
        gate=GATE,
        title=f"{output.name} answers every event",
        artifacts=(output.path,),
    )


def _why_not(here: Here, build: Job, output: Output) -> str:
    if build.variant.architecture not in ("", here.architecture):
        return f"this machine is not {build.variant.architecture}"
    if output.kind == "image" and not here.is_root:
        return "chroot needs root"
    return ""


def _path(output: Output) -> str:
    return f"{_FOLDER}/{output.name}.json"


def _record(work: Workspace, *, build: Job, output: Output, libc: str) -> Verdict:
    artifact = _artifact(work, build, output, _functions(work, libc))
    install = resolve(entry_of(output.kind, output.path).installed)
    made = _write_record(work, output.path, f"{output.name}.json", install(artifact))
    if libc != "glibc":
        return replace(made, untried=(f"a panic: no Rust function is built for {libc}",))
    return made if _PANICS_LIBRARY in artifact.functions else _NO_PANIC


def _record_in_root_job(project: Project, build: Job, output: Output, suite: roots.Suite) -> Job:
    """The RPM in a root of another suite, whose Python is another one."""
    return Job(
        id=f"{GATE}-rpm-{suite.name}",
        builder=GATE,
        variant=Variant(suite=suite.name),
        outputs=(Output(path=f"{_FOLDER}/rpm-{suite.name}.json"),),
        build=partial(_record_in_root, build=build, output=output, suite=suite),
        tools=(Tool(name="bsdtar"),),
        inputs=(*_own_files(project), *(project.root / "ci" / "verify" / name for name in ("in_root.py", "roots.py"))),
        after=(build.id, roots.job_of(suite.name), f"{GATE}-function-glibc"),
        after_available=(_PANICS,),
        unpacks=roots.BYTES,
        gate=GATE,
        title=f"{output.name} answers every event in a root of Debian {suite.name}",
        artifacts=(output.path,),
    )


def _record_in_root(work: Workspace, *, build: Job, output: Output, suite: roots.Suite) -> Verdict:
    root = in_root.unpack(work, suite)
    functions = _functions(work, "glibc")
    rust = [BuiltFunction(language="Rust", library=functions[name]) for name in (_PANICS_LIBRARY,) if name in functions]
    usable, notes = in_root.runs_here(root, rust)
    chosen = {_FUNCTION: functions[_FUNCTION], **{one.library.name: one.library for one in usable}}
    artifact = _artifact(work, build, output, chosen)
    installed = rpm_in_root(artifact, root.folder, root.python)
    made = _write_record(work, f"{output.path} in {suite.name}", f"rpm-{suite.name}.json", installed)
    return replace(made, untried=tuple(f"a panic: {note}" for note in notes)) if rust else _NO_PANIC


def _functions(work: Workspace, libc: str) -> dict[str, Path]:
    """The libraries that could be built here for a C library."""
    paths = {name: f"{_FOLDER}/{libc}/{name}" for name in (_FUNCTION, _PANICS_LIBRARY)}
    return {name: work.built(path) for name, path in paths.items() if path in work.needs}


def _artifact(work: Workspace, build: Job, output: Output, functions: dict[str, Path]) -> ArtifactToInstall:
    return ArtifactToInstall(
        project=work.project,
        path=work.built(output.path),
        variant=build.variant,
        folder=work.folder,
        run=work.run,
        functions=functions,
    )


def _write_record(work: Workspace, artifact: str, name: str, installed: Installed) -> Verdict:
    made = record(work.run, artifact, installed)
    (work.out / name).write_bytes(document(made))
    return Verdict(notes=(f"{len(made.answers)} events; {made.group}",))


def _compare(work: Workspace) -> Verdict:
    records = [read(work.built(path).read_bytes()) for path in sorted(work.needs) if path.endswith(".json")]
    lines = compare.differences(records)
    if lines:
        rest = [f"and {len(lines) - _MOST_LINES} more"] if len(lines) > _MOST_LINES else []
        raise VerificationError("\n".join([*lines[:_MOST_LINES], *rest]))
    if len(records) < 2:
        return Verdict(not_run=f"there are {len(records)} artefacts to compare")
    groups = sorted({record.group for record in records})
    without = compare.without_panic(records)
    untried = (f"a panic was not compared: it was not tried with {', '.join(without)}",) if without else ()
    return Verdict(untried=untried, notes=(f"byte for byte within, in meaning across {'; '.join(groups)}",))
