"""What somebody, or a fault of the tooling, could change in a finished release; each change must be found.

Of what somebody without the keys has changed, the checksums or the signatures do not fit any more. `sealed` changes
are signed by the right keys afterwards, so that the check of that very thing has to find them.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ci.manifest.release import Release
from ci.release import envelopes
from ci.release.statements import Statement
from tests.release import sets
from tests.release.sets import OwnerKeys, sha256_of, write_json


@dataclass(frozen=True, kw_only=True)
class Tampering:
    """A set to change, and what to change it with."""

    folder: Path
    release: Release
    keys: OwnerKeys
    stranger: OwnerKeys

    def path(self, pattern: str) -> Path:
        """The first file of that pattern."""
        return min(self.folder.glob(pattern))

    def flip(self, pattern: str, place: float = 0.7) -> None:
        """Change one byte, so far into the file."""
        path = self.path(pattern)
        data = bytearray(path.read_bytes())
        data[int(len(data) * place)] ^= 1
        path.write_bytes(data)

    def edit(self, name: str, change: Callable[[Any], object]) -> None:
        """Change the document in a JSON file."""
        document = json.loads((self.folder / name).read_bytes())
        change(document)
        write_json(self.folder / name, document)

    def seal(self) -> None:
        """Sign all of it again with the right keys."""
        sets.seal(self.folder, self.release, self.keys)

    def sealed(self, name: str, change: Callable[[Any], object]) -> None:
        """Change a document, and sign again."""
        self.edit(name, change)
        self.seal()

    def state(self, name: str, change: Callable[[Any], object], keys: OwnerKeys | None = None) -> None:
        """Change what a statement says, and sign it again."""
        statement = sets.payload_of(json.loads((self.folder / f"{name}.dsse.json").read_bytes()))
        change(statement)
        self.state_text(name, json.dumps(statement, sort_keys=True), keys)

    def state_text(self, name: str, text: str, keys: OwnerKeys | None = None) -> None:
        """Let a statement be any text, signed."""
        key = envelopes.load_key((keys or self.keys).attestations)
        envelopes.write(self.folder, [Statement(name=name, document=text.encode())], key)

    def both(self, name: str, change: Callable[[Any], object]) -> None:
        """Change an envelope, and the bundle in the same way."""
        self.edit(f"{name}.dsse.json", change)
        self.edit(f"{name}.sigstore.json", lambda bundle: change(bundle["dsseEnvelope"]))


def _put(document: Any, *path: Any) -> None:
    """Put the last word of the path below the others."""
    *keys, last, value = path
    for key in keys:
        document = document[key]
    document[last] = value


def put(*path: Any) -> Callable[[Any], None]:
    return lambda document: _put(document, *path)


def drop(*path: Any) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        for key in path[:-1]:
            document = document[key]
        del document[path[-1]]

    return change


def _swap(first: Path, second: Path) -> None:
    one, other = first.read_bytes(), second.read_bytes()
    first.write_bytes(other)
    second.write_bytes(one)


def _resign_checksums(it: Tampering) -> None:
    it.flip("*.whl")
    sets.write_sums(it.folder, it.release, it.stranger)


def _replace_all_keys(it: Tampering) -> None:
    """As somebody would do who has the release page, and not the key."""
    it.flip("*.tar.gz")
    sets.copy_public_keys(it.folder, it.stranger)
    sets.seal(it.folder, it.release, it.stranger)


def _unsigned_rpm(it: Tampering) -> None:
    sets.delete_signature(it.path("*.noarch.rpm"))
    _agree(it)


def _rpm_of_a_stranger(it: Tampering) -> None:
    it.stranger.sign_rpms(it.release, it.path("*.noarch.rpm"))
    _agree(it)


def _agree(it: Tampering) -> None:
    """Let all documents have the hashes that the artefacts have now, and sign them."""
    document = json.loads((it.folder / "artifacts.json").read_bytes())
    changed = {}
    for one in document["artifacts"]:
        path = it.folder / one["name"]
        if sha256_of(path) != one["sha256"]:
            changed[one["sha256"]] = sha256_of(path)
            one["size"] = path.stat().st_size
    write_json(it.folder / "artifacts.json", document)
    for path in it.folder.glob("*.json"):
        text = path.read_text()
        for old, new in changed.items():
            text = text.replace(old, new)
        path.write_text(text)
    _list_sboms(it)


def _list_sboms(it: Tampering) -> None:
    """Let the list of artefacts have the SBOMs as they are now, and sign everything."""
    document = json.loads((it.folder / "artifacts.json").read_bytes())
    again = json.loads((it.folder / "reproducibility.json").read_bytes())
    for one, other in zip(document["artifacts"], again["artifacts"], strict=True):
        path = it.folder / one["name"]
        if one["kind"] == "sbom" and path.exists():
            one.update(sha256=sha256_of(path), size=path.stat().st_size)
            other["sha256"]["dist"] = one["sha256"]
    write_json(it.folder / "artifacts.json", document)
    write_json(it.folder / "reproducibility.json", again)
    it.seal()


def _package_of_a_stranger(it: Tampering) -> None:
    it.stranger.sign(it.release, it.path("*.pkg.tar.zst"))
    it.seal()


def _swapped_signatures(it: Tampering) -> None:
    first, second = sorted(it.folder.glob("*.pkg.tar.zst.sig"))[:2]
    _swap(first, second)
    it.seal()


def _changed_package(it: Tampering) -> None:
    it.flip("*.pkg.tar.zst")
    _agree(it)


def _changed_rpm(it: Tampering) -> None:
    it.flip("*.noarch.rpm")
    _agree(it)


def _swapped_sboms(it: Tampering) -> None:
    first, second = sorted(it.folder.glob("*.rpm.spdx.json"))[:2]
    _swap(first, second)
    _list_sboms(it)


def _sbom_of_another_version(pattern: str, *path: Any) -> Callable[[Tampering], None]:
    def change(it: Tampering) -> None:
        it.edit(it.path(pattern).name, put(*path, "0.0.9"))
        _list_sboms(it)

    return change


def _no_sbom(it: Tampering) -> None:
    it.path("*.rb.cdx.json").unlink()
    for name in ("artifacts.json", "reproducibility.json"):
        it.edit(name, _without("faas-runtime.rb.cdx.json"))
    it.seal()


def _without(name: str) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        document["artifacts"] = [one for one in document["artifacts"] if not one["path"].endswith(f"/{name}")]

    return change


def _remove(pattern: str) -> Callable[[Tampering], None]:
    return lambda it: it.path(pattern).unlink()


def _remove_and_seal(pattern: str) -> Callable[[Tampering], None]:
    def change(it: Tampering) -> None:
        it.path(pattern).unlink()
        it.seal()

    return change


def _remove_statement(it: Tampering) -> None:
    for path in it.folder.glob("gate-install.*"):
        path.unlink()


def _truncate(name: str) -> Callable[[Tampering], None]:
    def change(it: Tampering) -> None:
        data = (it.folder / name).read_bytes()
        (it.folder / name).write_bytes(data[: len(data) // 2])

    return change


def _flip(pattern: str, place: float = 0.7) -> Callable[[Tampering], None]:
    return lambda it: it.flip(pattern, place)


def _sealed(name: str, *path: Any) -> Callable[[Tampering], None]:
    return lambda it: it.sealed(name, put(*path))


def _stated(name: str, *path: Any) -> Callable[[Tampering], None]:
    return lambda it: it.state(name, put(*path))


def _both(*path: Any) -> Callable[[Tampering], None]:
    return lambda it: it.both("provenance", put(*path))


def _claimed_passed(it: Tampering) -> None:
    """A gate has failed; its statement says that it passed."""
    it.edit("artifacts.json", put("gates", 0, "status", "failed"))
    sets.write_sums(it.folder, it.release, it.keys)
    for name in ("provenance", "gate-install", "gate-consistency", "gate-verify", "gate-reproduce"):
        it.state(name, lambda statement: _renew(it, statement))


def _renew(it: Tampering, statement: Any) -> None:
    """Let a statement have the hashes of the checksums as they are now."""
    sha256 = sha256_of(it.folder / "artifacts.json")
    for one in (*statement["subject"], *statement["predicate"].get("configuration", ())):
        if one["name"] == "artifacts.json":
            one["digest"]["sha256"] = sha256


def _twice(text: str, key: str) -> str:
    """The same JSON, with one key a second time."""
    begin = text.index(f'"{key}"')
    return f'{text[:begin]}"{key}": "x", {text[begin:]}'


def _twice_in_envelope(it: Tampering) -> None:
    path = it.folder / "provenance.dsse.json"
    path.write_text(_twice(path.read_text(), "payloadType"))


def _twice_in_statement(it: Tampering) -> None:
    statement = sets.payload_of(json.loads((it.folder / "gate-install.dsse.json").read_bytes()))
    it.state_text("gate-install", _twice(json.dumps(statement), "result"))


def _twice_in_artifacts(it: Tampering) -> None:
    path = it.folder / "artifacts.json"
    path.write_text(_twice(path.read_text(), "quick"))
    sets.write_sums(it.folder, it.release, it.keys)


def _signed_with(keyid: bool) -> Callable[[Tampering], None]:
    def change(it: Tampering) -> None:
        own = json.loads((it.folder / "gate-verify.dsse.json").read_bytes())["signatures"][0]["keyid"]
        it.state("gate-verify", lambda statement: None, it.stranger)
        if keyid:
            it.both("gate-verify", put("signatures", 0, "keyid", own))
            it.edit("gate-verify.sigstore.json", put("verificationMaterial", "publicKey", "hint", own))

    return change


def _other_type(it: Tampering) -> None:
    """Signed by the right key, with the type inside the signature as well."""
    from securesystemslib.dsse import Envelope

    key = envelopes.load_key(it.keys.attestations)
    payload = json.loads((it.folder / "provenance.dsse.json").read_bytes())["payload"]
    envelope = Envelope(base64.b64decode(payload), "text/plain", {})
    envelope.sign(key.signer)
    write_json(it.folder / "provenance.dsse.json", envelope.to_dict())
    write_json(it.folder / "provenance.sigstore.json", envelopes.bundle(envelope.to_dict(), key))


def _loose_base64(it: Tampering) -> None:
    def change(envelope: Any) -> None:
        text = envelope["signatures"][0]["sig"].rstrip("=")
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        last = alphabet[alphabet.index(text[-1]) ^ 1]  # bits that no byte takes
        envelope["signatures"][0]["sig"] = f"{text[:-1]}{last}=="

    it.both("provenance", change)


def _sums(change: Callable[[list[str]], list[str]]) -> Callable[[Tampering], None]:
    """Change the lines of the checksums, and sign them again."""

    def planted(it: Tampering) -> None:
        path = it.folder / "SHA256SUMS"
        path.write_text("".join(change(path.read_text().splitlines(keepends=True))))
        it.keys.sign(it.release, path, end=".asc")

    return planted


def _link(it: Tampering) -> None:
    path = it.path("*.whl")
    path.rename(it.folder.parent / path.name)
    path.symlink_to(it.folder.parent / path.name)


def _pipe(it: Tampering) -> None:
    it.path("*.whl").unlink()
    os.mkfifo(it.folder / "faas_runtime-0.1.0-py3-none-any.whl")


def _add(name: str) -> Callable[[Tampering], object]:
    return lambda it: (it.folder / name).write_text("x\n")


def _linked_tree(it: Tampering) -> None:
    (it.folder / "yum").rename(it.folder.parent / "yum")
    (it.folder / "yum").symlink_to(it.folder.parent / "yum")


def _index_of_a_stranger(it: Tampering) -> None:
    index = it.folder / "yum" / "repodata" / "repomd.xml"
    it.stranger.sign(it.release, index, end=".asc")
    sets.write_tree_sums(it.folder)
    it.seal()


def _missing_subject(it: Tampering) -> None:
    it.state("provenance", drop("subject", 3))


EVIL = "0" * 64 + "  "
BUILD = ("predicate", "buildDefinition")

TAMPERINGS: dict[str, tuple[Callable[[Tampering], object], str]] = {
    # A byte in each kind of file.
    "a byte of the source tarball": (_flip("*.tar.gz"), "faas_runtime-0.1.0.tar.gz: its sha256"),
    "a byte of the wheel": (_flip("*.whl"), "none-any.whl: its sha256"),
    "a byte of an RPM": (_flip("*.noarch.rpm"), "noarch.rpm: its sha256"),
    "a byte of an RPM's header": (_flip("*.noarch.rpm", 0.05), "noarch.rpm: its sha256"),
    "a byte of the source RPM": (_flip("*.src.rpm"), "src.rpm: its sha256"),
    "a byte of a pacman package": (_flip("*.pkg.tar.zst"), "any.pkg.tar.zst: its sha256"),
    "a byte of a pacman signature": (_flip("*.pkg.tar.zst.sig"), "zst.sig: its sha256"),
    "a byte of the formula": (_flip("*.rb"), "faas-runtime.rb: its sha256"),
    "a byte of an SPDX document": (_flip("*.spdx.json"), "spdx.json: its sha256"),
    "a byte of a CycloneDX document": (_flip("*.cdx.json"), "cdx.json: its sha256"),
    "a byte of the list of artefacts": (_flip("artifacts.json"), "artifacts.json: its sha256"),
    "a byte of the inputs": (_flip("inputs.json"), "inputs.json: its sha256"),
    "a byte of the reproducibility": (_flip("reproducibility.json"), "reproducibility.json: its sha256"),
    "a byte of the published key": (_flip("packages.asc"), "packages.asc: its sha256"),
    "a byte of the key of the statements": (_flip("attestations.pub"), "attestations.pub: its sha256"),
    "a byte of verify.py": (_flip("verify.py"), "verify.py: its sha256"),
    "a byte of the trees' checksums": (_flip("repositories.sha256"), "repositories.sha256: its sha256"),
    "a byte of the checksums": (_flip("SHA256SUMS"), "SHA256SUMS.asc: the signature does not belong"),
    "a byte of the signature": (_flip("SHA256SUMS.asc", 0.5), "SHA256SUMS.asc:"),
    "a byte of the provenance": (_flip("provenance.dsse.json", 0.3), "provenance.dsse.json:"),
    "a byte of a bundle": (_flip("gate-install.sigstore.json", 0.3), "gate-install.sigstore.json:"),
    "a byte of an index of yum": (_flip("yum/repodata/repomd.xml"), "yum/repodata/repomd.xml: its sha256"),
    "a byte of a package in a tree": (_flip("pacman/*.zst"), "any.pkg.tar.zst: its sha256"),
    # Signatures.
    "no signature of the checksums": (_remove("SHA256SUMS.asc"), "SHA256SUMS.asc: it is missing"),
    "checksums that a stranger has signed": (_resign_checksums, "SHA256SUMS.asc: it is signed by another key"),
    "everything by a stranger": (_replace_all_keys, "SHA256SUMS.asc: it is signed by another key"),
    "text around the signature": (
        lambda it: (it.folder / "SHA256SUMS.asc").write_text("x\n" + (it.folder / "SHA256SUMS.asc").read_text()),
        "SHA256SUMS.asc: it is not one",
    ),
    "an RPM without a signature": (_unsigned_rpm, "noarch.rpm: its header is not signed"),
    "an RPM by another key": (_rpm_of_a_stranger, "noarch.rpm: its header is not signed"),
    "a changed RPM": (_changed_rpm, "noarch.rpm: its header is not signed"),
    "a pacman package by another key": (_package_of_a_stranger, "zst.sig: it is signed by another key"),
    "swapped signatures": (_swapped_signatures, "zst.sig: the signature does not belong"),
    "a changed pacman package": (_changed_package, "zst.sig: the signature does not belong"),
    "a pacman package without a signature": (_remove_and_seal("*.pkg.tar.zst.sig"), "any.pkg.tar.zst: it has no"),
    "an index of yum by a stranger": (_index_of_a_stranger, "yum/repodata/repomd.xml.asc: it is signed by another"),
    "a statement by another key": (_signed_with(False), "gate-verify.dsse.json: its keyid"),
    "a statement by another key under our id": (_signed_with(True), "gate-verify.dsse.json: its signature"),
    # SBOMs.
    "an SPDX document of another version": (
        _sbom_of_another_version("*.whl.spdx.json", "packages", 0, "versionInfo"),
        "whl.spdx.json: it describes the version",
    ),
    "a CycloneDX document of another version": (
        _sbom_of_another_version("*.whl.cdx.json", "metadata", "component", "version"),
        "whl.cdx.json: it describes the version",
    ),
    "SBOMs of each other": (_swapped_sboms, "rpm.spdx.json: it describes another file"),
    "an artefact without SBOM": (_no_sbom, "faas-runtime.rb: SHA256SUMS does not name"),
    # Files.
    "an added file": (_add("install.sh"), "install.sh: SHA256SUMS does not name it"),
    "an added hidden file": (lambda it: (it.folder / ".x").write_text(""), ".x: SHA256SUMS does not name it"),
    "an added folder": (lambda it: (it.folder / "apt").mkdir(), "apt: SHA256SUMS does not name it"),
    "an added statement": (
        lambda it: shutil.copy(it.folder / "gate-install.dsse.json", it.folder / "gate-x.dsse.json"),
        "gate-x.dsse.json: SHA256SUMS does not name it",
    ),
    "a removed file": (_remove("*.whl"), "none-any.whl: it is missing"),
    "a link in place of a file": (_link, "none-any.whl: it is a symbolic link"),
    "a pipe in place of a file": (_pipe, "none-any.whl: it is not a regular file"),
    "a file added to a tree": (_add("yum/x.rpm"), "yum/x.rpm: repositories.sha256 does not name it"),
    "a file removed from a tree": (_remove("pacman/*.zst"), "any.pkg.tar.zst: it is missing"),
    "a link in place of a tree": (_linked_tree, "yum: it is not a folder"),
    # Checksums that the right key has signed.
    "a file without a checksum": (_sums(lambda lines: lines[:-1]), "SHA256SUMS does not name it"),
    "an artefact without a checksum": (
        _sums(lambda lines: [line for line in lines if not line.endswith(".whl\n")]), "artifacts.json: sdist/"
    ),
    "a name that leads elsewhere": (_sums(lambda lines: [f"{EVIL}../x\n", *lines]), "SHA256SUMS: line 1 is not"),
    "a name twice": (_sums(lambda lines: [lines[0], *lines]), "SHA256SUMS: line 2 names a file for the second"),
    "unsorted checksums": (_sums(lambda lines: lines[::-1]), "SHA256SUMS: its lines are not sorted"),
    "checksums with other line ends": (
        _sums(lambda lines: [line.replace("\n", "\r\n") for line in lines]), "SHA256SUMS: line 1 is not"
    ),
    # Envelopes.
    "a truncated envelope": (_truncate("gate-install.dsse.json"), "gate-install.dsse.json: it is not the JSON"),
    "a truncated bundle": (_truncate("gate-install.sigstore.json"), "gate-install.sigstore.json: it is not the JSON"),
    "another payloadType": (_both("payloadType", "text/plain"), "provenance.dsse.json: payloadType"),
    "another payloadType, signed": (_other_type, "provenance.dsse.json: payloadType"),
    "a key twice in an envelope": (_twice_in_envelope, "provenance.dsse.json: it is not the JSON"),
    "a second signature": (
        lambda it: it.both("provenance", lambda one: one["signatures"].append(one["signatures"][0])),
        "provenance.dsse.json: signatures is not a list with one entry",
    ),
    "no signature in an envelope": (_both("signatures", []), "provenance.dsse.json: signatures is not a list"),
    "an unknown key in an envelope": (_both("comment", "x"), "provenance.dsse.json: the envelope has an unknown"),
    "base64 with other bits": (_loose_base64, "provenance.dsse.json: sig is not canonical base64"),
    "base64 with a line end": (
        lambda it: it.both("provenance", lambda one: one.update(payload=one["payload"] + "\n")),
        "provenance.dsse.json: payload is not canonical base64",
    ),
    "a bundle with another envelope": (
        lambda it: shutil.copy(it.folder / "gate-verify.sigstore.json", it.folder / "provenance.sigstore.json"),
        "provenance.sigstore.json: it is not the same envelope",
    ),
    "a bundle with another hint": (
        lambda it: it.edit("provenance.sigstore.json", put("verificationMaterial", "publicKey", "hint", "x")),
        "provenance.sigstore.json: it is not the same envelope",
    ),
    # Statements that the right key has signed.
    "a missing subject": (_missing_subject, "is not a subject of it"),
    "another subject": (
        lambda it: it.state("provenance", lambda one: one["subject"].append(
            {"name": "x", "digest": {"sha256": "0" * 64}})),
        "provenance.dsse.json: its subject 'x' is not in SHA256SUMS",
    ),
    "a subject twice": (
        lambda it: it.state("provenance", lambda one: one["subject"].append(one["subject"][0])),
        "provenance.dsse.json: the subject artifacts.json is there twice",
    ),
    "a subject with another digest": (
        _stated("gate-install", "subject", 0, "digest", "sha256", "0" * 64), "gate-install.dsse.json: artifacts.json"
    ),
    "a subject with a weak digest": (
        _stated("gate-install", "subject", 0, "digest", "md5", "0" * 32), "the digest of a subject has an unknown key"
    ),
    "another type of statement": (_stated("provenance", "_type", "https://in-toto.io/Statement/v0.1"), "_type is"),
    "another type of predicate": (_stated("provenance", "predicateType", "https://x/"), "predicateType is"),
    "an unknown parameter": (
        _stated("provenance", *BUILD, "externalParameters", "patch", "x"), "externalParameters has an unknown key"
    ),
    "another tag": (_stated("provenance", *BUILD, "externalParameters", "tag", "v9"), "tag is 'v9'"),
    "another repository": (
        _stated("provenance", *BUILD, "externalParameters", "repository", "https://example.org/x"), "buildType is"
    ),
    "another build type": (_stated("provenance", *BUILD, "buildType", "https://example.org/x"), "buildType is"),
    "another builder": (
        _stated("provenance", "predicate", "runDetails", "builder", "id", "https://example.org/x"), "runDetails is"
    ),
    "an input less": (
        lambda it: it.state("provenance", drop(*BUILD, "resolvedDependencies", 2)), "is only in inputs.json"
    ),
    "an input more": (
        lambda it: it.state("provenance", lambda one: one["predicate"]["buildDefinition"]["resolvedDependencies"]
                            .append({"uri": "x", "digest": {"sha256": "9" * 64}})),
        "is only in resolvedDependencies",
    ),
    "another commit": (
        _stated("provenance", *BUILD, "resolvedDependencies", 0, "digest", "gitCommit", "0" * 40), "is only in"
    ),
    "a key twice in a statement": (_twice_in_statement, "gate-install.dsse.json: it is not the JSON"),
    "no statement of a gate": (_remove_statement, "gate-install.dsse.json: it is missing"),
    "the statement of another gate": (
        lambda it: [shutil.copy(it.folder / f"gate-consistency.{end}.json", it.folder / f"gate-install.{end}.json")
                    for end in ("dsse", "sigstore")],
        "gate-install.dsse.json: passedTests are not what artifacts.json says",
    ),
    "a failed gate that is claimed to have passed": (_claimed_passed, "gate-install.dsse.json: passedTests are not"),
    "a failed gate": (_sealed("artifacts.json", "gates", 0, "status", "failed"), "it says that these failed: install"),
    "a result that is too good": (_stated("gate-install", "predicate", "result", "PASSED"), "result is 'PASSED'"),
    "a verdict about another list": (
        _stated("gate-install", "predicate", "configuration", 0, "digest", "sha256", "0" * 64), "configuration is"
    ),
    # Documents that the right key has signed.
    "a key twice in the list of artefacts": (_twice_in_artifacts, "artifacts.json: it is not the JSON"),
    "a release without gates": (_sealed("artifacts.json", "quick", True), "artifacts.json: it was made without"),
    "a release of a modified checkout": (
        _sealed("artifacts.json", "source", "modified", True), "artifacts.json: source.modified is True"
    ),
    "a release that is not at its tag": (
        _sealed("artifacts.json", "source", "revision", "v0.1.0-unreleased"), "artifacts.json: source.revision is"
    ),
    "an artefact that failed": (
        _sealed("artifacts.json", "artifacts", 0, "status", "failed"), "artifacts.json: sdist/"
    ),
    "an artefact that is missing in silence": (
        _sealed("artifacts.json", "artifacts", 0, {"kind": "image", "path": "images/x", "status": "unavailable"}),
        "is the SBOM of no artefact",
    ),
    "another file in the list of artefacts": (
        _sealed("artifacts.json", "artifacts", 0, "sha256", "0" * 64), "has another sha256 than"
    ),
    "a file that is not the same when built again": (
        _sealed("reproducibility.json", "artifacts", 0, "verdict", "different"), "gate-reproduce.dsse.json: it says"
    ),
    "another file built again": (
        _sealed("reproducibility.json", "artifacts", 0, "sha256", "dist", "0" * 64), "another file was built again"
    ),
}  # fmt: skip

FEW = (
    "a byte of an RPM",
    "checksums that a stranger has signed",
    "an added file",
    "a missing subject",
    "a failed gate that is claimed to have passed",
)
"""Those that every run of the tests plants; `nox -s proofs` plants all."""
