"""Figures, with a value per client and round, and the targets that they must meet."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from ci.bench.paths import ROOT
from ci.core.console import Console
from ci.core.errors import ReleaseError


@dataclass(kw_only=True)
class Figure:
    """One thing that was measured. `values`, and in `missing` the reasons for none, are by the clients' keys."""

    key: str
    what: str
    unit: str
    values: dict[str, list[float]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def add(self, client: str, value: float) -> None:
        """Add the value of one more round."""
        self.values.setdefault(client, []).append(value)

    def fail(self, client: str, reason: str) -> None:
        """Note why it could not be measured; values of earlier rounds no longer count."""
        self.values.pop(client, None)
        self.missing.setdefault(client, reason)

    def median(self, client: str) -> float | None:
        """The median over the rounds, if there is any."""
        values = self.values.get(client)
        return statistics.median(values) if values else None

    def ratio(self, client: str, other: str) -> float | None:
        """The median of the rounds' ratios: values are compared that were measured one after the other."""
        pairs = zip(self.values.get(client, ()), self.values.get(other, ()), strict=False)
        ratios = [value / base for value, base in pairs]
        return statistics.median(ratios) if ratios else None

    def text(self, client: str) -> str:
        """The median for a table."""
        median = self.median(client)
        if median is None:
            return "not measured" if client in self.missing else "-"
        return f"{number(median)} {self.unit}".rstrip()


def in_short(error: ReleaseError) -> str:
    """The reason why something is missing: what a program printed last, without this machine's paths."""
    lines = [line.removeprefix("  | ") for line in str(error).splitlines() if line.startswith("  | ")]
    return "; ".join(lines[-2:] or str(error).splitlines()[:1]).replace(f"{ROOT}/", "")


def number(value: float) -> str:
    """Three significant digits or more, without an exponent."""
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def exact(value: float | None) -> str:
    """A value to compare with its limit: counts in full, everything else with two decimals."""
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.2f}"


@dataclass(frozen=True, kw_only=True)
class FigureTarget:
    """A limit that a measured value must keep. `measured` is None if it was not measured; `reason` says why."""

    what: str
    measured: float | None
    least: float | None = None
    most: float | None = None
    below: float | None = None
    above: float | None = None
    unit: str = ""
    reason: str = ""

    @property
    def met(self) -> bool:
        """Whether the target is known to be met: one that was not measured is not."""
        if self.measured is None:
            return False
        return (
            (self.least is None or self.measured >= self.least)
            and (self.most is None or self.measured <= self.most)
            and (self.below is None or self.measured < self.below)
            and (self.above is None or self.measured > self.above)
        )

    @property
    def limit(self) -> str:
        """The limit as text."""
        if self.least is not None and self.most is not None:
            return f"{self.least:g} to {self.most:g}{self.unit}"
        if self.least is not None:
            return f"at least {self.least:g}{self.unit}"
        if self.below is not None:
            return f"under {self.below:g}{self.unit}"
        if self.above is not None:
            return f"over {self.above:g}{self.unit}"
        return f"at most {self.most:g}{self.unit}"

    @property
    def verdict(self) -> str:
        """The last column of the table."""
        return "not measured" if self.measured is None else "yes" if self.met else "NO"

    def row(self) -> list[str]:
        """The cells of the table: what, measured, limit, met."""
        measured = exact(self.measured)
        return [self.what, measured if measured == "-" else measured + self.unit, self.limit, self.verdict]

    def data(self) -> dict[str, object]:
        """The entry in the JSON file."""
        entry: dict[str, object] = {
            "what": self.what,
            "measured": self.measured,
            "limit": self.limit,
            "met": self.met,
        }
        return entry | {"not_measured": self.reason} if self.measured is None else entry


COLUMNS = ["what", ">measured", ">limit", "met"]


def compare(
    figure: Figure,
    other: str,
    what: str,
    *,
    least: float | None = None,
    most: float | None = None,
    below: float | None = None,
    above: float | None = None,
) -> FigureTarget:
    """A target for the ratio of this runtime to another client."""
    missing = figure.missing
    reason = missing.get("runtime") or missing.get(other) or "there is no value"
    ratio = figure.ratio("runtime", other)
    return FigureTarget(what=what, measured=ratio, least=least, most=most, below=below, above=above, reason=reason)


def say_missing(console: Console, targets: Sequence[FigureTarget]) -> None:
    """Say why targets were not measured, each reason once."""
    for reason in dict.fromkeys(target.reason for target in targets if target.measured is None):
        console.say(f"not measured: {reason}")


def all_met(targets: Sequence[FigureTarget]) -> bool:
    """Whether every target is met."""
    return all(target.met for target in targets)
