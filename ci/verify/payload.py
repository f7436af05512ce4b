"""The payload as the source tarball has it: every package must ship these very bytes."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from ci.errors import VerificationError
from ci.verify.check import Check

LAUNCHER = "bin/faas-runtime"
PACKAGE = "faas_runtime/"
RECIPES = f"{PACKAGE}recipes/"


def payload_of(check: Check) -> dict[str, str]:
    """From the payload's paths (below `lib/faas-runtime/`) to the SHA-256 of each file, read from the sdist."""
    release = check.project.release
    sdist = check.project.dist / "sdist" / release.sdist_name
    top = release.sdist_name.removesuffix(".tar.gz") + "/"
    payload: dict[str, str] = {}
    with tarfile.open(sdist) as archive:
        for member in archive:
            path = member.name.removeprefix(top)
            content = archive.extractfile(member)
            if content is not None and (path == LAUNCHER or path.startswith(PACKAGE)):
                payload[path] = hashlib.sha256(content.read()).hexdigest()
    return payload


def modules_of(paths: Iterable[str]) -> set[str]:
    """Those of the payload's paths that are Python and get byte code; in the recipes, a file *.py is a template."""
    return {path for path in paths if path.endswith(".py") and not path.startswith(RECIPES)}


def shipped(check: Check) -> dict[str, bytes]:
    """All files of the source tarball, by their paths in it."""
    release = check.project.release
    top = release.sdist_name.removesuffix(".tar.gz") + "/"
    files: dict[str, bytes] = {}
    with tarfile.open(check.project.dist / "sdist" / release.sdist_name) as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is not None:
                files[member.name.removeprefix(top)] = content.read()
    return files


def require_same_bytes(check: Check, found: Mapping[str, Path]) -> None:
    """Each file holds what the source tarball has under the path given for it; where it is compressed, unpacked."""
    expected = shipped(check)
    for path, file in found.items():
        check.require(file.is_file() and not file.is_symlink(), f"{file.name} is a file")
        data = file.read_bytes()
        if file.suffix == ".gz":
            try:
                data = gzip.decompress(data)
            except (OSError, EOFError) as error:
                raise VerificationError(f"{check.output.path}: {file.name}: {error}") from error
        check.require(data == expected.get(path), f"the bytes of {file.name} are those of {path} in the source tarball")


def require_payload(check: Check, folder: Path) -> None:
    """The folder holds the payload, byte for byte, and nothing else but what Python compiled of it."""
    others = [path for path in folder.rglob("*") if path.is_symlink() or not (path.is_file() or path.is_dir())]
    check.require_equal(sorted(map(str, others)), [], "neither files nor folders in the payload")
    check.require_equal(sorted(map(str, (folder / RECIPES).rglob("*.pyc"))), [], "byte code among the recipes")
    require_same_payload(
        check,
        {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*")
            if path.is_file() and path.suffix != ".pyc"
        },
    )


def require_same_payload(check: Check, found: Mapping[str, str], *, recipes: bool = True) -> None:
    """The hashes of the files found are those of the payload, or of the payload without its recipes."""
    expected = {path: sha256 for path, sha256 in payload_of(check).items() if recipes or not path.startswith(RECIPES)}
    check.require_same_set(set(found), set(expected), "files of the payload")
    different = sorted(path for path, sha256 in expected.items() if found[path] != sha256)
    check.require_equal(different, [], "files of the payload that differ from the source tarball")
