"""The payload as the source tarball has it: every package must ship these very bytes."""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Mapping
from pathlib import Path

from ci.verify.check import Check

LAUNCHER = "bin/faas-runtime"
PACKAGE = "faas_runtime/"


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


def require_payload(check: Check, folder: Path) -> None:
    """The folder holds the payload, byte for byte, and nothing else but what Python compiled of it."""
    require_same_payload(
        check,
        {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*")
            if path.is_file() and path.suffix != ".pyc"
        },
    )


def require_same_payload(check: Check, found: Mapping[str, str]) -> None:
    """The hashes of the files found are those of the payload."""
    expected = payload_of(check)
    check.require_same_set(set(found), set(expected), "files of the payload")
    different = sorted(path for path, sha256 in expected.items() if found[path] != sha256)
    check.require_equal(different, [], "files of the payload that differ from the source tarball")
