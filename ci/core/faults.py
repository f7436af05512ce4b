"""What is wrong with a release before it is made: every fault says what, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ci.core.errors import HostError, PreflightError, ReleaseError


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that is wrong. A `warning` does not stop the release.

    `check` is the name of the check that found it, `where` the file, the key or the artefact, `advice` what to do.
    `of_host` says that the machine or a server is at fault, not the release: it may be gone later.
    """

    check: str
    where: str
    what: str
    advice: str
    warning: bool = False
    of_host: bool = False

    def __str__(self) -> str:
        """The fault and the advice, in two lines."""
        return f"{self.where}: {self.what}\n  what to do: {self.advice}"


def fault_of(error: ReleaseError, check: str, where: str, advice: str = "") -> Fault:
    """The fault that an error is to a check; `advice` if the error has none of its own."""
    of_host = isinstance(error, HostError)
    return Fault(check=check, where=where, what=str(error), advice=error.hint or advice, of_host=of_host)


def require_none(faults: Iterable[Fault], done: str, hint: str) -> None:
    """Raise an error with all faults; `done` is what they prevent, such as "this release from being published".

    It is `HostError` if the machine or servers alone are at fault, and `PreflightError` otherwise.
    """
    if not (stop := hard(faults)):
        return
    count = "one fault keeps" if len(stop) == 1 else f"{len(stop)} faults keep"
    kind = HostError if all(fault.of_host for fault in stop) else PreflightError
    raise kind(f"{count} {done}\n" + "\n".join(map(str, stop)), hint=hint)


def hard(faults: Iterable[Fault]) -> list[Fault]:
    """The faults that stop a release: those that are not only warnings."""
    return [fault for fault in faults if not fault.warning]


def listed(names: Iterable[str], most: int = 5) -> str:
    """Names in one line; of many, the first ones and how many more there are."""
    found = list(names)
    rest = len(found) - most
    return ", ".join(found[:most]) + (f" and {rest} more" if rest > 0 else "")
