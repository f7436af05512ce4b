"""The model: what it derives, and that it is frozen."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ci.manifest import reader
from ci.manifest.release import AttestationKey, Base, Budgets, Keys, MayNotRun, Micro, PackageKey, Waiver

ROOT = Path(__file__).parents[2]


def test_the_manifest_becomes_the_model(sample: Path) -> None:
    release = reader.load(sample)
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
            until=dt.date(2027, 11, 30),
        ),
    )
    assert release.budgets == Budgets(image=5, package=10)
    fingerprint = "0123456789ABCDEF0123456789ABCDEF01234567"
    packages = (PackageKey(openpgp=fingerprint, file="ci/keys/packages-2026.asc", until=dt.date(2029, 1, 1)),)
    assert release.keys == Keys(
        packages=packages, attestations=(AttestationKey(ed25519="ci/keys/attestations-2026.pub"),)
    )
    assert release.may_not_run == (
        MayNotRun(gate="equivalence", contains="no arm64", reason="There is no such machine."),
    )


@pytest.mark.parametrize(
    ("until", "due"),
    [("2026-11-23", True), ("2026-12-23", True), ("2026-12-24", False), ("2027-11-30", False)],
)
def test_a_waiver_that_ends_within_thirty_days_is_due(sample: Path, until: str, due: bool) -> None:
    """Whatever the day of the test is: the release's own date counts, so an old tag can be built again."""
    sample.write_text(sample.read_text(encoding="utf-8").replace("2027-11-30", until), encoding="utf-8")
    release = reader.load(sample)
    assert release.waivers_due == (release.waivers if due else ())


def test_what_is_derived(sample: Path) -> None:
    release = reader.load(sample)
    assert release.sdist_name == "sample_tool-1.2.0.tar.gz"
    assert release.epoch == 1795392000
    assert dt.datetime.fromtimestamp(release.epoch, dt.UTC).isoformat() == "2026-11-23T00:00:00+00:00"
    assert release.images.ubi.reference == "registry.example.org/ubi-minimal:10@sha256:" + "0" * 62 + "aa"
    assert release.images.alpine.reference == "registry.example.org/library/alpine:3.24"


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/Los_Angeles"])
def test_the_epoch_is_the_same_in_every_time_zone(sample: Path, zone: str) -> None:
    code = "import pathlib, sys; from ci.manifest import reader; print(reader.load(pathlib.Path(sys.argv[1])).epoch)"
    command = [sys.executable, "-c", code, str(sample)]
    run = subprocess.run(command, cwd=ROOT, env={"TZ": zone}, check=True, capture_output=True, text=True)
    assert run.stdout == "1795392000\n"


def test_another_tarball_changes_nothing_else(sample: Path) -> None:
    release = reader.load(sample)
    other = release.with_source_sha256("ab" * 32)
    assert other.source.sha256 == "ab" * 32
    assert dataclasses.replace(other, source=release.source) == release
    assert release.source.sha256 != other.source.sha256


def test_frozen_and_hashable(sample: Path) -> None:
    release = reader.load(sample)
    assert hash(release) == hash(reader.load(sample))
    with pytest.raises(dataclasses.FrozenInstanceError):
        release.name = "x"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        release.images.ubi.base = "x"  # type: ignore[misc]


def test_this_repository_s_manifest_is_right() -> None:
    release = reader.load(ROOT / "release.yaml")
    assert release.changelog[0].version == release.version
    assert release.source.url.endswith(release.sdist_name)


def test_yaml_is_imported_in_one_module_only() -> None:
    """Each outside package is imported in one place."""
    statement = re.compile(r"^\s*(import|from) yaml\b", re.MULTILINE)
    importers = [path.name for path in (ROOT / "ci").rglob("*.py") if statement.search(path.read_text("utf-8"))]
    assert importers == ["yaml_nodes.py"]
