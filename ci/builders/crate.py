"""The crate for functions in Rust, packed by cargo from the files of `runtime/crate/` that git tracks.

`cargo package` gives every file one time and one owner. What it packs is a copy outside of git, so that no commit gets
into the file: the same sources give the same bytes in each of two commits. Whether it can be built is for its
verification to find out, which builds a function with it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ci.core import cargo_registry
from ci.core.checkout import is_checkout, require_own_files, tracked
from ci.core.errors import DriftError
from ci.core.files import tree_files
from ci.core.rust_crate import FOLDER
from ci.core.tools import Tool
from ci.manifest import dist_paths
from ci.pipeline.jobs import Job, Output, Project, Workspace

_CARGO = Tool(name="cargo", minimum="1.84")
_MADE_BY_CARGO = "target"


@dataclass(frozen=True, kw_only=True)
class CrateSources:
    """The files that cargo packs, by their paths below the crate, or why it cannot."""

    files: Mapping[str, Path]
    missing: str


def probe(project: Project) -> CrateSources:
    """List the crate's files, and look for cargo."""
    return CrateSources(files=sources(project.root), missing="; ".join(project.toolbox.faults([_CARGO])))


def sources(root: Path) -> dict[str, Path]:
    """The files of the crate's project, by their paths in it: those that git tracks, or all outside of a checkout.

    `VerificationError` for a link that leads out of them.
    """
    folder = root / FOLDER
    listed = tracked(root, FOLDER) if is_checkout(root) else list(tree_files(folder))
    require_own_files(root, listed)
    found = {path.relative_to(folder).as_posix(): path for path in listed if path.is_file()}
    return {name: path for name, path in sorted(found.items()) if name.partition("/")[0] != _MADE_BY_CARGO}


def jobs(project: Project) -> tuple[Job, ...]:
    """One job; none for a post-release: what follows a plus sign does not count for a registry of cargo."""
    if "+" in project.release.version.cargo:
        return ()
    found = project.fact(CrateSources)
    return (
        Job(
            id="crate",
            builder="crate",
            outputs=(Output(kind="crate", path=dist_paths.crate(project.release)),),
            build=partial(_build, files=found.files),
            tools=() if found.missing else (_CARGO,),
            inputs=tuple(found.files.values()),
            values={"version": str(project.release.version), "files": "\n".join(found.files)},
            after=("local-registry",),
            unavailable=found.missing,
        ),
    )


def _build(work: Workspace, *, files: Mapping[str, Path]) -> None:
    staged, target, home = (work.folder / name for name in ("crate", "target", "home"))
    home.mkdir()
    for name, path in files.items():
        (staged / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, staged / name)
    options = cargo_registry.options(work.built(dist_paths.LOCAL_REGISTRY))
    work.run(
        "cargo", "package", "--no-verify", "--allow-dirty", "--target-dir", target, *options,
        cwd=staged, env={"CARGO_HOME": str(home)},  # a user's settings may name other registries
    )  # fmt: skip
    name = Path(dist_paths.crate(work.release)).name
    made = sorted(path.name for path in (target / "package").glob("*.crate"))
    if made != [name]:
        raise DriftError(f"{FOLDER}/Cargo.toml makes {', '.join(made)}, but release.yaml says {name}")
    shutil.copyfile(target / "package" / name, work.out / name)
