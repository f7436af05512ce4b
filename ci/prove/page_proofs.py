"""The sections of the page about proofs: the summary at the top, gates, consistency, reproducibility."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ci.prove.html import Html, code, element, folded, items, paragraph, status, table
from ci.prove.page_data import Documents, JsonObject

_FILE_FACT = "sha256 of "


def tiles(facts: Documents) -> Html:
    """The four figures that a reader wants first."""
    listed, gates = facts.release["artifacts"], facts.release["gates"]
    found = {
        "artefacts verified": _part(listed, "verified"),
        "gates passed": "left out" if facts.release["quick"] else _part(gates, "passed"),
        "growth": _growth(facts),
        "built twice": _rebuilt(facts),
    }
    return element(
        "dl",
        *(element("div", element("dt", name), element("dd", value), class_="tile") for name, value in found.items()),
        class_="tiles",
    )


def _part(entries: Sequence[JsonObject], status: str) -> str:
    return f"{sum(one['status'] == status for one in entries)} of {len(entries)}"


def _growth(facts: Documents) -> str:
    comparison, _ = facts.compared()
    if comparison is None or not comparison["artifacts"]:
        return "not compared"
    beyond = sum(not one.get("within_budget") for one in comparison["artifacts"])
    return f"{beyond} beyond budget" if beyond else "within budgets"


def _rebuilt(facts: Documents) -> str:
    proof, _ = facts.rebuilt()
    if proof is None:
        return "not rebuilt"
    return {"same": "same bytes", "not compared": "not compared"}.get(str(proof.get("verdict")), "other bytes")


def gates(facts: Documents) -> Html:
    """Every job of a gate: what it proved, or what was not run and why."""
    if facts.release["quick"]:
        return paragraph("The gates were left out (--quick): this snapshot is not fit for a release.")
    rows = [
        [
            one["gate"],
            one["title"],
            status(one["status"]),
            items(filter(None, (one["reason"], *one["untried"], *one["notes"]))),
        ]
        for one in facts.release["gates"]
    ]
    return table(["gate", "what", "status", "not run, and why"], rows) if rows else paragraph("There are no gates.")


def consistency(facts: Documents) -> Html:
    """Every fact, what the manifest says, and who says something else; hashes of files are folded."""
    found, why_not = facts.table()
    if found is None:
        return paragraph(why_not)
    wrong = [one for one in found["facts"] if _others(one)]
    right = [one for one in found["facts"] if not _others(one)]
    files = [one for one in right if one["fact"].startswith(_FILE_FACT)]
    rest = [one for one in right if not one["fact"].startswith(_FILE_FACT)]
    agree = f"{len(right)} of {len(found['facts'])} facts are the same in every artefact that states them."
    folded_files = folded(f"{len(files)} hashes of files, all the same", _facts(files)) if files else Html("")
    return Html(paragraph(agree) + _facts([*wrong, *rest]) + folded_files)


def _facts(facts: Iterable[JsonObject]) -> Html:
    rows = [
        [
            code(one["fact"]) if one["fact"].startswith(_FILE_FACT) else one["fact"],
            code(one["expected"]),
            str(len(one["values"])),
            status("different" if _others(one) else "same"),
            items(Html(f"{code(path)}: {code(value)}") for path, value in _others(one).items()),
        ]
        for one in facts
    ]
    return table(["fact", "expected", ">artefacts", "verdict", "differences"], rows)


def _others(fact: JsonObject) -> dict[str, str]:
    return {path: value for path, value in fact["values"].items() if value != fact["expected"]}


def reproducibility(facts: Documents) -> Html:
    """The verdict for each artefact, what was varied, and what was not."""
    proof, why_not = facts.rebuilt()
    if proof is None:
        return paragraph(why_not)
    rows = [
        [code(one["path"]), "stage" if one["stage"] else "artefact", status(one["verdict"]), one.get("reason", "")]
        for one in proof["artifacts"]
    ]
    varied = [[one["name"], one["plain"], one["varied"], one.get("limits", "")] for one in proof["varied"]]
    return Html(
        table(["file", "what", "verdict", "reason"], rows)
        + element("h3", "What was varied")
        + table(["what", "first build", "second build", "limits"], varied)
        + element("h3", "What was not varied")
        + items(f"{one['name']}: {one['reason']}" for one in proof["not_varied"])
    )
