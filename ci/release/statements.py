"""What is stated about a finished release: where it comes from, and what was tested.

Each is a statement of in-toto, version 1 (in-toto/attestation:spec/v1/statement.md), about all files in the release's
`SHA256SUMS`. `ci.release.envelopes` signs them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ci.core.errors import VerificationError
from ci.core.files import sha256_of
from ci.core.state import read_json
from ci.manifest.release import Release
from ci.pipeline import inputs
from ci.pipeline.inputs import Inputs
from ci.release import provenance

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
SUMS = "SHA256SUMS"
PROVENANCE = "provenance"
GATE_PREFIX = "gate-"
_ARTIFACTS, _REPRODUCIBILITY = "artifacts.json", "reproducibility.json"
_PASSED = ("passed", "verified", "same")
_WARNED = ("not run", "unavailable", "not compared")


@dataclass(frozen=True, kw_only=True)
class Statement:
    """A statement: `name` is that of its files, without what comes after the first dot; `document` is JSON."""

    name: str
    document: bytes


@dataclass(frozen=True, kw_only=True)
class GateTest:
    """A test of a gate and how it ended; `source` is the file of the release that has it at length."""

    gate: str
    name: str
    status: str
    source: str


def of_release(folder: Path, release: Release, allow_missing: Sequence[str] = ()) -> list[Statement]:
    """All statements about the release in a folder, provenance first.

    The folder has the files that `SHA256SUMS` names: `artifacts.json`, `inputs.json` and `reproducibility.json` are
    among them. `allow_missing` are the kinds and flavours without which the release was allowed to be made. What does
    not fit together raises `VerificationError`.
    """
    subjects = _subjects(folder / SUMS)
    locked = inputs.read(folder / inputs.NAME)
    if (locked.version, locked.modified) != (str(release.version), False) or not locked.commit:
        raise VerificationError(
            f"{folder / inputs.NAME}: these are not the inputs of a committed {release.version}",
            hint=f"build the release again, from a clean checkout at {release.version.tag}",
        )
    predicate = provenance.predicate(release, locked, allow_missing)
    first = _statement(PROVENANCE, subjects, provenance.PREDICATE_TYPE, predicate)
    tests = list(_tests(folder, locked))
    gates = dict.fromkeys(test.gate for test in tests)
    return [first, *(_gate(folder, locked, subjects, [one for one in tests if one.gate == gate]) for gate in gates)]


def _subjects(sums: Path) -> list[dict[str, Any]]:
    lines = sums.read_text(encoding="ascii").splitlines()
    pairs = [line.split("  ", 1) for line in lines]
    return [{"name": name, "digest": {"sha256": sha256}} for sha256, name in pairs]


def _statement(
    name: str, subjects: Sequence[Mapping[str, Any]], predicate_type: str, predicate: Mapping[str, Any]
) -> Statement:
    document = {
        "_type": STATEMENT_TYPE,
        "subject": subjects,
        "predicateType": predicate_type,
        "predicate": predicate,
    }
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return Statement(name=name, document=text.encode())


def _tests(folder: Path, locked: Inputs) -> Iterator[GateTest]:
    """Every test that the files of the release have a result of.

    An artefact's own verification is a test of the gate `verify`, a file that was built again one of `reproduce`.
    """
    artifacts = _read(folder / _ARTIFACTS, locked)
    reproducibility = _read(folder / _REPRODUCIBILITY, locked)
    for one in artifacts["artifacts"]:
        yield GateTest(gate="verify", name=one["path"], status=one["status"], source=_ARTIFACTS)
    for one in artifacts["gates"]:
        yield GateTest(gate=one["gate"], name=one["name"], status=one["status"], source=_ARTIFACTS)
    for one in reproducibility["artifacts"]:
        yield GateTest(gate="reproduce", name=one["path"], status=one["verdict"], source=_REPRODUCIBILITY)


def _read(path: Path, locked: Inputs) -> dict[str, Any]:
    document = read_json(path)
    if not isinstance(document, dict):
        raise VerificationError(f"{path}: it is missing or damaged", hint="build the release again")
    commit = document.get("commit") or document.get("source", {}).get("commit")
    if (document.get("version"), commit) != (locked.version, locked.commit):
        raise VerificationError(
            f"{path}: it is about {document.get('version')}, commit {commit}, and {inputs.NAME} about "
            f"{locked.version}, commit {locked.commit}",
            hint="build the release again, so that all files are of one build",
        )
    return document


def _gate(folder: Path, locked: Inputs, subjects: Sequence[Mapping[str, Any]], tests: Sequence[GateTest]) -> Statement:
    """The statement about one gate. What could not be run is a warning."""
    passed = _named(one for one in tests if one.status in _PASSED)
    warned = _named(one for one in tests if one.status in _WARNED)
    failed = _named(one for one in tests if one.status not in (*_PASSED, *_WARNED))
    predicate = {
        "result": "FAILED" if failed else "WARNED" if warned else "PASSED",
        "configuration": [
            {"name": tests[0].source, "digest": {"sha256": sha256_of(folder / tests[0].source)}},
            {"name": "source", "digest": {"gitCommit": locked.commit}},
        ],
        "passedTests": passed,
        "warnedTests": warned,
        "failedTests": failed,
    }
    return _statement(GATE_PREFIX + tests[0].gate, subjects, TEST_RESULT, predicate)


def _named(tests: Iterable[GateTest]) -> list[str]:
    return sorted(one.name for one in tests)
