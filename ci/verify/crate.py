"""The crate: its exact files, its metadata, and a function that cargo builds with it out of a local registry.

The registry has the crate itself and those that it depends on. Cargo gets no network, and nothing of the user's.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ci.builders.crate import sources
from ci.core import cargo_registry, crate_file
from ci.core.crate_file import CrateFile
from ci.core.files import unpack
from ci.core.rust_crate import FOLDER
from ci.manifest import dist_paths
from ci.pipeline.jobs import Verdict
from ci.verify.check import Check, launcher, require_answers
from ci.verify.rust_function import FunctionProject

_TIME = 1_153_704_088  # of every file in every crate: cargo's own constant
_BESIDE = {"LICENSE", "README.md"}
_ALSO = {"rustfmt.toml"}  # if the manifest includes it
_FROM_CARGO = {"Cargo.lock", "Cargo.toml", "Cargo.toml.orig"}
# The largest that crates.io takes, and how many words of each kind.
_MOST_BYTES = 10 * 1024 * 1024
_MOST_WORDS = 5


def verify(check: Check) -> Verdict:
    """Verify the crate; a fault raises `VerificationError`."""
    data = check.path.read_bytes()
    found = crate_file.read(data, check.output.path)
    _require_members(check, found)
    _require_files(check, found)
    _require_metadata(check, found)
    check.require(len(data) <= _MOST_BYTES, "crates.io takes a file of this size")
    registry = _registry(check, data)
    _require_all_features(check, found, registry)
    _require_function(check, registry)
    return Verdict()


def _require_members(check: Check, found: CrateFile) -> None:
    top = f"{found.name}-{found.version}"
    with tarfile.open(check.path) as archive:
        for member in archive:
            path = member.name.removeprefix(f"{top}/")
            check.require(member.isfile(), f"{path} is a file")
            check.require_equal(member.mode & 0o7777, 0o644, f"mode of {path}")
            check.require_equal((member.uid, member.gid), (0, 0), f"owner of {path}")
            check.require_equal((member.uname, member.gname), ("", ""), f"owner's name of {path}")
            check.require_equal(int(member.mtime), _TIME, f"time of {path}")


def _require_files(check: Check, found: CrateFile) -> None:
    """The crate has its sources and what cargo adds, nothing else, with the checkout's bytes."""
    checkout = sources(check.project.root)
    included = {str(one).removeprefix("/") for one in found.package.get("include", ())}
    own = {path for path in checkout if path.startswith("src/")} | _BESIDE | (_ALSO & included)
    check.require_same_set(set(found.files), own | _FROM_CARGO, "files")
    expected = {**{path: path for path in own}, "Cargo.toml.orig": "Cargo.toml"}
    different = sorted(path for path, name in expected.items() if found.files[path] != checkout[name].read_bytes())
    check.require_equal(different, [], f"files unlike those of {FOLDER}")
    licence = check.project.root / "runtime" / "LICENSE"
    check.require(found.files["LICENSE"] == licence.read_bytes(), "the licence is that of the runtime")


def _require_metadata(check: Check, found: CrateFile) -> None:
    release, package = check.project.release, found.package
    expected = {
        "name": dist_paths.CRATE,
        "version": release.version.cargo,
        "license": release.license,
        "homepage": release.home,
        "repository": release.home,
        "readme": "README.md",
    }
    check.require_equal({key: package.get(key) for key in expected}, expected, "metadata")
    for key in ("description", "rust-version"):
        check.require(bool(package.get(key)), f"it has a {key}")
    for key in ("keywords", "categories"):
        check.require(len(package.get(key, ())) <= _MOST_WORDS, f"it has at most {_MOST_WORDS} {key}")
    check.require("publish" not in package, "it may be published")
    elsewhere = sorted({name for name, stated in _stated(found.manifest) if {"path", "git"} & set(stated)})
    check.require_equal(elsewhere, [], "dependencies that are in no registry")
    default = {one.name for one in found.dependencies if one.kind == "normal" and not one.optional}
    check.require_same_set(default, {"serde", "serde_json"}, "dependencies without a feature")


def _stated(manifest: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What the manifest says of each dependency of any kind, where it says more than a version."""
    for table in (manifest, *manifest.get("target", {}).values()):
        for kind in ("dependencies", "dev-dependencies", "build-dependencies"):
            yield from ((name, stated) for name, stated in table.get(kind, {}).items() if isinstance(stated, dict))


def _registry(check: Check, data: bytes) -> Path:
    """A local registry with the crate and all that it depends on."""
    folder = check.folder / "registry"
    shutil.copytree(check.project.dist / dist_paths.LOCAL_REGISTRY, folder)
    cargo_registry.add(folder, check.output.path, data)
    return folder


def _project(check: Check, name: str, registry: Path, stated: str) -> FunctionProject:
    """A project that wants this very version, from the registry alone."""
    options = cargo_registry.options(registry)
    project = FunctionProject(folder=check.folder / name, home=check.folder / "home", run=check.run, options=options)
    version = check.project.release.version.cargo
    project.write(dist_paths.CRATE, f'version = "={version}"{stated}')
    return project


def _require_all_features(check: Check, found: CrateFile, registry: Path) -> None:
    """With all features, cargo finds the crates that they need, and the crate itself in the registry."""
    features = sorted(found.features)
    project = _project(check, "features", registry, f", features = {json.dumps(features)}")
    resolved = json.loads(project.cargo("metadata", "--format-version", "1"))
    versions = {one["name"]: (one["version"], one["source"]) for one in resolved["packages"]}
    version, source = versions[dist_paths.CRATE]
    check.require_equal(version, found.version, "version that cargo takes")
    check.require(str(source).startswith("registry+"), "cargo takes the crate from the registry")
    (own,) = (one["id"] for one in resolved["packages"] if one["name"] == dist_paths.CRATE)
    (enabled,) = (one["features"] for one in resolved["resolve"]["nodes"] if one["id"] == own)
    check.require_same_set(set(features) - set(enabled), set(), "features that cargo does not switch on")


def _require_function(check: Check, registry: Path) -> None:
    """A function is built with the default features, and answers an event under the runtime of the source tarball."""
    function = _project(check, "function", registry, "").build()
    unpack(check.project.sdist, check.folder)
    program = check.folder / check.project.release.sdist_top / "bin" / "faas-runtime"
    require_answers(dataclasses.replace(check, functions=(function,)), launcher(program))
