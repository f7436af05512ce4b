"""The frame around gates, with a toy: how their jobs end, and what `snapshot` and `verify` say of it."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ci import kinds
from ci.commands import proving
from ci.core.console import Console
from ci.core.errors import UnavailableError, VerificationError
from tests.release import toys
from tests.support import ROOT


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "KINDS", (toys.KIND,))
    monkeypatch.setattr(kinds, "GATES", (toys.GATE,))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("release.yaml", "CHANGELOG.md", "ci/requirements/release.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    for folder in ("ci/verify", "ci/lint"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path


def snapshot(checkout: Path, *, quick: bool = False) -> Any:
    chosen = argparse.Namespace(command="snapshot", quick=quick)
    proving.snapshot(checkout, Console(), chosen)
    return report(checkout)


def verify(checkout: Path) -> Any:
    proving.verify(checkout, Console(), argparse.Namespace(command="verify", signatures=False, published=None))
    return report(checkout)


def report(checkout: Path) -> Any:
    return json.loads((checkout / "dist" / "artifacts.json").read_text())


def statuses(document: Any) -> dict[str, tuple[str, str]]:
    return {gate["name"]: (gate["status"], gate["reason"]) for gate in document["gates"]}


def test_how_the_jobs_of_a_gate_end(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = snapshot(checkout)
    assert document["quick"] is False
    assert statuses(document) == {
        "play-passes": ("passed", ""),
        "play-not-run": ("not run", "no children here"),
        "play-rare": ("unavailable", "needs rare: ?"),
        "play-far": ("unavailable", "needs far: nobody answers"),
        "play-fails": ("passed", ""),
    }
    assert document["gates"][0]["notes"] == ["nicely"]
    assert document["gates"][0]["artifacts"] == [toys.PATH]
    shown = capsys.readouterr().out
    for text in ("it passes", "no children here", "nobody answers"):
        assert text in shown


def test_a_gate_that_fails_fails_the_run_and_is_in_the_report(checkout: Path) -> None:
    (checkout / "broken").touch()
    with pytest.raises(VerificationError, match=f"{toys.PATH}: it is broken"):
        snapshot(checkout)
    assert statuses(report(checkout))["play-fails"] == ("failed", f"{toys.PATH}: it is broken")


def test_nothing_runs_again_when_nothing_changed(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = snapshot(checkout)
    capsys.readouterr()
    assert snapshot(checkout)["gates"] == first["gates"]
    printed = capsys.readouterr()
    assert "play-passes: started" not in printed.out + printed.err


def test_a_quick_snapshot_says_that_it_left_the_gates_out(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = snapshot(checkout, quick=True)
    assert (document["quick"], document["gates"]) == (True, [])
    assert "the gates were left out (--quick)" in capsys.readouterr().err


def test_verify_takes_what_is_there(checkout: Path) -> None:
    snapshot(checkout, quick=True)
    made = (checkout / "dist" / toys.PATH).stat().st_mtime_ns
    document = verify(checkout)
    assert statuses(document)["play-passes"] == ("passed", "")
    assert (checkout / "dist" / toys.PATH).stat().st_mtime_ns == made
    assert [artifact["status"] for artifact in document["artifacts"]] == ["verified", "unavailable"]


def test_verify_refuses_a_file_that_was_changed(checkout: Path) -> None:
    snapshot(checkout, quick=True)
    (checkout / "dist" / toys.PATH).write_text("tos")
    with pytest.raises(VerificationError, match=f"{toys.PATH}: it was changed after it was built"):
        verify(checkout)


def test_verify_needs_an_artefact(checkout: Path) -> None:
    with pytest.raises(UnavailableError, match="dist/ has no artefact to verify"):
        verify(checkout)
