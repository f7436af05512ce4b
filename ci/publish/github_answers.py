"""GitHub's answers: release pages and their files. Each value is checked before anything believes it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ci.core.web import Answer, Refusal, address_of, host_of

_PAGE_DIGITS = 9
_LINK = re.compile(r'<([^<>]*)>\s*;\s*rel="(\w+)"')


@dataclass(frozen=True, kw_only=True)
class Asset:
    """A file on a release page. `whole` is False for what an upload that was broken off has left.

    `sha256` is empty if the server gives no digest, as for assets from before June 2025.
    """

    id: int
    name: str
    size: int
    sha256: str
    whole: bool


@dataclass(frozen=True, kw_only=True)
class Page:
    """A release page, or the draft of one. `upload_url` is where its files are sent to, `url` is for people."""

    id: int
    tag: str
    title: str
    notes: str
    draft: bool
    prerelease: bool
    upload_url: str
    url: str


@dataclass(frozen=True)
class Document:
    """An object in an answer; a value that is missing or of another type raises `Refusal`."""

    answer: Answer
    what: str
    values: object

    def wrong(self, key: str) -> Refusal:
        """What is raised for a value that cannot be used."""
        return Refusal(
            f"{self.what}: the answer of {host_of(self.answer.url)} has no {key} that can be used",
            self.answer,
            hint="perhaps a proxy has answered; look at the address by hand",
        )

    def get(self, key: str) -> Any:
        """A value of any type; None if there is none."""
        if not isinstance(self.values, dict):
            raise self.wrong(key)
        return self.values.get(key)

    def text(self, key: str) -> str:
        """A text; empty if there is none."""
        value = self.get(key)
        if value is not None and not isinstance(value, str):
            raise self.wrong(key)
        return value or ""

    def line(self, key: str) -> str:
        """A text that is there, and that a terminal can show."""
        value = self.text(key)
        if not value or not value.isprintable():
            raise self.wrong(key)
        return value

    def number(self, key: str) -> int:
        """A number that is not negative."""
        value = self.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise self.wrong(key)
        return value

    def truth(self, key: str) -> bool:
        """True or false."""
        value = self.get(key)
        if not isinstance(value, bool):
            raise self.wrong(key)
        return value

    def document(self, key: str) -> Document:
        """An object within this one."""
        return Document(self.answer, self.what, self.get(key))


def document_of(answer: Answer, what: str) -> Document:
    """The object that an answer is; `what` names for people what it is about."""
    return Document(answer, what, answer.json(what))


def entries_of(answer: Answer, what: str) -> list[Document]:
    """The entries of the list that an answer is."""
    found = answer.json(what)
    if not isinstance(found, list):
        raise Document(answer, what, {}).wrong("list")
    return [Document(answer, what, one) for one in found]


def page_of(found: Document) -> Page:
    """A release page, out of its description."""
    upload_url = found.line("upload_url")
    if urlsplit(address_of("", upload_url)).scheme not in ("http", "https"):
        raise found.wrong("upload_url")
    return Page(
        id=found.number("id"),
        tag=found.line("tag_name"),
        title=found.text("name"),
        notes=found.text("body"),
        draft=found.truth("draft"),
        prerelease=found.truth("prerelease"),
        upload_url=upload_url,
        url=found.line("html_url"),
    )


def asset_of(found: Document) -> Asset:
    """A file of a release page, out of its description."""
    kind, _, digest = found.text("digest").partition(":")
    return Asset(
        id=found.number("id"),
        name=found.line("name"),
        size=found.number("size"),
        sha256=digest if kind == "sha256" else "",
        whole=found.line("state") == "uploaded",
    )


def links_of(answer: Answer) -> dict[str, int]:
    """From "next" and "last" to the numbers of these pages, out of the header `Link` (RFC 8288)."""
    found = {}
    for address, relation in _LINK.findall(answer.headers.get("link", "")):
        page = parse_qs(urlsplit(address_of(answer.url, address)).query).get("page", [""])[0]
        if page.isascii() and page.isdecimal() and len(page) <= _PAGE_DIGITS:
            found[relation] = int(page)
    return found
