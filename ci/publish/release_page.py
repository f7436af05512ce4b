"""Whether the release page is public: nothing may lead to files that nobody can download yet."""

from __future__ import annotations

from dataclasses import dataclass

from ci.core.errors import VerificationError
from ci.core.faults import Fault, fault_of
from ci.publish.github_api import Api


@dataclass(frozen=True, kw_only=True)
class ReleasePage:
    """The release page of a tag. `published_here` says that this run makes it public before it is needed."""

    api: Api
    tag: str
    published_here: bool = False

    def faults(self, target: str) -> list[Fault]:
        """The fault of a target that would go out before the page; none if this run makes the page public."""
        if self.published_here or self._is_public():
            return []
        return [fault_of(self._refusal(), target, self.api.repository)]

    def require(self) -> None:
        """Raise `VerificationError` unless the page is public now."""
        if not self._is_public():
            raise self._refusal()

    def _is_public(self) -> bool:
        return self.api.public(self.tag) is not None

    def _refusal(self) -> VerificationError:
        return VerificationError(
            f"{self.api.repository} has no public release of {self.tag}, so its files cannot be downloaded yet",
            hint="publish that first: nox -s publish -- --only github",
        )
