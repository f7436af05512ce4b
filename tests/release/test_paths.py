"""The tooling works in a checkout at any path, or says at once that it cannot."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ci.core import build_dir
from ci.core.build_dir import plain_path
from ci.core.errors import HostError
from ci.core.resolve import resolve
from ci.kinds import KINDS
from ci.pipeline.jobs import Verdict
from ci.verify import formula, msys2, rpm, sdist
from ci.verify.check import Check
from tests.packages.support import check_of, open_project
from tests.support import copy_checkout, run_ci

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
