"""Can this release be made, here and now? Every fault at once, each with what to do, before anything is built."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ci.core.console import Console
from ci.core.errors import PreflightError, ReleaseError
from ci.core.faults import Fault, hard
from ci.core.run import Runner
from ci.pipeline.allowances import require_names
from ci.pipeline.jobs import Job, Project
from ci.pipeline.plan import Step
from ci.release import preflight_inputs, preflight_keys, preflight_seen, preflight_tree
from ci.release.preflight_keys import PrivateKeys

CHECKS = ("tree and tag", "tools", "keys", "bases", "source hash", "waivers", "repositories", "artefacts", "gates")


def faults(
    project: Project,
    private: PrivateKeys,
    jobs: Sequence[Job],
    *,
    allow_missing: Sequence[str] = (),
    previous_trees: Path | None = None,
    today: dt.date | None = None,
) -> list[Fault]:
    """Everything that is wrong, and warnings. It builds nothing but the source tarball, in a folder of its own.

    `jobs` are all that the release would run. `allow_missing` are the kinds of artefact and the flavours of images that
    may be missing; another name raises `UsageError`. `previous_trees` is the folder with the package repositories that
    were published last. `today` is the day in UTC.
    """
    found, _ = _look(project, private, jobs, allow_missing, previous_trees, today)
    return found


def _look(
    project: Project,
    private: PrivateKeys,
    jobs: Sequence[Job],
    allow_missing: Sequence[str],
    previous_trees: Path | None,
    today: dt.date | None,
) -> tuple[list[Fault], dict[str, list[str]]]:
    """The faults and warnings, and what was seen by each check that has found no fault."""
    require_names(allow_missing)
    today = today or dt.datetime.now(dt.UTC).date()
    steps = preflight_inputs.plan(project, jobs)
    found: list[Fault] = []
    with tempfile.TemporaryDirectory(prefix="faas-runtime-preflight-") as scratch:
        run = Runner(log=Path(scratch, "log"))
        parts: Sequence[tuple[str, Callable[[], Iterable[Fault]]]] = (
            ("tree and tag", lambda: preflight_tree.faults(project, today, run)),
            ("tools", lambda: preflight_inputs.tools(steps)),
            ("keys", lambda: preflight_keys.faults(project, private, today, run)),
            ("bases", lambda: preflight_inputs.bases(project)),
            ("source hash", lambda: preflight_inputs.source_hash(project)),
            ("waivers", lambda: preflight_inputs.waivers(project, today)),
            ("repositories", lambda: preflight_inputs.repositories(project, previous_trees)),
            ("artefacts", lambda: preflight_inputs.availability(project, steps, allow_missing)),
        )
        for check, part in parts:
            try:
                found.extend(part())
            except ReleaseError as error:  # one check that cannot be made must not hide what the others find
                advice = error.hint or "repair that, and run the preflight again"
                found.append(Fault(check=check, where=check, what=f"cannot be checked: {error}", advice=advice))
        seen = _seen(project, steps, previous_trees, today, run)
        wrong = {fault.check for fault in hard(found)}
        return found, {check: lines() for check, lines in seen.items() if check not in wrong}


def _seen(
    project: Project, steps: Sequence[Step], previous_trees: Path | None, today: dt.date, run: Runner
) -> dict[str, Callable[[], list[str]]]:
    return {
        "tree and tag": lambda: preflight_seen.tree(project),
        "tools": lambda: preflight_seen.tools(steps),
        "keys": lambda: preflight_seen.keys(project, today, run),
        "bases": lambda: preflight_seen.bases(project),
        "source hash": lambda: preflight_seen.source_hash(project),
        "waivers": lambda: preflight_seen.waivers(project),
        "repositories": lambda: preflight_seen.repositories(previous_trees),
        "artefacts": lambda: preflight_seen.artifacts(steps),
        "gates": lambda: preflight_seen.gates(steps),
    }


def run(
    project: Project,
    console: Console,
    private: PrivateKeys,
    jobs: Sequence[Job],
    *,
    allow_missing: Sequence[str] = (),
    previous_trees: Path | None = None,
    today: dt.date | None = None,
) -> None:
    """Print what was checked and seen, then warnings; raise `PreflightError` with every fault if there is one."""
    found, seen = _look(project, private, jobs, allow_missing, previous_trees, today)
    stop = hard(found)
    rows = []
    for check in CHECKS:
        first, *others = seen.get(check) or [""]
        rows.append([check, _result([fault for fault in found if fault.check == check]), first])
        rows += [["", "", line] for line in others]
    title = f"Preflight of {project.release.name} {project.release.version}"
    console.table(title, ["check", "result", "what was seen"], rows)
    for fault in found:
        if fault.warning:
            console.say(f"warning: {fault}")
    if stop:
        count = "one fault keeps" if len(stop) == 1 else f"{len(stop)} faults keep"
        raise PreflightError(
            f"{count} this release from being made\n" + "\n".join(map(str, stop)),
            hint="do that, and run it again: nox -s release -- --preflight",
        )


def _result(found: Sequence[Fault]) -> str:
    faults_there = len(hard(found))
    warnings = len(found) - faults_there
    parts = []
    if faults_there:
        parts.append("1 fault" if faults_there == 1 else f"{faults_there} faults")
    if warnings:
        parts.append("1 warning" if warnings == 1 else f"{warnings} warnings")
    return ", ".join(parts) or "in order"
