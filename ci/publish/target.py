"""What all targets have in common: what is there, what is missing, and how it gets there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from ci.core.faults import Fault

Say = Callable[[str], None]
"""Prints one line for the person at the terminal."""


class State(StrEnum):
    """What a target has of one item."""

    THERE = "there"  # the right bytes, under the right name
    MISSING = "missing"
    BROKEN = "broken off"  # an upload that was not finished; it is replaced
    OTHER = "other bytes"  # under this name; nobody overwrites it


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing that a target has to have: a file, a tag, a page.

    `requests` are those that bring it there, such as "PUT /v2/x/manifests/1"; empty if it is there. `size` is in
    bytes, 0 for what is no file.
    """

    name: str
    state: State
    requests: tuple[str, ...] = ()
    size: int = 0


class Target(Protocol):
    """A place that a release is published to."""

    @property
    def name(self) -> str:
        """Its name on the command line: "github", "registry", "pypi", "crates", "yum", "pacman" or "tap"."""

    def preflight(self) -> Sequence[Fault]:
        """Everything that would stop a publication there, and warnings. It changes nothing."""

    def preflight_promotion(self) -> Sequence[Fault]:
        """Everything that would stop `promote`, and warnings. It changes nothing."""

    def state(self) -> Sequence[Item]:
        """What it has of this release, asked now. It changes nothing."""

    def publish(self) -> None:
        """Bring what is missing there. It can be interrupted anywhere and repeated; what is right is left alone.

        `VerificationError` names an item that has other bytes there, `HostError` is a fault that may be gone later.
        """

    def promote(self) -> None:
        """Let everybody have what only those had who test; a target without such a channel publishes it.

        It can be interrupted and repeated like `publish`.
        """
