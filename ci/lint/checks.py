"""The linters of each ecosystem, over the rendered files and the manual page.

All findings are reported at once. The manifest's waivers list those that are accepted, each with its reason; a waiver
that covers nothing is an error, too.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from ci.builders.msys2 import environment_variables, give_to_user, prepare, unprivileged
from ci.core.build_dir import build_dir
from ci.core.errors import LintError
from ci.core.resolve import resolve
from ci.core.run import Runner
from ci.kinds import KINDS
from ci.lint.findings import Finding, faults, findings_of
from ci.manifest.release import Release
from ci.pipeline.jobs import Project

_RPMLINT_LINE = re.compile(r"(?P<file>\S+?):(?:(?P<line>\d+):)? [EWI]: (?P<rule>\S+)(?: (?P<text>.*))?")
_RPMLINT_CHECKED = re.compile(r"(\d+) packages and (\d+) specfiles checked")
_MANDOC_LINE = re.compile(r"mandoc: .*?:(?P<line>\d+):\d+: (?P<rule>[A-Z]+): (?P<text>.*)")
_PKGBUILD = "msys2/PKGBUILD"
_MAN_PAGE = "runtime/man/faas-runtime.1"
_RUBOCOP_CONFIG = Path(__file__).parent / "rubocop.yml"

# Those of every kind of artefact, then those of the repository's own files.
LINTERS = (
    *dict.fromkeys(name for kind in KINDS for name in kind.lints),
    "ci.lint.workflows:check_jsonschema",
    "ci.lint.workflows:zizmor",
    "ci.lint.workflows:packit",
)


def lint(project: Project, run: Runner) -> None:
    """Run the linters of every kind of artefact, of the workflows, and of Packit's file.

    Raises `LintError` with every finding that is not waived.
    """
    run = replace(run, env={**run.env, "HOME": "/nonexistent"})  # no user's own settings
    findings: list[Finding] = []
    for name in LINTERS:
        findings += resolve(name)(run, project)
    waivers = project.release.waivers
    # Waivers for rpmlint that name no file are for the built packages; their verification checks that they are needed.
    here = [waiver for waiver in waivers if waiver.tool != "rpmlint" or waiver.file]
    lines = faults(findings, waivers, to_be_used=here)
    if lines:
        raise LintError(
            "\n".join(lines),
            hint="fix the template, or the text in release.yaml, or accept the finding there, under waivers",
        )


def rpmlint(run: Runner, project: Project) -> list[Finding]:
    """Return what rpmlint finds in the spec."""
    return run_rpmlint(run, project.release, project.root / "specs" / f"{project.release.name}.spec")


def run_rpmlint(run: Runner, release: Release, *files: Path) -> list[Finding]:
    """Return what rpmlint --strict finds in a spec or in packages; packages have the names that rpmlint prints.

    rpmlint skips files whose endings it does not know, without an error. So its last line must have their number.
    """

    def read(output: str) -> Iterator[Finding]:
        checked = sum(int(number) for found in _RPMLINT_CHECKED.findall(output) for number in found)
        if checked != len(files):
            raise ValueError(f"{checked} of {len(files)} files were checked")
        for found in map(_RPMLINT_LINE.fullmatch, output.splitlines()):
            if found:
                yield Finding(
                    tool="rpmlint",
                    rule=found["rule"].replace("%", ""),  # a waiver's rule has none: dangerous-command-in-preun
                    file=f"specs/{found['file']}" if found["file"].endswith(".spec") else found["file"],
                    line=int(found["line"] or 0),
                    text=found["text"] or "see rpmlint -e",
                )

    with tempfile.TemporaryDirectory(prefix="rpmlint-") as scratch:
        config = Path(scratch, "rpmlint.toml")
        config.write_text(_rpmlint_config(release), encoding="utf-8")
        return findings_of(run, "rpmlint", "--strict", "-c", config, *files, read=read)


def _rpmlint_config(release: Release) -> str:
    """Return rpmlint's settings: what differs between distributions, and what it must not say of these packages."""
    filters = [
        # rpmlint 2.4 compares a command with its manual page by a name that has the section's number; 2.7 does not. The
        # verification of the package looks for the page.
        "no-manual-page-for-binary faas-runtime",
        # A file may be called `%name`. The verification compares all names with those in the source tarball.
        "unexpanded-macro /",
    ]
    licenses = sorted(set(re.findall(r"[A-Za-z0-9.+-]+", release.license)))
    settings = {"CompressExtension": "gz", "UseEnchant": False, "ValidLicenses": licenses, "Filters": filters}
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items())


def makepkg(run: Runner, project: Project) -> list[Finding]:
    """Return what makepkg's own lint finds in the PKGBUILD, for each environment."""
    release = project.release
    findings = []
    # The user that makepkg runs as may not be able to enter the folder for temporary files.
    with build_dir("makepkg-lint", run) as (scratch, run):
        for environment in release.msys2.environments:
            folder = scratch / environment
            config = prepare(release, environment, project.root / _PKGBUILD, folder)
            give_to_user(folder)
            findings += findings_of(
                replace(run, env=environment_variables(release, environment, folder)),
                *unprivileged(),
                "makepkg",
                "--config",
                config,
                "--printsrcinfo",
                read=partial(_makepkg_findings, environment),
                cwd=folder / "start",
            )
    return findings


def _makepkg_findings(environment: str, output: str) -> Iterator[Finding]:
    for line in output.splitlines():
        # Who the packager is comes from our settings, not from the PKGBUILD.
        if line.startswith(("==> ERROR: ", "==> WARNING: ")) and "PACKAGER" not in line:
            yield Finding(tool="makepkg", rule=environment, file=_PKGBUILD, text=line.removeprefix("==> "))


def shellcheck(run: Runner, project: Project) -> list[Finding]:
    """Return what shellcheck finds in the PKGBUILD."""

    def read(output: str) -> Iterator[Finding]:
        for one in json.loads(output)["comments"]:
            rule = f"SC{one['code']}"
            yield Finding(tool="shellcheck", rule=rule, file=_PKGBUILD, line=one["line"], text=one["message"])

    return findings_of(run, "shellcheck", "--norc", "-s", "bash", "-f", "json1", project.root / _PKGBUILD, read=read)


def ruby(run: Runner, project: Project) -> list[Finding]:
    """Return what Ruby itself warns about in the formula."""
    file = f"formulae/{project.release.name}.rb"

    def read(output: str) -> Iterator[Finding]:
        for line in output.splitlines():
            if line != "Syntax OK":
                yield Finding(tool="ruby", rule="syntax", file=file, text=line)

    return findings_of(run, "ruby", "-W", "-c", project.root / file, read=read)


def rubocop(run: Runner, project: Project) -> list[Finding]:
    """Return what rubocop finds in the formula, with Homebrew's rules."""
    file = f"formulae/{project.release.name}.rb"

    def read(output: str) -> Iterator[Finding]:
        for one in json.loads(output)["files"][0]["offenses"]:
            line = one["location"]["line"]
            yield Finding(tool="rubocop", rule=one["cop_name"], file=file, line=line, text=one["message"])

    options = ("--config", _RUBOCOP_CONFIG, "--cache", "false", "--format", "json")
    return findings_of(run, "rubocop", *options, project.root / file, read=read)


def hadolint(run: Runner, project: Project) -> list[Finding]:
    """Return what hadolint finds in the Containerfiles."""

    def read(output: str) -> Iterator[Finding]:
        for one in json.loads(output):
            file = Path(one["file"]).relative_to(project.root).as_posix()
            yield Finding(tool="hadolint", rule=one["code"], file=file, line=one["line"], text=one["message"])

    files = sorted((project.root / "containers").glob("*/Containerfile"))
    # hadolint reads settings from the folder that it runs in; this one has none.
    return findings_of(run, "hadolint", "--format", "json", *files, read=read, cwd=Path("/"))


def mandoc(run: Runner, project: Project) -> list[Finding]:
    """Return what mandoc finds in the manual page."""

    def read(output: str) -> Iterator[Finding]:
        for found in map(_MANDOC_LINE.fullmatch, output.splitlines()):
            if found:
                line = int(found["line"])
                yield Finding(tool="mandoc", rule=found["rule"], file=_MAN_PAGE, line=line, text=found["text"])

    return findings_of(run, "mandoc", "-T", "lint", "-W", "warning", project.root / _MAN_PAGE, read=read)
