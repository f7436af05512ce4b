"""Brings what a build takes from outside into `dist/inputs/`, by hash, and says what is there: `nox -s inputs`.

`dist/inputs.json` says what is needed, and `ci.verify.roots` which roots the gates work in. All of it is taken from
where the tooling has it already, or else from where it is offered: Debian's mirrors, the registries of the base images,
the package index, crates.io.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ci.core import cargo_registry
from ci.core.errors import CommandFailed, ReleaseError, UsageError
from ci.core.files import fresh_folder, make_folder, sha256_of
from ci.core.run import Runner
from ci.core.state import read_json
from ci.images import bases, debian_packages, debian_root
from ci.images.engine_choice import last_line
from ci.make_environment import interpreter
from ci.pipeline import inputs
from ci.pipeline.inputs import Inputs
from ci.pipeline.jobs import Project
from ci.pipeline.stored_inputs import Store, blobs_of
from ci.verify import roots

_REQUIREMENTS = Path("ci", "requirements", "release.txt")
_RECIPE = Path("recipes", "rust-function")
_OWN_CRATE = Path("runtime", "crate")
DEBIAN, BASE, WHEEL, CRATE, ROOT = "Debian package", "base image", "wheel", "crate", "root for the gates"
# The flavours whose Containerfiles install packages of the distribution, which nothing here keeps, and with what.
_INSTALL_WHILE_BUILT = {"ubi": "microdnf", "alpine": "apk"}


@dataclass(frozen=True, kw_only=True)
class Needed:
    """One input: what it is, and the hashes of which one is enough. `missing` is why it is not kept; empty if it is."""

    kind: str
    name: str
    sha256: tuple[str, ...]
    missing: str = ""


def recorded(project: Project) -> Inputs:
    """What `dist/inputs.json` names, or else what is kept already. `UsageError` if there is neither."""
    path = project.dist / inputs.NAME
    if path.is_file():
        return inputs.read(path)
    if (known := Store(dist=project.dist).recorded()) is not None:
        return known
    raise UsageError(f"{path}: it is not there", hint="build once, with a network: nox -s snapshot")


def state(project: Project, wanted: Inputs, why: dict[str, str] | None = None) -> list[Needed]:
    """Every input, and whether it is kept. `why` has what went wrong, by the kind of the input."""
    store, reasons = Store(dist=project.dist), why or {}
    found = []
    for one in (*needed(wanted), *_needed_roots(store)):
        is_kept = store.has_image if one.kind == BASE else store.has
        missing = (
            "" if any(map(is_kept, one.sha256)) else reasons.get(one.name) or reasons.get(one.kind) or "not fetched"
        )
        found.append(Needed(kind=one.kind, name=one.name, sha256=one.sha256, missing=missing))
    return found


def needed(wanted: Inputs) -> Iterator[Needed]:
    """All inputs that a list names. Programs are not among them: they belong to the machine."""
    for package in wanted.debian:
        name = f"{package.name} {package.version} ({package.root})"
        yield Needed(kind=DEBIAN, name=name, sha256=(package.sha256,))
    for base in wanted.bases:
        name = f"{base.reference.partition('@')[0]} ({base.architecture})"
        yield Needed(kind=BASE, name=name, sha256=(base.digest.removeprefix("sha256:"),))
    for python in wanted.python_packages:
        yield Needed(kind=WHEEL, name=f"{python.name} {python.version}", sha256=python.sha256)
    for crate in wanted.crates:
        yield Needed(kind=CRATE, name=f"{crate.name} {crate.version}", sha256=(crate.sha256,))


def _needed_roots(store: Store) -> Iterator[Needed]:
    known = store.roots()
    for suite in roots.SUITES:
        name = roots.name_of(suite)
        yield Needed(kind=ROOT, name=suite.name, sha256=(known[name],) if name in known else ())


def fetch(project: Project, wanted: Inputs, scratch: Path, run: Runner) -> list[Needed]:
    """Bring everything that a list names into `dist/inputs/`; returns the state of all, with why something is missing.

    What the list does not name is removed from there. `scratch` is a folder for temporary files.
    """
    store = Store(dist=project.dist)
    make_folder(store.folder)
    why: dict[str, str] = {}
    wheels: dict[str, object] = {}
    packed: dict[str, str] = {}
    _try(why, DEBIAN, lambda: _debian(project, store, wanted, scratch, run))
    for base in wanted.bases:
        name = f"{base.reference.partition('@')[0]} ({base.architecture})"
        _try(why, name, lambda base=base: _base(store, base, fresh_folder(scratch / "base"), run))  # type: ignore[misc]
    _try(why, WHEEL, lambda: wheels.update(_wheels(project, store, wanted, scratch, run)))
    _try(why, CRATE, lambda: _crates(project, store, wanted, scratch, run))
    for suite in roots.SUITES:
        _try(why, suite.name, partial(_root, store, suite, packed, scratch, run))
    chosen = project.release.images.micro
    store.write_record({"suite": chosen.suite, "python": chosen.python, "roots": packed, **wheels})
    (store.folder / inputs.NAME).write_bytes(wanted.document())
    _remove_others(store, wanted)
    return state(project, wanted, why)


def _try(why: dict[str, str], what: str, action: Callable[[], object]) -> None:
    try:
        action()
    except CommandFailed as error:
        why[what] = last_line(error)
    except ReleaseError as error:
        why[what] = str(error).splitlines()[0]


def _debian(project: Project, store: Store, wanted: Inputs, scratch: Path, run: Runner) -> None:
    chosen = project.release.images.micro
    for architecture in dict.fromkeys(package.root for package in wanted.debian):
        packages = wanted.debian_of(architecture)
        try:
            root = debian_root.Wanted(suite=chosen.suite, python=chosen.python, architecture=architecture)
            debian_packages.fetch_missing(project.dist, run, root, wanted, scratch)
        finally:
            for package in packages:
                store.keep(debian_packages.kept(project.dist, package), package.sha256)


def _base(store: Store, base: inputs.BaseImage, folder: Path, run: Runner) -> None:
    """Copy an image as its registry has it. An engine's storage has other bytes: it keeps layers unpacked."""
    if store.has_image(base.digest):
        return
    name = bases.plain(base.reference).partition("@")[0]
    run("skopeo", "copy", "--quiet", "--preserve-digests", f"docker://{_untagged(name)}@{base.digest}", f"dir:{folder}")
    sha256 = base.digest.removeprefix("sha256:")
    store.keep(folder / "manifest.json", sha256)
    for blob in blobs_of(read_json(folder / "manifest.json")):
        store.keep(folder / blob, blob)


def _untagged(name: str) -> str:
    path, slash, last = name.rpartition("/")
    return f"{path}{slash}{last.partition(':')[0]}"


def _wheels(project: Project, store: Store, wanted: Inputs, scratch: Path, run: Runner) -> dict[str, object]:
    """Keep the wheels of the pinned requirements for this Python; returns what is recorded of them."""
    requirements = project.root / _REQUIREMENTS
    record = {"requirements": sha256_of(requirements), "interpreter": interpreter()}
    known = store.wheels(record)
    if known and store.has_all(known.values()):
        return {**record, "wheels": known}
    folder = fresh_folder(scratch / "wheels")
    options = ("--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--only-binary", ":all:")
    pip = (sys.executable, "-m", "pip", "download")
    run(*pip, *options, "--require-hashes", "--dest", folder, "--requirement", requirements)
    found = {path.name: sha256_of(path) for path in sorted(folder.iterdir())}
    accepted = {sha256 for package in wanted.python_packages for sha256 in package.sha256}
    for name, sha256 in found.items():
        if sha256 in accepted:
            store.keep(folder / name, sha256)
    complete = store.has_all(found.values())
    return {**record, "wheels": found} if complete else {}


def _crates(project: Project, store: Store, wanted: Inputs, scratch: Path, run: Runner) -> None:
    """Keep the archives in cargo's cache; cargo fetches those that are not there."""
    if _keep_crates(store, wanted) or not shutil.which("cargo"):
        return
    from ci.bake.render import bake_recipe  # slow to import, see ci.builders.baked

    project_folder = bake_recipe(project.root / _RECIPE, fresh_folder(scratch / "function"))
    own = fresh_folder(scratch / "crate")
    shutil.copytree(project.root / _OWN_CRATE, own, dirs_exist_ok=True, ignore=shutil.ignore_patterns("target"))
    for folder in (project_folder, own):
        run("cargo", "fetch", "--locked", cwd=folder)
    _keep_crates(store, wanted)


def _keep_crates(store: Store, wanted: Inputs) -> bool:
    caches = list(cargo_registry.caches())
    kept = True
    for crate in wanted.crates:
        name = f"{crate.name}-{crate.version}.crate"
        kept &= any(store.keep(cache / name, crate.sha256) for cache in caches) or store.has(crate.sha256)
    return kept


def _root(store: Store, suite: roots.Suite, known: dict[str, str], scratch: Path, run: Runner) -> None:
    """Keep the root of a suite, packed, and add its name and the sha256 of the file to the known ones."""
    name = roots.name_of(suite)
    if kept := store.root(name):
        known[name] = kept.name
        return
    packed = fresh_folder(scratch / "root") / f"{suite.name}.tar.zst"
    run("zstd", "--quiet", "--threads=0", "-9", "--force", roots.made(store.dist, suite, run), "-o", packed)
    known[name] = sha256_of(packed)
    store.keep(packed, known[name])
    packed.unlink()


def _remove_others(store: Store, wanted: Inputs) -> None:
    """Remove what no input of the list is, so that a bundle has nothing of an earlier release."""
    needed_hashes = {sha256 for one in needed(wanted) for sha256 in one.sha256} | set(store.roots().values())
    for base in wanted.bases:
        if store.has_image(base.digest):
            needed_hashes |= set(blobs_of(read_json(store.path(base.digest.removeprefix("sha256:")))))
    for path in (store.folder / "sha256").glob("*"):
        if path.name not in needed_hashes:
            path.unlink()


def what_needs_a_network(wanted: Inputs) -> list[str]:
    """For each flavour of images that packages are installed into while it is built: what it needs, in a line."""
    said = []
    for flavour, manager in _INSTALL_WHILE_BUILT.items():
        if any(base.flavour == flavour for base in wanted.bases):
            said.append(f"{flavour} needs a network: {manager} fetches packages while the image is built")
        else:
            said.append(f"{flavour} is left out without a network: its base was not there in that build")
    return said


def rows(found: Sequence[Needed]) -> list[list[str]]:
    """The rows of the table: one for each kind that is whole, and one for each input that is missing."""
    rows = []
    for kind in dict.fromkeys(one.kind for one in found):
        of_kind = [one for one in found if one.kind == kind]
        there = [one for one in of_kind if not one.missing]
        rows.append([kind, "", f"{len(there)} of {len(of_kind)}", ""])
        rows += [[kind, one.name, "missing", one.missing] for one in of_kind if one.missing]
    return rows
