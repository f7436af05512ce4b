"""`artifacts.json` names the proofs about its artefacts that have files of their own, and no others."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ci.prove import proofs
from tests.prove.test_page import Documents, documents
from tests.support import ROOT

__all__ = ["documents"]

FILES = ["comparison.json", "consistency.json", "reproducibility.json"]
SCHEMA = json.loads((ROOT / "ci" / "pipeline" / "artifacts.schema.json").read_bytes())["properties"]["proofs"]


def named(dist: Path, documents: Documents) -> dict[str, str]:
    """The verdicts by the names of the files, after these documents were written to `dist/`."""
    dist.mkdir(exist_ok=True)
    for name, document in documents.items():
        (dist / f"{name}.json").write_text(document if isinstance(document, str) else json.dumps(document))
    proofs.write(dist)
    found: dict[str, Any] = json.loads((dist / "artifacts.json").read_bytes())
    listed = found.pop("proofs")
    jsonschema.validate(listed, SCHEMA)
    assert found == documents["artifacts"]
    for one in listed:
        assert one["sha256"] == hashlib.sha256((dist / one["file"]).read_bytes()).hexdigest()
    return {one["file"]: one["verdict"] for one in listed}


def verdicts(*said: str) -> dict[str, str]:
    return dict(zip(FILES, said, strict=True))


def test_each_is_named_with_its_verdict(tmp_path: Path, documents: Documents) -> None:
    assert named(tmp_path / "dist", documents) == verdicts("within budgets", "different", "different")
    assert (tmp_path / "dist" / "report.html").is_file()
    documents["comparison"]["artifacts"][0]["within_budget"] = False
    documents["consistency"]["facts"].pop(0)
    documents["reproducibility"]["verdict"] = "same"
    assert named(tmp_path / "dist", documents) == verdicts("beyond a budget", "same", "same")


Change = Callable[[Documents], object]


def of_other_artefacts(documents: Documents) -> None:
    documents["artifacts"]["artifacts"][0]["sha256"] = "0" * 64


LEFT_OUT: dict[str, tuple[Change, list[str]]] = {
    "no file": (lambda documents: [documents.pop(name.partition(".")[0]) for name in FILES], []),
    "files about other artefacts": (of_other_artefacts, ["consistency.json"]),
    "a table of an earlier run": (lambda documents: documents["artifacts"].update(gates=[]), [FILES[0], FILES[2]]),
    "no list of facts": (lambda documents: documents.update(consistency={"facts": [1]}), [FILES[0], FILES[2]]),
    "no verdict": (lambda documents: documents["reproducibility"].pop("verdict"), FILES[:2]),
    "no JSON": (lambda documents: documents.update(comparison="no JSON"), FILES[1:]),  # type: ignore[call-overload]
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_what_says_nothing_about_these_artefacts_is_left_out(tmp_path: Path, documents: Documents, case: str) -> None:
    change, expected = LEFT_OUT[case]
    change(documents)
    assert list(named(tmp_path / "dist", documents)) == expected
