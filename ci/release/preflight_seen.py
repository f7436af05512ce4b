"""What the preflight has seen where nothing is wrong, in short lines: so that people see what "in order" is about."""

from __future__ import annotations

import datetime as dt
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from ci.core.checkout import source_state
from ci.core.run import Runner
from ci.pipeline.jobs import Project
from ci.pipeline.plan import Step, StepState
from ci.release.key_state import KeyState, of_manifest

_WIDTH = 72


def tree(project: Project) -> list[str]:
    """The tag and the commit."""
    tag = project.release.version.tag
    return [f"{tag} is at {source_state(project.root, tag).commit[:12]}, and nothing is modified"]


def tools(steps: Sequence[Step]) -> list[str]:
    """Every program and library, with its version."""
    found = sorted({tool for step in steps for tool in step.tools})
    words = ", ".join(tool.replace(" ", "\0") for tool in found)  # a name and its version stay in one line
    lines = textwrap.wrap(words, _WIDTH, break_on_hyphens=False)
    return [line.replace("\0", " ") for line in lines] or ["none is needed"]


def keys(project: Project, today: dt.date, run: Runner) -> list[str]:
    """Every key, with the days until it ends."""
    return [_key(state, today) for state in of_manifest(project.release.keys, project.root, today, run)]


def _key(state: KeyState, today: dt.date) -> str:
    use = f"signs {state.use}" if state.signs else f"listed for {state.use}"
    days = [day for day in (state.ends, state.until) if day is not None]
    end = f"ends in {(min(days) - today).days} days, on {min(days)}" if days else "does not end"
    return f"{Path(state.file).name}, {state.algorithm}, {use}: {end}"


def bases(project: Project) -> list[str]:
    """The digest of each base."""
    images = project.release.images
    return [f"{base.base}@{(base.digest or '')[:19]}" for base in (images.ubi, images.alpine)]


def source_hash(project: Project) -> list[str]:
    """The beginning of the hash."""
    return [f"{project.release.source.sha256[:12]} is that of the tarball of this checkout"]


def waivers(project: Project) -> list[str]:
    """How many there are, and when the first of them ends."""
    found = project.release.waivers
    return [f"{len(found)}, of which the first ends on {min(one.until for one in found)}" if found else "there is none"]


def repositories(previous: Path | None) -> list[str]:
    """What the package repositories are made on top of."""
    return [f"they are added to those in {previous}" if previous else "there are none before this version"]


def artifacts(steps: Sequence[Step]) -> list[str]:
    """How many files of each kind can be made."""
    counted = Counter(
        output.kind for step in steps if step.state != StepState.UNAVAILABLE for output in step.job.outputs
    )
    return textwrap.wrap(", ".join(_counted(counted)), _WIDTH)


def gates(steps: Sequence[Step]) -> list[str]:
    """How many jobs of each gate can be run, and how many may be left out."""
    can = Counter(step.job.gate for step in steps if step.state != StepState.UNAVAILABLE)
    cannot = sum(bool(step.job.gate) for step in steps if step.state == StepState.UNAVAILABLE)
    left_out = [f"{cannot} jobs may be left out"] if cannot else []
    return textwrap.wrap(", ".join([*_counted(can), *left_out]) or "there is no job", _WIDTH)


def _counted(counted: Counter[str]) -> Iterator[str]:
    return (f"{number} {name}" for name, number in counted.items() if name)
