"""What `artifacts.json` says of the proofs that have files of their own: which file it is, and its verdict.

Only files about these very artefacts are named: those that the page shows as well.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from ci.core.files import sha256_of, write_atomically
from ci.prove import page
from ci.prove.page_data import OTHER_FORM, Documents, JsonObject

_LIST = "artifacts.json"


def write(dist: Path) -> None:
    """Name the proofs that are in `dist/` in its `artifacts.json`, which must be there, and write the page."""
    facts = page.read(dist)
    document = {**facts.release, "proofs": list(_proofs(dist, facts))}
    write_atomically(dist / _LIST, json.dumps(document, indent=2).encode() + b"\n")
    page.write(dist)


def _proofs(dist: Path, facts: Documents) -> Iterator[dict[str, str]]:
    found: tuple[tuple[str, JsonObject | None, Callable[[JsonObject], str]], ...] = (
        ("comparison.json", facts.compared()[0], _growth),
        ("consistency.json", facts.table()[0], _agreement),
        ("reproducibility.json", facts.rebuilt()[0], lambda document: str(document["verdict"])),
    )
    for file, document, verdict in found:
        try:
            said = verdict(document) if document is not None else ""
        except OTHER_FORM:
            continue  # the page says so
        if said:
            yield {"file": file, "sha256": sha256_of(dist / file), "verdict": said}


def _growth(comparison: JsonObject) -> str:
    """The verdict; empty if nothing was compared."""
    if not comparison["artifacts"]:
        return ""
    within = all(one["within_budget"] for one in comparison["artifacts"])
    return "within budgets" if within else "beyond a budget"


def _agreement(table: JsonObject) -> str:
    same = all(value == one["expected"] for one in table["facts"] for value in one["values"].values())
    return "same" if same else "different"
