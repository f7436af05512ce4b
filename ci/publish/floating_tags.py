"""Tags that move from version to version, such as `0.1-micro` or `latest`, and whether one may move now.

It is decided by what the server has. A tag only ever moves forward: a maintenance release leaves alone what already
means a newer version. A prerelease moves none. A version that is deprecated is as good as not there, and so is a
candidate that was not promoted yet: the tag of its own line, such as `0.1-micro`, means an older version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from ci.core.errors import HostError, VerificationError
from ci.manifest import versions
from ci.manifest.versions import Version
from ci.publish.attachments import Attachments, Subject
from ci.publish.oci_client import Repository
from ci.publish.oci_documents import Descriptor
from ci.publish.oci_push import Pusher


@dataclass(frozen=True, kw_only=True)
class MovingTag:
    """A tag that moves. `line` is how the versions begin that it may mean, such as "0.1"; empty for all versions."""

    name: str
    line: str = ""

    def is_for(self, version: Version) -> bool:
        """Whether the tag may mean a version."""
        wanted = self.line.split(".") if self.line else []
        return version.release.split(".")[: len(wanted)] == wanted

    def of(self, version: Version) -> MovingTag:
        """The tag of the same kind for the line of another version: `0.1-micro` of `0.2-micro`."""
        line = ".".join(version.release.split(".")[: len(self.line.split("."))]) if self.line else ""
        return MovingTag(name=self.name.replace(self.line, line, 1), line=line)


@dataclass(frozen=True, kw_only=True)
class PublishedTag:
    """A tag of a version and a flavour that the server has."""

    version: Version
    flavour: str

    @property
    def tag(self) -> str:
        """The tag that it has for ever."""
        return f"{self.version.oci}-{self.flavour}"


@dataclass(frozen=True, kw_only=True)
class FloatingTags:
    """The tags that move, by flavour, for one version. The list of tags is kept: make a new one to ask again."""

    pusher: Pusher
    attachments: Attachments
    version: Version
    tags: Mapping[str, Sequence[MovingTag]]

    @property
    def repository(self) -> Repository:
        """Where the tags are."""
        return self.pusher.repository

    def may_move(self, tag: MovingTag, flavour: str, digest: str) -> bool:
        """Whether a tag may be moved to this version's index; False also if it is there already.

        `VerificationError` if the tag means something that is no version in the list: nobody knows then what moving it
        would undo.
        """
        current = self._digest_of(tag.name)
        if current == digest or _is_prerelease(self.version) or not tag.is_for(self.version):
            return False
        if self._deprecated(PublishedTag(version=self.version, flavour=flavour)):
            return False
        self._check_list(tag.name if current else "", f"{self.version.oci}-{flavour}")
        if not current:
            return not any(self.newer(tag, flavour))
        held = self._held_by(tag, flavour, current)
        return held.version < self.version or self._deprecated(held)

    def newer(self, tag: MovingTag, flavour: str) -> Iterator[PublishedTag]:
        """The versions after this one that the tag may mean."""
        found = (one for one in self._of_line(tag, flavour) if one.version > self.version)
        return (one for one in found if self._stable(one))

    def before(self, tag: MovingTag, flavour: str) -> PublishedTag | None:
        """The newest version before this one that the tag may mean; None if there is none."""
        found = (one for one in self._of_line(tag, flavour) if one.version < self.version)
        return next((one for one in found if self._stable(one)), None)

    def _stable(self, one: PublishedTag) -> bool:
        """Whether a version was given to everybody, and not yanked."""
        lines = [tag.of(one.version) for tag in self.tags.get(one.flavour, ()) if tag.line]
        return (not lines or any(self._reached(one, tag) for tag in lines)) and not self._deprecated(one)

    def _reached(self, one: PublishedTag, tag: MovingTag) -> bool:
        """Whether a tag means a version, or a newer one."""
        current = self._digest_of(tag.name)
        newer = (other for other in self._of_line(tag, one.flavour) if other.version >= one.version)
        return bool(current) and any(self._digest_of(other.tag) == current for other in newer)

    def _held_by(self, tag: MovingTag, flavour: str, current: str) -> PublishedTag:
        """The version that a tag means now; those of its own flavour are tried first, the newest first."""
        others = (one for one in self._published if one.flavour != flavour and tag.is_for(one.version))
        for one in (*self._of_line(tag, flavour), *others):
            if self._digest_of(one.tag) == current:
                return one
        raise VerificationError(
            f"the tag {tag.name} means {current}, which is no version in the registry's list; it is left as it is",
            hint="find out by hand what it is; if nobody needs it, move the tag to a published version",
        )

    def _of_line(self, tag: MovingTag, flavour: str) -> Sequence[PublishedTag]:
        return [one for one in self._published if one.flavour == flavour and tag.is_for(one.version)]

    def _deprecated(self, one: PublishedTag) -> bool:
        digest = self._digest_of(one.tag)
        described = Descriptor(media_type="", digest=digest, size=0)
        return bool(digest) and self.attachments.is_deprecated(Subject(what=one.tag, described=described))

    def _check_list(self, *tags: str) -> None:
        """Raise `HostError` if the list of tags does not have some that are there: what else does it not have?"""
        for tag in tags:
            if tag and tag not in self._tags and self._digest_of(tag):
                raise HostError(
                    f"the registry's list of tags is not complete: {tag} is there, and not in it; no tag is moved",
                    hint="wait until the registry has noticed its new tags, and run the same command again",
                )

    @cached_property
    def _tags(self) -> Sequence[str]:
        return self.repository.tags()

    @cached_property
    def _published(self) -> Sequence[PublishedTag]:
        """The releases that the server has, newest first; no prereleases."""
        found = (_published(tag, self.version) for tag in self._tags)
        releases = [one for one in found if one and not _is_prerelease(one.version)]
        return sorted(releases, key=lambda one: one.version, reverse=True)

    def _digest_of(self, tag: str) -> str:
        return self.repository.digest_of(tag, f"the tag {tag}")

    def move(self, moves: Mapping[str, str]) -> None:
        """Let tags mean what other references mean, and compare what came of it."""
        for tag, reference in moves.items():
            what = f"the tag {tag}"
            found = self.repository.manifest(reference, f"the tag {reference}")
            if found is None:
                raise HostError(f"{reference}: it was there a moment ago, and is not now", hint="run it again")
            self.repository.put_manifest(tag, found.data, found.media_type, what)
            self.pusher.compare_manifest(tag, found.data, what)
            self.pusher.say(f"{self.pusher.target}: {what} means {reference} now")


def _published(tag: str, like: Version) -> PublishedTag | None:
    """What a tag says, if it is that of a version and a flavour. `0.1-micro` is none: all versions are as long."""
    text, _, flavour = tag.partition("-")
    try:
        version = versions.parse(text)
    except ValueError:
        return None
    as_long = version.release.count(".") == like.release.count(".")
    return PublishedTag(version=version, flavour=flavour) if flavour and as_long else None


def _is_prerelease(version: Version) -> bool:
    return version < versions.parse(version.release) or version.is_open
