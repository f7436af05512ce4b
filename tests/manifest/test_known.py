"""A manifest in which the rules found no fault is not checked by them again, until something changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ci.core.errors import ManifestError
from ci.manifest import reader, rules
from ci.manifest.yaml_nodes import YamlDocument


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts of the manifests that the rules have checked."""
    texts: list[str] = []
    check = rules.check

    def noted(document: YamlDocument) -> None:
        texts.append(document.text)
        check(document)

    monkeypatch.setattr(rules, "check", noted)
    return texts


def test_an_unchanged_manifest_is_checked_once(sample: Path, tmp_path: Path, checked: list[str]) -> None:
    known = tmp_path / "state" / "manifest"
    first = reader.load(sample, known)
    assert reader.load(sample, known) == first
    assert len(checked) == 1
    sample.write_text(sample.read_text().replace("Sample vendor", "Another vendor"))
    assert reader.load(sample, known).vendor == "Another vendor"
    assert len(checked) == 2


def test_without_a_file_to_remember_it_is_checked_each_time(sample: Path, checked: list[str]) -> None:
    reader.load(sample)
    reader.load(sample)
    assert len(checked) == 2


def test_a_change_of_the_rules_has_it_checked_again(
    sample: Path, tmp_path: Path, checked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader.load(sample, tmp_path / "known")
    code = tmp_path / "code"
    code.mkdir()
    for file in Path(reader.__file__).parent.glob("*.py"):
        (code / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr(reader, "__file__", str(code / "reader.py"))
    (code / "release.schema.json").write_text("{}")
    reader.load(sample, tmp_path / "known")
    assert len(checked) == 2


@pytest.mark.parametrize("change", [("platforms: [linux/amd64]", "platforms: []"), ("  release: 1", "\trelease: 1")])
def test_a_fault_is_reported_each_time(
    sample: Path, tmp_path: Path, checked: list[str], change: tuple[str, str]
) -> None:
    known = tmp_path / "known"
    reader.load(sample, known)
    sample.write_text(sample.read_text().replace(*change))
    reports = []
    for _ in range(2):
        with pytest.raises(ManifestError) as caught:
            reader.load(sample, known)
        reports.append(str(caught.value))
    assert reports[0] == reports[1]


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "another hash": lambda path: path.write_bytes(b"0" * 64),
    "not text": lambda path: path.write_bytes(bytes(range(256))),
    "a folder": lambda path: path.mkdir(),
    "a folder that is not there": lambda path: path.symlink_to("nowhere/known"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_counts_as_none(sample: Path, tmp_path: Path, checked: list[str], damage: str) -> None:
    known = tmp_path / "known"
    DAMAGES[damage](known)
    reader.load(sample, known)
    assert len(checked) == 1
