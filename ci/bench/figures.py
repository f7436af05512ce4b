"""Figures: for each contender a value a round, and what is promised about them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class Figure:
    """One thing that was measured. `values` and `missing` are by the contenders' keys."""

    key: str
    what: str
    unit: str
    values: dict[str, list[float]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def add(self, contender: str, value: float) -> None:
        """Take the value of one more round."""
        self.values.setdefault(contender, []).append(value)

    def fail(self, contender: str, reason: str) -> None:
        """It could not be measured: rounds that went well before count no more."""
        self.values.pop(contender, None)
        self.missing.setdefault(contender, reason)

    def median(self, contender: str) -> float | None:
        """The median over the rounds, if there is any."""
        values = self.values.get(contender)
        return statistics.median(values) if values else None

    def ratio(self, contender: str, other: str) -> float | None:
        """The median of the rounds' ratios: what was measured side by side is compared."""
        pairs = zip(self.values.get(contender, ()), self.values.get(other, ()), strict=False)
        ratios = [value / base for value, base in pairs]
        return statistics.median(ratios) if ratios else None

    def text(self, contender: str) -> str:
        """The median for a table."""
        median = self.median(contender)
        if median is None:
            return "not measured" if contender in self.missing else "-"
        return f"{number(median)} {self.unit}".rstrip()


def number(value: float) -> str:
    """Three significant digits or so, without exponents."""
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def exact(value: float | None) -> str:
    """A value beside its limit: counts as they are, everything else with two decimals."""
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.2f}"


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What the project promises beside what was measured; None: it was not, and `reason` says why."""

    what: str
    measured: float | None
    least: float | None = None
    most: float | None = None
    below: float | None = None
    unit: str = ""
    reason: str = ""

    @property
    def kept(self) -> bool:
        """Whether the promise is known to be kept: one that could not be checked is not."""
        if self.measured is None:
            return False
        return (
            (self.least is None or self.measured >= self.least)
            and (self.most is None or self.measured <= self.most)
            and (self.below is None or self.measured < self.below)
        )

    @property
    def limit(self) -> str:
        """The limit in words."""
        if self.least is not None and self.most is not None:
            return f"{self.least:g} to {self.most:g}{self.unit}"
        if self.least is not None:
            return f"at least {self.least:g}{self.unit}"
        if self.below is not None:
            return f"under {self.below:g}{self.unit}"
        return f"at most {self.most:g}{self.unit}"

    @property
    def verdict(self) -> str:
        """The last column of the table."""
        return "not measured" if self.measured is None else "yes" if self.kept else "NO"

    def row(self) -> list[str]:
        """What, measured, promised, kept."""
        measured = exact(self.measured)
        return [self.what, measured if measured == "-" else measured + self.unit, self.limit, self.verdict]

    def data(self) -> dict[str, object]:
        """The same for JSON."""
        entry: dict[str, object] = {
            "what": self.what,
            "measured": self.measured,
            "promised": self.limit,
            "kept": self.kept,
        }
        return entry | {"not_measured": self.reason} if self.measured is None else entry


COLUMNS = ["what", ">measured", ">promised", "kept"]


def compare(figure: Figure, other: str, what: str, *, most: float | None = None, below: float | None = None) -> Promise:
    """A promise about this runtime's ratio to another contender."""
    missing = figure.missing
    reason = missing.get("runtime") or missing.get(other) or "there is no value"
    return Promise(what=what, measured=figure.ratio("runtime", other), most=most, below=below, reason=reason)


def all_kept(promises: Sequence[Promise]) -> bool:
    """Whether every promise is kept."""
    return all(promise.kept for promise in promises)
