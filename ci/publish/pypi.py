"""PyPI: the source tarball and the wheel, by the upload API and the simple API.

What is there is asked of the simple API, which may lag behind an upload; a file that is sent a second time with the
same bytes changes nothing. PyPI never lets a file name be used for other bytes, not even after it was deleted, and
takes no further files for a release that is older than 14 days: a publication that was interrupted has to be resumed
within that time.

No attestations (PEP 740) are sent: only those by the identity of a Trusted Publisher count, which a run with a token
does not have, and PyPI refuses all others. The statements of the release page sign the same bytes.
"""

from __future__ import annotations

import base64
import datetime as dt
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urljoin

from packaging.utils import canonicalize_name

from ci.core.errors import ReleaseError, VerificationError
from ci.core.faults import Fault, fault_of, listed
from ci.core.secrets import Secret
from ci.core.server_words import said
from ci.core.web import Refusal, Web, host_of
from ci.publish import distributions, lagging_index, multipart, python_index
from ci.publish.distributions import Distribution
from ci.publish.python_index import Listed
from ci.publish.release_page import ReleasePage
from ci.publish.release_set import ReleaseSet
from ci.publish.target import Item, Say, State

USER = "__token__"
"""The name of the user that a token of PyPI is sent with."""

DAYS = 14
"""For how many days a release of PyPI takes new files."""

_NEW_VERSION = "publish a new version: a file name of PyPI is used once, for good"


def authorization(token: Secret) -> Callable[[str], Mapping[str, str]]:
    """What a `Web` for PyPI authorises its uploads with. The token was registered with the user `USER`."""
    pair = base64.b64encode(f"{USER}:{token.reveal()}".encode()).decode()
    return lambda origin: {"Authorization": f"Basic {pair}"}


@dataclass(frozen=True, kw_only=True)
class PyPi:
    """A project of PyPI. `upload` is the address of the upload API, `index` that of the simple API.

    Nothing is sent before `page` is public.
    """

    release: ReleaseSet
    web: Web
    upload: str
    index: str
    project: str
    say: Say
    page: ReleasePage | None = None
    name: str = "pypi"

    def preflight(self) -> Sequence[Fault]:
        """What would stop a publication there. Whether the token is accepted shows only when a file is sent."""
        try:
            return list(self._faults())
        except ReleaseError as error:
            advice = "correct that, and run the same command again"
            return [fault_of(error, self.name, host_of(self.index), advice)]

    def preflight_promotion(self) -> Sequence[Fault]:
        """The same as for a publication: there is no channel for those who test."""
        return self.preflight()

    def state(self) -> Sequence[Item]:
        """What the index lists of the two files, now."""
        there = self._listed()
        return [self._item(one, there) for one in distributions.of_set(self.release)]

    def publish(self) -> None:
        """Send what is missing, and wait until the index has both files."""
        files = distributions.of_set(self.release)
        contents = {one.file.name: one.file.read() for one in files}
        for one in files:
            distributions.require_identity(one.file.name, contents[one.file.name], self.project, self.release.version)
        if self.page:
            self.page.require()
        there = self._listed()
        for one in files:
            self._is_there(one, there)  # nothing is sent if one of them has other bytes there
        for one in files:
            if not self._is_there(one, self._listed()):
                self._send(one, contents[one.file.name])
        self._wait_for(files)
        self.say(f"{self.name}: {self.project} {self.release.version} is complete: {listed(contents)}")

    def promote(self) -> None:
        """Publish: there is no channel for those who test."""
        self.publish()

    def yank(self, reason: str) -> str:
        """Print how to yank the version by hand, and return that text. There is no API for it (pypi/warehouse#12708).

        If the index says that the version is not there, or is yanked already, the text says so.
        """
        there = self._of_version(self._listed())
        who = f"{self.project} {self.release.version}"
        if not there:
            text = f"{who}: {host_of(self.index)} has no file of it, so there is nothing to yank"
        elif all(one.yanked for one in there):
            text = f"{who}: it is yanked already"
        else:
            page = urljoin(self.index, f"../manage/project/{canonicalize_name(self.project)}/releases/")
            text = (
                f"{who} has to be yanked by hand, PyPI has no other way:\n"
                f"  1. log in, and open {page}\n"
                f'  2. choose "Yank" in the menu "Options" of {self.release.version}\n'
                f"  3. give this reason: {reason}\n"
                "  Do not delete anything: its file names could never be used again."
            )
        self.say(f"{self.name}: {text}")
        return text

    def _listed(self) -> dict[str, Listed]:
        return python_index.ask(self.web, self.index, self.project) or {}

    def _of_version(self, there: Mapping[str, Listed]) -> list[Listed]:
        return [one for one in there.values() if one.is_of(self.release.version)]

    def _item(self, one: Distribution, there: Mapping[str, Listed]) -> Item:
        found = there.get(one.file.name)
        if found is None:
            request = f"POST {self.upload} ({one.file.name}, sha256 {one.file.sha256})"
            return Item(name=one.file.name, state=State.MISSING, requests=(request,), size=one.file.size)
        state = State.THERE if found.sha256 == one.file.sha256 else State.OTHER
        return Item(name=one.file.name, state=state, size=one.file.size)

    def _is_there(self, one: Distribution, there: Mapping[str, Listed]) -> bool:
        """Whether a file is there; `VerificationError` if it is, with other bytes."""
        found = there.get(one.file.name)
        if found is not None and found.sha256 != one.file.sha256:
            raise VerificationError(
                f"{one.file.name}: {host_of(self.index)} has other bytes under this name: sha256 {found.sha256}, not "
                f"{one.file.sha256}",
                hint=_NEW_VERSION,
            )
        return found is not None

    def _send(self, one: Distribution, content: bytes) -> None:
        lagging_index.send(
            lambda: self._post(one, content),
            appears=lambda pauses: self._appears(one, pauses),
            explain=lambda refusal: self._explain(one, refusal),
            say=lambda line: self.say(f"{self.name}: {line}"),
        )

    def _post(self, one: Distribution, content: bytes) -> None:
        media_type, body = multipart.encode(one.fields(content), "content", one.file.name, content)
        self.say(f"{self.name}: {one.file.name}: {len(content)} bytes are sent")
        begun = time.monotonic()
        self.web.ask("POST", self.upload, one.file.name, body=body, headers={"Content-Type": media_type})
        self.say(f"{self.name}: {one.file.name}: {len(content)} bytes, {time.monotonic() - begun:.1f} s")

    def _explain(self, one: Distribution, refusal: Refusal) -> None:
        """Raise what a refusal of a file means. If it means that our bytes are there, return."""
        words = said(refusal.answer.body).lower() if refusal.answer.status == 400 else ""
        if "already exists" in words:
            self.say(f"{self.name}: {one.file.name}: there is a file of this name; its sha256 is asked of the index")
            if self._appears(one, lagging_index.PAUSES_S):
                return
            hint = f"look at its sha256 on the page of the project; if it is not {one.file.sha256}, {_NEW_VERSION}"
        elif "previously been used" in words:
            hint = f"a file of this name was deleted there; {_NEW_VERSION}"
        elif "older than" in words:
            hint = f"the release there is older than {DAYS} days and takes no further files; publish a new version"
        else:
            raise refusal
        raise Refusal(str(refusal), refusal.answer, hint=hint) from None

    def _appears(self, one: Distribution, pauses: Sequence[float]) -> bool:
        name = one.file.name
        return lagging_index.shows(
            lambda: self._is_there(one, self._listed()), lambda seconds: self._pause(seconds, [name]), pauses
        )

    def _wait_for(self, files: Sequence[Distribution]) -> None:
        missing: list[str] = []

        def is_complete() -> bool:
            there = self._listed()
            missing[:] = [one.file.name for one in files if not self._is_there(one, there)]
            return not missing

        if not lagging_index.shows(is_complete, lambda seconds: self._pause(seconds, missing)):
            raise lagging_index.too_late(f"{listed(missing)}: sent", self.index)

    def _pause(self, seconds: float, missing: Sequence[str]) -> None:
        self.say(f"{self.name}: the index does not list {listed(missing)} yet; again in {seconds:.0f} s")
        self.web.sleep(seconds)

    def _fault(self, where: str, what: str, advice: str, *, warning: bool = False) -> Fault:
        return Fault(check=self.name, where=where, what=what, advice=advice, warning=warning)

    def _faults(self) -> Iterator[Fault]:
        if self.page:
            yield from self.page.faults(self.name)
        files = distributions.of_set(self.release)
        for one in files:
            distributions.require_identity(one.file.name, one.file.read(), self.project, self.release.version)
        there = python_index.ask(self.web, self.index, self.project)
        if there is None:
            advice = "if it is new, use a token for the whole account: the first file makes the project"
            yield self._fault(self.project, f"{host_of(self.index)} does not know it", advice, warning=True)
            return
        items = [self._item(one, there) for one in files]
        for item in items:
            if item.state is State.OTHER:
                yield self._fault(item.name, f"{host_of(self.index)} has other bytes under this name", _NEW_VERSION)
        yield from self._faults_of_version(items, self._of_version(there))

    def _faults_of_version(self, items: Sequence[Item], there: Sequence[Listed]) -> Iterator[Fault]:
        ours = {item.name for item in items}
        for one in there:
            if one.name not in ours:
                advice = "find out who has sent it; if it was not you, yank the version and replace the token"
                yield self._fault(one.name, "a file of this version is there that the set does not have", advice)
            elif one.yanked:
                yield self._fault(one.name, "it is yanked", "publish a new version, or un-yank it", warning=True)
        times = [one.uploaded for one in there if one.uploaded is not None]
        missing = [item.name for item in items if item.state is State.MISSING]
        if times and missing:
            yield self._age(min(times), missing)

    def _age(self, begun: dt.datetime, missing: Sequence[str]) -> Fault:
        """What the age of a release that is there in part means."""
        last = begun + dt.timedelta(days=DAYS)
        if last.timestamp() < self.web.now():
            return self._fault(
                listed(missing),
                f"PyPI takes no further files: this version was begun there on {begun:%Y-%m-%d}, and after {DAYS} days "
                "it is closed",
                "publish a new version, and yank this one if it is of no use as it is",
            )
        return self._fault(
            listed(missing), "a part of this version is there", f"resume before {last:%Y-%m-%d %H:%M} UTC", warning=True
        )
