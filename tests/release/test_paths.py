"""The tooling works in a checkout at any path, or says at once that it cannot."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import entry_points
from itertools import chain
from pathlib import Path

import pytest

from ci.core import build_dir
from ci.core.build_dir import plain_path
from ci.core.errors import HostError
from ci.core.resolve import resolve
from ci.core.run import Runner
from ci.kinds import KINDS
from ci.lint import workflows
from ci.pipeline.jobs import Verdict
from ci.verify import formula, msys2, rpm, sdist
from ci.verify.check import Check
from tests.packages.support import check_of, open_project
from tests.support import ROOT, copy_checkout, run_ci

NAMES = [
    "a[b]",
    "a{1,2}b",
    "it's",
    "a,b",
    "%2F",
    'a"b',
    "a$HOME",
    "a\\b",
    "a;b",
    "a`b",
    "a*b?",
    "a(b)",
    "~a",
    "a#b",
    "!a",
]
PLAIN = ["a b", "ü", "a-b_c.d+e", "a@b", "a=b"]


@pytest.mark.parametrize("name", NAMES)
def test_tools_see_another_path(tmp_path: Path, name: str) -> None:
    root = tmp_path / name / "checkout"
    root.mkdir(parents=True)
    plain = plain_path(root)
    assert plain == plain_path(root)
    assert plain != plain_path(tmp_path / name)
    assert plain.resolve() == root.resolve()
    assert re.fullmatch(r"[\w/.-]+", str(plain))


@pytest.mark.parametrize("name", PLAIN)
def test_tools_see_the_path_itself(tmp_path: Path, name: str) -> None:
    assert plain_path(tmp_path / name) == tmp_path / name


@pytest.mark.parametrize("name", ["a:b", "a\nb", "a\tb", "a\x1b[1mb"])
def test_what_cannot_be_supported_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(HostError) as raised:
        plain_path(tmp_path / name)
    assert raised.value.hint == "move the checkout to another path"


@pytest.mark.parametrize("plant", [Path.touch, lambda path: path.symlink_to("nowhere")])
def test_a_file_in_the_place_of_the_constant_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plant: Callable[[Path], None]
) -> None:
    base = tmp_path / "faas-runtime-build"
    plant(base)
    monkeypatch.setattr(build_dir, "BASE", base)
    with pytest.raises(HostError) as raised:
        plain_path(tmp_path / "a[b]")
    assert str(raised.value) == f"{base} is not a folder"
    assert raised.value.hint == "remove it, if it is yours to remove"


def test_every_entrance_refuses_a_colon_with_the_same_exit_code(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path / "a:b")
    done = run_ci(checkout, "plan")
    assert (done.returncode, "move the checkout to another path" in done.stderr) == (15, True), done.stderr
    started = subprocess.run([checkout / "ci" / "bootstrap", "--print"], capture_output=True, text=True, check=False)
    assert (started.returncode, "move the checkout to another path" in started.stderr) == (15, True), started.stderr


@pytest.mark.long
def test_packages_are_built_and_verified_at_such_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout = copy_checkout(tmp_path / "a[b]{1,2} it's 100%2F, $HOME" / "checkout")
    for command in ("rpm", "msys2", "brew"):
        done = run_ci(checkout, command)
        assert done.returncode == 0, done.stderr
    for module in (formula, msys2, rpm, sdist):
        monkeypatch.setattr(module, "require_answers", lambda *_: None)
    root = plain_path(checkout)
    project = open_project(root, root / "dist")
    paths = {
        "sdist": "sdist/*.tar.gz",
        "wheel": "sdist/*.whl",
        "rpm": "rpm/faas-runtime-0*.noarch.rpm",
        "rpm-devel": "rpm/*-devel-*.rpm",
        "srpm": "rpm/*.src.rpm",
        "msys2": "msys2/*ucrt*",
        "formula": "formulae/*.rb",
    }
    for kind, pattern in paths.items():
        (path,) = project.dist.glob(pattern)
        verifier: Callable[[Check], Verdict] = resolve(next(one.verifier for one in KINDS if one.name == kind))
        folder = project.dist / ".state" / f"check-{kind}"
        assert verifier(check_of(project, kind, path, folder)).passed, kind


@pytest.mark.parametrize("part", ["ci", "tests"])
def test_no_script_that_pip_has_made_is_started_by_its_name(part: str) -> None:
    """It names the Python at the path where the environment was made, in a way that `$` and a backtick break."""
    scripts = {entry.name for entry in entry_points(group="console_scripts")}
    assert {"check-jsonschema", "lint-imports", "syft"} <= scripts
    modules = (ast.walk(ast.parse(path.read_bytes())) for path in (ROOT / part).rglob("*.py"))
    calls = [node for node in chain.from_iterable(modules) if isinstance(node, ast.Call)]
    started = {argument.value for call in calls for argument in programs_of(call) if isinstance(argument, ast.Constant)}
    assert len(started) > 20
    assert started & scripts == set()


def programs_of(call: ast.Call) -> Iterable[ast.expr]:
    """What a call may start: the program that a runner is given, or the name of a tool."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name in {"run", "output", "start", "which", "program", "need", "with_name", "Popen", "check_output"}:
        first = call.args[:1]
        return first[0].elts[:1] if first and isinstance(first[0], ast.List | ast.Tuple) else first
    if name == "findings_of":
        return call.args[1:2]
    return [keyword.value for keyword in call.keywords if name == "Tool" and keyword.arg == "name"]


def test_workflows_are_checked_with_the_environment_of_such_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "a b$HOME`it's" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    monkeypatch.setenv("PATH", os.defpath)  # without the scripts of the environment
    project = open_project(ROOT, tmp_path / "dist")
    assert workflows.check_jsonschema(Runner(log=tmp_path / "log"), project) == []
    assert str(python) in (tmp_path / "log").read_text().replace("'\"'\"'", "'")
