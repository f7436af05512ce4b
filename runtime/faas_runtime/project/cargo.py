"""A project of cargo: the crates whose library is a function, and where cargo puts that."""

import json
import os
import shutil
import subprocess
import sys

from ..errors import UsageError
from ..library import SUFFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MANIFEST = "Cargo.toml"
PROFILES = {False: "release", True: "debug"}
"""The folder of a build, by whether it is one for debugging."""
_PREFIX = "" if sys.platform == "win32" else "lib"
_LINUX = ("lib", ".so")
_SUFFIXES = (".so", ".dylib", ".dll")


class FunctionCrate:
    """A crate whose library is a cdylib; cargo writes the name of the library with underscores."""

    def __init__(self, name: str, folder: str, library: str) -> None:
        self.name = name
        self.folder = folder
        self.library = library.replace("-", "_")


class CargoProject:
    """One crate, alone or in a workspace."""

    def __init__(self, crate: FunctionCrate, target_folder: str) -> None:
        self.crate = crate
        self.target_folder = target_folder

    def library(self, *, is_debug: bool = False, triple: str = "") -> str:
        """The path of the library after a build; `triple` is the one that cargo was given, which is for Linux."""
        prefix, suffix = _LINUX if triple else (_PREFIX, SUFFIX)
        name = prefix + self.crate.library + suffix
        return os.path.join(self.target_folder, triple, PROFILES[is_debug], name)

    def reported(self, report: bytes) -> "str | None":
        """The path of the library in what cargo has written with --message-format=json; None if it is not there.

        This is also right if the settings of cargo name a target, which has a folder of its own.
        """
        for message in map(json.loads, filter(_is_object, report.splitlines())):
            target = message.get("target", {})
            if message["reason"] != "compiler-artifact" or "cdylib" not in target["kind"]:
                continue
            if os.path.dirname(message.get("manifest_path", "")) == self.crate.folder:
                return next((str(path) for path in message["filenames"] if path.endswith(_SUFFIXES)), None)
        return None

    def built(self, machine: str) -> "list[str]":
        """The libraries of this crate that were built for this machine, the newest first."""
        triples = [""]
        if os.path.isdir(self.target_folder):
            triples += [name for name in os.listdir(self.target_folder) if name.startswith(f"{machine}-")]
        paths = [self.library(is_debug=debug, triple=triple) for triple in triples for debug in PROFILES]
        return sorted(filter(os.path.isfile, paths), key=os.path.getmtime, reverse=True)


def find(folder: str) -> "CargoProject | None":
    """The project of a folder, or of the nearest one above it with a manifest; None if there is none.

    Raises UsageError if cargo fails, or if it is not clear which crate is meant.
    """
    found = find_all(folder)
    if len(found) > 1:
        names = ", ".join(project.crate.name for project in found)
        raise UsageError(f"the workspace has several functions: {names}. Change to the folder of one of them")
    return found[0] if found else None


def find_all(folder: str) -> "list[CargoProject]":
    """The same; in the root folder of a workspace that is no crate itself, all its functions, by their names.

    Raises UsageError if cargo fails, or if no crate there is a function.
    """
    root = os.path.abspath(folder)
    while not os.path.isfile(os.path.join(root, MANIFEST)):
        if root == os.path.dirname(root):
            return []
        root = os.path.dirname(root)
    metadata = _metadata(root)
    crates = _crates(metadata)
    here = os.path.realpath(root)
    own = [crate for crate in crates if os.path.realpath(crate.folder) == here]
    if not crates:
        raise UsageError(
            f'no crate of {os.path.join(root, MANIFEST)} is a function: add crate-type = ["cdylib"] to its [lib]'
        )
    names = ", ".join(crate.name for crate in crates)
    other = "" if own else _name_of(metadata, here)
    if other:
        raise UsageError(
            f'the crate here, {other}, is no function: add crate-type = ["cdylib"] to its [lib], or change to the '
            f"folder of a function: {names}"
        )
    found = sorted(own or crates, key=lambda crate: crate.name)
    return [CargoProject(crate, metadata["target_directory"]) for crate in found]


def _name_of(metadata: "dict[str, Any]", folder: str) -> str:
    """The name of the crate in a folder; empty if there is none, as at the root of most workspaces."""
    for package in metadata["packages"]:
        if os.path.realpath(os.path.dirname(package["manifest_path"])) == folder:
            return str(package["name"])
    return ""


def _is_object(line: bytes) -> bool:
    return line.startswith(b"{")


def _metadata(folder: str) -> "dict[str, Any]":
    cargo = shutil.which("cargo")
    if cargo is None:
        raise UsageError(f"{os.path.join(folder, MANIFEST)} needs cargo, which is not on PATH; install Rust")
    command = [cargo, "metadata", "--no-deps", "--format-version", "1"]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise UsageError("cargo metadata failed; its own message is above")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _crates(metadata: "dict[str, Any]") -> "list[FunctionCrate]":
    members = set(metadata["workspace_members"])
    crates = []
    for package in metadata["packages"]:
        for target in package["targets"]:
            # An example has the crate type too, but the kind "example".
            if package["id"] in members and "cdylib" in target["kind"]:
                crates.append(FunctionCrate(package["name"], os.path.dirname(package["manifest_path"]), target["name"]))
    return crates
