"""Downloads a published release as somebody does who has nothing but its addresses: no token, and no set.

What is in the folder then is what SHA256SUMS lists, with the signed statements; `verify.py` takes it like any set.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from ci.core import tree_record
from ci.core.errors import VerificationError
from ci.core.files import make_folder
from ci.core.text_lists import lines_of
from ci.core.web import Answer, Refusal, Web
from ci.manifest.versions import Version, parse
from ci.publish.release_set import RECORD, SIGNATURE, SUMS

LISTING = "repositories.sha256"
STATEMENTS = ("provenance",)
_ENDS = (".dsse.json", ".sigstore.json")
NOT_AS_RELEASED = "do not use this release; find out who has changed what was published"
_NO_LIST = (
    "do not use this release, and look at the address by hand: a server that compresses it or a proxy may be at fault"
)
_UNUSABLE = "this release cannot be used"
_LOOK = "if it was never complete there, publish again; if it was, find out who has taken the file away"
_WITHHELD = (401, 403, 404, 410)  # some servers say 403 of what they do not have
_GATE = re.compile(r"[a-z-]+")
_LINE = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9_][A-Za-z0-9._+@/~^:-]*)")


def replaced(web: Web, repositories: str, version: Version) -> dict[str, Version]:
    """The trees below an address that are those of a newer version by now, each with that version.

    The channel "testing" shows one candidate, and the next one takes its place, so an older one is not offered there.
    """
    found = {}
    for name in tree_record.TREES:
        path = f"{name}/{tree_record.RECORD}"
        answer = _asked(web, repositories, path, expect=(200, 404))
        if answer.status == 200 and (there := _version(answer.body, f"{repositories}/{path}")) > version:
            found[name] = there
    return found


def _version(data: bytes, where: str) -> Version:
    """The version that the record of a tree names."""
    try:
        return parse(json.loads(data)["version"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise VerificationError(f"{where}: it is damaged: {error!r}", hint=NOT_AS_RELEASED) from None


def download(web: Web, page: str, repositories: str, folder: Path, without: Collection[str] = ()) -> Path:
    """Download the files of the address `page` into a folder, which is returned.

    The packages in the trees below the address `repositories` are compared with them, except for the trees `without`.
    `VerificationError` names a file whose bytes are not those that the release lists.
    """
    make_folder(folder)
    for name in (SUMS, SIGNATURE):
        (folder / name).write_bytes(_get(web, page, name))
    listed = dict(_lines((folder / SUMS).read_bytes(), f"{page}/{SUMS}"))
    for name, sha256 in listed.items():
        (folder / name).write_bytes(_checked(_get(web, page, name), sha256, f"{page}/{name}"))
    if RECORD not in listed:
        raise VerificationError(f"{page}/{SUMS}: it does not list {RECORD}", hint=NOT_AS_RELEASED)
    for name in _statements((folder / RECORD).read_bytes(), f"{page}/{RECORD}"):
        (folder / name).write_bytes(_get(web, page, name))
    for path, sha256 in _packages(folder, page, listed):
        if PurePosixPath(path).parts[0] not in without:
            _checked(_get(web, repositories, path), sha256, f"{repositories}/{path}")
    return folder


def _packages(folder: Path, page: str, listed: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The packages of this release, and signatures beside them, in the trees that it was published with."""
    if LISTING in listed:
        for path, sha256 in _lines((folder / LISTING).read_bytes(), f"{page}/{LISTING}"):
            if sha256 in listed.values():
                yield path, sha256


def _statements(data: bytes, where: str) -> Iterator[str]:
    """The names of the signed statements: of the provenance, and of each gate that the release has results of.

    `data` is the report of the build, whose hash was compared. The names of gates become those of files.
    """
    try:
        named = [str(one["gate"]) for one in json.loads(data)["gates"]]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise VerificationError(f"{where}: it is damaged: {error!r}", hint=NOT_AS_RELEASED) from None
    for gate in named:
        if not _GATE.fullmatch(gate):
            raise VerificationError(f"{where}: {gate!a} is not the name of a gate", hint=NOT_AS_RELEASED)
    gates = dict.fromkeys(["verify", *named, "reproduce"])
    for name in (*STATEMENTS, *(f"gate-{gate}" for gate in gates)):
        yield from (f"{name}{end}" for end in _ENDS)


def _get(web: Web, address: str, path: str) -> bytes:
    return _asked(web, address, path).body


def _asked(web: Web, address: str, path: str, expect: Collection[int] = (200,)) -> Answer:
    """The answer to a request without a token. What a server refuses to strangers is not as it was released."""
    url = f"{address}/{quote(path)}"
    try:
        return web.ask("GET", url, f"download {path}", expect=expect)
    except Refusal as error:
        status = error.answer.status
        if status not in _WITHHELD:
            raise VerificationError(str(error), hint=f"{error.hint}; until it is there, {_UNUSABLE}") from error
        raise VerificationError(
            f"{url}: it is not there for everybody ({status})", hint=f"{_UNUSABLE}; {_LOOK}"
        ) from error


def _checked(data: bytes, sha256: str, where: str) -> bytes:
    if hashlib.sha256(data).hexdigest() != sha256:
        raise VerificationError(
            f"{where}: other bytes than the release lists", hint="do not use it; find out who has changed the file"
        )
    return data


def _lines(data: bytes, where: str) -> Iterator[tuple[str, str]]:
    """Name and hash of each line; what is no text, or a name that leads elsewhere, raises `VerificationError`."""
    for line in lines_of(data, where, _NO_LIST):
        found = _LINE.fullmatch(line)
        if found is None or ".." in PurePosixPath(found[2]).parts or found[2].startswith("/"):
            raise VerificationError(f"{where}: {line!a} is not a line of a list of checksums", hint=NOT_AS_RELEASED)
        yield found[2], found[1]
