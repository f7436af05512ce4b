"""Is the checkout the release: a clean tree at an annotated tag, with its changelog entry and its rendered files?"""

from __future__ import annotations

import datetime as dt
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ci.core.checkout import changed_files, is_checkout, source_state, tag_named, tag_text
from ci.core.errors import VerificationError
from ci.core.faults import Fault, listed
from ci.core.openpgp import verify
from ci.core.run import Runner
from ci.pipeline.jobs import Project

_CHECK = "tree and tag"
_SIGNATURE = b"-----BEGIN PGP SIGNATURE-----"
_BUMP = "nox -s bump -- {version}"


def faults(project: Project, today: dt.date, run: Runner) -> Iterator[Fault]:
    """What keeps this checkout from being the tagged release; `today` is the day in UTC."""
    yield from _changelog(project, today)
    yield from _rendered(project)
    if not is_checkout(project.root):
        yield _fault(
            str(project.root), "is not a git checkout", "clone the repository, and run the release in the clone"
        )
        return
    if changed := changed_files(project.root):
        yield _fault(
            "the checkout",
            f"has changes that are not committed: {listed(changed)}",
            "commit them and make the tag again, or undo them: git stash --include-untracked",
        )
    yield from _tag(project, run)


def _tag(project: Project, run: Runner) -> Iterator[Fault]:
    name, version = project.release.version.tag, project.release.version
    tag = tag_named(project.root, name)
    bump = _BUMP.format(version=version)
    if tag is None:
        yield _fault(f"tag {name}", "does not exist", f"make it: {bump}")
        return
    commit = source_state(project.root, name).commit
    again = f"take it away, if it was never pushed, and make it again: git tag -d {name}, then {bump}"
    if tag.commit != commit:
        yield _fault(
            f"tag {name}",
            f"is at commit {tag.commit[:12]}, and HEAD is at {commit[:12]}",
            f"go to the tag: git switch --detach {name}; or {again}",
        )
    if not tag.annotated:
        yield _fault(f"tag {name}", "is not annotated: it has neither a date nor an author", again)
    elif project.release.keys.packages:
        yield from _signature(project, name, again, run, signed=tag.signed)


def _signature(project: Project, name: str, again: str, run: Runner, *, signed: bool) -> Iterator[Fault]:
    if not signed:
        yield _fault(f"tag {name}", "is not signed, and release.yaml has keys", f"{again}, with the key in gpg's home")
        return
    keys = [project.root / key.file for key in project.release.keys.packages]
    text, mark, signature = tag_text(project.root, name).partition(_SIGNATURE)
    with tempfile.TemporaryDirectory(prefix="faas-runtime-tag-") as scratch:
        signed_text, signature_file = Path(scratch, "tag"), Path(scratch, "tag.asc")
        signed_text.write_bytes(text)
        signature_file.write_bytes(mark + signature)
        here = [key for key in keys if key.is_file()]
        try:
            verify(signed_text, signature_file, here, run=run, epoch=int(time.time()))
        except VerificationError:
            if here == keys:  # a missing key is reported with the keys, and may be the one
                what = "its signature is by no key that release.yaml lists"
                yield _fault(f"tag {name}", what, f"{again}, signed by a key of the list")


def _changelog(project: Project, today: dt.date) -> Iterator[Fault]:
    release = project.release
    # A manifest whose version is not the newest of the changelog is not read at all; what remains are its contents.
    if not release.changelog or not release.changelog[0].lines:
        yield _fault(
            "CHANGELOG.md",
            f"has no entry for {release.version}",
            f'write below "## [{release.version}]" what has changed, and make the tag again',
        )
    if release.date > today:
        yield _fault(
            "release.yaml: date",
            f"{release.date} is after today, {today}; signatures carry it, and nobody accepts one from the future",
            "wait until that day, or set the date of today with nox -s bump",
        )


def _rendered(project: Project) -> Iterator[Fault]:
    from ci.bake.render import drift

    difference = drift(project.root, project.release)
    if difference:
        heads = (line[6:] for line in difference.splitlines() if line.startswith(("--- a/", "+++ b/")))
        files = list(dict.fromkeys(heads)) or ["their modes, see nox -s check"]
        yield _fault(
            "the rendered files",
            f"are not what release.yaml gives: {listed(files)}",
            "run nox -s bake, commit the files, and make the tag again",
        )


def _fault(where: str, what: str, advice: str) -> Fault:
    return Fault(check=_CHECK, where=where, what=what, advice=advice)
