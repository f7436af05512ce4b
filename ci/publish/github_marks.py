"""What can still be changed on a public release page of GitHub: its notes, and the marks "prerelease" and "latest"."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ci.core.errors import UnavailableError, VerificationError
from ci.manifest.versions import Version, parse
from ci.publish.github_answers import Page
from ci.publish.github_api import Api, carried_out
from ci.publish.target import Say

HEADING = "## Yanked"


@dataclass(frozen=True, kw_only=True)
class Marks:
    """The marks of the public releases of one repository. They need no set."""

    api: Api
    say: Say

    def promote(self, tag: str, *, latest: bool) -> None:
        """Make a public prerelease a full release; `latest` gives it that mark, too. A full release is left alone."""
        page = self._required(tag)
        if not page.prerelease:
            self.say(f"github: {page.url} is a full release already")
            return
        fields = {"prerelease": False, "make_latest": "true" if latest else "false"}
        page = self._change(page, fields, lambda now: not now.prerelease)
        if latest:
            self._require_latest(page)
        self.say(f"github: {page.url} is a full release now")

    def yank(self, tag: str, reason: str) -> None:
        """Put a heading with the reason on top of a release's notes, and take the mark "latest" from it.

        The mark goes to the newest version that is neither a prerelease nor yanked. It goes first: whoever is stopped
        between the two steps still finds the mark at this release when he begins again.
        """
        page = self._required(tag)
        latest = self.api.latest()
        if latest is not None and latest.id == page.id:
            self._move_latest(page)
        if is_yanked(page):
            self.say(f"github: {page.url} is yanked already")
            return
        # Without make_latest: "false" a server may take the change for a wish to be the latest.
        fields = {"body": f"{HEADING}\n\n{reason.strip()}\n\n{page.notes}".rstrip() + "\n", "make_latest": "false"}
        self._change(page, fields, is_yanked)
        self.say(f"github: {page.url} is yanked")

    def _move_latest(self, yanked: Page) -> None:
        others = {
            version: page
            for page in self.api.pages()
            if page.id != yanked.id and not page.draft and not page.prerelease and not is_yanked(page)
            if (version := _version_of(page)) is not None
        }
        if not others:
            self.say('github: no other release can get the mark "latest"')
            return
        page = others[max(others)]
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


def _version_of(page: Page) -> Version | None:
    try:
        found = parse(page.tag.removeprefix("v"))
    except ValueError:
        return None
    return found if found.tag == page.tag else None
