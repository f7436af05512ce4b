"""The last results as they stand in the repository: tables in OPTIMIZATION.md, the chart in docs/.

Between the two marks of its name, a section of the document is generated; everything else in it is written by
people.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ci.bench.figures import exact, number
from ci.bench.workshop import RESULTS, ROOT
from ci.errors import UsageError
from ci.files import write_atomically

DOCUMENT = ROOT / "OPTIMIZATION.md"
CHART = ROOT / "docs" / "bench.svg"


def write() -> None:
    """Put what lies in `dist/bench` into the document, and the chart beside it."""
    text = DOCUMENT.read_text()
    for name, render in (("runtime", runtime_section), ("emulator", runtime_section), ("soak", soak_section)):
        result = RESULTS / f"{name}.json"
        if result.exists():
            text = replace_section(text, name, render(json.loads(result.read_text())))
    write_atomically(DOCUMENT, text.encode())
    chart = RESULTS / "runtime.svg"
    if chart.exists():
        write_atomically(CHART, chart.read_bytes())


def replace_section(text: str, name: str, content: str) -> str:
    """The document with this between the marks of `name`."""
    begin, end = f"<!-- bench {name}: generated -->\n", f"<!-- bench {name}: end -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise UsageError(f"{DOCUMENT.name}: expected once each: {begin.strip()} and {end}")
    before, _, rest = text.partition(begin)
    return f"{before}{begin}\n{content}\n{end}{rest.partition(end)[2]}"


def runtime_section(result: Mapping[str, Any]) -> str:
    """What was measured, what is promised, and on what machine."""
    titles = result["titles"]
    figures = [
        [figure["what"] + (f", {figure['unit']}" if figure["unit"] else ""), *(_cell(figure, key) for key in titles)]
        for figure in result["figures"].values()
    ]
    return "\n".join([
        f"`{result['command']}`, {result['rounds']} rounds, on {_machine(result)}.",
        "",
        *_table(["median", *titles.values()], figures),
        "",
        *_promises(result["promises"]),
        "",
        *_missing(result["figures"].values(), titles),
        _versions(result["versions"]),
        "",
    ])  # fmt: skip


def soak_section(result: Mapping[str, Any]) -> str:
    """Whether memory and descriptors stay as they are."""
    samples = result["samples"]
    lines = [f"`{result['command']}`, on {_machine(result)}.", "", *_promises(result["promises"]), ""]
    if samples:
        lines += [
            f"Resident memory after the first thousandth {samples[0][1]} KiB, after the last {samples[-1][1]} KiB.",
            "",
        ]
    return "\n".join(lines)


def _promises(promises: Iterable[Mapping[str, Any]]) -> list[str]:
    return _table(["promised", "limit", "measured", "kept"], [_promise(promise) for promise in promises])


def _promise(promise: Mapping[str, Any]) -> list[str]:
    verdict = "not measured" if promise["measured"] is None else "yes" if promise["kept"] else "**no**"
    return [promise["what"], promise["promised"], exact(promise["measured"]), verdict]


def _cell(figure: Mapping[str, Any], key: str) -> str:
    values = figure["values"].get(key)
    if values:
        return number(statistics.median(values))
    return "not measured" if key in figure["missing"] else ""


def _missing(figures: Iterable[Mapping[str, Any]], titles: Mapping[str, str]) -> list[str]:
    reasons = {f"- {titles[key]}: {reason}" for figure in figures for key, reason in figure["missing"].items()}
    return ["Not measured:", "", *sorted(reasons), ""] if reasons else []


def _machine(result: Mapping[str, Any]) -> str:
    return f"{result['processor']}, {result['kernel']}, {result['libc']}, {result['interpreter']}"


def _versions(versions: Mapping[str, str]) -> str:
    return "Versions: " + ", ".join(f"{title} {version}" for title, version in versions.items()) + "."


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return [f"| {' | '.join(line)} |" for line in lines]
