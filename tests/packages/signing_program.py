"""Signs everything that a release has, as its jobs do, and writes the report: what test_signing_secrets.py runs."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

from ci.builders import rpm
from ci.core.checkout import source_state
from ci.core.console import Console
from ci.core.errors import ReleaseError
from ci.core.lock import exclusive
from ci.core.openpgp import Gpg
from ci.core.run import Runner
from ci.pipeline import report
from ci.pipeline.jobs import Options, Project, Signing
from ci.pipeline.plan import make_plan
from ci.pipeline.scheduler import Scheduler
from ci.prove import page
from ci.release.package_signatures import sign_pacman
from tests.packages.support import open_project


def main(root: Path, dist: Path, home: Path, passphrase: Path, fingerprint: Path) -> None:
    key = fingerprint.name
    signing = Signing(openpgp=key, gnupg_home=home, passphrase=passphrase)
    opened = open_project(root, dist)
    project = Project(
        root=root, dist=dist, release=opened.release, toolbox=opened.toolbox, options=Options(signing=signing)
    )
    sign_rpms(project)
    gpg = Gpg(home=home, passphrase=passphrase, epoch=project.release.epoch, run=Runner(log=dist / "logs" / "set.log"))
    sign_pacman(sorted((dist / "msys2").iterdir()), gpg, dist / "msys2", key=key)
    gpg.detach_sign(dist / "SHA256SUMS", dist / "SHA256SUMS.asc", key=key, armour=True)


def sign_rpms(project: Project) -> None:
    """Run the job that signs, and write the report, whatever came of it."""
    (_, job) = rpm.jobs(project.with_facts(rpm.probe(project)))
    steps = make_plan(project, [dataclasses.replace(job, after=())])  # what it signs is there
    with exclusive(project.dist / ".state" / "lock", print) as lock:
        outcomes = Scheduler(project=project, console=Console(), lock=lock).execute(steps)
    source = source_state(project.root, project.release.version.tag)
    report.write(project.dist, project.release, source, report.artifacts_of(outcomes), (), None)
    page.write(project.dist)
    for outcome in outcomes:
        if outcome.error:
            raise outcome.error


if __name__ == "__main__":
    try:
        main(*map(Path, sys.argv[1:]))
    except ReleaseError as error:
        Console().error(error)
        sys.exit(error.exit_code)
