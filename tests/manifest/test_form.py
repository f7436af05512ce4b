"""The form of the manifest as YAML: keys, duplicates, aliases, characters, and anything at all."""
# ruff: noqa: E501  (a fault is one line)

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ci.core.errors import ManifestError
from ci.manifest import reader

Faults = Callable[..., list[str]]

anything = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# What is replaced in the manifest of conftest.py, by what, and the faults without the name of the file.
FORMS = [
    ("waivers:", "waviers:", [
        '38:1: waviers: unknown key; did you mean "waivers"?',
    ]),
    ("vendor:", "vendro:", [
        '10:1: vendro: unknown key; did you mean "vendor"?',
    ]),
    ("maintainer: ", "colour: red\nmaintainer: ", [
        "11:1: colour: unknown key; expected one of format, name, version, date, summary, description, license, vendor, maintainer, home, documentation, python, source, rpm, msys2, homebrew, images, waivers, budgets, keys, targets, may_not_run",
    ]),
    ("ubi:\n", "ubi:\n    degist: x\n", [
        '31:5: images.ubi.degist: unknown key; did you mean "digest"?',
    ]),
    ("vendor: ", "name: again\nvendor: ", [
        "10:1: name: is a duplicate of the key on line 2; remove one of them",
    ]),
    ("vendor: ", "\"name\": again\nvendor: ", [
        "10:1: name: is a duplicate of the key on line 2; remove one of them",
    ]),
    ("vendor: Sample vendor", "vendor: &a Sample vendor", [
        "10:9: vendor: has an anchor (&a); write the value without it",
    ]),
    ("vendor: Sample vendor", "vendor: !!str Sample vendor", [
        '10:9: vendor: has a tag ("tag:yaml.org,2002:str"); write the value without it',
    ]),
    ("vendor: Sample vendor", "vendor: !!python/object/apply:os.system [id]", [
        '10:9: vendor: has a tag ("tag:yaml.org,2002:python/object/apply:os.system"); write the value without it',
    ]),
    ("vendor: Sample vendor\nmaintainer: Sample <sample@example.org>", "vendor: &a Sample\nmaintainer: *a", [
        "10:9: vendor: has an anchor (&a); write the value without it",
        "11:13: maintainer: is an alias (*a); write the value itself",
    ]),
    ("rpm:\n", "rpm:\n  <<: {release: 1}\n", [
        '19:3: rpm."<<": is a merge key; write the keys themselves',
    ]),
    ("rpm:\n", "rpm:\n  ? [a]\n  : b\n", [
        "19:5: rpm: a key is a list or a mapping; expected one word",
    ]),
    ("rpm:\n", "rpm:\n  &k x: 1\n", [
        "19:3: rpm.x: the key has an anchor (&k); write the value without it",
        "19:3: rpm.x: unknown key; expected one of release",
    ]),
    ("rpm:\n  release: 1", "rpm:\n\trelease: 1", [
        "19:1: a tab; use spaces",
    ]),
    ("Sample vendor", "Sample\u200bvendor", [
        "10:15: an invisible or direction-changing character, U+200B; remove it",
    ]),
    ("Sample vendor", "Sample\u0007vendor", [
        "10:15: a control character, U+0007; remove it",
    ]),
    ("Sample vendor", "Sample\u2028vendor", [
        "10:15: a line separator, U+2028; remove it",
    ]),
    ("Sample vendor", "Sample�vendor", [
        "10:15: the replacement character U+FFFD, the result of a wrong decoding; write the original character",
    ]),
    ("# written", "# \u202ewritten", [
        "17:80: an invisible or direction-changing character, U+202E; remove it",
    ]),
    ("Sample vendor", "Sample\rvendor", [
        "10:15: a control character, U+000D; remove it",
    ]),
    ("Sample vendor", "Sample: vendor", [
        "10:15: not YAML: mapping values are not allowed here; expected `key: value`, indented with spaces, in quotes where it contains `: ` or ` #`",
    ]),
    ("Sample vendor", '"Sample', [
        "14:10: not YAML: expected <block end>, but found '<scalar>'; expected `key: value`, indented with spaces, in quotes where it contains `: ` or ` #`",
    ]),
    ("Sample vendor", "@Sample", [
        "10:9: not YAML: found character '@' that cannot start any token; expected `key: value`, indented with spaces, in quotes where it contains `: ` or ` #`",
    ]),
    ("Sample vendor", "\"\\UFFFFFFFF\"", [
        "10:12: not YAML: a number that is too large; expected `key: value`, indented with spaces, in quotes where it contains `: ` or ` #`",
    ]),
    ("Sample vendor", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]", [
        "10:24: nested more than 16 levels deep; the manifest has four levels",
    ]),
    ("waivers:", "---\nwaivers:", [
        "38:1: a second document begins; keep one document",
    ]),
    ("Sample vendor", "!u!x y", [
        "10:9: not YAML: found undefined tag handle '!u!'; expected `key: value`, indented with spaces, in quotes where it contains `: ` or ` #`",
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), FORMS)
def test_fault(faults: Faults, sample: Path, old: str, new: str, expected: list[str]) -> None:
    text = sample.read_text(encoding="utf-8")
    assert old in text
    assert faults(text.replace(old, new, 1)) == [f"release.yaml:{fault}" for fault in expected]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", ["release.yaml:1:1: is empty; expected the manifest of a release"]),
        ("# only\n", ["release.yaml:1:1: is empty; expected the manifest of a release"]),
        ("~", ["release.yaml:1:1: is empty; expected the manifest of a release"]),
        ("- a\n", ["release.yaml:1:1: expected a mapping, found a list"]),
        ("text", ['release.yaml:1:1: expected a mapping, found the string "text"']),
        *(
            (text, ["release.yaml:2:4: this quote is never closed; write the same quote after the text"])
            for text in ('a: b\nc: "d', "a: b\nc: 'd\ne: f\n", 'a: b\nc: "d\n---\n')
        ),
        ("\0", ["release.yaml:1:1: a control character, U+0000; remove it"]),
        (b"a: b\nc: \xff", ["release.yaml:2:4: byte 0xff is not UTF-8; save the file as UTF-8"]),
    ],
)
def test_not_a_manifest(faults: Faults, content: str | bytes, expected: list[str]) -> None:
    assert faults(content) == expected


def test_byte_order_mark(faults: Faults, sample: Path) -> None:
    expected = ["release.yaml:1:1: a byte order mark; save the file as UTF-8 without one"]
    assert faults(b"\xef\xbb\xbf" + sample.read_bytes()) == expected


def test_line_ends_of_windows(faults: Faults, sample: Path) -> None:
    text = sample.read_text(encoding="utf-8").replace("\n", "\r\n")
    assert faults(text) == []
    assert faults(text.replace("name:", "nmae:")) == ['release.yaml:2:1: nmae: unknown key; did you mean "name"?']


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as raised:
        reader.load(tmp_path / "release.yaml")
    right = "expected the manifest at the root of the repository"
    assert str(raised.value) == f"release.yaml: cannot be read (No such file or directory); {right}"


def test_a_directory_is_no_manifest(tmp_path: Path) -> None:
    (tmp_path / "release.yaml").mkdir()
    with pytest.raises(ManifestError, match=r"^release.yaml: cannot be read \(Is a directory\); "):
        reader.load(tmp_path / "release.yaml")


def test_every_fault_at_once_and_in_order(faults: Faults, sample: Path) -> None:
    text = sample.read_text(encoding="utf-8")
    edits = {
        "format: 1": "format: 3",
        "name: sample-tool": "name: sample-tool\nname: other",
        "vendor: ": "vendro: ",
        "rpm:": "# \u202e\nrpm:",
        "[ucrt64, clang64]": "[ucrt64, ucrt64, mingw32]",
        "user: 65532": "user: 0",
    }
    for old, new in edits.items():
        text = text.replace(old, new, 1)
    assert faults(text, "## [1.2.0] - 2026-11-24\n") == [
        "release.yaml:1:9: format: 3 is not supported; expected 1",
        "release.yaml:3:1: name: is a duplicate of the key on line 2; remove one of them",
        'release.yaml:11:1: vendro: unknown key; did you mean "vendor"?',
        "release.yaml:19:3: an invisible or direction-changing character, U+202E; remove it",
        'release.yaml:24:17: msys2.environments: "ucrt64" is listed twice; list it once',
        'release.yaml:24:34: msys2.environments[2]: "mingw32" is unknown; expected "ucrt64", "clang64" or "clangarm64"',
        "release.yaml:31:9: images.user: 0 is too small; expected 1 or more",
        'CHANGELOG.md:1: 1.2.0 has no items; add a section with a "- item"',
    ]


def test_a_bomb_of_aliases_is_refused_at_once(faults: Faults) -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    start = time.monotonic()
    found = faults(bomb)
    assert time.monotonic() - start < 5
    assert "release.yaml:1:5: a0: has an anchor (&a0); write the value without it" in found
    assert "release.yaml:2:10: a1[0]: is an alias (*a0); write the value itself" in found


@given(content=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
@anything
def test_arbitrary_bytes_raise_nothing_but_manifest_error(faults: Faults, content: bytes) -> None:
    assert all(fault.startswith(("release.yaml:", "CHANGELOG.md:")) for fault in faults(content))


@given(text=st.text(alphabet="ab:- \n\"'[]{}&*!|>%#?,@`~<0.1\t\\xu/é", max_size=120))
@anything
def test_arbitrary_yaml_raises_nothing_but_manifest_error(faults: Faults, text: str) -> None:
    assert faults(text)


@given(data=st.data())
@anything
def test_spoilt_manifests_raise_nothing_but_manifest_error(faults: Faults, right: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(right)))
    upto = data.draw(st.integers(at, min(at + 20, len(right))))
    put = data.draw(st.text(max_size=10))
    faults(right[:at].encode() + put.encode(errors="replace") + right[upto:].encode())
