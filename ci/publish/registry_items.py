"""The state of a release in a registry, item by item, with the requests that would bring there what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ci.core.errors import VerificationError
from ci.publish.attachments import Attachments, Subject, fallback_tag
from ci.publish.floating_tags import FloatingTags, MovingTag
from ci.publish.image_archive import FlavourImages
from ci.publish.oci_documents import Descriptor
from ci.publish.oci_push import Pusher
from ci.publish.referrers import Referrer
from ci.publish.registry_contents import RegistryContents
from ci.publish.target import Item, State


@dataclass(frozen=True, kw_only=True)
class RegistryItems:
    """The items of one answer of `state`. A blob that several of them need is sent for the first one."""

    contents: RegistryContents
    pusher: Pusher
    attachments: Attachments
    _planned: set[str] = field(default_factory=set)

    def blobs(self) -> Iterator[Item]:
        """Each blob of the images."""
        for place, what in self.contents.blobs.values():
            requests = self._blob_requests(place.digest, place.size, what)
            state = State.MISSING if requests else State.THERE
            yield Item(name=f"{what}, {place.digest}", state=state, requests=requests, size=place.size)

    def manifests(self) -> Iterator[Item]:
        """The image of each platform, and each index under its tag."""
        for flavour in self.contents.flavours:
            for image in flavour.images:
                yield self._manifest(self.contents.title(flavour, image), image.described.digest, image.described)
            tag = self.contents.tag(flavour)
            yield self._manifest(f"the tag {tag}", tag, flavour.described)

    def referrers(self) -> Iterator[Item]:
        """What is attached to each image and each index."""
        for subject, wanted in self.contents.attached:
            missing = {one.digest for one in self.attachments.missing(subject, wanted)}
            last = [one for one in wanted if one.digest in missing][-1:]
            by_hand = last and not self.attachments.keeps_lists(subject)
            for one in wanted:
                requests = self._referrer_requests(subject, one) if one.digest in missing else ()
                if by_hand and last == [one]:
                    requests = (*requests, self._put(fallback_tag(subject.described.digest)))
                state = State.MISSING if requests else State.THERE
                size = sum(map(len, one.blobs.values()))
                yield Item(name=f"{subject.what}: {one.title}", state=state, requests=requests, size=size)

    def floating(self, tags: Iterable[tuple[FlavourImages, MovingTag]], rules: FloatingTags) -> Iterator[Item]:
        """The tags that move; those that are to stay at another version are left out."""
        for flavour, tag in tags:
            name, digest = f"the tag {tag.name}", flavour.described.digest
            try:
                moves = rules.may_move(tag, flavour.name, digest)
            except VerificationError:
                yield Item(name=name, state=State.OTHER)
                continue
            if moves:
                yield Item(name=name, state=State.MISSING, requests=(self._put(tag.name),))
            elif self.pusher.repository.digest_of(tag.name, name) == digest:
                yield Item(name=name, state=State.THERE)

    def _manifest(self, name: str, reference: str, wanted: Descriptor) -> Item:
        there = self.pusher.repository.digest_of(reference, name)
        state = State.THERE if there == wanted.digest else State.OTHER if there else State.MISSING
        requests = () if there else (self._put(reference),)
        return Item(name=name, state=state, requests=requests, size=wanted.size)

    def _referrer_requests(self, subject: Subject, one: Referrer) -> tuple[str, ...]:
        what = f"{subject.what}: {one.title}"
        blobs = (self._blob_requests(digest, len(data), what) for digest, data in one.blobs.items())
        return (*(request for requests in blobs for request in requests), self._put(one.digest))

    def _blob_requests(self, digest: str, size: int, what: str) -> tuple[str, ...]:
        if digest in self._planned or self.pusher.has_blob(digest, size, what):
            return ()
        self._planned.add(digest)
        uploads = self.pusher.repository.path("blobs/uploads/")
        return f"POST {uploads}", f"PUT {uploads}…?digest={digest}"

    def _put(self, reference: str) -> str:
        return f"PUT {self.pusher.repository.path(f'manifests/{reference}')}"
