"""The ecosystems' own checks: they pass on what is baked, and a planted fault of each kind is told."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from ci.bake import bake
from ci.errors import CommandFailed, LintError, ToolError
from ci.findings import Finding, findings_of
from ci.jobs import Project
from ci.lint import lint
from ci.release import Waiver
from ci.run import Runner
from tests.packages.support import checkout_of, open_project

# For each check: a file, what to put in the place of what, and what must be said.
PLANTED = {
    "rpmlint": ("specs/faas-runtime.spec", "%build\n", "%build\nmake check\n", "rpmlint make-check-outside"),
    "makepkg": ("msys2/PKGBUILD", "pkgver=", "pkgver=x-", "makepkg ucrt64: ERROR: pkgver"),
    "shellcheck": ("msys2/PKGBUILD", 'install -d "${hooks}"', "install -d ${hooks}", "shellcheck SC2086"),
    "ruby": ("formulae/faas-runtime.rb", "  test do\n", "  test do\n    unused = 1\n", "ruby syntax: "),
    "rubocop": ("formulae/faas-runtime.rb", 'libexec.install "bin"', "libexec.install 'bin'", "Style/StringLiterals"),
    "hadolint": (
        "containers/micro/Containerfile",
        "FROM scratch\n",
        "FROM scratch\nMAINTAINER me\n",
        "hadolint DL4000",
    ),
    "mandoc": ("runtime/man/faas-runtime.1", ".Sh NAME\n", ".Sh NAME\n.Sh EMPTY\n.Xx\n", "mandoc "),
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A checkout whose baked files a test may spoil."""
    root = checkout_of(tmp_path / "checkout")
    project = open_project(root, tmp_path / "dist")
    bake(root, project.release, root)
    return project


def test_what_is_baked_passes(project: Project, run: Runner) -> None:
    lint(project, run)


def test_a_planted_fault_of_each_kind_is_told_and_all_at_once(project: Project, run: Runner) -> None:
    for file, old, new, _ in PLANTED.values():
        path = project.root / file
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(LintError) as raised:
        lint(project, run)
    for said in (said for *_, said in PLANTED.values()):
        assert said in str(raised.value)


def test_a_waiver_that_is_missing_and_one_that_is_not_needed_are_told(project: Project, run: Runner) -> None:
    waivers = tuple(one for one in project.release.waivers if one.rule != "SC2034")
    unused = Waiver(tool="rubocop", rule="Style/Semicolon", reason="None.")
    release = dataclasses.replace(project.release, waivers=(*waivers, unused))
    with pytest.raises(LintError) as raised:
        lint(dataclasses.replace(project, release=release), run)
    lines = str(raised.value).splitlines()
    assert any(line.startswith("msys2/PKGBUILD:") and "SC2034" in line for line in lines)
    assert "release.yaml: waivers: rubocop Style/Semicolon is not found any more; remove the waiver" in lines


def test_a_waiver_holds_in_its_own_file_only(project: Project, run: Runner) -> None:
    waivers = tuple(
        dataclasses.replace(one, file="msys2/OTHER") if one.rule == "SC2154" else one for one in project.release.waivers
    )
    with pytest.raises(LintError, match="SC2154"):
        lint(dataclasses.replace(project, release=dataclasses.replace(project.release, waivers=waivers)), run)


def test_a_missing_check_is_a_fault(project: Project, run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ToolError, match="rpmlint: not found on PATH"):
        lint(project, run)


def nothing(_: str) -> list[Finding]:
    return []


def test_a_check_that_breaks_down_is_no_approval(run: Runner) -> None:
    with pytest.raises(CommandFailed):
        findings_of(run, "false", read=nothing)


def test_a_report_that_cannot_be_read_is_no_approval(run: Runner) -> None:
    def read(output: str) -> list[Finding]:
        raise ValueError(output)

    with pytest.raises(CommandFailed, match="its report cannot be read: garbled"):
        findings_of(run, "printf", "garbled", read=read)
