"""A registry of cargo, such as crates.io: the crate for functions in Rust, by its API and its sparse index.

What is there is asked of the index, which may lag behind a publication. A version is never replaced, and stays for
good: what is sent a second time is refused. A version that was yanked stays, too, for whoever has it in `Cargo.lock`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ci.core import crate_file
from ci.core.crate_file import CrateFile
from ci.core.errors import ReleaseError, VerificationError
from ci.core.faults import Fault
from ci.core.secrets import Secret
from ci.core.server_words import plain, said
from ci.core.web import Answer, Refusal, Web, host_of
from ci.publish import crate_upload, crates_index, lagging_index
from ci.publish.crates_index import IndexedVersion
from ci.publish.release_page import ReleasePage
from ci.publish.release_set import ReleaseSet, SetFile
from ci.publish.target import Item, Say, State

KIND = "crate"
MOST_BYTES = 10 * 1024 * 1024
"""The largest upload that crates.io takes."""

_NEW_VERSION = "publish a new version: a registry of cargo has each version once, for good"
_NO_CRATE = "the set has no crate"
# What the words of a refusal mean.
_MEANINGS = {
    "verified email": "log in to the registry with the account of the token, and verify its e-mail address",
    "to be an owner": "let an owner of the crate invite the account of the token, or use the token of an owner",
    "max upload size": "leave files out of the crate: include, in runtime/crate/Cargo.toml",
    "metadata fields": "add them to runtime/crate/Cargo.toml, and make the release again",
}


def authorization(token: Secret) -> Callable[[str], Mapping[str, str]]:
    """What a `Web` for a registry of cargo authorises its requests with: the token alone, without a word before it."""
    return lambda origin: {"Authorization": token.reveal()}


@dataclass(frozen=True, kw_only=True)
class Crates:
    """A crate in a registry. `index` is the address of the sparse index, `api` that of the API.

    `crate` is the crate's name, and `version` its version as cargo spells it. Nothing is sent before `page` is public.
    """

    release: ReleaseSet
    web: Web
    index: str
    api: str
    crate: str
    version: str
    say: Say
    page: ReleasePage | None = None
    name: str = "crates"

    def preflight(self) -> Sequence[Fault]:
        """What would stop a publication there. Whether the token is accepted shows only when the crate is sent."""
        try:
            return list(self._faults())
        except ReleaseError as error:
            advice = error.hint or "correct that, and run the same command again"
            return [self._fault(host_of(self.index), str(error), advice)]

    def preflight_promotion(self) -> Sequence[Fault]:
        """The same as for a publication: there is no channel for those who test."""
        return self.preflight()

    def state(self) -> Sequence[Item]:
        """What the index has of the version, now; nothing if the set has no crate."""
        file = self._file()
        return [self._item(file, self._listed())] if file else []

    def publish(self) -> None:
        """Send the crate if it is missing, and wait until the index has it. A set without one has nothing to send."""
        file = self._file()
        if file is None:
            self.say(f"{self.name}: {_NO_CRATE}")
            return
        content, found = self._content(file)
        if self.page:
            self.page.require()
        if not self._is_there(file, self._listed()):
            self._send(file, crate_upload.body(self._metadata(found), content))
        self._wait(lambda there: there is not None and self._is_there(file, there), f"{file.name}: sent")
        self.say(f"{self.name}: {self.crate} {self.version} is complete: {file.name}")

    def promote(self) -> None:
        """Publish: there is no channel for those who test."""
        self.publish()

    def yank(self, reason: str) -> str:
        """Yank the version, and return what was done. No registry of cargo keeps a reason."""
        who = f"{self.crate} {self.version}"
        there = self._listed()
        if there is None:
            text = f"{who}: {host_of(self.index)} does not have it, so there is nothing to yank"
        elif there.yanked:
            text = f"{who}: it is yanked already"
        else:
            what = f"yank {who}"
            url = f"{self.api}/api/v1/crates/{self.crate}/{self.version}/yank"
            self._require_success(self.web.ask("DELETE", url, what, headers=_ACCEPT), what)
            self._wait(lambda found: found is not None and found.yanked, f"{who}: yanked")
            text = (
                f"{who} is yanked: no new project takes it, and those whose Cargo.lock names it keep it. "
                f"The registry keeps no reason; it was: {reason}"
            )
        self.say(f"{self.name}: {text}")
        return text

    def _file(self) -> SetFile | None:
        files = self.release.of_kind(KIND)
        if len(files) > 1:
            raise VerificationError(
                f"{self.release.folder}: it has {len(files)} crates", hint="make the set again: nox -s release"
            )
        return files[0] if files else None

    def _content(self, file: SetFile) -> tuple[bytes, CrateFile]:
        """The bytes of the file, and what it says of itself; `VerificationError` for another crate or version."""
        content = file.read()
        found = crate_file.read(content, file.name)
        if (found.name, found.version) != (self.crate, self.version):
            raise VerificationError(
                f"{file.name}: it is of {found.name} {found.version}, and {self.crate} {self.version} is to be "
                "published",
                hint="make the set again: nox -s release",
            )
        return content, found

    def _metadata(self, found: CrateFile) -> dict[str, object]:
        return crate_upload.metadata(found, crates_index.registry_of_dependencies(self.index))

    def _listed(self) -> IndexedVersion | None:
        return (crates_index.ask(self.web, self.index, self.crate) or {}).get(self.version)

    def _item(self, file: SetFile, there: IndexedVersion | None) -> Item:
        if there is None:
            request = f"PUT {self.api}/api/v1/crates/new ({file.name}, sha256 {file.sha256})"
            return Item(name=file.name, state=State.MISSING, requests=(request,), size=file.size)
        state = State.THERE if there.sha256 == file.sha256 else State.OTHER
        return Item(name=file.name, state=state, size=file.size)

    def _is_there(self, file: SetFile, there: IndexedVersion | None) -> bool:
        """Whether the version is there; `VerificationError` if it is, with other bytes."""
        if there is not None and there.sha256 != file.sha256:
            raise VerificationError(
                f"{file.name}: {host_of(self.index)} has other bytes of this version: sha256 {there.sha256}, not "
                f"{file.sha256}",
                hint=_NEW_VERSION,
            )
        return there is not None

    def _send(self, file: SetFile, body: bytes) -> None:
        lagging_index.send(
            lambda: self._put(file, body),
            appears=lambda pauses: self._appears(file, pauses),
            explain=lambda refusal: self._explain(file, refusal),
            say=lambda line: self.say(f"{self.name}: {line}"),
        )

    def _put(self, file: SetFile, body: bytes) -> None:
        self.say(f"{self.name}: {file.name}: {file.size} bytes are sent")
        begun = time.monotonic()
        headers = {**_ACCEPT, "Content-Type": crate_upload.MEDIA_TYPE}
        url = f"{self.api}/api/v1/crates/new"
        answer = self.web.ask("PUT", url, file.name, body=body, headers=headers, repeatable=False)
        for warning in self._require_success(answer, file.name):
            self.say(f"{self.name}: {file.name}: the registry warns: {warning}")
        self.say(f"{self.name}: {file.name}: {file.size} bytes, {time.monotonic() - begun:.1f} s")

    def _require_success(self, answer: Answer, what: str) -> list[str]:
        """The warnings in an answer. A registry may refuse with the status 200: `errors` tell."""
        document = answer.json(what)
        if not isinstance(document, dict) or document.get("errors"):
            raise Refusal(
                f"{what}: {host_of(self.api)} refuses it: {said(answer.body) or 'it does not say why'}",
                replace(answer, status=400),
                hint="do what the answer asks for, then run the same command again",
            )
        warnings = document.get("warnings")
        lists = warnings.values() if isinstance(warnings, dict) else ()
        return [plain(str(one)) for each in lists if isinstance(each, list) for one in each]

    def _explain(self, file: SetFile, refusal: Refusal) -> None:
        """Raise what a refusal means. If it means that our bytes are there, return."""
        words = said(refusal.answer.body).lower()
        if "already uploaded" in words or "already exists" in words:
            self.say(f"{self.name}: {file.name}: there is such a version; its sha256 is asked of the index")
            if self._appears(file, lagging_index.PAUSES_S):
                return
            hint = f"look at the page of the crate; if its sha256 is not {file.sha256}, {_NEW_VERSION}"
            raise Refusal(str(refusal), refusal.answer, hint=hint) from None
        for meaning, hint in _MEANINGS.items():
            if meaning in words:
                raise Refusal(str(refusal), refusal.answer, hint=hint) from None
        raise refusal

    def _appears(self, file: SetFile, pauses: Sequence[float]) -> bool:
        return lagging_index.shows(lambda: self._is_there(file, self._listed()), self._pause, pauses)

    def _wait(self, is_right: Callable[[IndexedVersion | None], bool], what: str) -> None:
        if not lagging_index.shows(lambda: is_right(self._listed()), self._pause):
            raise lagging_index.too_late(what, self.index)

    def _pause(self, seconds: float) -> None:
        self.say(f"{self.name}: the index does not show it yet; again in {seconds:.0f} s")
        self.web.sleep(seconds)

    def _fault(self, where: str, what: str, advice: str, *, warning: bool = False) -> Fault:
        return Fault(check=self.name, where=where, what=what, advice=advice, warning=warning)

    def _faults(self) -> Iterator[Fault]:
        if self.page:
            yield from self.page.faults(self.name)
        file = self._file()
        if file is None:
            advice = "nothing, if this is a post-release; otherwise make the set where cargo is installed"
            yield self._fault(str(self.release.folder), _NO_CRATE, advice, warning=True)
            return
        content, found = self._content(file)
        size = len(crate_upload.body(self._metadata(found), content))
        if size > MOST_BYTES:
            yield self._fault(
                file.name, f"with {size} bytes it is larger than {MOST_BYTES}", _MEANINGS["max upload size"]
            )
        if (api := crates_index.api_of(self.web, self.index)) != self.api.rstrip("/"):
            what = f"it names {api} as its API, and release.yaml {self.api}"
            yield self._fault(host_of(self.index), what, "write the API that the index names below targets")
        versions = crates_index.ask(self.web, self.index, self.crate)
        if versions is None:
            advice = "if it is new, the token must have the right to publish new crates"
            yield self._fault(self.crate, f"{host_of(self.index)} does not know it", advice, warning=True)
            return
        there = versions.get(self.version)
        if there is not None and there.sha256 != file.sha256:
            yield self._fault(file.name, f"{host_of(self.index)} has other bytes of this version", _NEW_VERSION)
        elif there is not None and there.yanked:
            advice = f"publish a new version, or: cargo yank --undo --version {self.version} {self.crate}"
            yield self._fault(file.name, "it is yanked", advice, warning=True)


_ACCEPT = {"Accept": "application/json"}
