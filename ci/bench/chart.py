"""The figures as a bar chart: a small SVG without scripts, fonts or links to anything outside."""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape

from ci.bench.figures import Figure

# Panels in reading order; each has its own scale, which begins at 0.
PANELS = ("processor", "billed", "latency", "latency 50 ms", "start", "latency 1 MiB", "latency 6 MiB", "memory 6 MiB")
COLUMNS = 2
WIDTH, MARGIN, GAP = 960, 28, 36
PANEL_WIDTH = (WIDTH - 2 * MARGIN - (COLUMNS - 1) * GAP) / COLUMNS
NAME_WIDTH, VALUE_WIDTH = 150, 88
BAR, STEP, TITLE = 16, 25, 30
TOP = 64
_COLOURS = {"runtime": "#c2410c"}
_OTHERS = "#94a3b8"
_STYLE = (
    "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Liberation Sans',sans-serif;fill:#1e293b}"
    ".h{font-size:19px;font-weight:600}.s,.v,.n{font-size:13px}.s{fill:#64748b}.t{font-size:14px;font-weight:600}"
    ".n{text-anchor:end}.own{font-weight:600}.no{fill:#94a3b8;font-style:italic}"
)


def draw(figures: Mapping[str, Figure], titles: Mapping[str, str], subtitle: str = "") -> str:
    """The chart of the medians; a client without a value in a panel is left out of it."""
    shown = [figures[key] for key in PANELS if key in figures]
    rows = [shown[start : start + COLUMNS] for start in range(0, len(shown), COLUMNS)]
    parts, top = [], float(TOP)
    for row in rows:
        lengths = [len(_entries(figure, titles)) for figure in row]
        for column, figure in enumerate(row):
            parts += _panel(figure, titles, MARGIN + column * (PANEL_WIDTH + GAP), top)
        top += TITLE + max(lengths) * STEP + 22
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top:.0f}" role="img"',
        ' aria-label="The runtime beside a bare C client and the clients of AWS; shorter bars are better">',
        f"<style>{_STYLE}</style>",
        f'<rect width="{WIDTH}" height="{top:.0f}" rx="8" fill="#ffffff"/>',
        f'<text class="h" x="{MARGIN}" y="30">Echo function behind the Runtime API: shorter is better</text>',
        f'<text class="s" x="{MARGIN}" y="50">{escape(subtitle)}</text>',
    ]
    return "\n".join([head[0] + head[1], *head[2:], *parts, "</svg>"]) + "\n"


def _entries(figure: Figure, titles: Mapping[str, str]) -> list[tuple[str, float | None]]:
    return [(key, figure.median(key)) for key in titles if key in figure.values or key in figure.missing]


def _panel(figure: Figure, titles: Mapping[str, str], left: float, top: float) -> list[str]:
    entries = _entries(figure, titles)
    longest = max((value for _, value in entries if value), default=1.0)
    room = PANEL_WIDTH - NAME_WIDTH - VALUE_WIDTH - 16
    title = figure.what[0].upper() + figure.what[1:]
    parts = [f'<text class="t" x="{left:g}" y="{top + 12:g}">{escape(title)}</text>']
    for number, (key, value) in enumerate(entries):
        y = top + TITLE + number * STEP
        own = " own" if key == "runtime" else ""
        start = left + NAME_WIDTH + 8
        parts.append(f'<text class="n{own}" x="{left + NAME_WIDTH:g}" y="{y + 12:g}">{escape(titles[key])}</text>')
        if value is None:
            parts.append(f'<text class="v no" x="{start:g}" y="{y + 12:g}">not measured</text>')
            continue
        width = max(1.0, room * value / longest)
        colour = _COLOURS.get(key, _OTHERS)
        parts.append(f'<rect x="{start:g}" y="{y:g}" width="{width:.1f}" height="{BAR}" rx="2" fill="{colour}"/>')
        text = escape(figure.text(key))
        parts.append(f'<text class="v{own}" x="{start + width + 7:.1f}" y="{y + 12:g}">{text}</text>')
    return parts
