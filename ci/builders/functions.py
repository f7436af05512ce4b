"""The example functions of the recipes, built from what a function author gets. The verifications invoke them."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ci.core import rust_crate
from ci.core.architectures import host_name, named
from ci.core.files import unpack
from ci.core.tools import Tool
from ci.pipeline.jobs import Job, Output, Project, Variant, Workspace
from ci.pipeline.stored_inputs import Store

LIBRARY = "libsimple_handler.so"
_MAKE = Tool(name="make", minimum="3.81")
_GCC = Tool(name="gcc", minimum="8")
_MUSL_GCC = Tool(name="musl-gcc", version_arguments=("-dumpversion",))
_ARM64_GCC = Tool(name=f"{named('arm64').triplet}-gcc", minimum="8")
_CARGO = Tool(name="cargo", minimum="1.82")


@dataclass(frozen=True, kw_only=True)
class MissingCompilers:
    """The compilers that cannot be used here, each with the reason, and this machine's own architecture ("amd64")."""

    reasons: Mapping[str, str]
    host: str


def probe(project: Project) -> MissingCompilers:
    """Look for the compilers that only some verifications need. Without gcc nothing can be verified."""
    reasons = {
        compiler.name: f"{compiler.name}: not found on PATH"
        for compiler in (_MUSL_GCC, _ARM64_GCC)
        if not shutil.which(compiler.name)
    }
    if faults := project.toolbox.faults([_CARGO]):
        reasons[_CARGO.name] = "; ".join(faults)
    return MissingCompilers(reasons=reasons, host=host_name())


def jobs(project: Project) -> tuple[Job, ...]:
    """The C function for the host's libc, for musl and for arm64, and the Rust function."""
    host = project.fact(MissingCompilers).host
    found = [
        _c_job(project, "function-c", _GCC, Variant(language="c", libc="glibc", architecture=host)),
        _c_job(project, "function-c-musl", _MUSL_GCC, Variant(language="c", libc="musl", architecture=host)),
        _rust_job(project, Variant(language="rust", libc="glibc", architecture=host)),
    ]
    if host != "arm64":
        variant = Variant(language="c", libc="glibc", architecture="arm64")
        found.append(_c_job(project, "function-c-aarch64", _ARM64_GCC, variant))
    return tuple(found)


def _c_job(project: Project, name: str, compiler: Tool, variant: Variant) -> Job:
    missing = project.fact(MissingCompilers).reasons.get(compiler.name, "")
    return Job(
        id=name,
        builder="functions",
        variant=variant,
        outputs=_outputs(name),
        build=partial(_build_c, compiler=compiler),
        tools=(compiler, _MAKE),
        inputs=(project.root / "recipes" / "c-function",),
        values={"architecture": variant.architecture},
        unavailable=missing,
    )


def _rust_job(project: Project, variant: Variant) -> Job:
    name, missing = "function-rust", project.fact(MissingCompilers).reasons.get(_CARGO.name, "")
    return Job(
        id=name,
        builder="functions",
        variant=variant,
        outputs=_outputs(name),
        build=_build_rust,
        tools=() if missing else (_CARGO,),
        inputs=(project.root / "recipes" / "rust-function", *rust_crate.places(project.root)),
        values={"architecture": variant.architecture},
        unavailable=missing,
    )


def _outputs(job: str) -> tuple[Output, ...]:
    return (Output(path=f"functions/{job}/{LIBRARY}"),)


def _build_c(work: Workspace, *, compiler: Tool) -> None:
    folder = _project_of(work, "c-function")
    work.run("make", f"CC={compiler.name}", cwd=folder)
    shutil.copyfile(folder / LIBRARY, work.out / LIBRARY)


def _build_rust(work: Workspace) -> None:
    folder = _project_of(work, "rust-function")
    # One target folder for all runs, so that what the crate depends on is compiled once.
    target = work.project.dist / ".cache" / "cargo"
    work.run("cargo", "build", "--release", "--locked", "--target-dir", target, *_kept_crates(work), cwd=folder)
    shutil.copyfile(target / "release" / LIBRARY, work.out / LIBRARY)


def _kept_crates(work: Workspace) -> list[str]:
    """The options that let cargo take all crates from `dist/inputs/`; none if one is missing there."""
    stored = Store(dist=work.project.dist)
    known = stored.recorded()
    if known is None or not stored.has_all(crate.sha256 for crate in known.crates):
        return []
    vendored = work.folder / "crates"
    for crate in known.crates:
        with tempfile.TemporaryDirectory() as scratch:
            unpack(stored.path(crate.sha256), Path(scratch))
            shutil.copytree(Path(scratch, f"{crate.name}-{crate.version}"), vendored / f"{crate.name}-{crate.version}")
        checksums = json.dumps({"files": {}, "package": crate.sha256})
        (vendored / f"{crate.name}-{crate.version}" / ".cargo-checksum.json").write_text(checksums)
    settings = ('source.crates-io.replace-with="kept"', f"source.kept.directory={json.dumps(str(vendored))}")
    return ["--offline", *(word for setting in settings for word in ("--config", setting))]


def _project_of(work: Workspace, recipe: str) -> Path:
    """Make a project from a recipe."""
    from ci.bake.render import bake_recipe  # slow to import, see ci.builders.baked

    return bake_recipe(work.project.root / "recipes" / recipe, work.folder)
