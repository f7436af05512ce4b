"""The targets of a release: each with what it needs, at the places that are given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ci.core.run import Runner
from ci.core.web import Web, origin_of
from ci.manifest.dist_paths import CRATE
from ci.manifest.release import FLAVOURS, Release
from ci.publish import crates, pypi
from ci.publish.crates import Crates
from ci.publish.floating_tags import MovingTag
from ci.publish.github import GitHub
from ci.publish.github_api import Api
from ci.publish.ledger import PublicationLedger
from ci.publish.places import GITHUB_API, Places
from ci.publish.pypi import PyPi
from ci.publish.registry import Registry
from ci.publish.release_page import ReleasePage
from ci.publish.release_set import ReleaseSet
from ci.publish.tap import Tap
from ci.publish.target import Say, Target
from ci.publish.trees import Tree


@dataclass(frozen=True, kw_only=True)
class Publication:
    """What is published: the set, its manifest, and what only the checkout knows.

    `tag_object` is the sha of the tag's object here. `notes` are Markdown. `testing` keeps it from those who did not
    ask for candidates.
    """

    release: Release
    found: ReleaseSet
    tag_object: str
    notes: str
    testing: bool
    ledger: PublicationLedger
    scratch: Path
    run: Runner
    say: Say

    @property
    def version(self) -> str:
        """The version as PEP 440 has it."""
        return self.found.version


def targets(publication: Publication, places: Places) -> Iterator[Target]:
    """The targets that have an address, in no order. In the channel "testing", those without it are left out."""
    if places.github:
        yield _github(publication, places)
    if places.registry:
        yield _registry(publication, places)
    if places.pypi_upload and not publication.testing:
        yield _pypi(publication, places)
    if places.crates_index and not publication.testing:
        yield _crates(publication, places)
    yield from _trees(publication, places)
    if places.tap and not publication.testing:
        yield _tap(publication, places)


def _page(publication: Publication, places: Places) -> ReleasePage | None:
    """The page that others wait for; None if the release has none. No token is needed."""
    github, tag = publication.release.targets.github, publication.release.version.tag
    if github is None:
        return None
    api = Api(
        web=Web(name="github", say=publication.say),
        origin=places.github or GITHUB_API,
        repository=github.repository,
    )
    return ReleasePage(api=api, tag=tag, published_here=bool(places.github))


def _github(publication: Publication, places: Places) -> GitHub:
    release, token = publication.release, places.tokens["github"]
    assert release.targets.github is not None
    return GitHub(
        release_set=publication.found,
        web=Web(
            name="github",
            say=publication.say,
            trusted=places.github_origins,
            authorize=lambda origin: {"Authorization": f"Bearer {token.reveal()}"},
        ),
        origin=places.github,
        repository=release.targets.github.repository,
        tag=release.version.tag,
        tag_object=publication.tag_object,
        title=f"{release.name} {release.version}",
        notes=publication.notes,
        prerelease=publication.testing or release.version.is_prerelease,
        ledger=publication.ledger,
        say=publication.say,
    )


def _registry(publication: Publication, places: Places) -> Registry:
    access = publication.release.targets.registry
    assert access is not None
    floating = {
        flavour: [
            MovingTag(name=name, line=line)
            for name, line in access.floating_of(publication.release.version, flavour).items()
        ]
        for flavour in FLAVOURS
    }
    return Registry(
        release_set=publication.found,
        web=Web(name="registry", say=publication.say),
        origin=places.registry,
        repository="/".join(filter(None, (places.images, publication.release.name))),
        ledger=publication.ledger,
        say=publication.say,
        user=access.user,
        token=places.tokens["registry"],
        floating_tags=floating,
        floating=not publication.testing,
    )


def _pypi(publication: Publication, places: Places) -> PyPi:
    return PyPi(
        release=publication.found,
        web=Web(
            name="pypi",
            say=publication.say,
            trusted=(origin_of(places.pypi_upload),),
            authorize=pypi.authorization(places.tokens["pypi"]),
        ),
        upload=places.pypi_upload,
        index=places.pypi_index,
        project=publication.release.name,
        say=publication.say,
        page=_page(publication, places),
    )


def _crates(publication: Publication, places: Places) -> Crates:
    return Crates(
        release=publication.found,
        web=Web(
            name="crates",
            say=publication.say,
            trusted=(origin_of(places.crates_api),),
            authorize=crates.authorization(places.tokens["crates"]),
        ),
        index=places.crates_index,
        api=places.crates_api.rstrip("/"),
        crate=CRATE,
        version=publication.release.version.cargo,
        say=publication.say,
        page=_page(publication, places),
    )


def _trees(publication: Publication, places: Places) -> Iterator[Tree]:
    for name in ("yum", "pacman") if places.repositories else ():
        if publication.found.tree(name) is not None:
            assert places.repositories is not None
            yield Tree(
                name=name,
                release=publication.found,
                folder=places.repositories,
                say=publication.say,
                channel="testing" if publication.testing else "stable",
                page=_page(publication, places),
            )


def _tap(publication: Publication, places: Places) -> Tap:
    release = publication.release
    assert release.targets.tap is not None
    return Tap(
        release=publication.found,
        url=places.tap,
        formula=release.name,
        branch=release.targets.tap.branch,
        token=places.tokens["tap"],
        run=publication.run,
        scratch=publication.scratch / "tap",
        epoch=release.epoch,
        maintainer=release.maintainer,
        say=publication.say,
        page=_page(publication, places),
    )
