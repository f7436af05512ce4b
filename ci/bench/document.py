"""Writes the last results into the repository: the tables in OPTIMIZATION.md, the chart in docs/.

A section of the document between two marks with its name is generated; everything else in it is written by people.
"""

from __future__ import annotations

import json
import statistics
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ci.bench.figures import exact, number
from ci.bench.paths import RESULTS, ROOT
from ci.core.errors import UsageError
from ci.core.files import write_atomically

DOCUMENT = ROOT / "OPTIMIZATION.md"
CHART = ROOT / "docs" / "bench.svg"
_WIDTH = 120


def write() -> None:
    """Write the results in `dist/bench` into the document, and copy the chart.

    A part of which nothing could be measured keeps its section.
    """
    text = DOCUMENT.read_text(encoding="utf-8")
    for name, render in SECTIONS.items():
        result = RESULTS / f"{name}.json"
        found = json.loads(result.read_text(encoding="utf-8")) if result.exists() else None
        if found is not None and _has_values(found):
            text = replace_section(text, name, render(found))
    write_atomically(DOCUMENT, text.encode())
    chart = RESULTS / "runtime.svg"
    if chart.exists():
        write_atomically(CHART, chart.read_bytes())


def _has_values(result: Mapping[str, Any]) -> bool:
    """Whether a part has measured anything. One without targets has."""
    targets = result.get("targets", ())
    return not targets or any(target["measured"] is not None for target in targets)


def replace_section(text: str, name: str, content: str) -> str:
    """The text with new content between the marks of a section; `UsageError` if there are no such marks."""
    begin, end = f"<!-- bench {name}: generated -->\n", f"<!-- bench {name}: end -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise UsageError(f"{DOCUMENT.name}: expected once each: {begin.strip()} and {end}")
    before, _, rest = text.partition(begin)
    return f"{before}{begin}\n{content}\n{end}{rest.partition(end)[2]}"


def runtime_section(result: Mapping[str, Any]) -> str:
    """The section of a part: the machine, the medians, the targets, what is missing, the versions."""
    return "\n".join([
        *_medians(result),
        *_targets(result["targets"]),
        "",
        *_missing(result["figures"].values(), result["titles"]),
        _versions(result["versions"]),
        "",
    ])  # fmt: skip


def bare_python_section(result: Mapping[str, Any]) -> str:
    """The section of the bare client in Python: the machine, the medians, what is missing."""
    return "\n".join([*_medians(result), *_missing(result["figures"].values(), result["titles"])])


def soak_section(result: Mapping[str, Any]) -> str:
    """The section of the soak: the machine, the targets, and the memory at the start and at the end."""
    samples = result["samples"]
    lines = [_wrapped(f"`{result['command']}`, on {_machine(result)}."), "", *_targets(result["targets"]), ""]
    if samples:
        lines += [
            f"Resident memory after the first thousandth {samples[0][1]} KiB, after the last {samples[-1][1]} KiB.",
            "",
        ]
    return "\n".join(lines)


def tooling_section(result: Mapping[str, Any]) -> str:
    """The section of the tooling: the targets."""
    return "\n".join([f"`{result['command']}`:", "", *_targets(result["targets"]), ""])


def release_section(result: Mapping[str, Any]) -> str:
    """The section of a release: the targets, and the times on this machine."""
    columns = [f"on {result['processors']} processors", "seconds", "processor time"]
    lines = [f"`{result['command']}`:", "", *_targets(result["targets"]), "", *_table(columns, result["times"]), ""]
    return "\n".join(lines)


def publishing_section(result: Mapping[str, Any]) -> str:
    """The section of publishing: the target, and the times at each place."""
    columns = ["target", "MB", "publish, ms", "bare tool, ms", "ratio"]
    lines = [f"`{result['command']}`:", "", *_targets(result["targets"]), "", *_table(columns, result["times"]), ""]
    return "\n".join(lines)


def image_section(result: Mapping[str, Any]) -> str:
    """The section of the image: the targets, and the parts of it for each architecture."""
    lines = [f"`{result['command']}`:", "", *_targets(result["targets"]), ""]
    for architecture, rows in result["parts"].items():
        lines += [*_table([f"part, {architecture}", "entries", "unpacked", "compressed"], rows), ""]
    return "\n".join(lines)


def layer_section(result: Mapping[str, Any]) -> str:
    """The section of the layer for Lambda: the targets."""
    return "\n".join([f"`{result['command']}`:", "", *_targets(result["targets"]), ""])


SECTIONS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "runtime": runtime_section,
    "bare-python": bare_python_section,
    "crate": runtime_section,
    "emulator": runtime_section,
    "soak": soak_section,
    "tooling": tooling_section,
    "release": release_section,
    "publishing": publishing_section,
    "image": image_section,
    "layer": layer_section,
}


def _medians(result: Mapping[str, Any]) -> list[str]:
    titles = result["titles"]
    figures = [
        [figure["what"] + (f", {figure['unit']}" if figure["unit"] else ""), *(_cell(figure, key) for key in titles)]
        for figure in result["figures"].values()
    ]
    about = _wrapped(f"`{result['command']}`, {result['rounds']} rounds, on {_machine(result)}.")
    return [about, "", *_table(["median", *titles.values()], figures), ""]


def _targets(targets: Iterable[Mapping[str, Any]]) -> list[str]:
    return _table(["target", "limit", "measured", "met"], [_target(target) for target in targets])


def _target(target: Mapping[str, Any]) -> list[str]:
    verdict = "not measured" if target["measured"] is None else "yes" if target["met"] else "**no**"
    return [target["what"], target["limit"], exact(target["measured"]), verdict]


def _cell(figure: Mapping[str, Any], key: str) -> str:
    values = figure["values"].get(key)
    if values:
        return number(statistics.median(values))
    return "not measured" if key in figure["missing"] else ""


def _missing(figures: Iterable[Mapping[str, Any]], titles: Mapping[str, str]) -> list[str]:
    reasons = {f"- {titles[key]}: {reason}" for figure in figures for key, reason in figure["missing"].items()}
    items = (_wrapped(reason, indent="  ") for reason in sorted(reasons))
    return ["Not measured:", "", *items, ""] if reasons else []


def _machine(result: Mapping[str, Any]) -> str:
    return f"{result['processor']}, {result['kernel']}, {result['libc']}, {result['interpreter']}"


def _versions(versions: Mapping[str, str]) -> str:
    return _wrapped("Versions: " + ", ".join(f"{title} {version}" for title, version in versions.items()) + ".")


def _wrapped(text: str, indent: str = "") -> str:
    """A paragraph in lines that are not longer than those which people write."""
    return textwrap.fill(text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return [f"| {' | '.join(line)} |" for line in lines]
