"""The finished set that is published, and whether it may be.

Only its own bytes go out: each file is hashed again at the moment it is sent.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ci.core.errors import UsageError, VerificationError
from ci.core.faults import Fault
from ci.core.files import sha256_of
from ci.core.page_names import safe
from ci.core.state import read_regular
from ci.core.text_lists import read_lines

SUMS = "SHA256SUMS"
SIGNATURE = "SHA256SUMS.asc"
TREES = ("yum", "pacman")
_STATEMENT_ENDS = (".dsse.json", ".sigstore.json")
RECORD = "artifacts.json"
_AGAIN = "make the set again: nox -s release"
_LARGEST_BYTES = 2_147_483_647
_REMOVE = ("remove it", "remove them")
_LARGEST_RECORD = 16_000_000
# What is read of each entry of a list in the report.
_READ = {
    "artifacts": ("name", "path", "kind", "status"),
    "gates": ("gate", "artifacts"),
    "stand_in_bases": ("flavour", "reference"),
    "allowed_missing": ("name",),
}
_LINE = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9_][A-Za-z0-9._+@-]*)")


@dataclass(frozen=True, kw_only=True)
class SetFile:
    """A file of the set: its name on the release page, and the bytes it had when the set was read.

    `kind` is that of the artefact, as in `artifacts.json`; empty for everything else.
    """

    path: Path
    size: int
    sha256: str
    kind: str = ""

    @property
    def name(self) -> str:
        """Its name on the release page."""
        return self.path.name

    def read(self) -> bytes:
        """Its bytes; `VerificationError` if they are not those that the gates have seen."""
        data = read_regular(self.path, _LARGEST_BYTES)
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise VerificationError(f"{self.path}: its bytes have changed since the set was checked", hint=_AGAIN)
        return data


@dataclass(frozen=True, kw_only=True)
class ReleaseSet:
    """A set as it lies in a folder, beside the trees `yum/` and `pacman/`.

    `files` are those of the release page, sorted by name; `document` is artifacts.json.
    """

    folder: Path
    name: str
    version: str
    commit: str
    files: tuple[SetFile, ...]
    document: Mapping[str, Any]

    def of_kind(self, *kinds: str) -> tuple[SetFile, ...]:
        """The artefacts of some kinds."""
        return tuple(file for file in self.files if file.kind in kinds)

    def tree(self, name: str) -> Path | None:
        """The folder of a tree; None if the set has none."""
        path = self.folder / name
        return path if path.is_dir() else None


def read(folder: Path) -> ReleaseSet:
    """Read a set. Each file is hashed; what `SHA256SUMS` says otherwise raises `VerificationError`.

    `UsageError` if the folder has no finished set. The signatures are checked by the set's verifier, not here.
    """
    if not (folder / SUMS).is_file() or not (folder / SIGNATURE).is_file():
        raise UsageError(f"{folder}: there is no signed set", hint="make it: nox -s release")
    listed = _sums(folder / SUMS)
    document = _document(folder, listed.get(RECORD, ""))
    kinds = {safe(one["name"]): one["kind"] for one in document["artifacts"]}
    files, faults, stray = [], [], []
    for path in sorted(one for one in folder.iterdir() if not one.is_dir() or one.is_symlink()):
        wanted = listed.pop(path.name, "")
        signed_otherwise = path.name in (SUMS, SIGNATURE) or path.name.endswith(_STATEMENT_ENDS)
        if path.is_symlink() or not path.is_file():
            faults.append(f"{path.name}: it is not a regular file")
            continue
        if not (wanted or signed_otherwise):
            stray.append(f"{path.name}: it is in the folder, and {SUMS} does not list it")
            continue
        sha256 = sha256_of(path)
        if wanted and sha256 != wanted:
            faults.append(f"{path.name}: other bytes than those that {_gates(document, path.name)} have seen")
        files.append(SetFile(path=path, size=path.stat().st_size, sha256=sha256, kind=kinds.get(path.name, "")))
    faults += [f"{name}: it is missing" for name in listed]
    if faults or stray:
        raise VerificationError(
            "\n".join(f"{folder}: {fault}" for fault in (*stray, *faults)),
            hint=_AGAIN if faults else _REMOVE[len(stray) > 1],
        )
    return ReleaseSet(
        folder=folder,
        name=str(document["name"]),
        version=str(document["version"]),
        commit=str(document["source"].get("commit", "")),
        files=tuple(files),
        document=document,
    )


def _document(folder: Path, sha256: str) -> dict[str, Any]:
    """The report of the build, with everything that is read of it; its bytes are those that the list has."""
    path = folder / RECORD
    try:
        data = read_regular(path, _LARGEST_RECORD)
    except OSError as error:
        raise VerificationError(f"{path}: it cannot be read: {error.strerror or error}", hint=_AGAIN) from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise VerificationError(f"{path}: other bytes than those that {SUMS} lists", hint=_AGAIN)
    try:
        document: dict[str, Any] = json.loads(data)
        for name in ("name", "version", "quick"):
            document[name]
        for where, keys in _READ.items():
            for one in document[where]:
                for key in keys:
                    one[key]
        document["source"].get("commit")
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise VerificationError(f"{path}: it is damaged: {error!r}", hint=_AGAIN) from None
    return document


def faults(found: ReleaseSet) -> list[Fault]:
    """Why the set may not be published, as far as it shows in its own files; what was left untried is not looked at."""
    return list(_faults(found))


def _faults(found: ReleaseSet) -> Iterator[Fault]:
    def fault(where: str, what: str, advice: str) -> Fault:
        return Fault(check="set", where=where, what=what, advice=advice)

    document = found.document
    if document["quick"]:
        yield fault("artifacts.json", "the gates were left out (--quick)", _AGAIN)
    if document["source"].get("modified", True):
        yield fault("artifacts.json", "it was built from a modified checkout", "commit, tag, and release again")
    for base in document["stand_in_bases"]:
        yield fault(base["flavour"], f"it was built on a stand-in ({base['reference']})", "release without --base")
    present = {file.name: file for file in found.files}
    for one in document["artifacts"]:
        if one["status"] == "unavailable" and one["name"] in {gone["name"] for gone in document["allowed_missing"]}:
            continue
        page_name = safe(one["name"])
        if page_name not in present:
            yield fault(one["name"], "it is verified, and not in the set", _AGAIN)
        elif present[page_name].sha256 != one.get("sha256"):
            yield fault(one["name"], "other bytes than those that the gate verify has seen", _AGAIN)


def _gates(document: Mapping[str, Any], name: str) -> str:
    """The gates that have seen an artefact, for a message."""
    named = {one["path"] for one in document["artifacts"] if safe(one["name"]) == name}
    gates: Sequence[str] = [one["gate"] for one in document["gates"] if named & set(one["artifacts"])]
    found = list(dict.fromkeys(["verify", *gates])) if named else ["release"]
    return f"the gate{'s' if len(found) > 1 else ''} {', '.join(found)}"


def _sums(path: Path) -> dict[str, str]:
    found = {}
    for line in read_lines(path, _AGAIN):
        parts = _LINE.fullmatch(line)
        if parts is None:
            raise VerificationError(f"{path}: {line!a} is not a line of a list of checksums", hint=_AGAIN)
        found[parts[2]] = parts[1]
    return found
