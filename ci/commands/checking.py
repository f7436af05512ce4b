"""`check` and `plan`, which build no artefact."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

from ci import kinds
from ci.commands.committed import require_source_hash
from ci.commands.running import jobs_of, open_project, options_of, probe, working
from ci.core.console import Console
from ci.core.errors import DRIFT_HINT, DriftError
from ci.core.run import Runner
from ci.pipeline.jobs import Options
from ci.pipeline.plan import Step, make_plan


def check(root: Path, console: Console, chosen: argparse.Namespace) -> None:
    """Check that the manifest is valid, that the rendered files are what it gives, and that the linters accept them."""
    from ci.bake.render import drift
    from ci.lint.checks import LINTERS, lint

    project = open_project(root, Options())
    difference = drift(root, project.release)
    if difference:
        raise DriftError(f"the rendered files are not what release.yaml gives:\n{difference}", hint=DRIFT_HINT)
    console.say("release.yaml is valid, and the rendered files are what it gives")
    probe(project, [kinds.SDIST])  # which examines the files that ship
    require_source_hash(project)
    with working(project, console):
        log = project.dist / "logs" / "check.log"
        log.unlink(missing_ok=True)
        lint(project, Runner(log=log))
    for waiver in project.release.waivers_due:
        console.say(f"warning: the waiver for {waiver} ends on {waiver.until}; look whether its reason still holds")
    linters = (name.partition(":")[2].replace("_", "-") for name in LINTERS)
    console.say(f"no findings of {', '.join(linters)}")


def plan(root: Path, console: Console, chosen: argparse.Namespace) -> None:
    """Show every artefact: its builder, the tools with their versions, its input hash, and what would be done."""
    project = open_project(root, options_of(chosen))
    builders = kinds.builders_of(kinds.KINDS)
    project = probe(project, builders)
    entries = _entries(make_plan(project, jobs_of(project, builders)))
    if chosen.json:
        document = {"format": 1, "version": str(project.release.version), "artifacts": entries}
        print(json.dumps(document, indent=2))
        return
    columns = ["artifact", "builder", "tools", "input", "state", "reason"]
    rows = [[_cell(column, entry[column]) for column in columns] for entry in entries]
    console.table(f"Plan for {project.release.name} {project.release.version}", columns, rows)


def _entries(steps: Iterable[Step]) -> list[dict[str, object]]:
    return [
        {
            "artifact": output.name,
            "kind": output.kind,
            "builder": step.job.builder,
            "tools": list(step.tools),
            "input": step.input_hash,
            "state": step.state,
            "reason": step.why,
        }
        for step in steps
        for output in step.job.outputs
        if output.kind
    ]


def _cell(column: str, value: object) -> str:
    """A value for people, who need only the beginning of a hash."""
    text = ", ".join(value) if isinstance(value, list) else str(value)
    return text[:12] if column == "input" else text
