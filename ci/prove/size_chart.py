"""The sizes of the artefacts as bars, with those of the previous release below them: SVG within the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ci.pipeline.report import readable_size
from ci.prove.html import Html, element, text

_WIDTH, _VALUE = 360, 172
_NAME, _BAR, _BEFORE, _GAP = 16, 12, 5, 10


@dataclass(frozen=True, kw_only=True)
class Bar:
    """An artefact: its size, and that in the previous release if it is known."""

    name: str
    size: int
    before: int | None = None


def draw(title: str, bars: Sequence[Bar]) -> Html:
    """One chart with a scale of its own, which begins at 0; nothing without bars."""
    if not bars:
        return Html("")
    largest = max(max(bar.size, bar.before or 0) for bar in bars) or 1
    parts: list[Html] = []
    top = 0
    for bar in bars:
        parts += _bar(bar, top, (_WIDTH - _VALUE) / largest)
        top += _NAME + _BAR + _GAP + (_BEFORE if bar.before is not None else 0)
    drawing = element(
        "svg", *parts, viewBox=f"0 0 {_WIDTH} {top}", role="img", aria_label=f"{title}: shorter is better"
    )
    return element("figure", element("figcaption", title), drawing)


def _bar(bar: Bar, top: int, scale: float) -> list[Html]:
    width = max(1.0, bar.size * scale)
    beginning = top + _NAME
    value = readable_size(bar.size)
    if bar.before is not None:
        before = readable_size(bar.before)
        value += f" (was {before})" if before != value else ""
    parts = [
        element("text", bar.name, x="0", y=str(top + 12)),
        element("rect", class_="now", x="0", y=str(beginning), width=f"{width:.1f}", height=str(_BAR), rx="2"),
        element("text", text(value), class_="value", x=f"{width + 6:.1f}", y=str(beginning + 10)),
    ]
    if bar.before is not None:
        length = max(1.0, bar.before * scale)
        place = str(beginning + _BAR)
        parts.append(element("rect", class_="before", x="0", y=place, width=f"{length:.1f}", height=str(_BEFORE)))
    return parts
