"""The sections of the page about the release itself: artefacts, sizes, changes, waivers, where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ci.pipeline.report import readable_size
from ci.prove.compare import IMAGES, LEFT_OUT, readable_growth, subject
from ci.prove.html import Html, code, element, folded, items, paragraph, short, status, table, text
from ci.prove.page_data import Documents, JsonObject
from ci.prove.size_chart import Bar, draw

_MOST_NAMES = 200


def source(state: JsonObject) -> str:
    """The state of the checkout in one line."""
    if "commit" not in state:
        return f"{state['revision']}, no git commit"
    return f"{state['revision']}, commit {state['commit'][:12]}{', modified' if state['modified'] else ''}"


def allowances(facts: Documents) -> Html:
    """What keeps these files from being a whole release, in red; nothing if nothing does."""
    missing, stand_ins = facts.release.get("allowed_missing", []), facts.release.get("stand_in_bases", [])
    parts = []
    if missing:
        parts.append(paragraph("Not complete. These artefacts are missing, as --allow-missing allowed:"))
        parts.append(items(Html(f"{code(one['name'])}: {text(one['reason'])}") for one in missing))
    if stand_ins:
        parts.append(paragraph("A rehearsal, not fit for publishing. These images have another base (--base):"))
        parts.append(items(Html(f"{text(one['flavour'])}: {code(one['reference'])}") for one in stand_ins))
    return element("aside", *parts, class_="alarm bad") if parts else Html("")


def artifacts(facts: Documents) -> Html:
    """Every artefact with its status, its size and the beginning of its hash; SHA256SUMS has the whole ones.

    An image has its digest as a whole: registries ask for it.
    """
    rows = [
        [
            one["kind"],
            element("span", code(one["name"]), *((" ", code(one["digest"])) if "digest" in one else ())),
            status(one["status"]),
            readable_size(one.get("size")),
            short(one["sha256"][:12]) if "sha256" in one else "",
            one.get("reason", ""),
        ]
        for one in facts.release["artifacts"]
    ]
    tried = items(f"Not tried with any artefact: {reason}" for reason in facts.release["not_tried"])
    return Html(table(["kind", "artefact", "status", ">size", "sha256", "reason"], rows) + tried)


def sizes(facts: Documents) -> Html:
    """One chart for images and one for everything else."""
    comparison, _ = facts.compared()
    before = {one["after"]["path"]: one["before"]["size"] for one in comparison["artifacts"]} if comparison else {}
    product = facts.release["name"]
    charts: dict[str, list[Bar]] = {"Images": [], "Packages": []}
    for one in facts.release["artifacts"]:
        if "size" in one and one["kind"] not in LEFT_OUT:
            name = subject(one["kind"], one["name"], product).removeprefix("image ")
            bar = Bar(name=name, size=one["size"], before=before.get(one["path"]))
            charts["Images" if one["kind"] in IMAGES else "Packages"].append(bar)
    note = f"The grey bars are {comparison['before']['release']}." if comparison else "Each chart has its own scale."
    drawn = element("div", *(draw(title, bars) for title, bars in charts.items()), class_="charts")
    return Html(paragraph(note) + drawn)


def changes(facts: Documents) -> Html:
    """What changed in each artefact since the release that it was compared with."""
    comparison, why_not = facts.compared()
    if comparison is None:
        return paragraph(why_not)
    first = comparison["before"]
    rows = [
        [
            one["artifact"],
            readable_size(one["before"]["size"]),
            readable_size(one["after"]["size"]),
            readable_growth(one["growth_percent"]),
            f"{one['budget_percent']}%",
            status("within the budget" if one["within_budget"] else "beyond the budget"),
            _counts(one["changes"]),
        ]
        for one in comparison["artifacts"]
    ]
    columns = ["artefact", ">before", ">now", ">growth", ">budget", "verdict", "what changed"]
    return Html(
        paragraph(f"Compared with {first['release']}: {first['version']}, {source(first['source'])}.")
        + table(columns, rows)
        + items(f"Only in the previous release: {name}" for name in comparison["only_before"])
        + items(f"New: {name}" for name in comparison["only_after"])
        + "".join(_details(one) for one in comparison["artifacts"] if one["changes"])
    )


def _counts(found: Mapping[str, Any]) -> str:
    counts = (f"{aspect}: {sum(map(len, difference.values()))}" for aspect, difference in found.items())
    return ", ".join(counts) or "nothing"


def _details(one: JsonObject) -> Html:
    parts = []
    for aspect, difference in one["changes"].items():
        lines = [Html(f"new: {code(_pair(*pair))}") for pair in difference["added"].items()]
        lines += [Html(f"gone: {code(_pair(*pair))}") for pair in difference["removed"].items()]
        lines += [Html(f"{code(name)}: {_change(*pair)}") for name, pair in difference["changed"].items()]
        rest = len(lines) - _MOST_NAMES
        parts.append(element("h3", aspect))
        parts.append(items([*lines[:_MOST_NAMES], *([f"and {rest} more, in comparison.json"] if rest > 0 else [])]))
    return folded(f"{one['artifact']}, {_counts(one['changes'])}", Html("".join(parts)))


def _pair(name: str, value: str) -> str:
    return name if not value or value.startswith("sha256 ") else f"{name}: {value}"


def _change(before: str, after: str) -> Html:
    if before.startswith("sha256 ") and after.startswith("sha256 "):
        return Html("other contents")
    return Html(f"{code(before)} is now {code(after)}")


def waivers(facts: Documents) -> Html:
    """The findings of linters that are accepted; those that end soon first."""
    found = sorted(facts.release["waivers"], key=lambda one: (one["until"], one["tool"], one["rule"]))
    if not found:
        return paragraph("No finding of a linter is waived.")
    rows = [
        [
            Html(f"{short(one['until'])} {status('due soon')}") if one["due"] else short(one["until"]),
            one["tool"],
            code(one["rule"]),
            code(one["file"]) if "file" in one else "all files",
            one["reason"],
        ]
        for one in found
    ]
    due = sum(one["due"] for one in found)
    note = (
        f"{due} of {len(found)} end within 30 days of the release."
        if due
        else "None ends within 30 days of the release."
    )
    return Html(paragraph(note) + table(["until", "linter", "rule", "file", "reason"], rows))


def origin(facts: Documents) -> Html:
    """The commit, and the tools that built each artefact."""
    tools: dict[str, list[str]] = {}
    for one in facts.release["artifacts"]:
        if one.get("tool"):
            tools.setdefault(one["tool"], []).append(one["name"])
    state = facts.release["source"]
    commit = Html(f", commit {code(state['commit'])}") if "commit" in state else Html(", no git commit")
    changed = "; the checkout was modified" if state.get("modified") else ""
    rows = [[tool, Html("<br>".join(code(name) for name in names))] for tool, names in tools.items()]
    return Html(paragraph(f"Revision {state['revision']}", commit, f"{changed}.") + table(["tools", "artefacts"], rows))
