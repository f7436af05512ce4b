"""Puts a set together by the steps of a release, and bundles it: what test_assembling_secrets.py runs."""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import itertools
import sys
from contextlib import ExitStack
from pathlib import Path

from ci.commands import releasing
from ci.core.console import Console
from ci.core.errors import ReleaseError
from ci.manifest.release import AttestationKey, Keys, PackageKey
from ci.pipeline.jobs import Project
from ci.prove import page
from ci.release import bundle
from ci.release.preflight_keys import PrivateKeys
from tests.packages.support import open_project

PACKAGES, ATTESTATIONS = "ci/keys/packages.asc", "ci/keys/attestations.pub"


def main(root: Path, dist: Path, home: Path, passphrase: Path, fingerprint: Path, pem: Path) -> None:
    console, project = Console(), with_keys(open_project(root, dist), fingerprint.name)
    page.write(dist)
    with ExitStack() as stack:
        course = releasing.Course(
            project=project,
            console=console,
            private=PrivateKeys(gnupg_home=home, passphrase=passphrase, attestation=pem),
            chosen=argparse.Namespace(allow_missing=[], previous_trees=None),
            builds=(),
            jobs=(),
            stack=stack,
        )
        for step in itertools.dropwhile(lambda step: step.name != "copy the artefacts", releasing.STEPS):
            console.say(step.name)
            step.take(course)
    console.say(str(bundle.write(dist, project.release)))


def with_keys(project: Project, fingerprint: str) -> Project:
    """The project with its keys in the manifest."""
    package = PackageKey(openpgp=fingerprint, file=PACKAGES, until=dt.date(2028, 12, 31))
    keys = Keys(packages=(package,), attestations=(AttestationKey(ed25519=ATTESTATIONS),))
    return dataclasses.replace(project, release=dataclasses.replace(project.release, keys=keys))


if __name__ == "__main__":
    try:
        main(*map(Path, sys.argv[1:]))
    except ReleaseError as error:
        Console().error(error)
        sys.exit(error.exit_code)
