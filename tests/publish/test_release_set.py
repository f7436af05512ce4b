"""The set that may be published: what is refused, with the name of the file and of what had seen it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ci.core.errors import UsageError, VerificationError
from ci.core.files import sha256_of
from ci.publish import release_set
from tests.release.fixtures_of_sets import _tools_of_the_environment, built, finished, keys, release, signing
from tests.release.fixtures_of_sets import release_set as a_set

__all__ = ["_tools_of_the_environment", "a_set", "built", "finished", "keys", "release", "signing"]


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change artifacts.json, and its line in the list of checksums."""
    path = folder / "artifacts.json"
    before = sha256_of(path)
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))
    sums = folder / "SHA256SUMS"
    sums.write_text(sums.read_text().replace(before, sha256_of(path)))


def test_a_whole_set_may_be_published(finished: Path) -> None:
    found = release_set.read(finished)
    assert release_set.faults(found) == []
    assert {file.name for file in found.files} == {path.name for path in finished.iterdir() if path.is_file()}
    assert {file.kind for file in found.of_kind("sdist", "wheel", "sbom")} == {"sdist", "sbom"}
    assert found.tree("yum") == finished / "yum"


def test_a_byte_that_changed_is_refused_with_the_gate_that_had_seen_it(a_set: Path) -> None:
    package = next(a_set.glob("*.noarch.rpm"))
    data = bytearray(package.read_bytes())
    data[-1] ^= 1
    package.write_bytes(data)
    with pytest.raises(VerificationError, match=rf"{package.name}: other bytes than those that the gate verify"):
        release_set.read(a_set)


def test_a_byte_that_changes_later_is_not_sent(a_set: Path) -> None:
    file = next(file for file in release_set.read(a_set).files if file.kind == "sdist")
    assert sha256_of(file.path) == file.sha256
    file.path.write_bytes(file.path.read_bytes() + b"\0")
    with pytest.raises(VerificationError, match="its bytes have changed since the set was checked"):
        file.read()


def test_a_file_too_many_and_one_too_few_are_refused(a_set: Path) -> None:
    (a_set / "more.txt").write_text("")
    next(a_set.glob("*.whl")).unlink(missing_ok=True)
    (a_set / "verify.py").unlink()
    with pytest.raises(VerificationError) as raised:
        release_set.read(a_set)
    assert "more.txt: it is in the folder, and SHA256SUMS does not list it" in str(raised.value)
    assert "verify.py: it is missing" in str(raised.value)


def test_a_file_too_many_alone_is_only_to_be_removed(a_set: Path) -> None:
    (a_set / ".DS_Store").write_text("")
    with pytest.raises(VerificationError, match=r"\.DS_Store: it is in the folder") as raised:
        release_set.read(a_set)
    assert raised.value.hint == "remove it"


def test_a_link_in_place_of_a_file_is_refused(a_set: Path) -> None:
    (a_set / "verify.py").rename(a_set.parent / "verify.py")
    (a_set / "verify.py").symlink_to(a_set.parent / "verify.py")
    with pytest.raises(VerificationError, match=r"verify\.py: it is not a regular file"):
        release_set.read(a_set)


@pytest.mark.parametrize(
    ("text", "listed", "said"),
    [
        ('{"name": "x"}', False, "artifacts.json: other bytes than those that SHA256SUMS lists"),
        ('{"name": "x"}', True, "artifacts.json: it is damaged: KeyError"),
        ("[]", True, "artifacts.json: it is damaged: TypeError"),
        ("half a f", True, "artifacts.json: it is damaged: JSONDecodeError"),
    ],
    ids=["unlisted", "keys", "list", "half"],
)
def test_a_damaged_report_is_refused(a_set: Path, text: str, listed: bool, said: str) -> None:
    path = a_set / "artifacts.json"
    before = sha256_of(path)
    path.write_text(text)
    if listed:
        sums = a_set / "SHA256SUMS"
        sums.write_text(sums.read_text().replace(before, sha256_of(path)))
    with pytest.raises(VerificationError, match=re.escape(said)):
        release_set.read(a_set)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xff\xfe\n", r"SHA256SUMS: it is no text: byte 1 is not UTF-8"),
        (b" " * 16_000_001, r"SHA256SUMS: it cannot be read: it has 16\.0 MB"),
        (b"\x1b[31m\n", r"SHA256SUMS: '\\x1b\[31m' is not a line of a list of checksums"),
    ],
    ids=["no text", "too long", "no list"],
)
def test_a_damaged_list_is_refused(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "SHA256SUMS").write_bytes(data)
    (tmp_path / "SHA256SUMS.asc").touch()
    with pytest.raises(VerificationError, match=said) as raised:
        release_set.read(tmp_path)
    assert raised.value.hint == "make the set again: nox -s release"


def test_a_folder_without_a_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no signed set"):
        release_set.read(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda document: document.update(quick=True), "the gates were left out"),
        (lambda document: document["source"].update(modified=True), "built from a modified checkout"),
        (
            lambda document: document["stand_in_bases"].append({"flavour": "ubi", "reference": "localhost/base"}),
            "ubi: it was built on a stand-in (localhost/base)",
        ),
        (
            lambda document: document["artifacts"][0].update(sha256="0" * 64),
            "other bytes than those that the gate verify has seen",
        ),
        (lambda document: document["artifacts"][0].update(name="else.rpm"), "else.rpm: it is verified, and not in"),
    ],
)
def test_what_its_records_say_against_it(a_set: Path, change: Callable[[dict[str, Any]], object], said: str) -> None:
    edit(a_set, change)
    faults = release_set.faults(release_set.read(a_set))
    assert [said in str(fault) for fault in faults] == [True], list(map(str, faults))
