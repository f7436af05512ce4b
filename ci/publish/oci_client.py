"""Requests to one repository of a registry, by OCI distribution-spec 1.1.

Nothing is believed that can be calculated: a digest is the SHA-256 of the bytes that came.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit, urlunsplit

from ci.core.errors import HostError, UnavailableError, VerificationError
from ci.core.web import Answer, Refusal, Web, address_of, host_of, is_secure, origin_of
from ci.publish.oci_documents import DIGEST, INDEX, MANIFEST, digest_of, entries
from ci.publish.oci_login import Login

_ACCEPT = (
    f"{INDEX}, {MANIFEST}, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json, */*"
)
_LENGTH_DIGITS = 18  # of numbers that fit into 64 bits
_NEXT = re.compile(r'<([^>]*)>\s*;\s*rel="?next"?')
_MOST_PAGES = 1000
_BY_HAND = "perhaps a proxy has answered; look at the address by hand"
_RULES = "if the registry has a rule that tags never change, it must not hold for those that move, such as latest"


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A manifest as the registry has it."""

    data: bytes
    media_type: str

    @property
    def digest(self) -> str:
        """The digest of its bytes."""
        return digest_of(self.data)


@dataclass(frozen=True, kw_only=True)
class Repository:
    """A repository: `origin` is the registry's scheme, host and port, `name` such as "owner/image"."""

    web: Web
    login: Login
    origin: str
    name: str

    def path(self, rest: str) -> str:
        """The path of something in the repository, for requests and for people."""
        return f"/v2/{self.name}/{rest}"

    def ask(
        self,
        method: str,
        place: str,
        what: str,
        *,
        expect: Collection[int] = (200,),
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool | None = None,
    ) -> Answer:
        """The answer to a request, as `Web.ask`; `place` is a path or an address. An expired token is renewed."""
        url = urljoin(self.origin, place)

        def send(*more: int) -> Answer:
            wanted = (*expect, *more)
            return self.web.ask(method, url, what, expect=wanted, body=body, headers=headers, repeatable=repeatable)

        answer = send(401)
        if answer.status != 401:
            return answer
        if origin_of(answer.url) == self.origin:
            self.login.renew(self.web, answer)
        return send()

    def digest_of(self, reference: str, what: str) -> str:
        """The digest of what a tag or a digest means; empty if there is nothing."""
        place, accept = self.path(f"manifests/{reference}"), {"Accept": _ACCEPT}
        answer = self.ask("HEAD", place, what, expect=(200, 404), headers=accept)
        if answer.status == 404:
            return ""
        digest = answer.headers.get("docker-content-digest", "")
        if DIGEST.fullmatch(digest):
            return digest
        found = self.manifest(reference, what)
        return found.digest if found else ""

    def manifest(self, reference: str, what: str) -> Manifest | None:
        """The manifest of a tag or a digest; None if there is nothing.

        `VerificationError` if other bytes came than those that the registry, or the reference, says.
        """
        place = self.path(f"manifests/{reference}")
        answer = self.ask("GET", place, what, expect=(200, 404), headers={"Accept": _ACCEPT})
        if answer.status == 404:
            return None
        media_type = answer.headers.get("content-type", "").partition(";")[0].strip()
        found = Manifest(data=answer.body, media_type=media_type)
        wanted = {reference, answer.headers.get("docker-content-digest", "")}
        if any(DIGEST.fullmatch(one) and one != found.digest for one in wanted):
            raise VerificationError(
                f"{what}: {host_of(self.origin)} sent other bytes than those of its digest",
                hint="something between here and the registry changes answers; use another connection",
            )
        return found

    def put_manifest(self, reference: str, data: bytes, media_type: str, what: str) -> Answer:
        """Push a manifest, under its digest or a tag. `VerificationError` if the registry gives it another digest."""
        place, headers = self.path(f"manifests/{reference}"), {"Content-Type": media_type}
        try:
            answer = self.ask("PUT", place, what, expect=(201,), body=data, headers=headers)
        except Refusal as error:
            if error.answer.status not in (400, 405, 409, 412, 422) or DIGEST.fullmatch(reference):
                raise
            raise Refusal(str(error), error.answer, hint=_RULES) from None
        self._compare_digest(answer, digest_of(data), what)
        return answer

    def blob_size(self, digest: str, what: str) -> int | None:
        """The size of a blob; None if it is not there. -1 if the registry does not say it."""
        answer = self.ask("HEAD", self.path(f"blobs/{digest}"), what, expect=(200, 404))
        if answer.status == 404:
            return None
        self._compare_digest(answer, digest, what)
        length = answer.headers.get("content-length", "")
        return int(length) if length.isdecimal() and len(length) <= _LENGTH_DIGITS else -1

    def begin_upload(self, what: str) -> str:
        """Begin to upload a blob; returns the address to send it to. It is not repeated."""
        answer = self.ask("POST", self.path("blobs/uploads/"), what, expect=(202,), body=b"")
        place = address_of(answer.url, answer.headers.get("location", ""))
        if "location" not in answer.headers or not is_secure(place, self.origin):
            raise Refusal(
                f"{what}: {host_of(self.origin)} names no address with TLS for the upload",
                answer,
                hint="a proxy before the registry may not tell it that it is reached by https",
            )
        return place

    def upload(self, place: str, digest: str, data: bytes, what: str) -> None:
        """Send a whole blob to where `begin_upload` says. It is not repeated."""
        parts = urlsplit(place)
        query = "&".join(filter(None, (parts.query, urlencode({"digest": digest}))))
        url = urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))
        headers = {"Content-Type": "application/octet-stream"}
        answer = self.ask("PUT", url, what, expect=(201,), body=data, headers=headers, repeatable=False)
        self._compare_digest(answer, digest, what)

    def cancel_upload(self, place: str) -> None:
        """Give up an upload that was begun. If that is not possible, it is left: registries forget it by themselves."""
        with suppress(HostError, Refusal):
            self.ask("DELETE", place, "an upload that was broken off", expect=(204,), repeatable=False)

    def tags(self) -> list[str]:
        """All tags, from all pages; none if there is no such repository."""
        what, found = "the list of tags", list[str]()
        for page in self._pages("tags/list?n=100", what):
            tags = page.get("tags") or []
            if page.get("name") != self.name:
                raise VerificationError(f"{what} is that of {page.get('name')!a}, not of {self.name}", hint=_BY_HAND)
            if not isinstance(tags, list) or not all(isinstance(one, str) for one in tags):
                raise VerificationError(f"{what} is no list of texts", hint=_BY_HAND)
            found += tags
        return found

    def referrers(self, digest: str, what: str) -> list[dict[str, Any]] | None:
        """What the registry lists as referrers of a digest; None if it keeps no such lists (the API is new)."""
        pages = self._pages(f"referrers/{digest}", what)
        try:
            found = [entries(page, "manifests") for page in pages]
        except ValueError as error:
            raise VerificationError(f"{what}: the answer is no index: {error}", hint=_BY_HAND) from None
        return [one for page in found for one in page] if found else None

    def _pages(self, rest: str, what: str) -> list[dict[str, Any]]:
        """The documents on all pages of a list; none if there is no such list."""
        url, seen, pages = urljoin(self.origin, self.path(rest)), set[str](), list[dict[str, Any]]()
        while True:
            if url in seen or len(seen) >= _MOST_PAGES or origin_of(url) != self.origin:
                raise UnavailableError(f"{what}: its pages lead in a circle, or elsewhere", hint=_BY_HAND)
            seen.add(url)
            answer = self.ask("GET", url, what, expect=(200, 404) if not pages else (200,))
            if answer.status == 404:
                return []
            page = answer.json(what)
            if not isinstance(page, dict):
                raise VerificationError(f"{what}: the answer is no mapping", hint=_BY_HAND)
            pages.append(page)
            following = _NEXT.search(answer.headers.get("link", ""))
            if following is None:
                return pages
            url = address_of(answer.url, following[1])

    def _compare_digest(self, answer: Answer, digest: str, what: str) -> None:
        told = answer.headers.get("docker-content-digest", digest)
        if told != digest:
            raise VerificationError(
                f"{what}: {host_of(self.origin)} has it as {told[:80]!a}, not as {digest}",
                hint="something between here and the registry changes what is sent; use another connection",
            )
