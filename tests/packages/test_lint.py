"""The ecosystems' own checks: they pass on what is baked, and report a planted fault of each kind."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
import tempfile
from pathlib import Path

import pytest

from ci.bake.render import bake
from ci.core.errors import CommandFailed, LintError, ToolError
from ci.core.run import Runner
from ci.lint.checks import lint, makepkg, run_rpmlint
from ci.lint.findings import Finding, findings_of
from ci.manifest.release import Waiver
from ci.pipeline.jobs import Project
from tests.packages.support import checkout_of, open_project

# For each linter: a file, the text to replace, what replaces it, and what the linter must report.
PLANTED = {
    "rpmlint": ("specs/faas-runtime.spec", "%build\n", "%build\nmake check\n", "rpmlint make-check-outside"),
    "makepkg": ("msys2/PKGBUILD", "pkgver=", "pkgver=x-", "makepkg ucrt64: ERROR: pkgver"),
    "shellcheck": ("msys2/PKGBUILD", 'install -d "${hooks}"', "install -d ${hooks}", "shellcheck SC2086"),
    "ruby": ("formulae/faas-runtime.rb", "  test do\n", "  test do\n    unused = 1\n", "ruby syntax: "),
    "rubocop": ("formulae/faas-runtime.rb", 'libexec.install "bin"', "libexec.install 'bin'", "Style/StringLiterals"),
    "the cops for Homebrew": (
        "formulae/faas-runtime.rb",
        'formula_opt_bin("python@3.14")',
        'Formula["python@3.14"].opt_bin',
        'rubocop Homebrew/FormulaPath: Use `formula_opt_bin("python@3.14")`',
    ),
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


def test_planted_faults_of_each_kind_are_reported_at_once(project: Project, run: Runner) -> None:
    for file, old, new, _ in PLANTED.values():
        path = project.root / file
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(LintError) as raised:
        lint(project, run)
    for said in (said for *_, said in PLANTED.values()):
        assert said in str(raised.value)


def test_a_waiver_is_needed_for_a_finding_in_its_own_file_and_for_nothing_else(project: Project, run: Runner) -> None:
    """One run for three waivers: one is missing, one is for another file, and one has no finding."""
    waivers = [one for one in project.release.waivers if one.rule != "SC2034"]
    waivers = [dataclasses.replace(one, file="msys2/OTHER") if one.rule == "SC2154" else one for one in waivers]
    waivers.append(Waiver(tool="rubocop", rule="Style/Semicolon", reason="None.", until=dt.date(2027, 11, 30)))
    with pytest.raises(LintError) as raised:
        lint(dataclasses.replace(project, release=dataclasses.replace(project.release, waivers=tuple(waivers))), run)
    lines = str(raised.value).splitlines()
    for rule in ("SC2034", "SC2154"):
        assert any(line.startswith("msys2/PKGBUILD:") and rule in line for line in lines)
    assert "release.yaml: waivers: rubocop Style/Semicolon is not found any more; remove the waiver" in lines


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs makepkg as another user")
def test_makepkg_needs_no_folder_of_root(
    project: Project, run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a TMPDIR below /root."""
    (tmp_path / "private").mkdir(mode=0o700)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "private"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert makepkg(run, project) == []


def test_a_file_that_rpmlint_passes_over_is_a_fault(project: Project, run: Runner, tmp_path: Path) -> None:
    spec = project.root / "specs" / "faas-runtime.spec"
    run_rpmlint(run, project.release, spec)  # its findings are waived
    with pytest.raises(CommandFailed, match="0 of 1 files were checked"):
        run_rpmlint(run, project.release, spec.rename(tmp_path / "faas-runtime.other"))


def test_a_missing_check_is_a_fault(project: Project, run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ToolError, match="mandoc: not found on PATH"):
        lint(project, run)


def nothing(_: str) -> list[Finding]:
    return []


def test_a_check_that_breaks_down_is_no_approval(run: Runner) -> None:
    with pytest.raises(CommandFailed):
        findings_of(run, "false", read=nothing)


@pytest.mark.parametrize("error", [ValueError, KeyError, IndexError, TypeError, AttributeError])
def test_a_report_that_cannot_be_read_is_no_approval(run: Runner, error: type[Exception]) -> None:
    def read(output: str) -> list[Finding]:
        raise error(output)

    with pytest.raises(CommandFailed, match=r"its report cannot be read: '?garbled"):
        findings_of(run, "printf", "garbled", read=read)
