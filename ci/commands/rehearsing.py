"""`nox -s publish -- --rehearse`: publish the set to servers on this machine, and install from each of them."""

from __future__ import annotations

import argparse
import dataclasses
import os
import tempfile
import time
from pathlib import Path

from ci.commands import strangers
from ci.commands.publications import publication
from ci.commands.strangers import Addresses
from ci.core import tree_record
from ci.core.console import Console
from ci.core.errors import UsageError, VerificationError
from ci.core.faults import Fault
from ci.pipeline.jobs import Project
from ci.publish import every_target, places, release_set, run
from ci.publish.every_target import Publication
from ci.publish.ledger import NAME, PublicationLedger
from ci.publish.rehearse import servers
from ci.publish.rehearse.servers import Servers
from ci.publish.release_set import ReleaseSet


def rehearse(project: Project, console: Console, chosen: argparse.Namespace, *, testing: bool) -> None:
    """Publish to servers on the loopback, twice; download everything as a stranger; install from each place."""
    begun = time.monotonic()
    live = _live(project, release_set.read(chosen.set or project.dist / "release"))
    project, no_root = strangers.with_root(project, console)
    crates = strangers.with_crates(project, console)
    with (
        publication(project, console, chosen, testing=testing) as (found, faults),
        tempfile.TemporaryDirectory(prefix="faas-runtime-rehearsal-") as scratch,
    ):
        _warn(faults, console)
        folder = Path(scratch)
        found = dataclasses.replace(
            found, ledger=PublicationLedger(folder / NAME, found.version), scratch=folder / "scratch"
        )
        found.scratch.mkdir()
        (folder / "stranger").mkdir()
        (folder / "servers").mkdir()
        with servers.serving(
            project.release, found.tag_object, found.found.commit, live, folder / "servers", found.run
        ) as there:
            _publish(found, there, console)
            addresses = _addresses(found, there, *crates)
            seen = list(strangers.look(project, addresses, folder / "stranger", found.run, found.say, no_root))
    strangers.show(console, strangers.TITLE, seen)
    console.say(f"the rehearsal took {time.monotonic() - begun:.0f} s; its servers and their files are gone")


def _live(project: Project, found: ReleaseSet) -> Path | None:
    """The folder with the trees that are published now, which the rehearsal copies; None if nothing needs it.

    `UsageError` if the set's trees were made from published ones, and nothing says where those are.
    """
    variable = project.release.targets.repositories.folder
    trees = ((name, found.tree(name)) for name in tree_record.TREES)
    later = [name for name, tree in trees if tree and "previous" in tree_record.read_record(tree)]
    if not later and not os.environ.get(variable):
        return None
    try:
        return places.folder_of(variable)
    except UsageError as error:
        why = f", and the set's {' and '.join(later)} continue what is published there" if later else ""
        raise UsageError(
            f"{error}{why}",
            hint=f"set {variable} to the folder of the package repositories, or a copy: it is read, and not changed",
        ) from None


def _warn(faults: list[Fault], console: Console) -> None:
    for fault in faults:
        console.say(f"warning, a publication would be refused: {fault}")


def _publish(found: Publication, there: Servers, console: Console) -> None:
    """Publish everywhere, then once more: the second time, no server may be sent anything."""
    targets = run.chosen(every_target.targets(found, there.places), ())
    run.require_ready(targets, [], console)
    run.publish(targets, console)
    if there.docker:
        console.say("registry: now docker's registry, which lists no referrers")
        run.publish(run.chosen(every_target.targets(found, there.docker), ()), console)
    before = there.writes()
    run.publish(targets, console)
    if sent := there.writes() - before:
        raise VerificationError(
            f"the second publication has sent {sent} requests that change something",
            hint="it is a fault of the tooling",
        )
    console.say("published a second time: nothing was sent")


def _addresses(found: Publication, there: Servers, other_crates: Path | None = None, no_crates: str = "") -> Addresses:
    """Where a stranger finds what was published to the servers, and crates that are not published here."""
    where, tap = there.places, found.release.targets.tap
    registry = there.docker.registry.partition("://")[2] if there.docker else ""  # the other one lets nobody in
    return Addresses(
        page=there.page,
        repositories=f"{there.repositories}/testing" if found.testing else there.repositories,
        pypi="" if found.testing else where.pypi_index,
        crates="" if found.testing else where.crates_index,
        other_crates=other_crates,
        no_crates="" if found.testing or not where.crates_index else no_crates,
        registry=f"{registry}/{where.images}" if registry else "",
        no_registry="docker-registry is not installed" if where.registry and not registry else "",
        tls=False,
        tap="" if found.testing else where.tap,
        branch=tap.branch if tap else "",
    )
