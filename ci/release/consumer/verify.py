#!/usr/bin/env python3
"""Checks a release with nothing but its public key: python3 verify.py --key KEY [--key KEY] DIR_OR_URL

It needs Python 3.9 or later and gpg, and for the statements about the release either the Python package cryptography
or openssl 3. Signatures of RPMs are checked as well where rpm is installed. It reads your keys and settings nowhere.

KEY is the OpenPGP key that signs the releases. The statements are signed by an Ed25519 key, which this one vouches for;
a second --key with that key's PEM file lets you check it by yourself. With --expired-key, the OpenPGP key may have
expired since it signed the release: whoever has it could have made the signature since, with an earlier date.

Exit codes: 0 all is right; 1 something is wrong, and the message names the file and the reason; 2 it could not be
checked, because a tool is missing or a download failed; 64 wrong usage.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import http.client
import ipaddress
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

SUMS, SIGNATURE, TREES = "SHA256SUMS", "SHA256SUMS.asc", "repositories.sha256"
ENVELOPE, BUNDLE = ".dsse.json", ".sigstore.json"
FOLDERS = ("yum", "pacman")  # the repositories; they are not on the release page

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PROVENANCE_TYPE = "https://slsa.dev/provenance/v1"
TEST_RESULT_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
BUILD_TYPE_PAGE = "/blob/main/docs/build-type.md"
WITHOUT_SBOM = ("sbom", "image-index")  # kinds of artefact that no SBOM describes

SMALL = 64_000_000  # bytes; what is not an artefact is smaller
LARGE = 2_147_483_648  # bytes; GitHub takes no larger file
DEEPEST = 50  # objects and lists in each other
LISTED = 5_000  # lines in a list of checksums
PATIENCE_S = 60  # for an answer of a server; a download has to bring 50 kB a second on the average
BYTES_PER_SECOND = 50_000

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+@-]{0,199}")
LINE = re.compile(r"([0-9a-f]{64})  ([^\n]+)")
SHA256 = re.compile(r"[0-9a-f]{64}")
ARMOUR = re.compile(rb"-----BEGIN PGP SIGNATURE-----\n\n[A-Za-z0-9+/=\n]+\n-----END PGP SIGNATURE-----\n")
PEM = re.compile(r"-----BEGIN PUBLIC KEY-----\n([A-Za-z0-9+/=\n]+)\n-----END PUBLIC KEY-----\n")
ED25519 = bytes.fromhex("302a300506032b6570032100")  # what comes before the key in its SubjectPublicKeyInfo
SHA2 = ("8", "9", "10")  # OpenPGP's numbers of SHA-256, 384 and 512


class Wrong(Exception):
    """Something about the release is wrong: the file, and the reason."""

    def __init__(self, file: str, reason: object) -> None:
        super().__init__(f"{file}: {reason}")


class NotChecked(Exception):
    """It cannot be checked here: a tool is missing, or a download failed."""


class Usage(Exception):
    """The command line is wrong."""


# --- what is printed -------------------------------------------------------------------------------------------------


def plain(text: object) -> str:
    """A text as any terminal may show it: what is not printable ASCII is escaped, and a long text ends early."""
    shown = "".join(c if " " <= c <= "~" else ascii(c)[1:-1] for c in str(text)[:600])
    return shown if len(str(text)) <= 600 else f"{shown}..."


class Table:
    """What was checked, and what was not: one line each."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str]] = []

    def add(self, what: str, detail: str) -> None:
        """Note what was checked."""
        self.rows.append(("checked", what, detail))

    def leave_out(self, what: str, why: str) -> None:
        """Note what was not checked, and why."""
        self.rows.append(("not checked", what, why))

    def show(self) -> None:
        """Print one line for each note, in columns."""
        widths = [max(len(row[column]) for row in self.rows) for column in (0, 1)]
        for state, what, detail in self.rows:
            print(f"{state:{widths[0]}}  {what:{widths[1]}}  {plain(detail)}")


# --- files -----------------------------------------------------------------------------------------------------------


class Folder:
    """A folder with files of a release. Nothing in it is trusted: only regular files are read, and no links."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def place(self, name: str) -> Path:
        """Where a file is, or would be."""
        return self.path.joinpath(*name.split("/"))

    def chunks(self, name: str, largest: int) -> Iterator[bytes]:
        """The bytes of a file, which may have so many at most."""
        flags = os.O_RDONLY
        for flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
            flags |= getattr(os, flag, 0)
        try:
            if self.place(name).is_symlink():
                raise Wrong(name, "it is a symbolic link")
            with os.fdopen(os.open(self.place(name), flags), "rb") as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise Wrong(name, "it is not a regular file")
                if status.st_size > largest:
                    raise Wrong(name, f"it has {status.st_size} bytes, and at most {largest} are expected")
                left = largest + 1
                while left > 0:
                    chunk = file.read(min(left, 1_048_576))
                    if not chunk:
                        return
                    left -= len(chunk)
                    yield chunk
                raise Wrong(name, f"it has more than {largest} bytes")
        except FileNotFoundError:
            raise Wrong(name, "it is missing") from None
        except OSError as error:
            raise Wrong(name, f"it cannot be read: {error.strerror or error}") from None

    def read(self, name: str, largest: int = SMALL) -> bytes:
        """The bytes of a file."""
        return b"".join(self.chunks(name, largest))

    def sha256(self, name: str, largest: int) -> str:
        """The SHA-256 of a file, in hexadecimal."""
        digest = hashlib.sha256()
        for chunk in self.chunks(name, largest):
            digest.update(chunk)
        return digest.hexdigest()


def parsed_sums(name: str, data: bytes, is_right: Callable[[str], bool]) -> dict[str, str]:
    """From the names in a list of checksums to the sha256: sorted, each name once, and each name harmless."""
    try:
        lines = data.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise Wrong(name, "it is not ASCII text") from None
    if lines.pop() != "" or not lines:
        raise Wrong(name, "its last line does not end, or there is none")
    if len(lines) > LISTED:
        raise Wrong(name, f"it has more than {LISTED} lines")
    sums: dict[str, str] = {}
    seen: set[str] = set()
    for number, line in enumerate(lines, 1):
        match = LINE.fullmatch(line)
        if not match or not is_right(match[2]):
            raise Wrong(name, f"line {number} is not a sha256, two spaces and a harmless name: {line!r}")
        if match[2].lower() in seen:
            raise Wrong(name, f"line {number} names a file for the second time: {match[2]}")
        seen.add(match[2].lower())
        sums[match[2]] = match[1]
    if list(sums) != sorted(sums):
        raise Wrong(name, "its lines are not sorted by name")
    return sums


def missing_in_silence(artefacts: list[dict[str, Any]], allowed: list[Any]) -> list[str]:
    """The paths of artefacts that are missing, and neither their kind nor the flavour of their image is allowed to be.

    What describes an artefact that may be missing has its name, with something behind it, and may be missing too.
    """
    missing = {str(one["path"]).rpartition("/")[2]: one for one in artefacts if one["status"] == "unavailable"}
    excused = {
        name
        for name, one in missing.items()
        if one["kind"] in allowed or (".oci" in name and set(re.split(r"[-.]", name)) & {str(each) for each in allowed})
    }
    return [
        str(one["path"])
        for name, one in missing.items()
        if name not in excused and not any(name.startswith(f"{other}.") for other in excused)
    ]


def is_plain_name(name: str) -> bool:
    """Whether a line of SHA256SUMS may name it: a file of the release page, beside the attestations."""
    reserved = name in (SUMS, SIGNATURE, *FOLDERS) or name.endswith((ENVELOPE, BUNDLE))
    return bool(NAME.fullmatch(name)) and not reserved


def is_tree_path(path: str) -> bool:
    """Whether it is the path of a file in one of the package repositories."""
    folder, *rest = path.split("/")
    return folder in FOLDERS and bool(rest) and all(NAME.fullmatch(one) for one in rest)


def safe(name: str) -> str:
    """The name that a file has on the release page."""
    return re.sub(r"[^A-Za-z0-9._+@-]", ".", name)


# --- JSON ------------------------------------------------------------------------------------------------------------


def parsed(name: str, data: bytes) -> Any:
    """The document in a JSON file. Duplicated keys, other encodings than UTF-8, and endless nesting are refused."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("an object has a key twice")
        return found

    def refuse(text: str) -> NoReturn:
        raise ValueError(f"{text[:20]} is not a number of JSON, or is too long")

    def integer(text: str) -> int:
        return int(text) if len(text) < 20 else refuse(text)

    try:
        found = json.loads(data.decode("utf-8"), object_pairs_hook=unique, parse_constant=refuse, parse_int=integer)
        if is_deep(found):
            raise RecursionError
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Wrong(name, f"it is not the JSON that is expected: {why}") from None
    return found


def is_deep(document: Any) -> bool:
    """Whether it is nested more deeply than any file of a release."""
    level = [document]
    for _ in range(DEEPEST):
        inner = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, (dict, list))]
        level = [one for values in inner for one in values]
    return bool(level)


def at(name: str, value: Any, *path: Any) -> Any:
    """The value below some keys, the last of which says what type it has: `at(name, document, "a", "b", str)`."""
    *keys, kind = path
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            raise Wrong(name, f"{'.'.join(keys)} is missing")
        value = value[key]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise Wrong(name, f"{'.'.join(keys) or 'the document'} is not of the type {kind.__name__}")
    return value


def objects(name: str, value: Any, key: str) -> list[dict[str, Any]]:
    """The list of objects below a key."""
    found: list[dict[str, Any]] = at(name, value, key, list)
    if not all(isinstance(one, dict) for one in found):
        raise Wrong(name, f"{key} has something else than objects")
    return found


def require(name: str, what: str, found: object, expected: object) -> None:
    """Refuse another value than the expected one."""
    if type(found) is not type(expected) or found != expected:
        raise Wrong(name, f"{what} is {found!r}, and {expected!r} is expected")


def require_keys(name: str, what: str, value: object, *expected: str) -> None:
    """Refuse an object with other keys than these."""
    if not isinstance(value, dict):
        raise Wrong(name, f"{what} is not an object")
    for key in value:
        if key not in expected:
            raise Wrong(name, f"{what} has an unknown key: {key!r}")
    for key in expected:
        if key not in value:
            raise Wrong(name, f"{what} has no {key}")


def from_base64(name: str, what: str, text: str) -> bytes:
    """The bytes of the one canonical spelling in base64."""
    with contextlib.suppress(ValueError):
        data = base64.b64decode(text.encode("ascii"), validate=True)
        if base64.b64encode(data).decode() == text:
            return data
    raise Wrong(name, f"{what} is not canonical base64")


# --- programs --------------------------------------------------------------------------------------------------------


def run(work: Path, *command: str) -> tuple[int, str, str]:
    """Run a program without the user's settings; returns its exit code, its output and its messages."""
    passed = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH") if name in os.environ}
    try:
        done = subprocess.run(
            command,
            cwd=work,
            env={**passed, "HOME": str(work), "TMPDIR": str(work), "LC_ALL": "C", "TZ": "UTC"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=600,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotChecked(f"{command[0]} cannot be run: {error}") from None
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def written(work: Path, name: str, data: bytes) -> str:
    """Write a temporary file; returns its path."""
    work.joinpath(name).write_bytes(data)
    return str(work / name)


class OpenPgp:
    """gpg with a keyring of its own, in which there are the given keys alone. No agent is started."""

    def __init__(
        self, work: Path, keys: Sequence[tuple[str, bytes]], name: str = "given", *, may_have_expired: bool = False
    ) -> None:
        self.may_have_expired = may_have_expired
        if shutil.which("gpg") is None:
            raise NotChecked("gpg is not installed, and no signature can be checked without it")
        self.work = work
        self.home = work / f"gnupg-{name}"
        self.home.mkdir(0o700)
        self.files: list[str] = []
        self.fingerprints: list[str] = []
        self._gpg("--trust-model=pgp", "--check-trustdb")  # without this file, gpg shows no key that has expired
        for number, (path, data) in enumerate(keys):
            self._add(path, written(work, f"{name}-{number}", data))

    def _gpg(self, *words: str) -> tuple[int, str, str]:
        fixed = ("--batch", "--no-tty", "--no-options", "--no-autostart", "--disable-dirmngr", "--trust-model=always")
        return run(self.work, "gpg", "--homedir", str(self.home), *fixed, *words)

    def _add(self, path: str, file: str) -> None:
        code, out, _ = self._gpg("--with-colons", "--show-keys", file)
        fields = [line.split(":") for line in out.splitlines()]
        if any(one[0] in ("sec", "ssb") for one in fields):
            raise Usage(f"{path}: this is a secret key; name the public one")
        found = [one[9] for before, one in zip(fields, fields[1:]) if before[0] == "pub" and one[0] == "fpr"]
        # Not by its exit code: where the path of the folder is too long for the agent's socket, gpg fails after it.
        _, out, _ = self._gpg("--status-fd=1", "--import", file)
        imported = {words[3] for line in out.splitlines() if (words := line.split())[1:2] == ["IMPORT_OK"]}
        if code or not found or not imported.issuperset(found):
            raise Usage(f"{path}: this is neither an OpenPGP public key nor the PEM of an Ed25519 public key")
        self.fingerprints += found
        for fingerprint in found:  # rpm imports one key from a file
            target = f"{file}-{fingerprint}.asc"
            self._gpg("--armor", "--output", target, "--export", fingerprint)
            self.files.append(target)

    def check(self, name: str, signature: bytes, data: str, *, may_have_expired: bool = False) -> str:
        """Refuse a signature that is not the given key's over the file `data`; returns the key's fingerprint.

        With `may_have_expired`, the key was to be valid when it signed, and may have expired since.
        """
        file = written(self.work, "signature", signature)
        said = self._said(file, data)
        if (may_have_expired or self.may_have_expired) and any(one[0] == "EXPKEYSIG" for one in said):
            made = next((one[3] for one in said if one[0] == "VALIDSIG" and len(one) == 11), "0")
            said = self._said(file, data, f"--faked-system-time={made}!")
        words = [one[0] for one in said]
        for word, reason in REFUSALS.items():
            if word in words:
                raise Wrong(name, reason)
        valid = [one for one in said if one[0] == "VALIDSIG" and len(one) == 11]
        if words.count("NEWSIG") != 1 or words.count("GOODSIG") != 1 or len(valid) != 1:
            raise Wrong(name, "it is not one OpenPGP signature by the given key")
        if valid[0][10] not in self.fingerprints:
            raise Wrong(name, f"it is signed by the key {valid[0][10]}, which is not the given one")
        if valid[0][8] not in SHA2 or valid[0][9] != "00":
            raise Wrong(name, "it is not a signature of a file over a digest of SHA-2")
        return valid[0][10]

    def _said(self, signature: str, data: str, *options: str) -> list[list[str]]:
        """What gpg says of a signature for programs: the words of each line."""
        _, out, _ = self._gpg("--status-fd=1", *options, "--verify", signature, data)
        return [words for line in out.splitlines() if line.startswith("[GNUPG:] ") and (words := line.split()[1:])]


REFUSALS = {
    "BADSIG": "the signature does not belong to these bytes",
    "NO_PUBKEY": "it is signed by another key than the given one",
    "REVKEYSIG": "the key that signed it has been revoked",
    "EXPKEYSIG": "the key that signed it has expired",
    "EXPSIG": "the signature has expired",
    "ERRSIG": "gpg cannot check this signature",
    "NODATA": "there is no OpenPGP signature in it",
}


class RpmKeys:
    """rpmkeys with a database of its own, in which there are the given keys alone."""

    def __init__(self, work: Path, keys: Sequence[str]) -> None:
        self.work = work
        self.database = work / "rpmdb"
        self.database.mkdir()
        for key in keys:
            code, _, err = self._run("--import", key)
            if code:
                raise NotChecked(f"rpmkeys does not take the key: {err.strip()}")

    def _run(self, *words: str) -> tuple[int, str, str]:
        return run(self.work, "rpmkeys", "--dbpath", str(self.database), *words)

    def check(self, name: str, path: Path) -> None:
        """Refuse a package without a header signature by the given key. "digests OK" is not a signature."""
        link = self.work / "package.rpm"  # rpmkeys would expand characters of another name
        with contextlib.suppress(FileNotFoundError):
            link.unlink()
        link.symlink_to(path)
        code, out, err = self._run("--checksig", "package.rpm")
        if code or out.strip() != "package.rpm: digests signatures OK":
            raise Wrong(name, f"its header is not signed by the given key; rpmkeys says: {(out + err).strip()}")


class Ed25519:
    """Checks signatures with the package cryptography, or else with openssl; neither is believed without a test."""

    # From RFC 8032, section 7.1, test 2.
    PUBLIC = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
    SIGNED = bytes.fromhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )

    def __init__(self, work: Path) -> None:
        self.work = work
        for method in (self._cryptography, self._openssl):
            with contextlib.suppress(Exception):
                if [method(self.PUBLIC, self.SIGNED, message) for message in (b"\x72", b"\x73")] == [True, False]:
                    self.verifies = method
                    return
        raise NotChecked("neither the Python package cryptography nor openssl 3 is installed")

    def _cryptography(self, public: bytes, signature: bytes, message: bytes) -> bool:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def _openssl(self, public: bytes, signature: bytes, message: bytes) -> bool:
        key = base64.encodebytes(ED25519 + public).decode()
        pem = written(self.work, "key.pem", f"-----BEGIN PUBLIC KEY-----\n{key}-----END PUBLIC KEY-----\n".encode())
        files = (written(self.work, "message", message), written(self.work, "message.sig", signature))
        words = ("-verify", "-pubin", "-inkey", pem, "-rawin", "-in", files[0], "-sigfile", files[1])
        code, _, _ = run(self.work, "openssl", "pkeyutl", *words)
        return code == 0


def ed25519_keys(name: str, data: bytes) -> dict[str, bytes]:
    """From the ids of the Ed25519 keys in a PEM file to the keys."""
    text = data.decode("ascii", "replace")
    blocks = list(PEM.finditer(text))
    if not blocks or "".join(one[0] for one in blocks) != text:
        raise Wrong(name, "it is not the PEM of Ed25519 public keys")
    keys: dict[str, bytes] = {}
    for one in blocks:
        der = from_base64(name, "the PEM", one[1].replace("\n", ""))
        if len(der) != 44 or not der.startswith(ED25519):
            raise Wrong(name, "it has another public key than Ed25519")
        keys[hashlib.sha256(der).hexdigest()] = der[len(ED25519) :]
    return keys


# --- the release -----------------------------------------------------------------------------------------------------


GivenKeys = Any  # the OpenPGP keys and the PEM files, each as pairs of path and bytes
Fetch = Callable[[str, int], None]
GateResults = Any  # what passed, what could not be run, what failed, and the file that says so


class Verification:
    """The checks of one release, in their order."""

    def __init__(
        self,
        folder: Folder,
        work: Path,
        keys: GivenKeys,
        table: Table,
        fetch: Fetch | None,
        *,
        may_have_expired: bool = False,
    ) -> None:
        self.folder = folder
        self.work = work
        self.table = table
        self.keys, self.pem = keys
        self.openpgp = OpenPgp(work, self.keys, may_have_expired=may_have_expired)
        self.fetch = fetch  # brings a file from a server into the folder
        self.sums: dict[str, str] = {}
        self.sizes: dict[str, int] = {}
        self.missing_tool = ""

    def all(self) -> None:
        """Check everything; raises at the first thing that is wrong."""
        self.signed_sums()
        self.artifacts = self.document("artifacts.json")
        self.read_artifacts()
        self.reproducibility = self.document("reproducibility.json")
        self.read_reproducibility()
        self.gates = self.expected_gates()
        self.files()
        self.trees()
        self.pacman()
        self.rpms()
        self.sboms()
        self.statements()
        if self.missing_tool:
            raise NotChecked(self.missing_tool)

    def get(self, name: str, largest: int) -> None:
        """Bring a file, if the release is on a server."""
        if self.fetch:
            self.fetch(name, largest)

    def signed_sums(self) -> None:
        """Check the signature of the checksums, from which all else follows."""
        self.get(SUMS, SMALL)
        self.get(SIGNATURE, 100_000)
        data, signature = self.folder.read(SUMS, 1_000_000), self.folder.read(SIGNATURE, 100_000)
        if not ARMOUR.fullmatch(signature):
            raise Wrong(SIGNATURE, "it is not one armoured OpenPGP signature")
        signer = self.openpgp.check(SIGNATURE, signature, written(self.work, "sums", data))
        self.sums = parsed_sums(SUMS, data, is_plain_name)
        self.table.add(SUMS, f"signed by {signer}")

    def document(self, name: str) -> dict[str, Any]:
        """A JSON file of the release, with the sha256 that the list has."""
        if name not in self.sums:
            raise Wrong(SUMS, f"it does not name {name}")
        self.get(name, SMALL)
        found: dict[str, Any] = at(name, parsed(name, self.listed(name)), dict)
        return found

    def listed(self, name: str, largest: int = SMALL) -> bytes:
        """The bytes of a file with a line in the checksums; they have its sha256."""
        data = self.folder.read(name, largest)
        self.require_sum(name, hashlib.sha256(data).hexdigest())
        return data

    def require_sum(self, name: str, found: str) -> None:
        """Refuse a file that has another sha256."""
        if found != self.sums[name]:
            raise Wrong(name, f"its sha256 is {found}, and {SUMS} has {self.sums[name]}")

    def read_artifacts(self) -> None:
        """Check the list of artefacts: a release at its tag, of which nothing failed, with these very files."""
        name, document = "artifacts.json", self.artifacts
        require(name, "format", at(name, document, "format", int), 1)
        self.project, self.version = at(name, document, "name", str), at(name, document, "version", str)
        require(name, "source.revision", at(name, document, "source", "revision", str), f"v{self.version}")
        require(name, "source.modified", at(name, document, "source", "modified", bool), False)
        self.commit = at(name, document, "source", "commit", str)
        if at(name, document, "quick", bool):
            raise Wrong(name, "it was made without the gates")
        for one in objects(name, document, "artifacts"):
            path, status, _ = at(name, one, "path", str), at(name, one, "status", str), at(name, one, "kind", str)
            if status in ("verified", "not run"):
                file = safe(path.rpartition("/")[2])
                if self.sums.get(file) != at(name, one, "sha256", str):
                    raise Wrong(name, f"{path} has another sha256 than {file} in {SUMS}, or is not there")
                self.sizes[file] = at(name, one, "size", int)
            elif status != "unavailable":
                raise Wrong(name, f"{path}: its status is {status!r}")
        for one in objects(name, document, "gates"):
            gate = at(name, one, "gate", str)
            if not re.fullmatch(r"[a-z0-9-]{1,50}", gate) or gate in ("verify", "reproduce"):
                raise Wrong(name, f"{gate!r} is not the name of a gate")

    def read_reproducibility(self) -> None:
        """Check that the artefacts that were built again are those of this release."""
        name, document = "reproducibility.json", self.reproducibility
        require(name, "format", at(name, document, "format", int), 1)
        require(name, "version", at(name, document, "version", str), self.version)
        require(name, "commit", at(name, document, "commit", str), self.commit)
        built = {one["path"]: one.get("sha256") for one in self.artifacts["artifacts"]}
        for one in objects(name, document, "artifacts"):
            path, verdict = at(name, one, "path", str), at(name, one, "verdict", str)
            if verdict == "same" and built.get(path, at(name, one, "sha256", "dist", str)) != one["sha256"]["dist"]:
                raise Wrong(name, f"{path}: another file was built again than the one in artifacts.json")

    def expected_gates(self) -> dict[str, GateResults]:
        """From the name of each gate to what passed, what was not run, and what failed; and the file that says so."""
        gates: dict[str, GateResults] = {}

        def add(gate: str, status: str, test: str, file: str) -> None:
            lists = gates.setdefault(gate, ([], [], [], file))
            place = {"passed": 0, "verified": 0, "same": 0, "not run": 1, "unavailable": 1, "not compared": 1}
            lists[place.get(status, 2)].append(test)

        for one in self.artifacts["artifacts"]:
            add("verify", one["status"], one["path"], "artifacts.json")
        for one in self.artifacts["gates"]:
            status, test = at("artifacts.json", one, "status", str), at("artifacts.json", one, "name", str)
            add(one["gate"], status, test, "artifacts.json")
        for one in self.reproducibility["artifacts"]:
            add("reproduce", one["verdict"], one["path"], "reproducibility.json")
        if len(gates) < 3:
            raise Wrong("artifacts.json", "it has no artefacts, no gates, or nothing was built again")
        return {gate: (sorted(a), sorted(b), sorted(c), file) for gate, (a, b, c, file) in gates.items()}

    def statement_names(self) -> list[str]:
        """The names of all statements about this release."""
        return ["provenance", *(f"gate-{gate}" for gate in sorted(self.gates))]

    def files(self) -> None:
        """Each listed file has its sha256, and there is no other."""
        attestations = [name + end for name in self.statement_names() for end in (ENVELOPE, BUNDLE)]
        for name in self.sums:
            largest = self.sizes.get(name, SMALL)
            self.get(name, largest)
            self.require_sum(name, self.folder.sha256(name, largest))
        for name in attestations:
            self.get(name, SMALL)
        known = {SUMS, SIGNATURE, *self.sums, *attestations, *(FOLDERS if TREES in self.sums else ())}
        with os.scandir(self.folder.path) as entries:
            for name in sorted(entry.name for entry in entries):
                if name not in known:
                    raise Wrong(name, f"{SUMS} does not name it, and it is nothing else that belongs to the release")
        for name in attestations:
            self.folder.read(name)
        self.table.add("files", f"{len(self.sums)}, each with its sha256, and no others")
        absent = [one for one in self.artifacts["artifacts"] if one["status"] == "unavailable"]
        missing = [one["path"].rpartition("/")[2] for one in absent if one["kind"] != "sbom"]
        if missing:
            self.table.leave_out("artefacts", f"this release was made without {', '.join(missing)}")
        for one in objects("artifacts.json", self.artifacts, "stand_in_bases"):
            self.table.leave_out(
                "base", f"{one.get('flavour')} is built on {one.get('reference')}: this is a rehearsal"
            )

    def trees(self) -> None:
        """The files of the package repositories, where they are here, and the signatures beside them."""
        if TREES not in self.sums:
            return
        sums = parsed_sums(TREES, self.listed(TREES), is_tree_path)
        # A package of an earlier release may be signed by an earlier key. The given one vouches for this list of them.
        earlier = [("packages.asc", self.listed("packages.asc"))] if "packages.asc" in self.sums else []
        try:
            self.known = OpenPgp(self.work, [*self.keys, *earlier], "known")
        except Usage as error:
            raise Wrong("packages.asc", str(error).partition(": ")[2]) from None
        here = [one for one in FOLDERS if os.path.lexists(self.folder.place(one))]  # a link that leads nowhere, too
        for tree in FOLDERS:
            listed = {path for path in sums if path.startswith(f"{tree}/")}
            if listed and tree not in here:
                self.table.leave_out(f"{tree}/", "the folder is not here")
            if tree in here:
                self._tree(tree, listed, sums)

    def _tree(self, tree: str, listed: set[str], sums: dict[str, str]) -> None:
        for path in self._walk(tree):
            if path not in listed:
                raise Wrong(path, f"{TREES} does not name it")
        for path in sorted(listed):
            found = self.folder.sha256(path, LARGE)
            if found != sums[path]:
                raise Wrong(path, f"its sha256 is {found}, and {TREES} has {sums[path]}")
        signatures = [path for path in sorted(listed) if path.endswith((".sig", ".asc")) and path[:-4] in listed]
        for path in signatures:
            earlier = ".pkg.tar." in path  # it may be
            signers = self.known if earlier else self.openpgp
            data, file = self.folder.read(path, 100_000), str(self.folder.place(path[:-4]))
            signers.check(path, data, file, may_have_expired=earlier)
        self.table.add(f"{tree}/", f"{len(listed)} files and no others, {len(signatures)} signatures in it")

    def _walk(self, tree: str) -> list[str]:
        """All that is below a folder and is not a folder, in their order."""
        found: list[str] = []
        todo = [tree]
        while todo:
            folder = todo.pop()
            if self.folder.place(folder).is_symlink() or not self.folder.place(folder).is_dir():
                raise Wrong(folder, "it is not a folder")
            with os.scandir(self.folder.place(folder)) as entries:
                for entry in entries:
                    path = f"{folder}/{entry.name}"
                    if len(found) > LISTED or path.count("/") > 20:
                        raise Wrong(tree, "it has too many files")
                    (todo if entry.is_dir(follow_symlinks=False) else found).append(path)
        return sorted(found)

    def pacman(self) -> None:
        """Check the signature beside each package for pacman."""
        packages = [name for name in self.sums if ".pkg.tar." in name and not name.endswith((".sig", ".json"))]
        for name in packages:
            if f"{name}.sig" not in self.sums:
                raise Wrong(name, "it has no signature beside it")
            data, package = self.listed(f"{name}.sig", 100_000), str(self.folder.place(name))
            self.openpgp.check(f"{name}.sig", data, package)
        if packages:
            self.table.add("pacman packages", f"{len(packages)}, each with a signature by the key")

    def rpms(self) -> None:
        """Check the signature in each RPM, where rpm is installed."""
        packages = [name for name in self.sums if name.endswith(".rpm")]
        if not packages:
            return
        if shutil.which("rpmkeys") is None:
            self.table.leave_out("RPMs", f"{len(packages)}; rpm is not installed (their sha256 was checked)")
            return
        rpm = RpmKeys(self.work, self.openpgp.files)
        for name in packages:
            rpm.check(name, self.folder.place(name))
        self.table.add("RPMs", f"{len(packages)}, each with a signature of its header by the key")

    # --- SBOMs

    def sboms(self) -> None:
        """Check that each artefact has its SBOMs, and that these are about this very file and version."""
        described = [
            safe(one["path"].rpartition("/")[2])
            for one in self.artifacts["artifacts"]
            if one["status"] != "unavailable" and one["kind"] not in WITHOUT_SBOM
        ]
        for artefact in described:
            for end, subject in ((".spdx.json", spdx_subject), (".cdx.json", cyclonedx_subject)):
                name = artefact + end
                if name not in self.sums:
                    raise Wrong(artefact, f"{SUMS} does not name its SBOM {name}")
                version, hashes = subject(name, parsed(name, self.listed(name)))
                if self.sums[artefact] not in hashes:
                    raise Wrong(name, f"it describes another file than {artefact}: it has not its sha256")
                if not self._is_version(version, artefact):
                    raise Wrong(name, f"it describes the version {version!r}, and this is {self.version}")
        for name in self.sums:
            if name.endswith((".spdx.json", ".cdx.json")) and name.rsplit(".", 2)[0] not in described:
                raise Wrong(name, "it is the SBOM of no artefact")
        self.table.add("SBOMs", f"{2 * len(described)}, which name {len(described)} artefacts by sha256 and version")

    def _is_version(self, version: str, artefact: str) -> bool:
        """Whether it is the release's version, as it is or as the name of a package or a crate has it."""
        found = re.match(r"\d+(\.\d+)*", self.version)
        numbers = found[0].split(".") if found else ["(?!)"]
        if artefact.endswith(".crate"):
            numbers = [*numbers, "0", "0"][:3]  # cargo has three, whatever a version of Python has
        begin = r"\.".join(numbers) + r"(?!\.?\d)"
        end = rf"-{re.escape(safe(version))}(\.crate|\.[a-z0-9_]+\.rpm|-[a-z0-9_]+\.pkg\.tar\.[a-z0-9]+)"
        return version == self.version or bool(re.match(begin, version) and re.search(rf"{end}\Z", artefact))

    # --- provenance and gates

    def statements(self) -> None:
        """Check the provenance and the statement of each gate."""
        if "attestations.pub" not in self.sums:
            raise Wrong(SUMS, "it does not name attestations.pub")
        keys = ed25519_keys("attestations.pub", self.listed("attestations.pub"))
        if self.pem:
            given: dict[str, bytes] = {}
            for path, data in self.pem:
                given.update(ed25519_keys(path, data))
            keys = {one: key for one, key in keys.items() if one in given}
            if not keys:
                raise Wrong("attestations.pub", "it has another key than the one that was given by --key")
        try:
            tool = Ed25519(self.work)
        except NotChecked as error:
            self.missing_tool = str(error)
            self.table.leave_out("statements", self.missing_tool)
            return
        for name in self.statement_names():
            file = name + ENVELOPE
            statement = self.statement(file, keys, tool)
            if name == "provenance":
                self.provenance(file, statement)
            else:
                self.gate(file, statement, self.gates[name.partition("-")[2]])

    def statement(self, file: str, keys: dict[str, bytes], tool: Ed25519) -> dict[str, Any]:
        """The statement in an envelope; its form, its signature and its subjects are right."""
        envelope = parsed(file, self.folder.read(file))
        beside = file[: -len(ENVELOPE)] + BUNDLE
        bundle = parsed(beside, self.folder.read(beside))
        require_keys(file, "the envelope", envelope, "payload", "payloadType", "signatures")
        require(file, "payloadType", envelope["payloadType"], PAYLOAD_TYPE)
        (signature,) = only_one(file, "signatures", envelope["signatures"])
        require_keys(file, "the signature", signature, "keyid", "sig")
        key = keys.get(at(file, signature, "keyid", str))
        if key is None:
            raise Wrong(file, f"its keyid is {signature['keyid']!r}, which is not that of a known key")
        payload = from_base64(file, "payload", at(file, envelope, "payload", str))
        signed = from_base64(file, "sig", at(file, signature, "sig", str))
        message = b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)
        if len(signed) != 64 or not tool.verifies(key, signed, message):
            raise Wrong(file, "its signature is not that of the key over the payload")
        expected = {
            "mediaType": BUNDLE_TYPE,
            "verificationMaterial": {"publicKey": {"hint": signature["keyid"]}},
            "dsseEnvelope": envelope,
        }
        if bundle != expected:
            raise Wrong(beside, f"it is not the same envelope as {file}")
        statement: dict[str, Any] = parsed(file, payload)
        require_keys(file, "the statement", statement, "_type", "subject", "predicateType", "predicate")
        require(file, "_type", statement["_type"], STATEMENT_TYPE)
        self.subjects(file, objects(file, statement, "subject"))
        return statement

    def subjects(self, file: str, subjects: list[dict[str, Any]]) -> None:
        """Refuse other subjects than the lines of the checksums."""
        found: dict[str, str] = {}
        for one in subjects:
            require_keys(file, "a subject", one, "name", "digest")
            require_keys(file, "the digest of a subject", one["digest"], "sha256")
            name, sha256 = at(file, one, "name", str), at(file, one, "digest", "sha256", str)
            if name in found:
                raise Wrong(file, f"the subject {name} is there twice")
            found[name] = sha256
        for name, sha256 in self.sums.items():
            if found.get(name) != sha256:
                raise Wrong(file, f"{name} is not a subject of it, or with another sha256 than in {SUMS}")
        for name in found:
            if name not in self.sums:
                raise Wrong(file, f"its subject {name!r} is not in {SUMS}")

    def provenance(self, file: str, statement: dict[str, Any]) -> None:
        """Check where the release comes from, and what it was built from."""
        require(file, "predicateType", statement["predicateType"], PROVENANCE_TYPE)
        require_keys(file, "the predicate", statement["predicate"], "buildDefinition", "runDetails")
        build, details = statement["predicate"]["buildDefinition"], statement["predicate"]["runDetails"]
        expected = ("buildType", "externalParameters", "internalParameters", "resolvedDependencies")
        require_keys(file, "buildDefinition", build, *expected)
        parameters = build["externalParameters"]
        require_keys(file, "externalParameters", parameters, "repository", "tag", "allowMissing")
        repository = at(file, parameters, "repository", str)
        require(file, "tag", parameters["tag"], f"v{self.version}")
        epoch = at("artifacts.json", self.artifacts, "source_date_epoch", int)
        require(file, "internalParameters", build["internalParameters"], {"sourceDateEpoch": epoch})
        require(file, "buildType", build["buildType"], f"{repository}{BUILD_TYPE_PAGE}#version-1")
        require(file, "runDetails", details, {"builder": {"id": f"{repository}{BUILD_TYPE_PAGE}#builder"}})
        allowed = at(file, parameters, "allowMissing", list)
        for path in missing_in_silence(self.artifacts["artifacts"], allowed):
            raise Wrong(file, f"{path} is missing, and the release was not allowed to miss it")
        self.dependencies(file, objects(file, build, "resolvedDependencies"), repository)
        self.table.add("provenance", f"{repository} at v{self.version}, commit {self.commit}")

    def dependencies(self, file: str, dependencies: list[dict[str, Any]], repository: str) -> None:
        """They are the inputs of `inputs.json`: each of its digests, and no others."""
        name = "inputs.json"
        inputs = self.document(name)
        require(name, "format", at(name, inputs, "format", int), 1)
        require(name, "version", at(name, inputs, "version", str), self.version)
        require(name, "commit", at(name, inputs, "commit", str), self.commit)
        require(name, "modified", at(name, inputs, "modified", bool), False)
        expected = {("gitCommit", self.commit)}
        for entry in objects(name, inputs, "bases"):
            expected.add(("sha256", at(name, entry, "digest", str).partition(":")[2]))
        for key in ("debian", "crates", "tools", "python_packages"):
            for entry in objects(name, inputs, key):
                sha256 = at(name, entry, "sha256", (list if key == "python_packages" else str))
                expected.update(("sha256", str(one)) for one in (sha256 if isinstance(sha256, list) else [sha256]))
        found: set[tuple[str, str]] = set()
        for one in dependencies:
            digests = at(file, one, "digest", dict)
            if "gitCommit" in digests:
                require(file, "the source", one.get("uri"), f"git+{repository}@refs/tags/v{self.version}")
            found.update((key, str(value)) for key, value in digests.items())
        for digest in sorted(expected ^ found):
            where = "resolvedDependencies" if digest in found else name
            raise Wrong(file, f"{':'.join(digest)} is only in {where}: provenance and {name} do not agree")

    def gate(self, file: str, statement: dict[str, Any], results: GateResults) -> None:
        """Check that the statement of a gate says what the list of artefacts says, and that nothing failed."""
        passed, warned, failed, source = results
        require(file, "predicateType", statement["predicateType"], TEST_RESULT_TYPE)
        predicate = statement["predicate"]
        lists = {"passedTests": passed, "warnedTests": warned, "failedTests": failed}
        require_keys(file, "the predicate", predicate, "result", "configuration", *lists)
        for key, expected in lists.items():
            if predicate[key] != expected:
                raise Wrong(file, f"{key} are not what {source} says")
        require(file, "result", predicate["result"], "FAILED" if failed else "WARNED" if warned else "PASSED")
        require(file, "configuration", predicate["configuration"], self.configuration(source))
        if failed:
            raise Wrong(file, f"it says that these failed: {', '.join(failed)}")
        name = file[len("gate-") : -len(ENVELOPE)]
        self.table.add(f"gate {name}", f"{len(passed)} passed{f', {len(warned)} could not be run' if warned else ''}")

    def configuration(self, source: str) -> list[dict[str, Any]]:
        """What the verdict is about: the file that has it at length, and the commit."""
        return [
            {"name": source, "digest": {"sha256": self.sums[source]}},
            {"name": "source", "digest": {"gitCommit": self.commit}},
        ]


def only_one(file: str, what: str, value: Any) -> list[dict[str, Any]]:
    """A list with one object."""
    if not isinstance(value, list) or len(value) != 1 or not isinstance(value[0], dict):
        raise Wrong(file, f"{what} is not a list with one entry")
    return [value[0]]


def spdx_subject(name: str, document: Any) -> tuple[str, list[object]]:
    """The version, and the sha256, of the one package that an SPDX document describes."""
    packages = objects(name, at(name, document, dict), "packages")
    described: set[str] = set()
    for one in objects(name, document, "relationships") if "relationships" in document else ():
        if (one.get("spdxElementId"), one.get("relationshipType")) == ("SPDXRef-DOCUMENT", "DESCRIBES"):
            described.add(str(one.get("relatedSpdxElement")))
    if isinstance(document.get("documentDescribes"), list):
        described.update(map(str, document["documentDescribes"]))
    found = [one for one in packages if str(one.get("SPDXID")) in described]
    if len(found) != 1 or len(described) != 1:
        raise Wrong(name, "it does not describe one package")
    checksums = objects(name, found[0], "checksums")
    hashes = [one.get("checksumValue") for one in checksums if one.get("algorithm") == "SHA256"]
    return at(name, found[0], "versionInfo", str), hashes


def cyclonedx_subject(name: str, document: Any) -> tuple[str, list[object]]:
    """The version, and the sha256, of the component that a CycloneDX document is about."""
    component = at(name, document, "metadata", "component", dict)
    hashes = [one.get("content") for one in objects(name, component, "hashes") if one.get("alg") == "SHA-256"]
    return at(name, component, "version", str), hashes


# --- downloads -------------------------------------------------------------------------------------------------------


def is_loopback(host: str) -> bool:
    """Whether it is this very machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_allowed(url: str) -> bool:
    """Whether a file may come from there: https, or http from this very machine."""
    try:
        parts = urllib.parse.urlsplit(url)
        return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    except ValueError:
        return False


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect to anything else."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """The request for the new address."""
        if not is_allowed(newurl):
            raise urllib.error.URLError("the server redirects to something else than https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class Download:
    """Brings files of a release into a folder, each once."""

    def __init__(self, url: str, folder: Folder) -> None:
        parts = urllib.parse.urlsplit(url)
        if not is_allowed(url) or not parts.hostname or parts.query or parts.fragment or "@" in parts.netloc:
            raise Usage(f"{url}: expected https://HOST/PATH; http is for this machine alone")
        self.url = url.rstrip("/")
        self.folder = folder
        proxies = [urllib.request.ProxyHandler({})] if is_loopback(parts.hostname) else []
        self.opener = urllib.request.build_opener(Redirects, *proxies)
        self.brought: set[str] = set()

    def fetch(self, name: str, largest: int) -> None:
        """Bring a file, which may have so many bytes at most."""
        if name in self.brought:
            return
        self.brought.add(name)
        try:
            self._fetch(name, largest)
        except urllib.error.HTTPError as error:
            if error.code in (404, 410):
                raise Wrong(name, f"it is missing: {self.url} answers {error.code}") from None
            raise NotChecked(f"{name}: {self.url} answers {error.code}") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NotChecked(f"{name}: it cannot be fetched from {self.url}: {error}") from None

    def _fetch(self, name: str, largest: int) -> None:
        end = time.monotonic() + PATIENCE_S + largest / BYTES_PER_SECOND
        with self.opener.open(f"{self.url}/{urllib.parse.quote(name)}", timeout=PATIENCE_S) as answer:
            stated, had = answer.headers.get("Content-Length"), 0
            with self.folder.place(name).open("xb") as file:
                while True:
                    chunk = answer.read1(1_048_576)
                    if not chunk:
                        break
                    had += len(chunk)
                    if had > largest:
                        raise Wrong(name, f"it has more than {largest} bytes")
                    if time.monotonic() > end:
                        raise NotChecked(f"{name}: {self.url} is too slow")
                    file.write(chunk)
            if stated and stated != str(had):
                raise NotChecked(f"{name}: the download ended after {had} of {stated} bytes")


# --- the command line ------------------------------------------------------------------------------------------------


class Parser(argparse.ArgumentParser):
    """Leaves it to `main` to end the program."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise Usage(message)


def read_keys(paths: Sequence[str]) -> GivenKeys:
    """The OpenPGP keys and the PEM files among the files that --key names, each with its path."""
    openpgp: list[tuple[str, bytes]] = []
    pem: list[tuple[str, bytes]] = []
    for path in paths:
        try:
            with Path(path).open("rb") as file:
                data = file.read(1_000_001)
        except OSError as error:
            raise Usage(f"--key {path}: {error.strerror or error}") from None
        if len(data) > 1_000_000:
            raise Usage(f"--key {path}: it is too large for a key")
        (pem if data.startswith(b"-----BEGIN PUBLIC KEY-----") else openpgp).append((path, data))
    if not openpgp:
        raise Usage("--key: the OpenPGP public key is needed; all else is checked by its help")
    for path, data in pem:
        try:
            ed25519_keys(path, data)
        except Wrong as error:
            raise Usage(f"--key {error}") from None
    return openpgp, pem


def verify(arguments: Sequence[str] | None, table: Table) -> str:
    """Check what the command line names; returns the last line to print."""
    parser = Parser(prog="verify.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--key", action="append", required=True, help="a public key; may be given more than once")
    parser.add_argument("--expired-key", action="store_true", help="take a key that has expired since it signed")
    parser.add_argument("release", metavar="DIR_OR_URL", help="a folder with the files of a release, or its address")
    options = parser.parse_args(arguments)
    keys = read_keys(options.key)
    work = Path(tempfile.mkdtemp(prefix="verify-")).resolve()
    try:
        if re.match(r"[a-z]+://", options.release):
            folder = Folder(work / "release")
            folder.path.mkdir()
            fetch: Fetch | None = Download(options.release, folder).fetch
        else:
            folder, fetch = Folder(Path(options.release).absolute()), None
            if not folder.path.is_dir():
                raise Usage(f"{options.release}: there is no such folder")
        checks = Verification(folder, work, keys, table, fetch, may_have_expired=options.expired_key)
        checks.all()
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return f"{checks.project} {checks.version}: nothing is wrong"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; returns the exit code."""
    for number in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, number):
            signal.signal(getattr(signal, number), signal.default_int_handler)
    table = Table()
    try:
        done = verify(arguments, table)
        table.show()
        print(plain(done))
        sys.stdout.flush()
    except Wrong as error:
        return ended(1, f"wrong: {error}")
    except NotChecked as error:
        if table.rows:
            table.show()
        return ended(2, f"not checked: {error}")
    except Usage as error:
        return ended(64, f"usage: {error}\ntry: python3 verify.py --help")
    except KeyboardInterrupt:
        return ended(130, "interrupted")
    except Exception as error:  # whatever a release makes this program do, it does not prove that the release is right
        return ended(2, f"not checked: {type(error).__name__}: {error}")
    return 0


def ended(code: int, message: str) -> int:
    """Say why it ended; returns the code."""
    for line in message.split("\n"):
        print(f"verify.py: {plain(line)}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
