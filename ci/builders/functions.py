"""The example function of the recipes, built from what a function author gets: what the verifications invoke."""

from __future__ import annotations

import platform
import shutil

from ci.jobs import Job, Output, Project, Workspace
from ci.tools import Tool

NAME = "simple_handler"
_MAKE = Tool(name="make", minimum="3.81")


def jobs(project: Project) -> tuple[Job, ...]:
    """The C function against the host's libc, against musl and for arm64, and the Rust function."""
    gcc = Tool(name="gcc", minimum="8")
    musl = Tool(name="musl-gcc", version_arguments=("-dumpversion",))
    found = [_c_job(project, "function-c", gcc), _c_job(project, "function-c-musl", musl), _rust_job(project)]
    if platform.machine() != "aarch64":
        found.append(_c_job(project, "function-c-aarch64", Tool(name="aarch64-linux-gnu-gcc", minimum="8")))
    return tuple(found)


def library(job: str) -> str:
    """The path, relative to `dist/`, of the library that a job of this module makes."""
    return f"functions/{job}/lib{NAME}.so"


def _c_job(project: Project, name: str, compiler: Tool) -> Job:
    # Without the host's own compiler nothing could be asked anything; the others are for some images only.
    missing = "" if compiler.name == "gcc" or shutil.which(compiler.name) else f"{compiler.name}: not found on PATH"

    def build(work: Workspace) -> None:
        from ci.bake import bake_recipe  # slow to import, see ci.builders.baked

        folder = bake_recipe(work.project.root / "recipes" / "c-function", work.folder)
        work.run("make", f"CC={compiler.name}", cwd=folder)
        shutil.copyfile(folder / f"lib{NAME}.so", work.out / f"lib{NAME}.so")

    return Job(
        id=name,
        builder="functions",
        outputs=(Output(path=library(name)),),
        build=build,
        tools=(compiler, _MAKE),
        inputs=(project.root / "recipes" / "c-function",),
        values={"machine": platform.machine()},
        unavailable=missing,
    )


def _rust_job(project: Project) -> Job:
    cargo = Tool(name="cargo", minimum="1.82")
    missing = "; ".join(project.toolbox.faults([cargo]))

    def build(work: Workspace) -> None:
        from ci.bake import bake_recipe  # slow to import, see ci.builders.baked

        folder = bake_recipe(work.project.root / "recipes" / "rust-function", work.folder)
        # One target folder for all runs: the crate's only dependency need not be compiled again.
        target = work.project.dist / ".cache" / "cargo"
        work.run("cargo", "build", "--release", "--locked", "--target-dir", target, cwd=folder)
        shutil.copyfile(target / "release" / f"lib{NAME}.so", work.out / f"lib{NAME}.so")

    return Job(
        id="function-rust",
        builder="functions",
        outputs=(Output(path=library("function-rust")),),
        build=build,
        tools=() if missing else (cargo,),
        inputs=(project.root / "recipes" / "rust-function",),
        values={"machine": platform.machine()},
        unavailable=missing,
    )
