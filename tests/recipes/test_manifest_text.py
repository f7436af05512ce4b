"""Editing the lists of a Cargo.toml: what is added, what stays, and what is not touched at all."""

from __future__ import annotations

import tomllib

import pytest
from faas_runtime.commands.manifest_text import ManifestTable, NotSafe
from hypothesis import given
from hypothesis import strategies as st

CASES = {
    "one line": ('members = ["a", "b"]\n', 'members = ["a", "b", "new"]\n'),
    "a comma at the end": ('members = ["a",]  # all\n', 'members = ["a", "new",]  # all\n'),
    "empty": ("members = [ ]\n", 'members = ["new"]\n'),
    "no such list": ('resolver = "2"\n', 'members = ["new"]\nresolver = "2"\n'),
    "lines": ('members = [\n  "a",\n  "b", # b\n]\n', 'members = [\n  "a",\n  "b", # b\n  "new",\n]\n'),
    "lines without the last comma": (
        "members = [\n\t'a', # one\n\t'b' # two, [three]\n]\n",
        "members = [\n\t'a', # one\n\t'b', # two, [three]\n\t\"new\",\n]\n",
    ),
    "a comment at the end": (
        'members = [\n    "a",\n    # more come here\n]\n',
        'members = [\n    "a",\n    "new",\n    # more come here\n]\n',
    ),
    "several on a line": ('members = [\n    "a", "b"\n]\n', 'members = [\n    "a", "b", "new"\n]\n'),
    "the end on the line of the last": ('members = ["a",\n  "b"]\n', 'members = ["a",\n  "b", "new"]\n'),
    "empty lines": ("members = [\n    # none yet\n]\n", 'members = [\n    # none yet\n    "new",\n]\n'),
    "Windows": ('members = [\r\n  "a"\r\n]\r\n', 'members = [\r\n  "a",\r\n  "new",\r\n]\r\n'),
    "other keys around": (
        'exclude = ["x#]"] # [\nmetadata = { a = [1, { b = "]" }] }\nmembers = ["a"]\npackage.version = "1"\n',
        'exclude = ["x#]"] # [\nmetadata = { a = [1, { b = "]" }] }\nmembers = ["a", "new"]\npackage.version = "1"\n',
    ),
    "a quoted key": ('"members" = ["a"]\n', '"members" = ["a", "new"]\n'),
}
BEFORE = '# a [workspace]\n[package]\nname = "root" # [workspace]\n\n'
AFTER = '\n[workspace.dependencies]\nmembers = ["no"]\n'


@pytest.mark.parametrize("name", CASES)
def test_an_item_is_added_and_all_else_stays(name: str) -> None:
    before, after = CASES[name]
    eol = "\r\n" if name == "Windows" else "\n"
    head, tail = (f"{BEFORE}[workspace] # ours\n".replace("\n", eol), AFTER.replace("\n", eol))
    found = ManifestTable(head + before + tail, "workspace").with_string("members", "new")
    assert found == head + after + tail
    was = tomllib.loads(head + before + tail)["workspace"]
    assert tomllib.loads(found)["workspace"] == {**was, "members": [*was.get("members", []), "new"]}


@pytest.mark.parametrize("name", CASES)
def test_the_line_ends_of_windows_stay(name: str) -> None:
    """Also where no comment follows the header."""
    before, after = (f"{BEFORE}[workspace]\n{text}{AFTER}".replace("\r", "") for text in CASES[name])
    found = ManifestTable(before.replace("\n", "\r\n"), "workspace").with_string("members", "new")
    assert found == after.replace("\n", "\r\n")


def test_a_header_may_end_the_file() -> None:
    assert ManifestTable("[workspace]", "workspace").with_string("members", "a") == '[workspace]\nmembers = ["a"]\n'


@pytest.mark.parametrize(
    "text",
    [
        'workspace = { members = ["a"] }\n',
        '[workspace.package]\nversion = "1"\n',
        '[workspace]\nmembers = "a"\n',
        "[workspace]\nmembers = [1]\n",
        '[workspace]\nmembers = ["a\\u0062"]\n',
        '[workspace]\nmembers = [["a"]]\n',
        '[workspace]\nmembers = ["a"\n',
        '[workspace]\nmembers = ["a"\n  , # odd\n]\n',
        '[workspace]\nmembers = ["a"]\nmembers = ["b"]\n',
        '[workspace]\nmembers = ["a"]\n[workspace]\n',
        '[workspace]\ndescription = """\nmembers = []\n"""\nmembers = ["a"]\n',
        "[workspace]\n@\n",
    ],
)
def test_what_is_not_known_is_not_touched(text: str) -> None:
    with pytest.raises(NotSafe):
        ManifestTable(text, "workspace").with_string("members", "new")


@pytest.mark.parametrize("value", ['a"b', "a\\b", "a\nb", ""])
def test_what_needs_quoting_is_not_written(value: str) -> None:
    with pytest.raises(NotSafe):
        ManifestTable("[workspace]\n", "workspace").with_string("members", value)


@given(st.text(alphabet="[]{}\"'#,= \n\r\tab1\\.", max_size=40))
def test_any_text_is_edited_rightly_or_not_at_all(text: str) -> None:
    try:
        was = tomllib.loads(f"[workspace]\n{text}")["workspace"]
    except tomllib.TOMLDecodeError:
        return
    try:
        found = ManifestTable(f"[workspace]\n{text}", "workspace").with_string("members", "new")
    except NotSafe:
        return
    assert tomllib.loads(found)["workspace"] == {**was, "members": [*was.get("members", []), "new"]}
