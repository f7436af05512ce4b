"""`nox -s rehearse`: the whole way of a release, from `bump` to what a stranger installs, with nothing to lose.

It goes that way in a copy of the last commit, with keys that are made for it. The checkout is only read: from its cache
come the downloads and the roots of the gates.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ci.commands import strangers
from ci.commands.running import open_project, working
from ci.core.console import Console
from ci.core.errors import CommandFailed, ReleaseError
from ci.core.files import make_folder
from ci.core.run import Runner
from ci.pipeline.jobs import Options
from ci.release import throw_away
from ci.release.throw_away import ThrowAwayKeys

_CACHE = ".cache"
_OF_THE_TESTS = "tests"  # in the cache; no build uses it


@dataclass(frozen=True, kw_only=True)
class RehearsalStep:
    """A session of the copy, with its words."""

    title: str
    words: tuple[str, ...]


def steps(chosen: argparse.Namespace, signers: ThrowAwayKeys) -> tuple[RehearsalStep, ...]:
    """The sessions, in order."""
    home = f"--gnupg-home={signers.home}"
    missing = (f"--allow-missing={name}" for name in chosen.allow_missing)
    release = ("release", home, f"--attestation-key={signers.attestations}", *missing)
    return (
        RehearsalStep(title="cut the version", words=("bump", *chosen.words, home)),
        RehearsalStep(title="make the signed set", words=release),
        RehearsalStep(
            title="publish it to servers on this machine, and install from them", words=("publish", "--rehearse")
        ),
    )


def rehearse(root: Path, console: Console, chosen: argparse.Namespace) -> None:
    """Go the whole way, and show how long each step took. A session that fails gives its exit code and last lines."""
    begun, project = time.monotonic(), open_project(root, Options())
    log = project.dist / "logs" / "rehearse.log"
    make_folder(log.parent)
    log.unlink(missing_ok=True)
    run = Runner(log=log)
    with (
        tempfile.TemporaryDirectory(prefix="faas-runtime-whole-rehearsal-") as scratch,
        throw_away.signers(Path(scratch), run) as signers,
    ):
        console.say(f"copying the last commit, with throw-away keys; what the sessions print goes to {log}")
        copy = throw_away.copy(root, Path(scratch, "checkout"), signers, run)
        with working(project, console):
            _copy_cache(project.dist, copy / "dist")
        rows = list(_taken(steps(chosen, signers), copy, console, run))
    print(_installed(log.read_text(encoding="utf-8")))
    console.table(f"The way of {project.release.name} from bump to installs", ["step", ">time"], rows)
    console.say(f"the whole rehearsal took {time.monotonic() - begun:.0f} s; the copy and its keys are gone")


def _copy_cache(dist: Path, target: Path) -> None:
    """Give the copy what was downloaded before."""
    make_folder(target)
    if (dist / _CACHE).is_dir():
        shutil.copytree(dist / _CACHE, target / _CACHE, symlinks=True, ignore=shutil.ignore_patterns(_OF_THE_TESTS))


def _taken(todo: tuple[RehearsalStep, ...], copy: Path, console: Console, run: Runner) -> Iterator[list[str]]:
    for number, step in enumerate(todo, 1):
        console.say(f"step {number} of {len(todo)}: {step.title}")
        begun = time.monotonic()
        try:
            run(sys.executable, "-m", "ci", *step.words, cwd=copy)  # all goes to the log, so the fault comes last there
        except CommandFailed as error:
            raise _failure(step, error) from error
        yield [step.title, f"{time.monotonic() - begun:.0f} s"]


def _failure(step: RehearsalStep, error: CommandFailed) -> ReleaseError:
    found = ReleaseError(
        f"the rehearsal could not {step.title}: {error}",
        hint="the lines above say what to do; in the checkout, commit it, and rehearse again",
    )
    found.exit_code = error.code or error.exit_code
    return found


def _installed(text: str) -> str:
    """The table of what was installed from where, which the last session has printed into the log."""
    _, title, rest = text.rpartition(strangers.TITLE)
    table = rest.partition("\n# exit")[0].partition("\nthe rehearsal took")[0]
    return title + table
