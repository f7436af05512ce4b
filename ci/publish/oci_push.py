"""Brings blobs and manifests to a repository: what is there is left alone, what is missing is sent.

An upload that was begun and not finished is remembered in the ledger, and given up by the next run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from ci.core.errors import HostError, VerificationError
from ci.core.web import Refusal
from ci.publish.ledger import PublicationLedger
from ci.publish.oci_client import Repository
from ci.publish.oci_documents import Descriptor, digest_of
from ci.publish.target import Say

_PAUSES_S = (1.0, 2.0)  # before an upload whose outcome was unknown, and that was not there, is repeated
_SESSION_LOST = (404, 416)


@dataclass(frozen=True, kw_only=True)
class Pusher:
    """Pushes to one repository. `target` is the name under which the ledger remembers uploads."""

    repository: Repository
    ledger: PublicationLedger
    target: str
    say: Say

    def blob(self, digest: str, size: int, read: Callable[[], bytes], what: str) -> None:
        """Bring a blob there. `read` gives its bytes, and is called only if they are sent."""
        for pause in (*_PAUSES_S, None):
            if self.has_blob(digest, size, what):
                self.ledger.forget(self.target, digest)
                return
            try:
                self._send(digest, read, what)
                return
            except HostError as error:
                if pause is None:
                    raise
                self._wait(pause, error)

    def has_blob(self, digest: str, size: int, what: str) -> bool:
        """Whether a blob is there. `VerificationError` if it has another size there."""
        found = self.repository.blob_size(digest, what)
        if found not in (None, -1, size):
            raise VerificationError(
                f"{what}: {digest} has {found} bytes there, and should have {size}",
                hint="the registry's storage is damaged; ask who runs it",
            )
        return found is not None

    def _send(self, digest: str, read: Callable[[], bytes], what: str) -> None:
        if left := self.ledger.get(self.target, digest):
            self.repository.cancel_upload(left)
            self.ledger.forget(self.target, digest)
        data, begun = read(), time.monotonic()
        place = self.repository.begin_upload(what)
        self.ledger.remember(self.target, digest, place)
        try:
            self.repository.upload(place, digest, data, what)
        except Refusal as error:
            if error.answer.status not in _SESSION_LOST:
                raise
            raise HostError(str(error), hint=error.hint) from error  # it has forgotten the upload: begin anew
        self.ledger.forget(self.target, digest)
        self.say(f"{self.target}: {what}: {len(data):,} bytes in {time.monotonic() - begun:.1f} s")

    def _wait(self, seconds: float, error: HostError) -> None:
        self.say(f"{self.target}: {error}; asked again in {seconds:.0f} s")
        self.repository.web.sleep(seconds)

    def manifest(self, described: Descriptor, data: bytes, what: str, tag: str = "") -> None:
        """Bring a manifest there, under its digest or a tag that is new. Its blobs have to be there.

        `VerificationError` if the tag means something else there; nothing is changed then.
        """
        reference = tag or described.digest
        there = self.repository.digest_of(reference, what)
        if tag and not there and (found := self.repository.manifest(tag, what)):
            there = found.digest  # the registry would move it without a word, so it is asked in another way as well
        if there == described.digest:
            return
        if there:
            raise other_bytes(what, there, described.digest)
        begun = time.monotonic()
        self.repository.put_manifest(reference, data, described.media_type, what)
        self.say(f"{self.target}: {what}: {len(data):,} bytes in {time.monotonic() - begun:.1f} s")

    def compare_manifest(self, reference: str, data: bytes, what: str) -> None:
        """Fetch a manifest, and compare it; `VerificationError` if it is missing or has other bytes."""
        found = self.repository.manifest(reference, what)
        if found is None:
            raise VerificationError(f"{what}: it was sent, and is not there", hint="run the same command again")
        if found.data != data:
            raise other_bytes(what, found.digest, digest_of(data))


def other_bytes(what: str, there: str, wanted: str) -> VerificationError:
    """The fault that something else is under this name. Nobody overwrites it."""
    return VerificationError(
        f"{what}: {there} is there under this name, and this release has {wanted}; it is left as it is",
        hint="a version that is published never changes: release the next version",
    )
