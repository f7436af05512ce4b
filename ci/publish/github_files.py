"""The files of a release page on GitHub: whether it takes them, and how those that it has differ from a set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ci.core.faults import Fault
from ci.core.page_names import safe
from ci.publish.github_answers import Asset
from ci.publish.github_api import Api
from ci.publish.release_set import SetFile
from ci.publish.target import State

_MOST_FILES = 1_000
_TOO_LARGE_BYTES = 2_147_483_648


@dataclass(frozen=True, kw_only=True)
class Files:
    """The files that a page is to have."""

    api: Api
    wanted: Sequence[SetFile]

    def faults(self) -> Iterator[Fault]:
        """What GitHub would not take, or not as it is here."""

        def fault(where: str, what: str, advice: str) -> Fault:
            return Fault(check="github", where=where, what=what, advice=advice)

        if len(self.wanted) > _MOST_FILES:
            what = f"a release page takes {_MOST_FILES} files, and the set has {len(self.wanted)}"
            yield fault(self.api.repository, what, "put some of them into an archive")
        for file in self.wanted:
            if file.size >= _TOO_LARGE_BYTES:
                yield fault(file.name, f"it has {file.size} bytes, and GitHub takes less than 2 GiB", "make it smaller")
            if file.name != safe(file.name).strip("."):
                yield fault(file.name, "GitHub would store it under another name", "rename it")

    def differences(self, found: Sequence[Asset], *, missing: bool = True) -> list[str]:
        """How the files of a page differ from these; those that are not there, or not whole, only with `missing`."""
        names = {file.name for file in self.wanted}
        wrong = [f"{asset.name} does not belong there" for asset in found if asset.name not in names]
        for file in self.wanted:
            state, _ = self.state_of(file, found)
            if state is State.OTHER:
                wrong.append(f"{file.name} has other bytes there")
            elif state is not State.THERE and missing:
                wrong.append(f"{file.name} is {'missing' if state is State.MISSING else 'not whole'} there")
        return wrong

    def state_of(self, file: SetFile, found: Sequence[Asset]) -> tuple[State, Asset | None]:
        """The state of a file, and what a page has under its name."""
        asset = next((asset for asset in found if asset.name == file.name), None)
        if asset is None:
            return State.MISSING, None
        if not asset.whole:
            return State.BROKEN, asset
        same = asset.size == file.size and self.api.sha256_of(asset) == file.sha256
        return State.THERE if same else State.OTHER, asset
