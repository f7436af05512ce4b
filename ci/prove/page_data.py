"""What the page is made of: the documents in `dist/`, and which of them are about the present artefacts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

JsonObject = Mapping[str, Any]
FoundDocument = tuple[JsonObject | None, str]
# What a document raises that has not the form that this version writes.
OTHER_FORM = (KeyError, TypeError, AttributeError, ValueError, IndexError)


@dataclass(frozen=True, kw_only=True)
class Documents:
    """The documents by the names of their files; None for one that is missing. `release` is `artifacts.json`."""

    release: JsonObject
    comparison: JsonObject | None = None
    consistency: JsonObject | None = None
    reproducibility: JsonObject | None = None

    @property
    def hashes(self) -> dict[str, str]:
        """The hash of every artefact that was built, by its path."""
        return {one["path"]: one["sha256"] for one in self.release["artifacts"] if "sha256" in one}

    def compared(self) -> FoundDocument:
        """The comparison, if it is one of these artefacts; otherwise why there is none."""
        return _readable("comparison.json", self._compared)

    def rebuilt(self) -> FoundDocument:
        """What `reproduce` found, if it was about these artefacts; otherwise why there is nothing."""
        return _readable("reproducibility.json", self._rebuilt)

    def table(self) -> FoundDocument:
        """The table of consistency, if the gate has run; otherwise why there is none."""
        ran = any(one["gate"] == "consistency" for one in self.release["gates"])
        if not ran or self.consistency is None:
            return None, "Not compared with each other: run nox -s verify."
        return self.consistency, ""

    def _compared(self) -> FoundDocument:
        # The same words if other artefacts were compared before: the page is part of a release, of which two must be
        # the same, whatever was done in dist/ until then.
        why = "Not compared: run nox -s compare -- REVISION, or the dist/ of the previous release."
        if self.comparison is None:
            return None, why
        entries = self.comparison["artifacts"]
        if any(self.hashes.get(one["after"]["path"]) != one["after"]["sha256"] for one in entries):
            return None, why
        return self.comparison, ""

    def _rebuilt(self) -> FoundDocument:
        if self.reproducibility is None:
            return None, "Not rebuilt: run nox -s reproduce."
        known = {one["path"]: one["sha256"].get("dist") for one in self.reproducibility["artifacts"]}
        if any(known.get(path) not in (sha256, None) for path, sha256 in self.hashes.items()):
            return None, "Not rebuilt: the last proof was about other artefacts; run nox -s reproduce."
        return self.reproducibility, ""


def _readable(name: str, find: Callable[[], FoundDocument]) -> FoundDocument:
    try:
        return find()
    except OTHER_FORM as error:
        return None, f"{name} has another form than this version writes ({type(error).__name__}: {error})."
