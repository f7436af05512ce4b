"""What can still be changed on a public release page of GitHub: its notes, and the marks "prerelease" and "latest"."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ci.core.errors import UnavailableError, VerificationError
from ci.manifest.versions import Version, parse
from ci.publish.github_answers import Page
from ci.publish.github_api import Api, carried_out
from ci.publish.target import Say

HEADING = "## Yanked"
_HEADING_OF_MARKDOWN = re.compile(r"#{1,6}(\s|$)")


@dataclass(frozen=True, kw_only=True)
class Marks:
    """The marks of the public releases of one repository. They need no set."""

    api: Api
    say: Say

    def is_newest(self, tag: str) -> bool:
        """Whether no full release is of a later version than a tag."""
        version = _version_of(tag)
        return version is not None and not any(other > version for other in self._full())

    def settle(self, page: Page) -> None:
        """Give a public full release the mark "latest" if an older one has it; a prerelease is left alone."""
        if not page.prerelease and not self._is_latest(page) and self.is_newest(page.tag):
            self._give_latest(page)

    def promote(self, tag: str) -> None:
        """Make a public prerelease a full release, and the latest one if no other is newer."""
        page = self._required(tag)
        if not page.prerelease:
            self.say(f"github: {page.url} is a full release already")
            self.settle(page)
            return
        latest = self.is_newest(tag)
        fields = {"prerelease": False, "make_latest": "true" if latest else "false"}
        page = self._change(page, fields, lambda now: not now.prerelease)
        if latest:
            self._require_latest(page)
        self.say(f"github: {page.url} is a full release now")

    def yank(self, tag: str, reason: str) -> str:
        """Put a heading with the reason on top of a release's notes, and take the mark "latest" from it.

        The mark goes to the newest version that is neither a prerelease nor yanked. It goes first: whoever is stopped
        between the two steps still finds the mark at this release when he begins again. Another reason takes the place
        of an earlier one. Returns what was done, for a person.
        """
        page = self.api.public(tag)
        if page is None:
            return f"{self.api.repository} has no public release of {tag}: there is nothing to yank"
        latest = self.api.latest()
        mark = self._move_latest(page) if latest is not None and latest.id == page.id else ""
        reason, before = " ".join(reason.split()), is_yanked(page)
        if before and _reason_of(page) == reason:
            self.say(f"github: {page.url} is yanked already")
            return f"the notes said so already{mark}"
        body = f"{HEADING}\n\n{reason}\n\n{_without_reason(page)}".rstrip() + "\n"
        # Without make_latest: "false" a server may take the change for a wish to be the latest.
        fields = {"body": body, "make_latest": "false"}
        self._change(page, fields, lambda now: is_yanked(now) and _reason_of(now) == reason)
        self.say(f"github: {page.url} is yanked")
        return f"the notes give this reason in the place of another{mark}" if before else f"the notes say so{mark}"

    def _full(self) -> dict[Version, Page]:
        """The public full releases that were not yanked, by version.

        The list may be late, so the one with the mark "latest" is asked for as well.
        """
        latest = self.api.latest()
        return {
            version: page
            for page in [*self.api.pages(), *([latest] if latest else [])]
            if not page.draft and not page.prerelease and not is_yanked(page)
            if (version := _version_of(page.tag)) is not None
        }

    def _move_latest(self, yanked: Page) -> str:
        """Give the mark to another release than the one that is yanked; returns what came of it."""
        others = {version: page for version, page in self._full().items() if page.id != yanked.id}
        if not others:
            self.say('github: no other release can get the mark "latest"')
            return '; it keeps the mark "latest": there is no other release that could have it'
        page = others[max(others)]
        self._give_latest(page)
        return f'; the mark "latest" is at {page.tag} now'

    def _give_latest(self, page: Page) -> None:
        self._change(page, {"make_latest": "true"}, self._is_latest)
        self._require_latest(page)
        self.say(f"github: {page.url} is the latest release now")

    def _required(self, tag: str) -> Page:
        page = self.api.public(tag)
        if page is None:
            raise UnavailableError(
                f"{self.api.repository} has no public release of {tag}", hint="nox -s publish publishes one"
            )
        return page

    def _change(self, page: Page, fields: dict[str, Any], done: Callable[[Page], bool]) -> Page:
        """Change a page, and look whether it is so."""

        def look() -> Page | None:
            now = self.api.public(page.tag)
            return now if now is not None and done(now) else None

        carried_out(lambda: self.api.change(page.id, fields, f"changing the release page of {page.tag}"), look)
        now = look()
        if now is None:
            raise VerificationError(
                f"{page.url}: GitHub was told to change it, and has not", hint="run the same command again"
            )
        return now

    def _is_latest(self, page: Page) -> bool:
        latest = self.api.latest()
        return latest is not None and latest.id == page.id

    def _require_latest(self, page: Page) -> None:
        if not self._is_latest(page):
            raise VerificationError(
                f'{page.url} should have the mark "latest", and has not', hint="run the same command again"
            )


def is_yanked(page: Page) -> bool:
    """Whether its notes begin with the heading of a yanked release."""
    return page.notes.lstrip().splitlines()[:1] == [HEADING]


def refusal(page: Page, version: str, *, prerelease: bool) -> VerificationError | None:
    """Why a version whose page is public is not published; None if it may be."""
    if yanked := refusal_of_yanked(page):
        return yanked
    if page.prerelease and not prerelease:
        return VerificationError(f"{page.url}: it is in testing", hint=f"nox -s promote -- {version}")
    if prerelease and not page.prerelease:
        return VerificationError(
            f"{page.url}: it is a full release, and is to be one for those who test",
            hint="everybody has it already; if that is wrong, put its mark right in a browser",
        )
    return None


def refusal_of_yanked(page: Page) -> VerificationError | None:
    """Why a version that was yanked is neither published nor promoted; None for another."""
    if not is_yanked(page):
        return None
    return VerificationError(f"{page.url}: this version was yanked", hint="take the next version")


def _reason_of(page: Page) -> str:
    """The reason that the notes of a yanked release give: the paragraph below the heading."""
    return " ".join(_reason_and_rest(page)[0])


def _without_reason(page: Page) -> str:
    """The notes as they were before the release was yanked."""
    return "\n".join(_reason_and_rest(page)[1]) if is_yanked(page) else page.notes


def _reason_and_rest(page: Page) -> tuple[list[str], list[str]]:
    lines = page.notes.strip().splitlines()[1:]
    while lines and not lines[0].strip():
        lines.pop(0)
    end = next((number for number, line in enumerate(lines) if not line.strip() or is_heading(line)), len(lines))
    rest = lines[end:]
    while rest and not rest[0].strip():
        rest.pop(0)
    return lines[:end], rest


def is_heading(line: str) -> bool:
    """Whether a line of Markdown is a heading (CommonMark, section 4.2)."""
    return _HEADING_OF_MARKDOWN.match(line) is not None


def _version_of(tag: str) -> Version | None:
    try:
        found = parse(tag.removeprefix("v"))
    except ValueError:
        return None
    return found if found.tag == tag else None
