"""Signatures of builds that have no private key: those of `dist/` are put on what a clean clone builds.

A signature is a function of what it signs. If a clean clone has built the same header and payload, the signed package
is the same to the last byte, and so is an image that installs it. If it has not, the comparison says so. Where the key
is, the packages of one clone are then signed anew, which gives the same bytes as well.
"""

from __future__ import annotations

from pathlib import Path

from ci.builders import rpm
from ci.core.files import make_folder
from ci.core.rpm_file import front
from ci.core.run import Runner
from ci.pipeline.jobs import Project

FOLDER = "signatures"


def record(dist: Path, folder: Path) -> None:
    """Write the signatures of the RPMs in `dist/` to a new folder: the beginning of each, under the same name."""
    folder.mkdir()
    for package in sorted((dist / "rpm").glob("*.rpm")):
        (folder / package.name).write_bytes(front(package))


def sign_again(project: Project, dist: Path) -> None:
    """Sign the RPMs in the `dist/` of a clone as the first build did, if the private key is here."""
    signing = project.options.signing
    if signing is None:
        return
    log = project.dist / "logs" / "reproduce-sign.log"
    make_folder(log.parent)
    log.unlink(missing_ok=True)
    built = [package for package in rpm.packages(project.release) if (dist / package.path).exists()]
    rpm.sign(signing, built, project.release, dist=dist, target=dist / "rpm", run=Runner(log=log))
