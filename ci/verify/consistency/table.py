"""The table of facts: what is expected of each, and what every artefact says."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ci.verify.consistency.expected import PAYLOAD, Facts

FORMAT = 1
MISSING = "missing"
_PROGRAM = f"{PAYLOAD}bin/faas-runtime"
_RECIPES = f"{PAYLOAD}faas_runtime/recipes/"


@dataclass(kw_only=True)
class Fact:
    """One row: `values` are what the artefacts say, by their paths."""

    name: str
    expected: str
    values: dict[str, str] = field(default_factory=dict)

    def differences(self) -> list[str]:
        """A line for each artefact that says something else."""
        return [
            f"{path}: {self.name}: found {value!r}, expected {self.expected!r}"
            for path, value in self.values.items()
            if value != self.expected
        ]


def table(expected: Facts, payload: Facts, found: Mapping[str, Facts], without: Mapping[str, str]) -> list[Fact]:
    """One row for each fact. `payload` are the hashes of the files in the source tarball, by the names of their facts.

    `without` has the artefacts with a payload, and what they leave out of it: "the launcher", "the recipes" or nothing.
    Whatever else they have not, or have besides, is a difference.
    """
    expected = {**expected, **payload}
    rows = {name: Fact(name=name, expected=value) for name, value in expected.items()}
    for path, facts in found.items():
        for name, value in facts.items():
            rows.setdefault(name, Fact(name=name, expected=MISSING)).values[path] = value
    for path, left_out in without.items():
        for name in payload.keys() - found[path].keys():
            if not _is_left_out(name, left_out):
                rows[name].values[path] = MISSING
    return [row for row in rows.values() if row.values]


def _is_left_out(name: str, without: str) -> bool:
    return (without == "the launcher" and name == _PROGRAM) or (without == "the recipes" and name.startswith(_RECIPES))


def document(rows: Iterable[Fact]) -> bytes:
    """The table as JSON, for the report and for other programs."""
    facts = [{"fact": row.name, "expected": row.expected, "values": row.values} for row in rows]
    return json.dumps({"format": FORMAT, "facts": facts}, indent=1, ensure_ascii=False).encode() + b"\n"


def read(data: bytes) -> list[Fact]:
    """The rows of a document."""
    loaded: dict[str, Any] = json.loads(data)
    return [Fact(name=one["fact"], expected=one["expected"], values=one["values"]) for one in loaded["facts"]]
