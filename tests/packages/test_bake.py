"""Baking: what is written, what drifts, and that nothing outside the target is touched."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tempfile
import tomllib
from pathlib import Path

import pytest

from ci.bake.render import COPIES, FILES, FOLDERS, MARKER, STAMPED, bake, bake_recipe, drift
from ci.core.errors import HostError, ManifestError, ReleaseError
from ci.manifest.release import Release
from tests.packages.support import checkout_of, with_version
from tests.support import ROOT


@pytest.fixture
def checkout(tmp_path: Path, release: Release) -> Path:
    """A checkout with a fresh bake."""
    folder = checkout_of(tmp_path / "checkout")
    bake(folder, release, folder)
    return folder


def test_the_committed_tree_is_what_the_manifest_gives(release: Release) -> None:
    assert drift(ROOT, release) == ""


def test_a_bake_into_an_empty_folder_holds_the_baked_places_alone(tmp_path: Path, release: Release) -> None:
    written = bake(ROOT, release, tmp_path)
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {path.relative_to(tmp_path).as_posix() for path in written}
    single = {*FILES, *COPIES, *STAMPED}
    assert single <= found
    assert {path.partition("/")[0] for path in found - single} == set(FOLDERS)
    for path in written:
        assert path.stat().st_mode & 0o777 in (0o644, 0o755)
        place = path.relative_to(tmp_path).as_posix()
        if source := COPIES.get(place, place if place in STAMPED else ""):
            assert path.read_bytes() == (ROOT / source).read_bytes()
        else:
            assert MARKER in path.read_text()


def test_the_recipes_know_the_images_of_the_release(tmp_path: Path, release: Release) -> None:
    bake(ROOT, with_version(release, "1.2.0rc1"), tmp_path)
    for recipe in ("c-function", "rust-function"):
        values = json.loads((tmp_path / "recipes" / recipe / "cookiecutter.json").read_bytes())
        assert values["_image"] == f"{release.images.registry}/{release.name}"
        assert values["_version"] == with_version(release, "1.2.0rc1").version.oci


def test_a_bake_leaves_no_trace_of_cookiecutter(
    tmp_path: Path, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".cookiecutterrc").write_text("replay_dir: /nonexistent\n not yaml: [")
    monkeypatch.setenv("HOME", str(home))
    bake(ROOT, release, tmp_path / "target")
    assert [path.name for path in home.iterdir()] == [".cookiecutterrc"]


@pytest.mark.parametrize("recipe", ["c-function", "rust-function"])
def test_the_copies_of_hooks_that_cookiecutter_runs_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: str
) -> None:
    temporary, target = tmp_path / "temporary", tmp_path / "target"
    temporary.mkdir()
    target.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    assert any(bake_recipe(ROOT / "recipes" / recipe, target).iterdir())
    assert list(temporary.iterdir()) == []


def test_the_umask_does_not_reach_the_modes(tmp_path: Path, release: Release) -> None:
    before = os.umask(0o077)
    try:
        written = bake(ROOT, release, tmp_path)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in written} <= {0o644, 0o755}


def test_what_is_right_already_is_not_written_again(checkout: Path, release: Release) -> None:
    path = checkout / "specs" / f"{release.name}.spec"
    before = path.stat().st_ino, path.stat().st_mtime_ns
    bake(checkout, release, checkout)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == before


def test_drift_shows_an_edit_as_a_diff(checkout: Path, release: Release) -> None:
    path = checkout / "msys2" / "PKGBUILD"
    path.write_text(path.read_text().replace("pkgrel=1", "pkgrel=2"))
    difference = drift(checkout, release)
    assert "--- a/msys2/PKGBUILD\n+++ b/msys2/PKGBUILD\n" in difference
    assert "-pkgrel=2\n+pkgrel=1\n" in difference


@pytest.mark.parametrize("path", ["msys2/PKGBUILD", *FILES, *COPIES])
def test_drift_shows_a_missing_file(checkout: Path, release: Release, path: str) -> None:
    (checkout / path).unlink()
    assert f"--- /dev/null\n+++ b/{path}\n" in drift(checkout, release)


def test_a_header_that_the_recipe_does_not_follow_is_drift(checkout: Path, release: Release) -> None:
    header = checkout / "runtime" / "include" / "faas.h"
    header.write_text(header.read_text() + "/* more */\n")
    assert "+/* more */\n" in drift(checkout, release)
    bake(checkout, release, checkout)
    assert drift(checkout, release) == ""


def test_only_the_version_of_the_crate_is_rendered(checkout: Path, release: Release) -> None:
    before = {path: (checkout / path).read_text() for path in STAMPED}
    newer = with_version(release, "7.8.0rc1")
    for path, text in before.items():
        assert text.count('name = "faas-function"\nversion = "0.1.0"\n') == 1
        assert f"--- a/{path}\n" in drift(checkout, newer)
    bake(checkout, newer, checkout)
    for path, text in before.items():
        stamped = text.replace('"faas-function"\nversion = "0.1.0"', '"faas-function"\nversion = "7.8.0-rc.1"')
        assert (checkout / path).read_text() == stamped


def test_a_file_without_the_version_of_the_crate_is_refused(checkout: Path, release: Release) -> None:
    manifest = checkout / "runtime" / "crate" / "Cargo.toml"
    manifest.write_text('[package]\nname = "other"\nversion = "1.0.0"\n')
    said = "0 versions of faas-function were found in it, and one is expected"
    with pytest.raises(ReleaseError, match=said):
        drift(checkout, release)
    manifest.unlink()
    with pytest.raises(ReleaseError, match=said):
        drift(checkout, release)


def test_the_crate_says_what_the_release_says(release: Release) -> None:
    package = tomllib.loads((ROOT / "runtime" / "crate" / "Cargo.toml").read_text())["package"]
    assert (package["license"], package["homepage"]) == (release.license, release.home)
    assert (ROOT / "runtime" / "crate" / "LICENSE").read_bytes() == (ROOT / "runtime" / "LICENSE").read_bytes()


def test_drift_shows_a_surplus_file_even_an_empty_one(checkout: Path, release: Release) -> None:
    (checkout / "specs" / "old.spec").write_text("Name: old\n")
    (checkout / "specs" / "empty").touch()
    difference = drift(checkout, release)
    assert "--- a/specs/old.spec\n+++ /dev/null\n" in difference
    assert "specs/empty: surplus" in difference


def test_drift_shows_a_mode(checkout: Path, release: Release) -> None:
    (checkout / "msys2" / "PKGBUILD").chmod(0o755)
    assert drift(checkout, release) == "mode of msys2/PKGBUILD: 755, should be 644\n"


def test_drift_shows_a_lost_last_newline(checkout: Path, release: Release) -> None:
    path = checkout / "msys2" / "PKGBUILD"
    path.write_text(path.read_text().rstrip("\n"))
    assert "no newline at the end" in drift(checkout, release)


def test_a_link_in_the_place_of_a_file_is_drift(checkout: Path, release: Release, tmp_path: Path) -> None:
    path = checkout / "msys2" / "PKGBUILD"
    path.rename(tmp_path / "PKGBUILD")
    path.symlink_to(tmp_path / "PKGBUILD")
    assert "msys2/PKGBUILD" in drift(checkout, release)


def test_a_file_of_an_earlier_bake_goes_and_a_foreign_one_stays(checkout: Path, release: Release) -> None:
    stale, foreign = checkout / "specs" / "old.spec", checkout / "specs" / "notes"
    script = checkout / "specs" / "old.sh"
    stale.write_text(f"# {MARKER}\n")
    script.write_text(f"#!/bin/sh\n# {MARKER}\n")
    foreign.write_text("mine\n")
    bake(checkout, release, checkout)
    assert not stale.exists()
    assert not script.exists()
    assert foreign.exists()


@pytest.mark.parametrize("text", [f"#!/bin/sh\n# {MARKER}\n", f"project (1.0) unstable\n\n -- {MARKER}"])
def test_a_rendered_file_may_have_its_marker_in_any_line(checkout: Path, release: Release, text: str) -> None:
    template = checkout / "recipes" / "packages" / "{{cookiecutter.tree}}" / "msys2" / "script"
    template.write_text(text)
    bake(checkout, release, checkout)
    assert (checkout / "msys2" / "script").read_text() == text
    assert drift(checkout, release) == ""
    template.unlink()
    bake(checkout, release, checkout)
    assert not (checkout / "msys2" / "script").exists()


def test_a_folder_that_leads_elsewhere_is_refused(checkout: Path, release: Release, tmp_path: Path) -> None:
    shutil.rmtree(checkout / "specs")
    (tmp_path / "elsewhere").mkdir()
    (checkout / "specs").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HostError, match="leads out of"):
        bake(checkout, release, checkout)
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize(
    ("path", "data", "said"),
    [
        ("cookiecutter.json", b"{", "Expecting property name"),
        ("{{cookiecutter.tree}}/msys2/notes", f"# {MARKER}\n# ".encode() + b"caf\xe9 " * 40, "can't decode byte 0xe9"),
    ],
)
def test_a_template_that_cannot_be_read_is_no_fault_of_the_manifest(
    checkout: Path, release: Release, path: str, data: bytes, said: str
) -> None:
    (checkout / "recipes" / "packages" / path).write_bytes(data)
    with pytest.raises(ReleaseError, match=said) as caught:
        drift(checkout, release)
    assert str(caught.value).startswith("recipes/packages: ")
    assert caught.value.hint == "fix the template"


def test_a_file_where_a_rendered_folder_must_be_is_named(checkout: Path, release: Release) -> None:
    shutil.rmtree(checkout / "specs")
    (checkout / "specs").write_text("mine\n")
    with pytest.raises(NotADirectoryError, match="must be a folder") as caught:
        bake(checkout, release, checkout)
    assert caught.value.filename == str(checkout / "specs")


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("specs/{{cookiecutter._release.name}}.spec", "# nobody\n", "has no comment that says"),
        ("msys2/PKGBUILD", f"# {MARKER}\n{{{{ cookiecutter._release.nmae }}}}\n", "nmae"),
        ("docs/page.md", f"# {MARKER}\n", "not a place for a rendered file"),
    ],
)
def test_a_template_at_fault_is_told_and_changes_nothing(
    checkout: Path, release: Release, path: str, text: str, said: str
) -> None:
    file = checkout / "recipes" / "packages" / "{{cookiecutter.tree}}" / path
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    before = {one: one.read_bytes() for folder in FOLDERS for one in (checkout / folder).rglob("*") if one.is_file()}
    with pytest.raises(ReleaseError, match=said):
        bake(checkout, release, checkout)
    assert {one: one.read_bytes() for one in before} == before


def test_a_text_that_cannot_be_written_is_the_manifests_fault(tmp_path: Path, release: Release) -> None:
    with pytest.raises(ManifestError, match="not one line"):
        bake(ROOT, dataclasses.replace(release, summary="two\nlines"), tmp_path)


@pytest.mark.parametrize(
    ("version", "in_spec", "in_pkgbuild", "in_formula"),
    [
        ("1.2.0rc1", "Version:        1.2.0~rc1", "pkgver=1.2.0rc1", "faas_runtime-1.2.0rc1.tar.gz"),
        ("1.2.0.dev1", "Version:        1.2.0~~dev1", "pkgver=1.2.0DEV1", 'version "1.2.0a0.a1"'),
        ("1.2.0.post1", "Version:        1.2.0^post1", "pkgver=1.2.0.post1", "faas_runtime-1.2.0.post1.tar.gz"),
    ],
)
def test_each_file_spells_the_version_its_own_way(
    tmp_path: Path, release: Release, version: str, in_spec: str, in_pkgbuild: str, in_formula: str
) -> None:
    bake(ROOT, with_version(release, version), tmp_path)
    assert in_spec in (tmp_path / "specs" / f"{release.name}.spec").read_text()
    assert in_pkgbuild in (tmp_path / "msys2" / "PKGBUILD").read_text()
    assert in_formula in (tmp_path / "formulae" / f"{release.name}.rb").read_text()
    assert f'__version__ = "{version}"' in (tmp_path / "runtime" / "faas_runtime" / "_version.py").read_text()
