"""The payload as it is in the source tarball: every package must ship exactly these bytes."""

from __future__ import annotations

import gzip
import hashlib
import re
import tarfile
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from ci.core.errors import VerificationError
from ci.verify.check import Check

LAUNCHER = "bin/faas-runtime"
PACKAGE = "faas_runtime/"
RECIPES = f"{PACKAGE}recipes/"
DIGEST = f"{PACKAGE}payload.sha256"
# The byte code of the modules that every start needs.
_START_FILE = re.compile(rf"{PACKAGE}__pycache__/start\.[\w-]+")
_MAGIC_SIZE = 4  # bytes of the number that the byte code of each version of Python begins with


def payload_of(check: Check) -> dict[str, str]:
    """From the payload's paths (below `lib/faas-runtime/`) to the SHA-256 of each file, read from the sdist."""
    return {
        path: hashlib.sha256(data).hexdigest()
        for path, data in shipped(check).items()
        if path == LAUNCHER or path.startswith(PACKAGE)
    }


def modules_of(paths: Iterable[str]) -> set[str]:
    """Those of the payload's paths that get byte code: Python modules, but not templates in the recipes."""
    return {path for path in paths if path.endswith(".py") and not path.startswith(RECIPES)}


def is_byte_code(path: str) -> bool:
    """Whether a path below the payload's folder is of what Python compiled: a module, or the file for every start."""
    return path.endswith(".pyc") or _START_FILE.fullmatch(path) is not None


def require_start_file(check: Check, files: Mapping[str, bytes]) -> None:
    """Among what Python compiled there is one file for every start: of the same Python, and of this very payload."""
    magic = {data[:_MAGIC_SIZE] for path, data in files.items() if path.endswith(".pyc")}
    check.require_equal(len(magic), 1, "number of Pythons that the byte code is of")
    start = [data for path, data in files.items() if _START_FILE.fullmatch(path)]
    check.require_equal(len(start), 1, "number of files of byte code for every start")
    check.require_equal(start[0][:_MAGIC_SIZE], magic.pop(), "Python that the byte code for every start is of")
    check.require(shipped(check)[DIGEST] in start[0], "the byte code for every start is of the payload")


def shipped(check: Check) -> Mapping[str, bytes]:
    """All files of the source tarball, by their paths in it."""
    path = check.project.sdist
    status = path.stat()
    return _files(path, check.project.release.sdist_top + "/", (status.st_ino, status.st_size, status.st_ctime_ns))


@lru_cache(maxsize=1)  # each verification of a package asks several times
def _files(path: Path, top: str, _state: tuple[int, int, int]) -> Mapping[str, bytes]:
    files: dict[str, bytes] = {}
    with tarfile.open(path) as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is not None:
                files[member.name.removeprefix(top)] = content.read()
    return MappingProxyType(files)


def require_same_bytes(check: Check, found: Mapping[str, Path]) -> None:
    """Each file has the bytes of the source tarball's file at the path given for it, after unpacking a `.gz`."""
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
    """The folder has the payload, byte for byte, and nothing else except what Python compiled of it."""
    others = [path for path in folder.rglob("*") if path.is_symlink() or not (path.is_file() or path.is_dir())]
    check.require_equal(sorted(map(str, others)), [], "neither files nor folders in the payload")
    check.require_equal(sorted(map(str, (folder / RECIPES).rglob("*.pyc"))), [], "byte code among the recipes")
    require_same_payload(
        check,
        {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*")
            if path.is_file() and not is_byte_code(path.relative_to(folder).as_posix())
        },
    )


def require_same_payload(check: Check, found: Mapping[str, str], *, recipes: bool = True) -> None:
    """The hashes of the files found are those of the payload, or of the payload without its recipes."""
    expected = {path: sha256 for path, sha256 in payload_of(check).items() if recipes or not path.startswith(RECIPES)}
    check.require_same_set(set(found), set(expected), "files of the payload")
    different = sorted(path for path, sha256 in expected.items() if found[path] != sha256)
    check.require_equal(different, [], "files of the payload that differ from the source tarball")
