"""The linters of what other services run: the CI provider's workflows, and the builds that Packit starts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from ci.core.errors import CommandFailed
from ci.core.run import Runner
from ci.lint.findings import Finding, findings_of
from ci.pipeline.jobs import Project

FOLDER = Path(".github", "workflows")
_PACKIT = ".packit.yaml"
_PACKIT_SCHEMA = Path(__file__).with_name("packit.schema.json")


def workflows(project: Project) -> list[Path]:
    """The workflows of the repository; none in an archive without them."""
    return sorted((project.root / FOLDER).glob("*.y*ml"))


def check_jsonschema(run: Runner, project: Project) -> list[Finding]:
    """Return where workflows do not fit the schema of GitHub Actions."""
    return _by_schema(run, project, workflows(project), "--builtin-schema", "vendor.github-workflows")


def packit(run: Runner, project: Project) -> list[Finding]:
    """Return where Packit's file does not fit our schema of it; Packit's own program is not needed for that."""
    file = project.root / _PACKIT
    return _by_schema(run, project, [file] if file.exists() else [], "--schemafile", _PACKIT_SCHEMA)


def _by_schema(run: Runner, project: Project, files: Sequence[Path], *schema: str | Path) -> list[Finding]:
    def read(output: str) -> Iterator[Finding]:
        report = json.loads(output)
        for one in (*report["errors"], *report.get("parse_errors", [])):
            fault = one.get("best_deep_match", one)
            text = f"{fault.get('path', '$')}: {fault['message']}"
            yield Finding(tool="check-jsonschema", rule="schema", file=_relative(project, one["filename"]), text=text)

    if not files:
        return []
    # Not by its script, which names the Python at the path where the environment was made.
    command = (sys.executable, "-m", "check_jsonschema", "--output-format", "json")
    return findings_of(run, *command, *schema, *files, read=read)


def zizmor(run: Runner, project: Project) -> list[Finding]:
    """Return what zizmor finds. It only reads the files, and does not use the network."""

    def read(output: str) -> Iterator[Finding]:
        for one in json.loads(output):
            if one["ignored"]:
                continue
            place = one["locations"][0]
            file = place["symbolic"]["key"]["Local"]["verbatim_path"]
            line = place["concrete"]["location"]["start_point"]["row"] + 1
            text = f"{one['desc']} ({one['determinations']['severity'].lower()})"
            yield Finding(tool="zizmor", rule=one["ident"], file=_relative(project, file), line=line, text=text)

    files = workflows(project)
    if not files:
        return []
    options = ("--offline", "--quiet", "--no-progress", "--no-config", "--format", "json")
    try:
        return findings_of(run, "zizmor", *options, *files, read=read)
    except CommandFailed:
        if check_jsonschema(run, project):  # zizmor cannot read such a workflow; the finding is reported already
            return []
        raise


def _relative(project: Project, file: str) -> str:
    return Path(file).relative_to(project.root).as_posix()
