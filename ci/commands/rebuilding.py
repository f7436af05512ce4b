"""The command that builds a published release again: `rebuild`."""

from __future__ import annotations

import argparse
from pathlib import Path

from ci.commands.running import open_project, working
from ci.core.console import Console
from ci.core.files import make_folder
from ci.core.run import Runner
from ci.pipeline.jobs import Options


def rebuild(root: Path, console: Console, chosen: argparse.Namespace) -> None:
    """Build a release again from its provenance, compare it with the published bytes, and state the result."""
    from ci.release import envelopes
    from ci.release import rebuild as again

    project = open_project(root, Options())
    key = envelopes.load_key(chosen.attestation_key) if chosen.attestation_key else None
    with working(project, console) as lock:
        log = project.dist / "logs" / "rebuild-tag.log"
        make_folder(log.parent)
        log.unlink(missing_ok=True)
        found = again.published(project, chosen.release, Runner(log=log))
        console.say(
            f"building version {found.version} (commit {found.commit[:12]}) in a clean clone; this takes a minute"
        )
        with again.built(project, found, lock) as dist:
            compared = again.compare(found, dist)
        written = again.write(project.dist, again.statement(found, compared), key)
    again.show(console, found, compared)
    console.say(f"the statement: {', '.join(str(path.relative_to(root)) for path in written)}")
    again.require_same(compared)
