"""What the commands that publish have in common: the set, whether it may be published, and what the checkout knows."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ci.commands.running import working
from ci.core.checkout import tag_named
from ci.core.console import Console
from ci.core.errors import CommandFailed, HostError, UnavailableError, UsageError, VerificationError
from ci.core.faults import Fault
from ci.core.files import fresh_folder, make_folder
from ci.core.run import Runner
from ci.core.state import read_json
from ci.pipeline.jobs import Project
from ci.publish import release_set
from ci.publish.every_target import Publication
from ci.publish.ledger import NAME, PublicationLedger
from ci.publish.release_set import ReleaseSet

_NOT_CHECKED = 2  # the exit code of verify.py, if something that it needs is missing
_MAKE_AGAIN = "do not publish it; make the set again: nox -s release"
_OF_THE_PAGE = "take the set as it was published"


def require_version(project: Project, version: str) -> None:
    """Raise `UsageError` unless the checkout is that of a version."""
    if version != str(project.release.version):
        number = version.removeprefix("v")
        here = number == str(project.release.version)
        raise UsageError(
            f"{version}: this checkout is {project.release.version}",
            hint=f"write {number}" if here else f"go to its tag: git switch --detach v{number}",
        )


@contextmanager
def publication(
    project: Project, console: Console, chosen: argparse.Namespace, *, testing: bool, is_published: bool = False
) -> Iterator[tuple[Publication, list[Fault]]]:
    """The set that is published, checked, and why it may not be. Another run in this `dist/` ends with `BusyError`.

    `is_published`: it is public already, and the key that has signed it may have expired since.
    """
    with working(project, console):
        log = project.dist / "logs" / "publish.log"
        make_folder(log.parent)
        log.unlink(missing_ok=True)
        runner = Runner(log=log)
        found = release_set.read(chosen.set or project.dist / "release")
        faults = [*release_set.faults(found), *set_faults(project, found, runner, is_published=is_published)]
        yield (
            Publication(
                release=project.release,
                found=found,
                tag_object=tag_object(project),
                notes=notes(project),
                testing=testing,
                ledger=PublicationLedger(project.dist / NAME, found.version),
                scratch=fresh_folder(project.dist / ".state" / "work" / "publish"),
                run=runner,
                say=console.say,
            ),
            faults,
        )


def set_faults(project: Project, found: ReleaseSet, runner: Runner, *, is_published: bool = False) -> list[Fault]:
    """Why the set may not be published as it is: what was left untried, and is not allowed to be.

    `UsageError` for the set of another version, `VerificationError` for one that the keys of this checkout have not
    signed.
    """
    from ci.release.not_run import not_allowed, not_compared

    if (found.name, found.version) != (project.release.name, str(project.release.version)):
        raise UsageError(
            f"{found.folder}: it is {found.name} {found.version}, and this checkout is {project.release.version}",
            hint=f"go to the tag of the set: git switch --detach v{found.version}",
        )
    again = read_json(found.folder / "reproducibility.json") or {"artifacts": []}
    verified(project, found.folder, runner, _OF_THE_PAGE if is_published else _MAKE_AGAIN, is_published=is_published)
    return [*not_allowed(found.document, project.release), *not_compared(again, found.document, project.release)]


def verified(project: Project, folder: Path, runner: Runner, advice: str, *, is_published: bool = False) -> str:
    """What the verifier prints of a set that is right, by the keys of this checkout; see `assemble.verify`.

    `VerificationError` with `advice` says why it refuses the set, and `HostError` why it cannot tell on this machine.
    """
    from ci.release import assemble

    try:
        return assemble.verify(project, folder, runner, is_published=is_published)
    except CommandFailed as error:
        lines = [line.strip(" |") for line in str(error).splitlines()]
        why = next((line for line in lines if "wrong:" in line or "not checked:" in line), str(error))
        if error.code == _NOT_CHECKED:
            raise HostError(
                f"{folder}: verify.py could not check it: {why}", hint="put that right, and run the same command again"
            ) from error
        raise VerificationError(f"{folder}: verify.py refuses it: {why}", hint=advice) from error


def tag_object(project: Project) -> str:
    """The sha of the release's tag object in this checkout; `UnavailableError` without the tag."""
    tag = tag_named(project.root, project.release.version.tag)
    if tag is None:
        raise UnavailableError(
            f"tag {project.release.version.tag}: it does not exist here", hint="fetch it: git fetch --tags"
        )
    return tag.object


def notes(project: Project) -> str:
    """The notes of the release page, in Markdown: the changelog's entry, and how to check the files."""
    entry = next(one for one in project.release.changelog if one.version == project.release.version)
    home = project.release.home
    lines = [*(f"- {line}" for line in entry.lines), "", f"How to check the files: {home}/blob/main/SECURITY.md"]
    return "\n".join(lines) + "\n"
