"""Putting a key into the manifest: that line and no other byte, in every form that a list can have."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.core.errors import ManifestError
from ci.manifest import reader, write_keys

OLD, MID, NEW = "A" * 40, "B" * 40, "C" * 40


def entry(fingerprint: str) -> dict[str, str]:
    name = f"ci/keys/{fingerprint[:2].lower()}.asc"
    return {"openpgp": fingerprint, "file": name, "until": "2029-01-01"}


def flow(fingerprint: str) -> str:
    return f'{{openpgp: "{fingerprint}", file: ci/keys/{fingerprint[:2].lower()}.asc, until: "2029-01-01"}}'


EMPTY = "keys:\n  packages: [] # an example\n  attestations: []\n"
ONE_LINE = "keys: {packages: [], attestations: []} # both\n"
FLOW = f"keys:\n  packages: [{flow(OLD)}, {flow(MID)}] # two\n  attestations: []\n"
BLOCK = f"""\
keys:
  packages: # all of them
    # The first signs.
    - {flow(OLD)} # signs
    # Announced in spring.
    - openpgp: "{MID}" # long form
      file: ci/keys/bb.asc
      until: "2029-01-01"
    # The end.
  # Of statements.
  attestations: []
"""
DASHES_AT_THE_KEY = f"keys:\n  attestations: []\n  packages:\n  - {flow(OLD)}\n  - {flow(MID)}\n"


def write(sample: Path, right: str, keys: str) -> str:
    """The manifest of the tests with another section `keys`; returns what is around it."""
    start, end = right.index("keys:"), right.index("targets:")
    sample.write_bytes((right[:start] + keys + right[end:]).encode())
    return sample.read_text()


def listed(sample: Path) -> list[str]:
    return [key.openpgp for key in reader.load(sample).keys.packages]


FORMS = {"empty": EMPTY, "one line": ONE_LINE, "flow": FLOW, "block": BLOCK, "dashes": DASHES_AT_THE_KEY}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_a_new_key_is_announced_behind_the_others(sample: Path, right: str, form: str, newline: str) -> None:
    write(sample, right, form)
    before = sample.read_text()
    sample.write_bytes(before.replace("\n", newline).encode())
    known = listed(sample)
    write_keys.put(sample, "packages", entry(NEW), first=False)
    assert listed(sample) == [*known, NEW]
    after = sample.read_bytes().decode()
    assert after.count("\r\n") == (after.count("\n") if newline == "\r\n" else 0)
    lines = [line for line in after.replace("\r\n", "\n").split("\n") if NEW not in line]
    kept = [line for line in before.split("\n") if line in lines]
    assert len(before.split("\n")) - len(kept) <= 1  # the line of an empty list, or of the last key in one line
    assert all(comment in after for comment in comments(before))


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_new_key_can_sign_at_once(sample: Path, right: str, form: str) -> None:
    before = write(sample, right, form)
    known = listed(sample)
    write_keys.put(sample, "packages", entry(NEW), first=True)
    assert listed(sample) == [NEW, *known]
    assert all(comment in sample.read_text() for comment in comments(before))


@pytest.mark.parametrize("form", [FLOW, BLOCK, DASHES_AT_THE_KEY], ids=["flow", "block", "dashes"])
def test_an_announced_key_moves_to_the_front(sample: Path, right: str, form: str) -> None:
    before = write(sample, right, form)
    write_keys.put(sample, "packages", entry(MID), first=True)
    assert listed(sample) == [MID, OLD]
    assert sorted(sample.read_text().split()) == sorted(before.split())  # nothing is new, nothing is gone
    write_keys.put(sample, "packages", entry(OLD), first=True)
    assert listed(sample) == [OLD, MID]
    if form != BLOCK:
        assert sample.read_text() == before


def test_the_comment_of_a_key_moves_with_it(sample: Path, right: str) -> None:
    write(sample, right, BLOCK)
    write_keys.put(sample, "packages", entry(MID), first=True)
    text = sample.read_text()
    assert f'    # Announced in spring.\n    - openpgp: "{MID}" # long form\n' in text
    assert f"    - {flow(OLD)} # signs\n    # The end.\n  # Of statements.\n" in text


def test_a_key_that_is_in_its_place_changes_nothing(sample: Path, right: str) -> None:
    write(sample, right, BLOCK)
    before = sample.stat()
    write_keys.put(sample, "packages", entry(MID), first=False)
    write_keys.put(sample, "packages", entry(OLD), first=True)
    assert (sample.stat().st_ino, sample.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_key_for_statements(sample: Path, right: str) -> None:
    write(sample, right, EMPTY)
    write_keys.put(sample, "attestations", {"ed25519": "ci/keys/x.pub"}, first=False)
    assert [key.ed25519 for key in reader.load(sample).keys.attestations] == ["ci/keys/x.pub"]
    assert "  packages: [] # an example\n  attestations:\n    - {ed25519: ci/keys/x.pub}\n" in sample.read_text()


def test_a_manifest_that_cannot_be_read_stays(sample: Path, right: str) -> None:
    broken = right.replace("keys:", "keys: &all", 1)
    sample.write_text(broken)
    with pytest.raises(ManifestError, match="anchor"):
        write_keys.put(sample, "packages", entry(NEW), first=False)
    assert sample.read_text() == broken


def comments(text: str) -> list[str]:
    return [line[line.index("#") :] for line in text.split("\n") if "#" in line]
