"""Several targets after each other: their order, what stands in the way, and what is said when one fails."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ci.core.console import Console
from ci.core.errors import HostError, PreflightError, ReleaseError, UnavailableError, UsageError, VerificationError
from ci.core.faults import Fault
from ci.core.masking import PROCESS
from ci.publish import run, tokens
from ci.publish.ledger import PublicationLedger
from ci.publish.target import Item, State


@dataclass
class ToyTarget:
    """A target that writes down what it is asked to do."""

    name: str
    done: list[str]
    faults: Sequence[Fault] = ()
    broken: Exception | None = None
    state_found: State = State.MISSING
    promoted: list[str] = field(default_factory=list)
    promotion_faults: Sequence[Fault] = ()
    silent: Exception | None = None

    def preflight(self) -> Sequence[Fault]:
        if self.broken and self.state_found == State.BROKEN:
            raise self.broken
        return self.faults

    def preflight_promotion(self) -> Sequence[Fault]:
        if self.broken:
            raise self.broken
        return self.promotion_faults

    def state(self) -> Sequence[Item]:
        if self.silent:
            raise self.silent
        sent = () if self.state_found == State.THERE else (f"PUT /{self.name}",)
        return [Item(name=f"file of {self.name}", state=self.state_found, requests=sent, size=1_500_000)]

    def publish(self) -> None:
        if self.broken:
            raise self.broken
        self.done.append(self.name)
        self.state_found = State.THERE

    def promote(self) -> None:
        self.promoted.append(self.name)


def toys(*names: str) -> tuple[list[ToyTarget], list[str]]:
    done: list[str] = []
    return [ToyTarget(name=name, done=done) for name in names], done


def test_what_others_lead_to_comes_first(capsys: pytest.CaptureFixture[str]) -> None:
    targets, done = toys("tap", "yum", "crates", "pypi", "github", "pacman", "registry")
    run.publish(run.chosen(targets, ()), Console())
    assert done == ["github", "registry", "pypi", "crates", "yum", "pacman", "tap"]
    assert "github    1 of 1" in capsys.readouterr().out


def test_only_some_targets(capsys: pytest.CaptureFixture[str]) -> None:
    targets, _ = toys("tap", "github")
    assert [one.name for one in run.chosen(targets, ["tap"])] == ["tap"]
    with pytest.raises(UsageError, match="--only tab: there is no such target here"):
        run.chosen(targets, ["tab"])


def test_everything_that_stands_in_the_way_is_said_at_once() -> None:
    targets, done = toys("github", "registry")
    targets[0].faults = [Fault(check="github", where="v1", what="the tag is missing there", advice="push it")]
    targets[1].broken, targets[1].state_found = HostError("no answer", hint="wait"), State.BROKEN
    own = Fault(check="set", where="a.rpm", what="is not verified", advice="verify it")
    with pytest.raises(PreflightError) as raised:
        run.require_ready(targets, [own], Console())
    assert str(raised.value).startswith("3 faults keep this release from being published\n")
    assert all(text in str(raised.value) for text in ("a.rpm: is not verified", "the tag is missing", "no answer"))
    assert done == []


def test_a_warning_stops_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    targets, _ = toys("github")
    targets[0].faults = [Fault(check="github", where="x", what="is odd", advice="look", warning=True)]
    run.require_ready(targets, [], Console())
    assert "warning: x: is odd" in capsys.readouterr().err


def test_a_target_that_fails_stops_those_after_it() -> None:
    targets, done = toys("github", "registry", "tap")
    targets[1].broken = VerificationError("1.0-micro: it has other bytes there", hint="take the next version")
    with pytest.raises(ReleaseError, match=r"registry: 1\.0-micro: it has other bytes there; not begun: tap") as raised:
        run.publish(targets, Console())
    assert raised.value.exit_code == VerificationError.exit_code
    assert raised.value.hint == "take the next version"
    assert done == ["github"]


def test_a_dry_run_shows_each_request_and_sends_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    targets, done = toys("github", "tap")
    targets[1].state_found = State.THERE
    run.show_plan(targets, Console())
    printed = capsys.readouterr().out
    assert "file of github  missing    1.5 MB  PUT /github" in printed
    assert "PUT /tap" not in printed
    assert done == []


def test_servers_that_are_away_are_no_fault_of_the_release() -> None:
    targets, _ = toys("github", "registry")
    for target in targets:
        target.broken, target.state_found = HostError(f"{target.name}: no answer", hint="wait"), State.BROKEN
    with pytest.raises(HostError, match="2 faults keep this release from being published"):
        run.require_ready(targets, [], Console())
    warning = Fault(check="set", where="x", what="is odd", advice="look", warning=True)
    with pytest.raises(HostError):
        run.require_ready(targets, [warning], Console())
    with pytest.raises(PreflightError):
        run.require_ready(targets, [dataclasses.replace(warning, warning=False)], Console())
    targets[1].broken = UnavailableError("the token is wrong")
    with pytest.raises(PreflightError):
        run.require_ready(targets, [], Console())


def test_what_stands_in_the_way_of_a_promotion_is_said_before_it_begins() -> None:
    targets, _ = toys("github", "yum")
    targets[1].promotion_faults = [Fault(check="yum", where="testing/yum", what="shows another", advice="publish it")]
    run.require_ready(targets, [], Console())
    with pytest.raises(PreflightError, match="one fault keeps this release from being promoted\ntesting/yum: shows"):
        run.require_promotable(targets, [], Console())
    targets[1].promotion_faults, targets[0].broken = (), HostError("no answer")
    with pytest.raises(HostError, match="no answer"):
        run.require_promotable(targets, [], Console())


def test_a_dry_run_goes_on_after_a_server_that_cannot_be_asked(capsys: pytest.CaptureFixture[str]) -> None:
    targets, _ = toys("github", "registry", "tap")
    targets[0].silent = HostError("no answer\n  after 5 attempts")
    targets[1].state_found = State.THERE
    run.show_plan(targets[:2], Console())
    captured = capsys.readouterr()
    assert "github    cannot be asked: no answer after 5 attempts" in captured.out
    assert "registry  file of registry" in captured.out
    assert "everything is there already" not in captured.err
    run.show_plan(targets[1:2], Console())
    assert "everything is there already" in capsys.readouterr().err


def test_other_bytes_without_a_request_are_not_there(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    targets, _ = toys("yum")
    monkeypatch.setattr(targets[0], "state", lambda: [Item(name="tree", state=State.OTHER)])
    run.show_plan(targets, Console())
    assert "everything is there already" not in capsys.readouterr().err


@pytest.mark.parametrize("where", ["publish", "state"])
def test_what_was_published_is_shown_when_a_later_target_fails(capsys: pytest.CaptureFixture[str], where: str) -> None:
    targets, _ = toys("github", "registry", "tap")
    if where == "publish":
        targets[1].broken = HostError("no answer")
    else:
        targets[1].silent = HostError("no answer")
    with pytest.raises(ReleaseError, match="registry: no answer; not begun: tap") as raised:
        run.publish(targets, Console())
    assert raised.value.exit_code == HostError.exit_code
    printed = capsys.readouterr().out
    assert "github  1 of 1" in printed
    assert "registry" not in printed


def test_a_promotion_asks_every_target(capsys: pytest.CaptureFixture[str]) -> None:
    targets, done = toys("github", "tap")
    run.promote(targets, Console())
    assert [target.promoted for target in targets] == [["github"], ["tap"]]
    assert done == []


def test_the_ledger_remembers_for_one_version(tmp_path: Path) -> None:
    path = tmp_path / "dist" / "publish.json"
    ledger = PublicationLedger(path, "1.0")
    ledger.remember("github", "draft", "12")
    ledger.remember("registry", "upload", "/v2/x")
    ledger.forget("registry", "upload")
    assert json.loads(path.read_bytes())["targets"] == {"github": {"draft": "12"}, "registry": {}}
    assert PublicationLedger(path, "1.0").get("github", "draft") == "12"
    assert PublicationLedger(path, "1.1").get("github", "draft") == ""
    path.write_text('{"format": 2, "version": "1.0"}')
    with pytest.raises(UsageError, match="its format is 2, and 1 is known"):
        PublicationLedger(path, "1.0")
    path.write_text("half a file")
    assert PublicationLedger(path, "1.0").get("github", "draft") == ""


def test_a_token_comes_from_a_variable_or_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("a-token-of-the-tests\n")
    for name in ("T", "T_FILE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="T and T_FILE: neither is set"):
        tokens.read("T")
    monkeypatch.setenv("T_FILE", str(file))
    assert tokens.read("T", "someone").reveal() == "a-token-of-the-tests"
    assert "a-token-of-the-tests" not in PROCESS.mask("Bearer a-token-of-the-tests")
    monkeypatch.setenv("T", "another-token")
    with pytest.raises(UsageError, match="both are set"):
        tokens.read("T")
    monkeypatch.delenv("T")
    monkeypatch.setenv("T_FILE", str(tmp_path / "missing"))
    with pytest.raises(UsageError, match=r"T_FILE: .*missing: it cannot be read: No such file or directory$"):
        tokens.read("T")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "T and T_FILE: both are empty"),
        ("  \n", "T: it is empty"),
        ("short", "T: it is too short: 5 characters, and 8 at least"),
        ("a-token-of-the\ntests-in-two-lines", "T: it has a line break inside"),
        ("a-token\x07-of-the-tests", "T: it has a character that cannot be printed"),
    ],
    ids=["unset", "blank", "short", "two-lines", "bell"],
)
def test_what_is_no_token_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str, said: str) -> None:
    monkeypatch.delenv("T_FILE", raising=False)
    monkeypatch.setenv("T", value)
    with pytest.raises(UsageError, match=said):
        tokens.read("T")
    if value:
        file = tmp_path / "token"
        file.write_text(value)
        monkeypatch.delenv("T")
        monkeypatch.setenv("T_FILE", str(file))
        with pytest.raises(UsageError, match=said.replace("T:", f"T_FILE: {file}:")):
            tokens.read("T")
