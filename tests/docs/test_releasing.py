"""docs/releasing.md lists the steps of a release, every exit code of the tooling, and every status of an artefact."""

from __future__ import annotations

import re

from ci.commands import releasing
from ci.core import errors
from ci.pipeline.report import Status
from tests.docs import release_steps
from tests.docs.pages import DOCS


def section(name: str) -> str:
    return (DOCS / "releasing.md").read_text().partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def test_the_order_of_a_release_is_the_one_that_is_run() -> None:
    text = section("A release, step by step").partition("\n### Release\n")[2].partition("\n### ")[0]
    assert re.findall(r"(?m)^\d+\. (.+)$", text) == [step.name for step in releasing.STEPS]


def test_the_proof_follows_every_step_of_the_page() -> None:
    table = re.findall(r"(?m)^\| \[([a-z ]+)\]", section("A release, step by step"))
    with_commands = list(dict.fromkeys(one.step.lower() for one in release_steps.commands()))
    assert with_commands == table[1:], "the first step is to edit the changelog"


def test_every_exit_code_is_listed_once() -> None:
    codes = [int(code) for code in re.findall(r"(?m)^\| (\d+) \|", section("Exit codes"))]
    classes = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    raised = {kind.exit_code for kind in classes if issubclass(kind, errors.ReleaseError)}
    assert codes == sorted({0, 130, 141} | raised)


def test_every_status_is_listed_once() -> None:
    rows = re.findall(r"(?m)^\| ([a-z ]+) \|", section("What a snapshot verifies"))
    assert rows == ["status", *Status]
