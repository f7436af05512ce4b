"""What may be published: everything that failed, is missing or was not run needs an entry that allows it."""

from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ci.core.checkout import SourceState
from ci.manifest.reader import load
from ci.manifest.release import MayNotRun, Release
from ci.pipeline import inputs, report
from ci.pipeline.allowances import Allowances, AllowedMissing, StandInBase, stand_ins
from ci.pipeline.gate_report import GateResult, GateStatus
from ci.pipeline.jobs import Options
from ci.pipeline.report import Artifact, Status
from ci.release.not_run import not_allowed, not_compared
from tests.packages.support import open_project
from tests.support import ROOT

SHA256 = "ab" * 32


@pytest.fixture(scope="module")
def release() -> Release:
    """A release that may be published although some things were not tried."""
    accepted = (
        MayNotRun(gate="verify", contains="no Windows", reason="It is started elsewhere."),
        MayNotRun(gate="install", contains="no root", reason="It is installed elsewhere."),
    )
    return dataclasses.replace(load(ROOT / "release.yaml"), may_not_run=accepted)


def document(
    folder: Path, release: Release, *, status: Status = Status.VERIFIED, reason: str = "", name: str = "x.rpm",
    untried: tuple[str, ...] = (), gate: GateStatus = GateStatus.PASSED, gate_reason: str = "",
    gate_untried: tuple[str, ...] = (), notes: tuple[str, ...] = (),
    not_tried: tuple[str, ...] = (), quick: bool = False, allowances: Allowances | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The report of a release with one artefact and one gate."""
    there = status in (Status.VERIFIED, Status.NOT_RUN, Status.BUILT)
    artifact = Artifact(
        kind="rpm", name=name, path=f"rpm/{name}", status=status, reason=reason, untried=untried, tool="rpm 4",
        size=1 if there else None, sha256=SHA256 if there else None,
    )  # fmt: skip
    result = GateResult(
        gate="install", name="install-rpm", title="the RPM is installed", artifacts=(f"rpm/{name}",), status=gate,
        reason=gate_reason, untried=gate_untried, notes=notes,
    )  # fmt: skip
    source = SourceState(revision="v0.1.0", commit="a" * 40)
    gates = None if quick else [result]
    report.write(folder, release, source, [artifact], not_tried, gates, allowances or Allowances())
    found: dict[str, Any] = json.loads((folder / "artifacts.json").read_bytes())
    jsonschema.validate(found, json.loads((ROOT / "ci" / "pipeline" / "artifacts.schema.json").read_bytes()))
    return found


MISSING = Allowances(missing=(AllowedMissing(name="x.rpm", reason="no rpmbuild"),))
GOOD: dict[str, dict[str, Any]] = {
    "all passed": {},
    "left untried, and accepted": {"untried": ("the .cmd was not started: no Windows here",)},
    "other remarks": {"reason": "signed with a key", "notes": ("40 events",)},
    "not run, and accepted": {"status": Status.NOT_RUN, "reason": "no Windows here"},
    "a gate not run, and accepted": {"gate": GateStatus.NOT_RUN, "gate_reason": "no root here"},
    "a gate that lacks what is accepted": {"gate": GateStatus.UNAVAILABLE, "gate_reason": "no root here"},
    "left untried by a gate, and accepted": {"gate_untried": ("no root here",)},
    "missing, and allowed": {
        "status": Status.UNAVAILABLE, "reason": "no rpmbuild", "gate": GateStatus.UNAVAILABLE,
        "gate_reason": "needs rpm: no rpmbuild", "allowances": MISSING,
    },
}  # fmt: skip
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "failed": ({"status": Status.FAILED, "reason": "broken"}, "is failed: broken"),
    "left out": ({"status": Status.LEFT_OUT, "reason": "x failed"}, "is left out"),
    "not verified": ({"status": Status.BUILT}, "is built"),
    "missing": ({"status": Status.UNAVAILABLE, "reason": "no rpmbuild"}, "is unavailable: no rpmbuild"),
    "another is allowed to be missing": (
        {"status": Status.UNAVAILABLE, "reason": "no rpmbuild", "name": "y.rpm", "allowances": MISSING},
        "is unavailable",
    ),
    "not run": ({"status": Status.NOT_RUN, "reason": "no rpm 6 here"}, "no rpm 6 here"),
    "untried": ({"untried": ("not installed: no disk",)}, "not installed: no disk"),
    "something else untried": ({"untried": ("no Windows here", "not installed: no disk")}, "not installed: no disk"),
    "a reason of another gate": ({"untried": ("no root here",)}, "no root here"),
    "a gate failed": ({"gate": GateStatus.FAILED, "gate_reason": "no root here"}, "is failed: no root here"),
    "a gate not run": ({"gate": GateStatus.NOT_RUN, "gate_reason": "no rpm 6"}, "no rpm 6"),
    "a gate unavailable": ({"gate": GateStatus.UNAVAILABLE, "gate_reason": "no Windows"}, "no Windows"),
    "untried by a gate": (
        {"gate_untried": ("no root here", "the Rust function was not tried")},
        "the Rust function was not tried",
    ),
    "no gates": ({"quick": True}, "--quick"),
    "an example": ({"not_tried": ("function-rust: no cargo",)}, "function-rust: no cargo"),
}


@pytest.mark.parametrize("values", GOOD.values(), ids=GOOD)
def test_it_may_be_published(tmp_path: Path, release: Release, values: dict[str, Any]) -> None:
    assert not_allowed(document(tmp_path, release, **values), release) == []


@pytest.mark.parametrize(("values", "what"), BAD.values(), ids=BAD)
def test_it_may_not_be_published(tmp_path: Path, release: Release, values: dict[str, Any], what: str) -> None:
    (fault,) = not_allowed(document(tmp_path, release, **values), release)
    assert what in fault.what
    assert fault.advice


def test_the_advice_leads_to_an_entry_that_is_accepted(tmp_path: Path, release: Release) -> None:
    found = document(tmp_path, release, gate_untried=("no rpm 6 here",))
    (fault,) = not_allowed(found, release)
    assert "gate: install" in fault.advice
    entry = MayNotRun(gate="install", contains="no rpm 6", reason="Tested.")
    assert not_allowed(found, dataclasses.replace(release, may_not_run=(entry,))) == []


def test_several_faults_are_told_at_once(tmp_path: Path, release: Release) -> None:
    found = document(tmp_path, release, status=Status.FAILED, gate=GateStatus.FAILED)
    more = copy.deepcopy(found)
    more["artifacts"].append({**found["artifacts"][0], "reason": "broken"})
    faults = not_allowed(more, release)
    assert [fault.what for fault in faults] == ["is failed", "is failed: broken"]
    assert faults[0].where == "rpm/x.rpm, gate install: the RPM is installed"


def test_a_stand_in_is_remembered_by_what_was_built(tmp_path: Path) -> None:
    """The command that reports later may not have the option any more."""
    project = open_project(ROOT, tmp_path)
    assert stand_ins(project) == ()
    chosen = dataclasses.replace(project, options=Options(bases={"alpine": "localhost/a:1"}))
    assert stand_ins(chosen) == (StandInBase(flavour="alpine", reference="localhost/a:1"),)
    images = project.release.images
    for reference, found in ((images.ubi.reference, 0), (images.ubi.base, 1), ("localhost/u:1", 1)):
        base = inputs.BaseImage(flavour="ubi", architecture="amd64", reference=reference, digest="sha256:" + SHA256)
        recorded = inputs.Inputs(
            name="x", version="1", commit="", modified=False, python="3", zlib="1", bases=(base,)
        )  # fmt: skip
        (tmp_path / inputs.NAME).write_bytes(recorded.document())
        assert len(stand_ins(project)) == found, reference


def test_a_stage_of_what_is_missing_is_no_fault(release: Release) -> None:
    """With `--allow-missing ubi`, the list of its packages is not there either; it is not published."""
    entry = {"path": "installed/ubi-amd64.json", "stage": True, "verdict": "not compared", "reason": "it is not there"}
    allowed = {"allowed_missing": [{"name": "faas-runtime-0.1.0-ubi-amd64.oci.tar", "reason": "no registry"}]}
    assert not_compared({"artifacts": [entry]}, allowed, release) == []
    (fault,) = not_compared({"artifacts": [{**entry, "stage": False}]}, allowed, release)
    assert fault.where == "installed/ubi-amd64.json"
