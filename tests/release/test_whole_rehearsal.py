"""The session that goes the whole way of a release: what it runs, and what a step that fails says."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.command_line import parse
from ci.commands import strangers, whole_rehearsal
from ci.core.console import Console
from ci.core.errors import CommandFailed, ReleaseError, UsageError
from ci.core.run import Runner
from ci.release.throw_away import ThrowAwayKeys

SIGNERS = ThrowAwayKeys(home=Path("/home"), fingerprint="F", attestations=Path("/key.pem"))


def test_the_steps_are_those_of_a_release() -> None:
    chosen = parse(["rehearse", "minor", "rc", "--allow-missing", "ubi"])
    bump, release, publish = (step.words for step in whole_rehearsal.steps(chosen, SIGNERS))
    assert bump == ("bump", "minor", "rc", "--gnupg-home=/home")
    assert release == ("release", "--gnupg-home=/home", "--attestation-key=/key.pem", "--allow-missing=ubi")
    assert publish == ("publish", "--rehearse")
    for words in (bump, release, publish):
        assert parse(words).command == words[0], "the command line takes these words"


def test_a_step_that_fails_has_the_exit_code_of_its_session() -> None:
    step = whole_rehearsal.RehearsalStep(title="cut the version", words=("bump",))
    error = whole_rehearsal._failure(step, CommandFailed("python failed", code=UsageError.exit_code))
    assert (error.exit_code, str(error)) == (2, "the rehearsal could not cut the version: python failed")
    assert whole_rehearsal._failure(step, CommandFailed("killed")).exit_code == CommandFailed.exit_code


def test_a_session_that_fails_ends_the_rehearsal(tmp_path: Path) -> None:
    printed = "print('a line of a table\\n' * 20, flush=True)"
    (tmp_path / "ci.py").write_text(
        f"import sys\n{printed}\nprint('error: no such version', file=sys.stderr)\nsys.exit(2)\n"
    )
    steps = tuple(whole_rehearsal.RehearsalStep(title=title, words=()) for title in ("cut", "release"))
    with pytest.raises(ReleaseError, match=r"could not cut: [\s\S]*no such version") as raised:
        list(whole_rehearsal._taken(steps, tmp_path, Console(), Runner(log=tmp_path / "log")))
    assert raised.value.exit_code == UsageError.exit_code


def test_what_was_installed_is_shown_again() -> None:
    table = f"{strangers.TITLE}\n  from  what was seen\n  yum   all right\n"
    text = f"published\n{table}the rehearsal took 60 s; its servers and their files are gone\n# exit 0 after 61 s\n"
    assert whole_rehearsal._installed(text) == table.rstrip("\n")
