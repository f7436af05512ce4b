"""The builders, by the name of their session. None imports another: what one needs of another lies in `dist/`."""

from __future__ import annotations

from collections.abc import Callable

from ci.builders import baked, brew, functions, images, msys2, rpm, sdist
from ci.jobs import Job, Project

BUILDERS: dict[str, Callable[[Project], tuple[Job, ...]]] = {
    "sdist": sdist.jobs,
    "baked": baked.jobs,
    "rpm": rpm.jobs,
    "msys2": msys2.jobs,
    "brew": brew.jobs,
    "images": images.jobs,
    "functions": functions.jobs,
}


def all_jobs(project: Project) -> tuple[Job, ...]:
    """Every job of every builder, in an order that `ci.plan.in_order` need not change."""
    return tuple(job for jobs in BUILDERS.values() for job in jobs(project))
