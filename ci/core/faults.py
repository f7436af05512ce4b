"""What is wrong with a release before it is made: every fault says what, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that is wrong. A `warning` does not stop the release.

    `check` is the name of the check that found it, `where` the file, the key or the artefact, `advice` what to do.
    """

    check: str
    where: str
    what: str
    advice: str
    warning: bool = False

    def __str__(self) -> str:
        """The fault and the advice, in two lines."""
        return f"{self.where}: {self.what}\n  what to do: {self.advice}"


def hard(faults: Iterable[Fault]) -> list[Fault]:
    """The faults that stop a release: those that are not only warnings."""
    return [fault for fault in faults if not fault.warning]


def listed(names: Iterable[str], most: int = 5) -> str:
    """Names in one line; of many, the first ones and how many more there are."""
    found = list(names)
    rest = len(found) - most
    return ", ".join(found[:most]) + (f" and {rest} more" if rest > 0 else "")
