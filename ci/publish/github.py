"""The release page on GitHub: all files are sent to a draft, compared there, and made public in one step at the end.

A public release may be frozen by GitHub ("immutable"), so nothing is ever put right after that step. Only title, notes
and marks can still be changed; `promote` and `yank` do so.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ci.core.errors import ReleaseError, VerificationError
from ci.core.faults import Fault, fault_of
from ci.core.web import Web
from ci.publish.github_answers import Asset, Page
from ci.publish.github_api import Api, carried_out
from ci.publish.github_files import Files
from ci.publish.github_marks import Marks, refusal, refusal_of_yanked
from ci.publish.ledger import PublicationLedger
from ci.publish.release_set import ReleaseSet, SetFile
from ci.publish.target import Item, Say, State

_DRAFT = "draft"
_NEXT_VERSION = "a public release cannot be repaired: take the next version"
_AGAIN = "put it right, and run the same command again"
_BY_HAND = "delete that file from the draft in a browser, and run the same command again"


@dataclass(frozen=True, kw_only=True)
class GitHub:
    """The release page of one version.

    `origin` is that of the API, `repository` is `owner/name`, `tag_object` the sha of the tag's object here, or of the
    commit if the tag has no object. `notes` are Markdown. A full release gets the mark "latest" if no other one there
    is newer; a prerelease never does.
    """

    release_set: ReleaseSet
    web: Web
    origin: str
    repository: str
    tag: str
    tag_object: str
    title: str
    notes: str
    prerelease: bool
    ledger: PublicationLedger
    say: Say
    name: str = "github"

    def preflight(self) -> Sequence[Fault]:
        """Everything that would stop a publication: names, sizes, the tag there, and what is there already."""
        return list(self._faults())

    def preflight_promotion(self) -> Sequence[Fault]:
        """Everything that would stop a promotion: the page must be public, with exactly these files, and not yanked."""
        return list(self._faults_of_promotion())

    def state(self) -> Sequence[Item]:
        """The draft, each file, and the public page; a file that the set does not have is one with other bytes.

        A public page has other bytes, too, if it is in another channel, or was yanked.
        """
        page = self._find()
        found = self._api.assets(page.id) if page else []
        path = f"{self._api.path}/releases"
        create = "POST " + path
        draft = Item(name="draft", state=State.THERE if page else State.MISSING, requests=() if page else (create,))
        items = [draft]
        number = str(page.id) if page else "{release_id}"
        for file in self.release_set.files:
            state, asset = self._files.state_of(file, found)
            upload = (f"POST {path}/{number}/assets?name={quote(file.name, safe='')}",)
            deletion = (f"DELETE {path}/assets/{asset.id}",) if asset else ()
            requests = {State.MISSING: upload, State.BROKEN: deletion + upload}.get(state, ())
            items.append(Item(name=file.name, state=state, requests=requests, size=file.size))
        names = {file.name for file in self.release_set.files}
        items += [Item(name=one.name, state=State.OTHER, size=one.size) for one in found if one.name not in names]
        public = page is not None and not page.draft
        publish = () if public else (f"PATCH {path}/{number}",)
        state = State.THERE if public else State.MISSING
        if page and public and refusal(page, self.release_set.version, prerelease=self.prerelease):
            state = State.OTHER
        return [*items, Item(name="release", state=state, requests=publish)]

    def publish(self) -> None:
        """Send what is missing to a draft, compare everything there, and make it public; then ask again.

        A release that is public already is compared, and gets the mark "latest" if an older one has it.
        `VerificationError` if anything there is not as here, or the release was yanked.
        """
        page = self._find()
        if page is None or page.draft:
            draft = page or self._create()
            self.ledger.remember(self.name, _DRAFT, str(draft.id))
            self._fill(draft)
            self._require_tag()
            self._make_public(draft)
        else:
            if objection := refusal(page, self.release_set.version, prerelease=self.prerelease):
                raise objection
            self._compare(page, _NEXT_VERSION)
            self.say(f"{self.name}: {page.url} is public, and has the same files")
            self._marks.settle(page)
        self.ledger.forget(self.name, _DRAFT)

    def promote(self) -> None:
        """Make a public prerelease a full release, and the latest one if no other is newer. It can be repeated."""
        if page := self._public():
            if yanked := refusal_of_yanked(page):
                raise yanked
            self._compare(page, _NEXT_VERSION)
        self._marks.promote(self.tag)

    def yank(self, reason: str) -> str:
        """Mark a public release as yanked, and give the mark "latest" to another one; returns what was done.

        It can be repeated, with another reason as well. A release that is not public is left alone.
        """
        return self._marks.yank(self.tag, reason)

    @property
    def _api(self) -> Api:
        return Api(web=self.web, origin=self.origin, repository=self.repository)

    @property
    def _files(self) -> Files:
        return Files(api=self._api, wanted=self.release_set.files)

    @property
    def _marks(self) -> Marks:
        return Marks(api=self._api, say=self.say)

    def _faults(self) -> Iterator[Fault]:
        def fault(what: str, advice: str) -> Fault:
            return Fault(check=self.name, where=self.repository, what=what, advice=advice)

        yield from self._files.faults()
        try:
            self._require_tag()
            commit = self._api.commit_of(self.tag_object)
            if self.release_set.commit not in ("", commit):
                what = f"the tag {self.tag} is for the commit {commit}, and the set was built from another"
                yield fault(f"{what}: {self.release_set.commit}", "make the set again from the tag")
            yield from self._faults_of_page()
        except ReleaseError as error:
            yield fault_of(error, self.name, self.repository, _AGAIN)

    def _faults_of_page(self) -> Iterator[Fault]:
        if (page := self._find()) is None:
            return
        if not page.draft and (objection := refusal(page, self.release_set.version, prerelease=self.prerelease)):
            yield fault_of(objection, self.name, self.repository)
        found = [asset for asset in self._api.assets(page.id) if asset.whole or not page.draft]
        if wrong := self._files.differences(found, missing=not page.draft):
            advice = _BY_HAND if page.draft else _NEXT_VERSION
            yield Fault(check=self.name, where=page.url, what="; ".join(wrong), advice=advice)

    def _faults_of_promotion(self) -> Iterator[Fault]:
        def fault(what: str, advice: str) -> Fault:
            return Fault(check=self.name, where=self.repository, what=what, advice=advice)

        try:
            if (page := self._public()) is None:
                yield fault(f"it has no public release of {self.tag}", "nox -s publish -- --channel testing makes one")
                return
            if yanked := refusal_of_yanked(page):
                yield fault_of(yanked, self.name, self.repository)
            if wrong := self._files.differences(self._api.assets(page.id)):
                yield fault(f"{page.url}: " + "; ".join(wrong), _NEXT_VERSION)
        except ReleaseError as error:
            yield fault_of(error, self.name, self.repository, _AGAIN)

    def _require_tag(self) -> None:
        """Without the right tag there, GitHub would make one on its default branch."""
        there = self._api.tag_object(self.tag)
        if there != self.tag_object:
            raise VerificationError(
                f"the tag {self.tag} is {self.tag_object} here, and {there or 'not there'} in {self.repository}",
                hint="push the tag" if not there else "find out which of the two is right; never move a public tag",
            )

    def _find(self) -> Page | None:
        """The public release of the tag, or else its draft; None if there is neither.

        A draft is found in the list of all releases, or by the number that the ledger has: the list may be late.
        """
        if public := self._api.public(self.tag):
            return public
        found = {page.id: page for page in self._api.pages() if page.tag == self.tag}
        number = self.ledger.get(self.name, _DRAFT)
        if number.isdecimal() and int(number) not in found:
            page = self._api.by_id(int(number))
            if page is not None and page.tag == self.tag:
                found[page.id] = page
        public = next((page for page in found.values() if not page.draft), None)
        if public is None and len(found) > 1:
            pages = ", ".join(f"{page.id} ({page.url})" for page in found.values())
            raise VerificationError(
                f"{self.repository} has {len(found)} drafts for {self.tag}: {pages}",
                hint="delete in a browser all but the one that has files, and run the same command again",
            )
        return public or next(iter(found.values()), None)

    def _public(self) -> Page | None:
        page = self._find()
        return page if page is not None and not page.draft else None

    def _create(self) -> Page:
        # No target_commitish: it is unused where the tag exists, and GitHub then wants to know whether the token may
        # change the workflows in which that commit differs from the default branch.
        fields = {**self._about, "tag_name": self.tag, "draft": True}
        draft = carried_out(lambda: self._api.create(fields), self._find)
        if not draft.draft or draft.tag != self.tag:
            raise VerificationError(
                f"{draft.url}: GitHub was told to make a draft for {self.tag}, and it is not one",
                hint="look at it in a browser, and run the same command again",
            )
        self.say(f"{self.name}: a draft for {self.tag}: {draft.url}")
        return draft

    @property
    def _about(self) -> dict[str, Any]:
        return {"name": self.title, "body": self.notes, "prerelease": self.prerelease}

    def _fill(self, draft: Page) -> None:
        """Send every file that the draft does not have, once nothing in it is in the way; then compare all of it."""
        found = self._api.assets(draft.id)
        for asset in found:
            if not asset.whole:
                self._api.delete_asset(asset)
                self.say(f"{self.name}: {asset.name}: a broken-off upload is deleted")
        whole = [asset for asset in found if asset.whole]
        if wrong := self._files.differences(whole, missing=False):
            raise VerificationError(f"the draft {draft.url}: " + "; ".join(wrong), hint=_BY_HAND)
        there = {asset.name for asset in whole}
        for file in self.release_set.files:
            if file.name not in there:
                self._upload(draft, file)
        self._compare(draft, _BY_HAND)

    def _upload(self, draft: Page, file: SetFile) -> None:
        data = file.read()
        begin = time.monotonic()

        def look() -> Asset | None:
            found = next((asset for asset in self._api.assets(draft.id) if asset.name == file.name), None)
            if found is None or found.whole:
                return found
            self._api.delete_asset(found)
            return None

        asset = carried_out(lambda: self._api.upload(draft, file.name, data), look)
        if self._files.state_of(file, [asset])[0] is not State.THERE:
            asset = look() or asset  # the answer is not right, and what is stored may be
        if asset.name != file.name:
            raise VerificationError(
                f"{file.name}: GitHub says that it has stored it as {asset.name}",
                hint=f"delete it from the draft {draft.url} in a browser, and rename the file here",
            )
        if asset.size != file.size or self._api.sha256_of(asset) != file.sha256:
            raise VerificationError(
                f"{file.name}: GitHub says that it got other bytes",
                hint=f"delete it from the draft {draft.url} in a browser, and run the same command again",
            )
        self.say(f"{self.name}: {file.name}: {file.size} bytes in {time.monotonic() - begin:.1f} s")

    def _make_public(self, draft: Page) -> None:
        """Publish the draft, if it is still the only one, and ask what came of it."""
        found = self._find()
        if found is None or found.id != draft.id or not found.draft:
            raise VerificationError(f"{draft.url} is no draft any more", hint="run the same command again")
        before = self._api.latest()
        wanted = not self.prerelease and self._marks.is_newest(self.tag)
        # With the tag's name: GitHub can drop it from a draft when it is left out.
        fields = {**self._about, "tag_name": self.tag, "draft": False, "make_latest": "true" if wanted else "false"}
        carried_out(lambda: self._api.change(draft.id, fields, f"making {self.tag} public"), self._public)
        page = self._public()
        again = "look at it in a browser, and run the same command again"
        if page is None or page.id != draft.id or page.prerelease != self.prerelease:
            raise VerificationError(f"{self.tag}: GitHub was told to make it public, and it is not so", hint=again)
        self._compare(page, _NEXT_VERSION)
        after = self._api.latest()
        marked = page if wanted else before
        if marked is not None and (after is None or after.id != marked.id):
            mark = after.tag if after else "no release"
            raise VerificationError(f'{self.tag} is public, but the mark "latest" is at {mark}', hint=again)
        self.say(f"{self.name}: {page.url} is public")

    def _compare(self, page: Page, hint: str) -> None:
        if wrong := self._files.differences(self._api.assets(page.id)):
            raise VerificationError(f"{page.url}: " + "; ".join(wrong), hint=hint)
