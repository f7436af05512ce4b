"""The release to compare with: a folder such as `dist/`, or a revision that is built for it in a clone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from ci.core.run import Runner
from ci.pipeline.finished import Dist, named, read


def of(text: str, root: Path, work: Path, run: Runner, say: Callable[[str], None]) -> Dist:
    """What the command line names: a folder with artefacts, or else a revision, which is built below `work`."""
    found = named(text, root)
    if isinstance(found, Dist):
        return found
    clone = work / "clone"
    git = ("git", "-c", f"safe.directory={root.resolve()}", "-c", "core.fsmonitor=false")
    run(*git, "clone", "--quiet", "--no-checkout", "--no-hardlinks", root.resolve(), clone)
    run("git", "-C", clone, "-c", "advice.detachedHead=false", "checkout", "--quiet", found)
    say(f"building {text} (commit {found[:12]}) in a clone, without its gates; the log is {run.log}")
    run(sys.executable, "-m", "ci", "snapshot", "--quick", cwd=clone)
    return read(clone / "dist", text, hint=f"build {text} by hand, and name its dist/")
