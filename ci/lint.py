"""The ecosystems' own checks over what is baked: rpmlint, makepkg, shellcheck, ruby, rubocop, hadolint, mandoc.

All findings are reported at once. What is accepted stands in the manifest's waivers, each with its reason; a waiver
that covers nothing is a fault too.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from ci.builders.msys2 import environment_variables, hand_over, prepare, unprivileged
from ci.errors import LintError
from ci.findings import Finding, faults, findings_of
from ci.jobs import Project
from ci.release import Release
from ci.run import Runner

_RPMLINT_LINE = re.compile(r"(?P<file>\S+?):(?:(?P<line>\d+):)? [EWI]: (?P<rule>\S+)(?: (?P<text>.*))?")
_MANDOC_LINE = re.compile(r"mandoc: .*?:(?P<line>\d+):\d+: (?P<rule>[A-Z]+): (?P<text>.*)")
_PKGBUILD = "msys2/PKGBUILD"
_RUBOCOP_CONFIG = Path(__file__).parent / "rubocop.yml"


def lint(project: Project, run: Runner) -> None:
    """Check the baked files and the man page. Raises `LintError` with every finding that is not waived."""
    name = project.release.name
    run = replace(run, env={**run.env, "HOME": "/nonexistent"})  # no user's own settings
    findings = [
        *rpmlint(run, project.release, project.root / "specs" / f"{name}.spec"),
        *_makepkg(run, project),
        *_shellcheck(run, project, _PKGBUILD),
        *_formula(run, project, f"formulae/{name}.rb"),
        *_hadolint(run, project),
        *_mandoc(run, project, "runtime/man/faas-runtime.1"),
    ]
    waivers = project.release.waivers
    # Waivers of rpmlint that name no file are for the built packages; their verification sees whether they are used.
    here = [waiver for waiver in waivers if waiver.tool != "rpmlint" or waiver.file]
    lines = faults(findings, waivers, to_be_used=here)
    if lines:
        raise LintError(
            "\n".join(lines), hint="mend the template, or accept the finding in release.yaml: waivers, with its reason"
        )


def rpmlint(run: Runner, release: Release, *files: Path) -> list[Finding]:
    """Return what rpmlint --strict says of a spec or of packages; packages are named as rpmlint does."""

    def read(output: str) -> Iterator[Finding]:
        for found in map(_RPMLINT_LINE.fullmatch, output.splitlines()):
            if found:
                yield Finding(
                    tool="rpmlint",
                    rule=found["rule"].replace("%", ""),  # a waiver's rule holds none: dangerous-command-in-preun
                    file=f"specs/{found['file']}" if found["file"].endswith(".spec") else found["file"],
                    line=int(found["line"] or 0),
                    text=found["text"] or "see rpmlint -e",
                )

    with tempfile.TemporaryDirectory(prefix="rpmlint-") as scratch:
        config = Path(scratch, "rpmlint.toml")
        config.write_text(_rpmlint_config(release))
        return findings_of(run, "rpmlint", "--strict", "-c", config, *files, read=read)


def _rpmlint_config(release: Release) -> str:
    """Return rpmlint's settings, where what it takes for granted is one distribution's way."""
    licenses = sorted(set(re.findall(r"[A-Za-z0-9.+-]+", release.license)))
    return f'CompressExtension = "gz"\nUseEnchant = false\nValidLicenses = {json.dumps(licenses)}\n'


def _makepkg(run: Runner, project: Project) -> list[Finding]:
    """Return what makepkg's own lint says of the PKGBUILD, for each environment."""
    release = project.release
    findings = []
    with tempfile.TemporaryDirectory(prefix="makepkg-") as scratch:
        Path(scratch).chmod(0o755)
        for environment in release.msys2.environments:
            folder = Path(scratch, environment)
            config = prepare(release, environment, project.root / _PKGBUILD, folder)
            hand_over(folder)
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


def _shellcheck(run: Runner, project: Project, file: str) -> list[Finding]:
    def read(output: str) -> Iterator[Finding]:
        for one in json.loads(output)["comments"]:
            rule = f"SC{one['code']}"
            yield Finding(tool="shellcheck", rule=rule, file=file, line=one["line"], text=one["message"])

    return findings_of(run, "shellcheck", "--norc", "-s", "bash", "-f", "json1", project.root / file, read=read)


def _formula(run: Runner, project: Project, file: str) -> list[Finding]:
    path = project.root / file

    def read_ruby(output: str) -> Iterator[Finding]:
        for line in output.splitlines():
            if line != "Syntax OK":
                yield Finding(tool="ruby", rule="syntax", file=file, text=line)

    def read_rubocop(output: str) -> Iterator[Finding]:
        for one in json.loads(output)["files"][0]["offenses"]:
            line = one["location"]["line"]
            yield Finding(tool="rubocop", rule=one["cop_name"], file=file, line=line, text=one["message"])

    options = ("--config", _RUBOCOP_CONFIG, "--cache", "false", "--format", "json")
    return [
        *findings_of(run, "ruby", "-W", "-c", path, read=read_ruby),
        *findings_of(run, "rubocop", *options, path, read=read_rubocop),
    ]


def _hadolint(run: Runner, project: Project) -> list[Finding]:
    def read(output: str) -> Iterator[Finding]:
        for one in json.loads(output):
            file = Path(one["file"]).relative_to(project.root).as_posix()
            yield Finding(tool="hadolint", rule=one["code"], file=file, line=one["line"], text=one["message"])

    files = sorted((project.root / "containers").glob("*/Containerfile"))
    # hadolint takes settings from the folder that it runs in; there are none in this one.
    return findings_of(run, "hadolint", "--format", "json", *files, read=read, cwd=Path("/"))


def _mandoc(run: Runner, project: Project, file: str) -> list[Finding]:
    def read(output: str) -> Iterator[Finding]:
        for found in map(_MANDOC_LINE.fullmatch, output.splitlines()):
            if found:
                line = int(found["line"])
                yield Finding(tool="mandoc", rule=found["rule"], file=file, line=line, text=found["text"])

    return findings_of(run, "mandoc", "-T", "lint", "-W", "warning", project.root / file, read=read)
