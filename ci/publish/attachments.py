"""Attaches referrers to an image or an index, and lists those that it has.

A registry with the referrers API keeps the list itself. For one without it, the list is an index under the tag
`sha256-HEX`, which clients keep (distribution-spec 1.1, "Referrers Tag Schema"): read, changed and written. What others
have put in stays. Whoever writes at the same moment may undo it, so it is read again afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ci.core.errors import HostError, VerificationError
from ci.publish.oci_documents import DIGEST, INDEX, MANIFEST, Descriptor, as_bytes, document, entries
from ci.publish.oci_push import Pusher
from ci.publish.referrers import DEPRECATED, REASON, Referrer

_TRIES = 3


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What referrers are attached to; `what` names it for people."""

    what: str
    described: Descriptor


@dataclass(frozen=True, kw_only=True)
class Attachments:
    """The referrers in one repository."""

    pusher: Pusher

    def missing(self, subject: Subject, wanted: Sequence[Referrer]) -> list[Referrer]:
        """Those that are not there, or not listed."""
        listed = {one.get("digest") for one in self._listed(subject)[0]}
        return [one for one in wanted if one.digest not in listed or not self._has(subject, one)]

    def keeps_lists(self, subject: Subject) -> bool:
        """Whether the registry keeps the list of referrers itself."""
        return self._listed(subject)[1]

    def attach(self, subject: Subject, wanted: Sequence[Referrer]) -> None:
        """Bring there what is missing, and list it."""
        unlisted = []
        for one in self.missing(subject, wanted):
            what = f"{subject.what}: {one.title}"
            for digest, data in one.blobs.items():
                self.pusher.blob(digest, len(data), lambda data=data: data, what)  # type: ignore[misc]
            # Also where the manifest is there and only its entry is missing: the answer tells who keeps the list.
            answer = self.pusher.repository.put_manifest(one.digest, one.manifest, MANIFEST, what)
            self.pusher.say(f"{self.pusher.target}: {what} is attached")
            if answer.headers.get("oci-subject") != subject.described.digest:
                unlisted.append(one)
        if unlisted:
            self._list_by_hand(subject, unlisted)

    def compare(self, subject: Subject, wanted: Sequence[Referrer]) -> None:
        """Fetch each, and look for it in the list; `VerificationError` if something is missing or has other bytes."""
        listed = {one.get("digest") for one in self._listed(subject)[0]}
        for one in wanted:
            what = f"{subject.what}: {one.title}"
            self.pusher.compare_manifest(one.digest, one.manifest, what)
            for digest, data in one.blobs.items():
                if not self.pusher.has_blob(digest, len(data), what):
                    raise VerificationError(f"{what}: {digest} was sent, and is not there", hint=_AGAIN)
            if one.digest not in listed:
                raise VerificationError(f"{what}: it is not in the list of referrers", hint=_AGAIN)

    def is_deprecated(self, subject: Subject) -> bool:
        """Whether a note of deprecation is attached."""
        return any(self._type_of(one, subject) == DEPRECATED for one in self._listed(subject)[0])

    def reasons(self, subject: Subject) -> set[str]:
        """The reasons of all notes of deprecation that are attached."""
        notes = [one for one in self._listed(subject)[0] if self._type_of(one, subject) == DEPRECATED]
        return {said for one in notes if (said := _annotation(one, REASON))}

    def not_said(self, subject: Subject, wanted: Sequence[Referrer]) -> list[Referrer]:
        """Those of notes and OpenVEX documents that nothing else on the list says as well, at another time."""
        listed = self._listed(subject)[0]

        def is_said(one: Referrer) -> bool:
            return any(
                entry.get("digest") != one.digest
                and any(said and said == _annotation(entry, key) for key, said in one.sayings.items())
                for entry in listed
            )

        return [one for one in wanted if not is_said(one)]

    def _type_of(self, entry: dict[str, Any], subject: Subject) -> object:
        """The type of a listed referrer. Some clients leave it out of the list that they keep by hand."""
        if entry.get("artifactType") or not DIGEST.fullmatch(str(entry.get("digest"))):
            return entry.get("artifactType")
        found = self.pusher.repository.manifest(str(entry["digest"]), f"a referrer of {subject.what}")
        try:
            return document(found.data).get("artifactType") if found else None
        except ValueError:
            return None

    def _has(self, subject: Subject, one: Referrer) -> bool:
        return self.pusher.repository.digest_of(one.digest, f"{subject.what}: {one.title}") == one.digest

    def _listed(self, subject: Subject) -> tuple[list[dict[str, Any]], bool]:
        """The entries of the list, and whether the registry keeps it."""
        what = f"the referrers of {subject.what}"
        by_registry = self.pusher.repository.referrers(subject.described.digest, what)
        if by_registry is not None:
            return by_registry, True
        return list(entries(self._index(subject), "manifests")), False

    def _index(self, subject: Subject) -> dict[str, Any]:
        """The list that is kept by hand; a new one if there is none."""
        tag, what = fallback_tag(subject.described.digest), f"the referrers of {subject.what}"
        found = self.pusher.repository.manifest(tag, what)
        if found is None:
            return {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}
        try:
            index = document(found.data, INDEX)
            entries(index, "manifests")
        except ValueError as error:
            raise VerificationError(
                f"{what}: the tag {tag} is no list of referrers: {error}; it is left as it is",
                hint="find out by hand whose tag it is, and move what it means to another tag",
            ) from None
        return index

    def _list_by_hand(self, subject: Subject, wanted: Sequence[Referrer]) -> None:
        tag, what = fallback_tag(subject.described.digest), f"the referrers of {subject.what}"
        for _ in range(_TRIES):
            index = self._index(subject)
            known = {one.get("digest") for one in index["manifests"]}
            new = [one.descriptor for one in wanted if one.digest not in known]
            if not new:
                return
            index["manifests"] = [*index["manifests"], *new]
            self.pusher.repository.put_manifest(tag, as_bytes(index), INDEX, what)
        index = self._index(subject)
        if not {one.digest for one in wanted} <= {one.get("digest") for one in index["manifests"]}:
            raise HostError(f"{what}: somebody else writes them at the same time", hint=_AGAIN)


_AGAIN = "run the same command again: it goes on from where the server is"


def _annotation(entry: dict[str, Any], key: str) -> str:
    """An annotation of a listed referrer; empty if it has none."""
    return str((entry.get("annotations") or {}).get(key, ""))


def fallback_tag(digest: str) -> str:
    """The tag of the list that is kept by hand for a digest."""
    return digest.replace(":", "-")
