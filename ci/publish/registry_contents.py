"""What a registry has to have of a release: its blobs, images and indexes, and what is attached to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ci.manifest import versions
from ci.manifest.versions import Version
from ci.publish import image_archive, referrers
from ci.publish.attachments import Subject
from ci.publish.image_archive import BlobPlace, FlavourImages, PlatformImage
from ci.publish.referrers import Referrer
from ci.publish.release_set import ReleaseSet

_BUNDLES = ".sigstore.json"


@dataclass(frozen=True, kw_only=True)
class RegistryContents:
    """The part of a set that goes to a registry. Its archives are read and checked when they are first needed.

    What is not in order there raises `VerificationError`.
    """

    release_set: ReleaseSet

    @property
    def version(self) -> Version:
        """The version that is published."""
        return versions.parse(self.release_set.version)

    @property
    def epoch(self) -> int:
        """The release's date."""
        return int(self.release_set.document["source_date_epoch"])

    @cached_property
    def flavours(self) -> tuple[FlavourImages, ...]:
        """The images and their indexes."""
        return image_archive.flavours(self.release_set)

    def tag(self, flavour: FlavourImages) -> str:
        """The tag that this version of a flavour has for ever."""
        return f"{self.version.oci}-{flavour.name}"

    def title(self, flavour: FlavourImages, image: PlatformImage) -> str:
        """What an image is for people."""
        return f"{self.tag(flavour)} for {image.platform}"

    @cached_property
    def blobs(self) -> Mapping[str, tuple[BlobPlace, str]]:
        """All blobs by their digests, each with what it is for people; flavours may share some."""
        found: dict[str, tuple[BlobPlace, str]] = {}
        for flavour in self.flavours:
            for image in flavour.images:
                for number, place in enumerate(image.blobs):
                    part = f"layer {number}" if number else "the configuration"
                    found.setdefault(place.digest, (place, f"{part} of {self.title(flavour, image)}"))
        return found

    @cached_property
    def attached(self) -> Sequence[tuple[Subject, Sequence[Referrer]]]:
        """What is attached to each image (its SBOMs) and to each index (the signed statements)."""
        files = {file.name: file for file in self.release_set.files}
        sboms = [name for name in files if referrers.is_sbom(name)]
        bundles = {name: file.read() for name, file in files.items() if name.endswith(_BUNDLES)}
        found: list[tuple[Subject, Sequence[Referrer]]] = []
        for flavour in self.flavours:
            *images, index = self.subjects([flavour])
            for subject, image in zip(images, flavour.images, strict=True):
                own = [name for name in sboms if name.rsplit(".", 2)[0] == image.archive]
                about = subject.described
                found.append((subject, [referrers.of_sbom(about, one, files[one].read(), self.epoch) for one in own]))
            made = [referrers.of_bundle(index.described, name, data, self.epoch) for name, data in bundles.items()]
            found.append((index, made))
        return found

    def subjects(self, flavours: Sequence[FlavourImages]) -> list[Subject]:
        """The images of flavours, and after those of each the index."""
        found = []
        for flavour in flavours:
            found += [Subject(what=self.title(flavour, one), described=one.described) for one in flavour.images]
            found.append(Subject(what=self.tag(flavour), described=flavour.described))
        return found
