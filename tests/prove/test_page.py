"""`report.html`: it has the facts of the JSON files, escapes them, needs nothing else, and says what is missing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from ci.core.run import Runner
from ci.manifest.release import Budgets
from ci.prove import compare, page
from tests.prove.dists import image_settings, image_tree, listed, write_image

IMAGE = "images/faas-runtime-0.1.0-micro-amd64.oci.tar"
SCRIPT = "<script>alert('1')</script>&\"x\""
_EMPTY = {"meta", "br"}
Documents = dict[str, dict[str, Any]]


class PageReader(HTMLParser):
    """Collects the text, the elements and their attributes, and requires that every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in _EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture
def documents(tmp_path: Path) -> Documents:
    """What a release leaves in `dist/`, with every file that the page reads."""
    for name in ("before", "after"):
        tree = image_tree()
        if name == "after":
            del tree["usr/bin/link"]
        write_image(tmp_path / name / IMAGE, tree, image_settings())
    before, after = (listed(tmp_path / name, {IMAGE: "image"}) for name in ("before", "after"))
    found = compare.compare(before, after, Budgets(image=5, package=10), tmp_path / "w", Runner(log=tmp_path / "log"))
    compare.write(tmp_path / "comparison.json", before, after, found)
    release = after.document
    sha256 = release["artifacts"][0]["sha256"]
    release["not_tried"] = ["function-rust: no cargo here"]
    release["gates"] = [
        {"gate": gate, "name": gate, "title": f"what {gate} proves", "artifacts": [IMAGE], "status": status,
         "reason": reason, "untried": ["no Windows"], "notes": ["a note"]}
        for gate, status, reason in (("consistency", "passed", ""), ("install", "not run", "no rpm 6 here"))
    ]  # fmt: skip
    release["waivers"] = [
        {"tool": "rpmlint", "rule": "x", "reason": "Because of it.", "until": "2027-11-30", "due": False},
        {"tool": "hadolint", "rule": "DL1", "file": "a/B", "reason": "Soon over.", "until": "2026-12-01", "due": True},
    ]
    facts = [
        {"fact": "version", "expected": "0.1.0", "values": {IMAGE: "0.1.0", "rpm/x.rpm": "0.1.1"}},
        {"fact": "sha256 of bin/faas-runtime", "expected": "ab", "values": {IMAGE: "ab"}},
    ]
    reproducibility = {
        "verdict": "different",
        "varied": [{"name": "umask", "how": "umask", "plain": "0022", "varied": "0077", "limits": "files only"}],
        "not_varied": [{"name": "kernel", "reason": "one machine has one"}],
        "artifacts": [
            {"path": IMAGE, "stage": False, "verdict": "different", "sha256": {"dist": sha256}, "reason": "byte 7"}
        ],
    }
    return {
        "artifacts": release,
        "comparison": json.loads((tmp_path / "comparison.json").read_bytes()),
        "consistency": {"format": 1, "facts": facts},
        "reproducibility": reproducibility,
    }


def write(folder: Path, documents: Mapping[str, Any]) -> str:
    folder.mkdir(exist_ok=True)
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(document if isinstance(document, str) else json.dumps(document))
    page.write(folder)
    return (folder / "report.html").read_text(encoding="utf-8")


def words(text: str) -> str:
    return " ".join(" ".join(PageReader(text).texts).split())


def test_it_has_the_facts(tmp_path: Path, documents: Documents) -> None:
    found = words(write(tmp_path / "dist", documents))
    for fact in (
        "faas-runtime 0.1.0", "Release of 2026-11-23", "artefacts verified 1 of 1", "gates passed 1 of 2",
        "within budgets", "other bytes", "micro-amd64", "what install proves not run no rpm 6 here no Windows a note",
        "gone: usr/bin/link", "1 of 2 facts are the same", "rpm/x.rpm : 0.1.1", "byte 7", "0022", "files only",
        "kernel: one machine has one", "1 of 2 end within 30 days", "due soon hadolint DL1 a/B Soon over.",
        "function-rust: no cargo here", "buildah 1.28.2", "v0.1.0-unreleased, no git commit",
    ):  # fmt: skip
        assert fact in found, fact


def test_it_says_what_is_missing(tmp_path: Path, documents: Documents) -> None:
    found = words(write(tmp_path / "dist", {"artifacts": documents["artifacts"] | {"quick": True, "gates": []}}))
    assert "Not compared: run nox -s compare -- REVISION" in found
    assert "Not compared with each other: run nox -s verify" in found
    assert "Not rebuilt: run nox -s reproduce" in found
    assert "The gates were left out (--quick): this snapshot is not fit for a release." in found


def test_files_about_other_artefacts_are_not_shown(tmp_path: Path, documents: Documents) -> None:
    documents["artifacts"]["artifacts"][0]["sha256"] = "0" * 64
    found = words(write(tmp_path / "dist", documents))
    assert "Not compared: run nox -s compare -- REVISION" in found
    assert "the last proof was about other artefacts" in found
    assert "byte 7" not in found


def test_everything_is_escaped(tmp_path: Path, documents: Documents) -> None:
    """Every text of every document may come from a manifest or an archive."""

    def planted(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {key if key in _KEYS else f"{key}{SCRIPT}": planted(one, key) for key, one in value.items()}
        if isinstance(value, list):
            return [planted(one, key) for one in value]
        kept = not isinstance(value, str) or key in ("path", "sha256", "dist", "gate", "kind")
        return value if kept else f"{value}{SCRIPT}"

    _KEYS = set(re.findall(r"[a-z_0-9]+", json.dumps(documents)))
    text = write(tmp_path / "dist", {name: planted(document) for name, document in documents.items()})
    reader = PageReader(text)
    assert "script" not in reader.elements
    assert not {name for name in reader.attributes if name.startswith("on")}
    assert "".join(reader.texts).count(SCRIPT) > 30
    assert "another form" not in text


def test_it_needs_nothing_from_outside(tmp_path: Path, documents: Documents) -> None:
    text = write(tmp_path / "dist", documents)
    reader = PageReader(text)
    assert not reader.attributes & {"src", "href", "srcset", "style", "action"}
    assert not reader.elements & {"script", "link", "img", "iframe", "object", "base"}
    assert "url(" not in text
    assert "@import" not in text
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_the_same_files_give_the_same_bytes(tmp_path: Path, documents: Documents) -> None:
    assert write(tmp_path / "dist", documents) == write(tmp_path / "other", documents)


@pytest.mark.parametrize("name", ["comparison", "consistency", "reproducibility"])
@pytest.mark.parametrize("damaged", ["{}", "[]", '"text"', '{"artifacts": 1, "facts": [1], "verdict": 1}', "no JSON"])
def test_a_damaged_file_spoils_its_own_section_only(
    tmp_path: Path, documents: Documents, name: str, damaged: str
) -> None:
    text = write(tmp_path / "dist", {**documents, name: damaged})
    assert "Because of it." in text
    assert re.search(r"has another form|Not compared|Not rebuilt", text)


def test_what_is_missing_or_stands_in_is_red_at_the_top(tmp_path: Path, documents: Documents) -> None:
    allowed = {
        "allowed_missing": [{"name": "x-ubi-arm64.oci.tar", "reason": SCRIPT}],
        "stand_in_bases": [{"flavour": "alpine", "reference": "localhost/stand-in:1"}],
    }
    text = write(tmp_path / "dist", documents | {"artifacts": documents["artifacts"] | allowed})
    alarm = text.partition('<aside class="alarm bad">')[2].partition("</aside>")[0]
    assert "x-ubi-arm64.oci.tar" in alarm
    assert "localhost/stand-in:1" in alarm
    assert "not fit for publishing" in alarm
    assert SCRIPT not in text
    assert text.index("<aside") < text.index("<dl")  # before the figures
    assert re.search(r"\.bad \{ color: var\(--bad\)", text)


def test_a_whole_release_has_no_alarm(tmp_path: Path, documents: Documents) -> None:
    assert "<aside" not in write(tmp_path / "dist", documents)
