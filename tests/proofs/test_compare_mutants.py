"""What `compare` finds in packages that the real tools built, after one change in what they were built from."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from ci.core.run import Runner
from ci.manifest.release import Budgets
from ci.pipeline.jobs import Project
from ci.prove import compare
from tests.packages.fixtures import _tools_of_the_environment, built, release
from tests.packages.support import build, open_project
from tests.prove.dists import listed

__all__ = ["_tools_of_the_environment", "built", "release"]

pytestmark = pytest.mark.long

SPEC, PKGBUILD = "specs/faas-runtime.spec", "msys2/PKGBUILD"
UCRT = "msys2 mingw-w64-ucrt-x86_64"
# The builder, the rendered file, what is replaced in it and by what; then the artefact, the aspect and the name.
PLANTED = {
    "a licence": ("rpm", SPEC, "Apache-2.0", "MIT", "rpm", "licences", "package"),
    "a dependency": ("rpm", SPEC, "BuildArch:", "Requires: tar\nBuildArch:", "rpm", "dependencies", "tar"),
    "a licence of MSYS2": ("msys2", PKGBUILD, "spdx:Apache-2.0", "spdx:MIT", UCRT, "licences", "package"),
    "a dependency of MSYS2": ("msys2", PKGBUILD, "depends=(", "depends=('tar' ", UCRT, "dependencies", "tar"),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_a_change_in_a_recipe_is_found(name: str, built: Project, tmp_path: Path) -> None:
    builder, rendered, old, new, subject, aspect, key = PLANTED[name]
    dist = tmp_path / "dist"
    for folder in ("sdist", "baked"):
        shutil.copytree(built.dist / folder, dist / folder)
    text = (dist / "baked" / rendered).read_text()
    assert old in text
    (dist / "baked" / rendered).write_text(text.replace(old, new, 1))
    packages = dataclasses.replace(built.release.msys2, environments=("ucrt64",))
    planted = build(open_project(built.root, dist, dataclasses.replace(built.release, msys2=packages)), builder)
    kind, pattern = ("rpm", "rpm/faas-runtime-[0-9]*.noarch.rpm") if builder == "rpm" else ("msys2", "msys2/*ucrt*")
    dists = []
    for side, project in (("before", built), ("after", planted)):
        (package,) = project.dist.glob(pattern)
        (tmp_path / side).mkdir()
        shutil.copy(package, tmp_path / side)
        dists.append(listed(tmp_path / side, {package.name: kind}))
    budgets = Budgets(image=5, package=10)
    (found,) = compare.compare(dists[0], dists[1], budgets, tmp_path / "work", Runner(log=tmp_path / "log"))
    assert found.subject == subject
    # The package's own metadata are files of an MSYS2 package.
    assert set(found.differences) - {"files"} == {aspect}
    difference = found.differences[aspect]
    assert {*difference.added, *difference.removed, *difference.changed} == {key}
    # Both can be read again, and are the same as themselves.
    (same,) = compare.compare(dists[1], dists[1], budgets, tmp_path / "again", Runner(log=tmp_path / "log"))
    assert same.differences == {}
