"""The crates that ours depends on, as a local registry of cargo: it is packed and verified with these and no network.

They are those of its `Cargo.lock`. They come from `dist/inputs/`, from `dist/.cache/crates/` where they are kept, or
from cargo's own cache, into which cargo fetches those that are not there.
"""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ci.core import cargo_registry
from ci.core.cargo_registry import LockedCrate
from ci.core.errors import CommandFailed, UnavailableError
from ci.core.files import make_folder, write_atomically
from ci.core.tools import Tool
from ci.manifest import dist_paths
from ci.pipeline.jobs import Job, Output, Project, Workspace
from ci.pipeline.stored_inputs import Store

_CARGO = Tool(name="cargo", minimum="1.84")
_CRATE = Path("runtime", "crate")
_NAMES = ("Cargo.toml", "Cargo.lock")


@dataclass(frozen=True, kw_only=True)
class MissingCargo:
    """Why no crate can be made here; empty if cargo can be used."""

    reason: str


def probe(project: Project) -> MissingCargo:
    """Look for cargo, which only functions in Rust need."""
    return MissingCargo(reason="; ".join(project.toolbox.faults([_CARGO])))


def jobs(project: Project) -> tuple[Job, ...]:
    """One job, which makes the folder."""
    missing = project.fact(MissingCargo).reason
    return (
        Job(
            id="local-registry",
            builder="local-registry",
            outputs=(Output(path=dist_paths.LOCAL_REGISTRY),),
            build=_build,
            tools=() if missing else (_CARGO,),
            inputs=tuple(project.root / _CRATE / name for name in _NAMES),
            unavailable=missing,
        ),
    )


def _build(work: Workspace) -> None:
    wanted = cargo_registry.locked(work.project.root / _CRATE / "Cargo.lock")
    cache = work.project.dist / ".cache" / "crates"
    if _missing(work, wanted, cache):
        _fetch(work)
    if missing := _missing(work, wanted, cache):
        names = ", ".join(f"{one.name} {one.version}" for one in missing)
        raise UnavailableError(f"cargo has not fetched {names}", hint="is there a network? see the log")
    folder = work.out / dist_paths.LOCAL_REGISTRY
    folder.mkdir()
    for one in sorted(wanted, key=lambda one: one.file_name):
        cargo_registry.add(folder, one.file_name, (cache / one.file_name).read_bytes())


def _missing(work: Workspace, wanted: Sequence[LockedCrate], cache: Path) -> list[LockedCrate]:
    """The crates that are nowhere on this machine; the others are in the cache then."""
    store = Store(dist=work.project.dist)
    missing = []
    make_folder(cache)
    for one in wanted:
        if store.has(one.sha256):
            write_atomically(cache / one.file_name, store.path(one.sha256).read_bytes())
        elif (data := cargo_registry.kept(one, (cache, *cargo_registry.caches()))) is not None:
            write_atomically(cache / one.file_name, data)
        else:
            missing.append(one)
    return missing


def _fetch(work: Workspace) -> None:
    """Let cargo fetch all of them into its cache. It wants the file of every target as well, and does not read it."""
    folder = work.folder / "crate"
    manifest = tomllib.loads((work.project.root / _CRATE / "Cargo.toml").read_text())
    for path in (Path("src", "lib.rs"), *(Path("tests", f"{one['name']}.rs") for one in manifest.get("test", ()))):
        make_folder(folder / path.parent)
        (folder / path).touch()
    for name in _NAMES:
        shutil.copyfile(work.project.root / _CRATE / name, folder / name)
    try:
        work.run("cargo", "fetch", "--locked", cwd=folder)
    except CommandFailed as error:
        if "failed to parse manifest" in str(error):
            raise  # a fault of the crate, which no network repairs
        raise UnavailableError(
            f"the crates that ours depends on cannot be fetched: {error}",
            hint="run it once with a network, or bring them with: nox -s inputs -- --fetch",
        ) from error
