"""The model: what it derives, and that it is frozen."""

from __future__ import annotations

import dataclasses
import datetime as dt
import subprocess
import sys
from pathlib import Path

import pytest

from ci import manifest
from ci.release import Base, Micro, Waiver

ROOT = Path(__file__).parents[2]


def test_the_manifest_becomes_the_model(sample: Path) -> None:
    release = manifest.load(sample)
    assert (release.name, str(release.version), release.date) == (
        "sample-tool",
        "1.2.0",
        dt.date(2026, 11, 23),
    )
    assert release.description == "One paragraph on two lines."
    assert (release.rpm.release, release.msys2.release) == (1, 2)
    assert release.msys2.environments == ("ucrt64", "clang64")
    assert release.images.platforms == ("linux/amd64",)
    assert release.images.user == 65532
    assert release.images.alpine == Base(base="registry.example.org/library/alpine:3.24")
    assert release.images.micro == Micro(suite="trixie", python="3.13")
    assert release.waivers == (
        Waiver(
            tool="rpmlint",
            rule="no-manual-page-for-binary",
            reason="There is one, for another section.",
            file="specs/sample-tool.spec",
        ),
    )


def test_what_is_derived(sample: Path) -> None:
    release = manifest.load(sample)
    assert release.sdist_name == "sample_tool-1.2.0.tar.gz"
    assert release.epoch == 1795392000
    assert dt.datetime.fromtimestamp(release.epoch, dt.UTC).isoformat() == "2026-11-23T00:00:00+00:00"
    assert release.images.ubi.reference == "registry.example.org/ubi-minimal:10@sha256:" + "0" * 62 + "aa"
    assert release.images.alpine.reference == "registry.example.org/library/alpine:3.24"


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/Los_Angeles"])
def test_the_epoch_is_the_same_in_every_time_zone(sample: Path, zone: str) -> None:
    code = "import pathlib, sys; from ci import manifest; print(manifest.load(pathlib.Path(sys.argv[1])).epoch)"
    command = [sys.executable, "-c", code, str(sample)]
    run = subprocess.run(command, cwd=ROOT, env={"TZ": zone}, check=True, capture_output=True, text=True)
    assert run.stdout == "1795392000\n"


def test_another_tarball_changes_nothing_else(sample: Path) -> None:
    release = manifest.load(sample)
    other = release.with_source_sha256("ab" * 32)
    assert other.source.sha256 == "ab" * 32
    assert dataclasses.replace(other, source=release.source) == release
    assert release.source.sha256 != other.source.sha256


def test_frozen_and_hashable(sample: Path) -> None:
    release = manifest.load(sample)
    assert hash(release) == hash(manifest.load(sample))
    with pytest.raises(dataclasses.FrozenInstanceError):
        release.name = "x"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        release.images.ubi.base = "x"  # type: ignore[misc]


def test_this_repository_s_manifest_is_right() -> None:
    release = manifest.load(ROOT / "release.yaml")
    assert release.changelog[0].version == release.version
    assert release.source.url.endswith(release.sdist_name)


def test_yaml_is_imported_in_one_module_only() -> None:
    """`ci` has one home for each outside package (design, "One way through")."""
    importers = [path.name for path in (ROOT / "ci").rglob("*.py") if "import yaml" in path.read_text("utf-8")]
    assert importers == ["manifest_nodes.py"]
