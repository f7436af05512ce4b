"""The target "registry": the images of a release in an OCI registry, with SBOMs and signed statements as referrers.

For each flavour: all blobs, the image of each platform, the index under the tag VERSION-FLAVOUR, which never moves,
then the referrers. When all of it is there and compared, the tags that move from version to version follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ci.core.errors import ReleaseError, VerificationError
from ci.core.faults import Fault, fault_of, listed
from ci.core.secrets import Secret
from ci.core.web import Web
from ci.publish import image_archive, referrers
from ci.publish.attachments import Attachments
from ci.publish.floating_tags import FloatingTags, MovingTag
from ci.publish.image_archive import FlavourImages
from ci.publish.ledger import PublicationLedger
from ci.publish.oci_client import Repository
from ci.publish.oci_login import Login
from ci.publish.oci_push import Pusher, other_bytes
from ci.publish.registry_contents import RegistryContents
from ci.publish.registry_items import RegistryItems
from ci.publish.release_set import ReleaseSet
from ci.publish.target import Item, Say, State


@dataclass(frozen=True, kw_only=True)
class Registry:
    """A repository of a registry: `origin` such as "https://ghcr.io", `repository` such as "owner/image".

    `web` is a connection without authorisation: the registry's own is put in. `token` is the secret of `user`; without
    one, nobody logs in. `floating_tags` are the tags that move, by flavour; none is moved if not `floating`.
    """

    release_set: ReleaseSet
    web: Web
    origin: str
    repository: str
    ledger: PublicationLedger
    say: Say
    user: str = ""
    token: Secret | None = field(default=None, repr=False)
    floating_tags: Mapping[str, Sequence[MovingTag]] = field(default_factory=dict)
    floating: bool = True
    name: str = "registry"

    def preflight(self) -> Sequence[Fault]:
        """Archives not in order, a login that is refused, version tags that mean something else, a yanked version.

        Flavours without an index are warnings: they are not published. It changes nothing.
        """
        return list(self._faults())

    def _faults(self) -> Iterator[Fault]:
        yield from self._without_index()
        yield from self._stopped_by(
            lambda: self._contents.attached, self._refuse_other_versions, self._refuse_yanked, self._check_moves
        )

    def preflight_promotion(self) -> Sequence[Fault]:
        """What keeps this version from going to everybody: not all of it is there, or it was yanked."""
        steps = (self._refuse_other_versions, self._refuse_yanked, self._require_all, self._check_moves)
        return list(self._stopped_by(*steps))

    def _without_index(self) -> Iterator[Fault]:
        for archive in image_archive.without_index(self.release_set):
            advice = "build the images for all platforms, if it has to be published"
            what = "its flavour has no index for all platforms, so it is not published"
            yield Fault(check=self.name, where=archive, what=what, advice=advice, warning=True)

    def _stopped_by(self, *steps: Callable[[], object]) -> Iterator[Fault]:
        """The fault of the first step that fails."""
        for step in steps:
            try:
                step()
            except ReleaseError as error:
                yield fault_of(error, self.name, f"{self.origin}/{self.repository}", "see the message")
                return

    def state(self) -> Sequence[Item]:
        """Each blob, image, version tag, referrer and tag that moves. It changes nothing."""
        items = self._items
        floating = self._floating_of(self._contents.flavours) if self.floating else ()
        return [*items.blobs(), *items.manifests(), *items.referrers(), *items.floating(floating, self._floating)]

    def publish(self) -> None:
        """Bring what is missing there, and compare all of it; then move the tags that move.

        A version that was yanked, or a version tag that means something else, raises `VerificationError` before
        anything is changed.
        """
        self._refuse_other_versions()
        self._refuse_yanked()
        for place, what in self._contents.blobs.values():
            self._pusher.blob(place.digest, place.size, place.read, what)
        for flavour in self._contents.flavours:
            for image in flavour.images:
                self._pusher.manifest(image.described, image.manifest, self._contents.title(flavour, image))
            tag = self._contents.tag(flavour)
            self._pusher.manifest(flavour.described, flavour.index, f"the tag {tag}", tag)
        for subject, wanted in self._contents.attached:
            self._attachments.attach(subject, wanted)
        self._compare()
        if self.floating:
            self._move_floating()

    def promote(self) -> None:
        """Move the tags that move, and nothing else.

        `VerificationError` if the version is not there in full, or was yanked.
        """
        self._refuse_other_versions()
        self._refuse_yanked()
        self._compare()
        self._move_floating()

    def yank(self, reason: str, when: int, vex: bytes | None = None) -> str:
        """Mark this version as deprecated, and let the tags that move go back; returns what was done.

        Its tags and images stay. The index and each image get a note with the reason, and the OpenVEX document if there
        is one. `when` is the time of the yank. It can be repeated: what a note or a document says already, at whatever
        time, is not said again; another reason is one more note. A version that is not there is left alone.
        """
        self._refuse_other_versions()
        there = self._there()
        if not there:
            return f"{self.release_set.version} is not in {self.repository}: there is nothing to yank"
        others = False
        for subject in self._contents.subjects(there):
            others |= bool(self._attachments.reasons(subject) - {reason})
            notes = [referrers.of_deprecation(subject.described, reason, when)]
            notes += [referrers.of_vex(subject.described, vex, when)] if vex else []
            notes = self._attachments.not_said(subject, notes)
            self._attachments.attach(subject, notes)
            self._attachments.compare(subject, notes)
        note = "every image has a note with the reason"
        return "; ".join((f"{note}, beside one with another" if others else note, *self._moved_back(there)))

    def _moved_back(self, there: Sequence[FlavourImages]) -> Iterator[str]:
        floating = self._floating
        for flavour, tag in self._floating_of(there):
            if self._digest_of(tag.name) != flavour.described.digest:
                continue
            before = floating.before(tag, flavour.name)
            if before is None:
                yield f"{tag.name} still means {self._contents.tag(flavour)}: there is no version before it"
            else:
                floating.move({tag.name: before.tag})

    def _move_floating(self) -> None:
        moves = self._moves()
        self._floating.move(moves)
        for flavour, tag in self._floating_of(self._contents.flavours):
            if tag.name not in moves:
                self.say(f"{self.name}: the tag {tag.name} stays as it is ({self._contents.tag(flavour)})")

    def _moves(self) -> dict[str, str]:
        """From each tag that has to be moved to the version tag that it shall mean."""
        floating = self._floating
        return {
            tag.name: self._contents.tag(flavour)
            for flavour, tag in self._floating_of(self._contents.flavours)
            if floating.may_move(tag, flavour.name, flavour.described.digest)
        }

    def _check_moves(self) -> None:
        if self.floating:
            self._moves()

    def _there(self) -> list[FlavourImages]:
        """The flavours whose version tag is there."""
        return [flavour for flavour in self._contents.flavours if self._digest_of(self._contents.tag(flavour))]

    def _refuse_yanked(self) -> None:
        for subject in self._contents.subjects(self._there()):
            if self._attachments.is_deprecated(subject):
                raise VerificationError(f"{subject.what}: this version was yanked", hint="take the next version")

    def _require_all(self) -> None:
        items = self._items
        wanted = (*items.blobs(), *items.manifests(), *items.referrers())
        if missing := [item.name for item in wanted if item.state is not State.THERE]:
            raise VerificationError(
                f"{self.release_set.version} is not there in full: {listed(missing)}",
                hint="publish it first: nox -s publish -- --channel testing",
            )

    def _refuse_other_versions(self) -> None:
        for flavour in self._contents.flavours:
            there = self._digest_of(self._contents.tag(flavour))
            if there and there != flavour.described.digest:
                raise other_bytes(f"the tag {self._contents.tag(flavour)}", there, flavour.described.digest)

    def _compare(self) -> None:
        """Ask for everything again; `VerificationError` for what is missing or has other bytes."""
        for place, what in self._contents.blobs.values():
            if not self._pusher.has_blob(place.digest, place.size, what):
                raise VerificationError(f"{what}: {place.digest} is not there", hint="publish the version again")
        for flavour in self._contents.flavours:
            for image in flavour.images:
                what = self._contents.title(flavour, image)
                self._pusher.compare_manifest(image.described.digest, image.manifest, what)
            tag = self._contents.tag(flavour)
            self._pusher.compare_manifest(tag, flavour.index, f"the tag {tag}")
        for subject, wanted in self._contents.attached:
            self._attachments.compare(subject, wanted)

    def _floating_of(self, flavours: Sequence[FlavourImages]) -> Iterator[tuple[FlavourImages, MovingTag]]:
        for flavour in flavours:
            for tag in self.floating_tags.get(flavour.name, ()):
                yield flavour, tag

    @cached_property
    def _contents(self) -> RegistryContents:
        return RegistryContents(release_set=self.release_set)

    @cached_property
    def _pusher(self) -> Pusher:
        login = Login(self.origin, self.repository, self.user, self.token)
        self.web.trusted, self.web.authorize = (self.origin,), login.headers
        place = Repository(web=self.web, login=login, origin=self.origin, name=self.repository)
        return Pusher(repository=place, ledger=self.ledger, target=self.name, say=self.say)

    @property
    def _items(self) -> RegistryItems:
        return RegistryItems(contents=self._contents, pusher=self._pusher, attachments=self._attachments)

    @property
    def _attachments(self) -> Attachments:
        return Attachments(pusher=self._pusher)

    @property
    def _floating(self) -> FloatingTags:
        return FloatingTags(
            pusher=self._pusher,
            attachments=self._attachments,
            version=self._contents.version,
            tags=self.floating_tags,
        )

    def _digest_of(self, reference: str) -> str:
        return self._pusher.repository.digest_of(reference, f"the tag {reference}")
