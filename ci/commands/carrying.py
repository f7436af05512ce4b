"""What is carried to machines without a network: `inputs` brings what builds take, `bundle` packs it with the set."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from ci.commands.running import open_project, working
from ci.core.console import Console
from ci.core.errors import UnavailableError
from ci.core.files import make_folder
from ci.core.run import Runner
from ci.pipeline.jobs import Options, Project


def inputs(root: Path, console: Console, chosen: argparse.Namespace) -> None:
    """Say which inputs are in `dist/inputs/`; with `--fetch`, bring those that are not."""
    from ci.release import fetch_inputs

    project = open_project(root, Options())
    wanted = fetch_inputs.recorded(project)
    if chosen.fetch:
        console.say("bringing what dist/inputs.json names, and the gates' roots, into dist/inputs/; this takes minutes")
        with working(project, console), tempfile.TemporaryDirectory(prefix="faas-runtime-inputs-") as scratch:
            found = fetch_inputs.fetch(project, wanted, Path(scratch), _runner(project, "inputs"))
    else:
        found = fetch_inputs.state(project, wanted)
    title = f"Inputs of {wanted.name} {wanted.version} in dist/inputs/"
    console.table(title, ["kind", "input", "kept", "reason"], fetch_inputs.rows(found))
    missing = [one for one in found if one.missing]
    if missing:
        hint = "see dist/logs/inputs.log" if chosen.fetch else "bring them: nox -s inputs -- --fetch"
        raise UnavailableError(f"{len(missing)} of {len(found)} inputs are not in dist/inputs/", hint=hint)
    console.say("everything is there: packages, the image micro, and the gates need no network")
    for line in fetch_inputs.what_needs_a_network(wanted):
        console.say(line)


def bundle(root: Path, console: Console, chosen: argparse.Namespace) -> None:
    """Pack the set and its inputs into one archive, or unpack one."""
    from ci.release import bundle as archives
    from ci.release import fetch_inputs

    if chosen.unpack:
        archive, folder = chosen.unpack
        files = archives.unpack(archive, folder)
        console.say(f"unpacked {len(files)} files into {folder}; the set is {folder / archives.SET}")
        console.say(f"verify it: python3 {folder / archives.SET / 'verify.py'} --key KEY {folder / archives.SET}")
        return
    project = open_project(root, Options())
    with working(project, console):
        found = fetch_inputs.state(project, fetch_inputs.recorded(project))
        path = archives.write(project.dist, project.release)
    if missing := sum(bool(one.missing) for one in found):
        console.say(f"warning: {missing} of {len(found)} inputs are not in it; bring them: nox -s inputs -- --fetch")
    console.say(f"{path.relative_to(root)}: {path.stat().st_size / 1e6:.1f} MB")


def _runner(project: Project, name: str) -> Runner:
    log = project.dist / "logs" / f"{name}.log"
    make_folder(log.parent)
    log.unlink(missing_ok=True)
    return Runner(log=log)
