"""What a finished release has left untried, and whether `may_not_run` in the manifest lets that be published."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ci.core.faults import Fault, listed
from ci.manifest.release import Release
from ci.pipeline.gate_report import GateStatus
from ci.pipeline.report import Status

VERIFY = "verify"
"""The gate that stands for the verification of each artefact by itself."""

_CHECK = "not run"
_DONE = (Status.VERIFIED, Status.NOT_RUN)


def may_be_published(release: Release, gate: str, reason: str) -> bool:
    """Whether the manifest accepts that a gate has left something untried for this reason."""
    return any(one.gate == gate and one.contains in reason for one in release.may_not_run)


def not_run_fault(check: str, where: str, gate: str, reason: str) -> Fault:
    """The fault of something that was not run, or cannot be, for a reason that the manifest does not accept."""
    return Fault(
        check=check,
        where=where,
        what=f"the gate {gate} is not run: {reason}",
        advice="release on a machine that can run it; or, if it may be published so, say why in may_not_run of "
        f"release.yaml, with gate: {gate}, and a part of this reason",
    )


def not_allowed(artifacts_document: Mapping[str, Any], release: Release) -> list[Fault]:
    """What in `artifacts.json` keeps the artefacts from being published: everything that failed or is missing, and
    every "not run" and every remark about something untried that no entry of `may_not_run` covers.

    A missing artefact that is listed in `allowed_missing` is let pass, with the gates that lack only that.
    """
    allowed = {one["name"] for one in artifacts_document["allowed_missing"]}
    faults = [fault for one in artifacts_document["artifacts"] for fault in _of_artifact(one, release, allowed)]
    if artifacts_document["quick"]:
        faults.append(
            Fault(check=_CHECK, where="the gates", what="were left out (--quick)", advice="run nox -s verify")
        )
    faults += [
        not_run_fault(_CHECK, "every artefact", VERIFY, reason)
        for reason in artifacts_document["not_tried"]
        if not may_be_published(release, VERIFY, reason)
    ]
    faults += [fault for one in artifacts_document["gates"] for fault in _of_gate(one, release, allowed)]
    return list(_joined(faults))


def not_compared(
    reproducibility: Mapping[str, Any], artifacts_document: Mapping[str, Any], release: Release
) -> list[Fault]:
    """What the second build left uncompared, unless it is missing with permission or the manifest lets it pass.

    Only artefacts count: a stage is not published, and what is made from it was compared itself.
    """
    missing = {one["name"] for one in artifacts_document["allowed_missing"]}
    return list(
        _joined(
            not_run_fault(_CHECK, one["path"], "reproduce", one["reason"])
            for one in reproducibility["artifacts"]
            if one["verdict"] == "not compared"
            and not one["stage"]
            and one["path"].rpartition("/")[2] not in missing
            and not may_be_published(release, "reproduce", one["reason"])
        )
    )


def _joined(faults: Iterable[Fault]) -> Iterator[Fault]:
    """The faults, those that differ in their place alone as one."""
    places: dict[Fault, list[str]] = {}
    for fault in faults:
        places.setdefault(replace(fault, where=""), []).append(fault.where)
    for fault, where in places.items():
        yield replace(fault, where=listed(where))


def _of_artifact(one: Mapping[str, Any], release: Release, allowed: set[str]) -> Iterator[Fault]:
    status, reason = one["status"], one.get("reason", "")
    if status == Status.UNAVAILABLE and one["name"] in allowed:
        return
    if status not in _DONE:
        yield _failed(one["path"], status, reason)
    left_out = [reason.partition("; ")[0]] if status == Status.NOT_RUN else []
    for part in (*left_out, *one.get("untried", ())):
        if not may_be_published(release, VERIFY, part):
            yield not_run_fault(_CHECK, one["path"], VERIFY, part)


def _of_gate(one: Mapping[str, Any], release: Release, allowed: set[str]) -> Iterator[Fault]:
    gate, status, reason = one["gate"], one["status"], one["reason"]
    lacks_only_that = status == GateStatus.UNAVAILABLE and allowed & {
        path.rpartition("/")[2] for path in one["artifacts"]
    }
    if lacks_only_that:
        return
    if status in (GateStatus.FAILED, GateStatus.LEFT_OUT):
        yield _failed(f"gate {gate}: {one['title']}", status, reason)
        return
    for text in (reason, *one["untried"]):
        if text and not may_be_published(release, gate, text):
            yield not_run_fault(_CHECK, one["title"], gate, text)


def _failed(where: str, status: str, reason: str) -> Fault:
    what = f"is {status}: {reason}" if reason else f"is {status}"
    return Fault(check=_CHECK, where=where, what=what, advice="repair that and run the same command again")
