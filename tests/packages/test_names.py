"""Names and modes of the files that ship: odd names are shipped and verified, other modes are refused at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ci.bake.render import bake
from ci.builders.sdist import sources
from ci.core.errors import VerificationError
from ci.core.resolve import resolve
from ci.kinds import KINDS
from ci.pipeline.jobs import Project, Verdict
from ci.verify import formula, msys2, rpm, sbom, sdist
from ci.verify.check import Check
from tests.packages.support import build, check_of, checkout_of, open_project
from tests.packages.test_links import commit
from tests.support import copy_checkout, run_ci

NAMES = [
    "a b.txt",
    "ü.txt",
    "日本語.txt",
    "it's.txt",
    'a"b.txt',
    "a$HOME.txt",
    "a%b.txt",
    "a[b].txt",
    "a{1,2}b.txt",
    "a;b.txt",
    "a&b.txt",
    "a,b.txt",
    "a\\b.txt",
    "a\\040b.txt",
    "a#b.txt",
    "a*b.txt",
    "a`b`.txt",
    "-a.txt",
    "a=b.txt",
    "@a.txt",
    "%name.txt",
    "%{name}.txt",
    "%%name.txt",
]
FOLDERS = ["runtime/faas_runtime/odd names", "recipes/c-function/{{cookiecutter.name}}"]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """All packages of a checkout with such names in the runtime and in a recipe."""
    checkout = checkout_of(tmp_path_factory.mktemp("odd") / "checkout")
    for folder in FOLDERS:
        (checkout / folder).mkdir(exist_ok=True)
        for name in NAMES:
            (checkout / folder / name).write_text(f"{name}\n")
    project = open_project(checkout, checkout / "dist")
    bake(checkout, project.release, checkout)
    return build(project)


@pytest.fixture
def nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (formula, msys2, rpm, sdist):
        monkeypatch.setattr(module, "require_answers", lambda *_: None)


@pytest.mark.usefixtures("nobody_answers")
@pytest.mark.parametrize("kind", ["sdist", "wheel", "rpm", "rpm-devel", "srpm", "msys2", "formula"])
def test_files_of_any_name_ship_in_every_package(odd: Project, tmp_path: Path, kind: str) -> None:
    found = next(one for one in KINDS if one.name == kind)
    endings = {"sdist": "*.tar.gz", "wheel": "*.whl", "rpm": "*[0-9].noarch.rpm", "msys2": "*ucrt*"}
    endings |= {"rpm-devel": "*-devel-*.rpm", "srpm": "*.src.rpm", "formula": "*.rb"}
    paths = sorted((odd.dist / found.folder).glob(endings[kind]))
    path = next(path for path in paths if kind != "rpm" or "-devel-" not in path.name)
    verifier: Callable[[Check], Verdict] = resolve(found.verifier)
    assert verifier(check_of(odd, kind, path, tmp_path / "check")).passed


def test_sboms_list_files_of_any_name(odd: Project, tmp_path: Path) -> None:
    for number, path in enumerate(sorted((odd.dist / "sbom").iterdir())):
        assert sbom.verify(check_of(odd, "sbom", path, tmp_path / str(number))).passed


@pytest.mark.parametrize(
    "name", ["a\tb.txt", "a\nb.txt", "a\rb.txt", "\x1b[2J.txt", "\x7f.txt", "\x85.txt", "\udcfc.txt"]
)
@pytest.mark.parametrize("with_git", [True, False])
def test_a_name_that_not_every_package_can_have_is_refused(tmp_path: Path, name: str, with_git: bool) -> None:
    checkout = checkout_of(tmp_path / "checkout")
    (checkout / "runtime" / "faas_runtime" / name).touch()
    if with_git:
        commit(checkout)
    with pytest.raises(VerificationError, match="the name contains a control character or is not UTF-8") as raised:
        sources(checkout)
    assert str(raised.value).isprintable()
    assert "rename the file" in raised.value.hint


@pytest.mark.parametrize(
    "name",
    [
        "runtime/README.md",
        "runtime/LICENSE",
        "runtime/include/faas.h",
        "runtime/man/faas-runtime.1",
        "runtime/faas_runtime/__main__.py",
        "runtime/faas_runtime/emulator/samples/ses.json",
        "recipes/c-function/{{cookiecutter.name}}/README.md",
        "recipes/rust-function/{{cookiecutter.name}}/src/lib.rs",
        "recipes/rust-function/cookiecutter.json",
        "runtime/crate/src/lib.rs",
    ],
)
@pytest.mark.parametrize("mode", [0o755, 0o654])
def test_a_file_that_may_not_be_executable_is_refused(tmp_path: Path, name: str, mode: int) -> None:
    checkout = checkout_of(tmp_path / "checkout")
    (checkout / name).chmod(mode)
    with pytest.raises(VerificationError) as raised:
        sources(checkout)
    assert str(raised.value) == f"{checkout / name}: is executable; of all that ships only bin/faas-runtime may be"
    assert "chmod -x" in raised.value.hint


def test_check_says_which_files_may_be_executable(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path / "checkout")
    (checkout / "recipes" / "c-function" / "{{cookiecutter.name}}" / "Makefile").chmod(0o755)
    done = run_ci(checkout, "check")
    assert done.returncode == 14, done.stderr
    assert "Makefile: is executable; of all that ships only bin/faas-runtime may be" in done.stderr


@pytest.fixture
def check(tmp_path: Path) -> Check:
    checkout = checkout_of(tmp_path / "checkout")
    return check_of(open_project(checkout, checkout / "dist"), "rpm", tmp_path / "a.rpm", tmp_path / "check")


def test_a_difference_is_short_and_has_modes_in_octal(check: Check) -> None:
    with pytest.raises(VerificationError, match="mode of x: found 0755, expected 0644"):
        check.require_equal(0o100755, 0o644, "mode of x")
    found = {f"file-{number:03}": "100644" for number in range(300)}
    with pytest.raises(VerificationError) as raised:
        check.require_equal({**found, "file-007": "100755", "more": "100644"}, found, "modes")
    first, second = str(raised.value).splitlines()
    assert first.endswith("modes: file-007: found '100755', expected '100644'")
    assert second == "  more: found '100644', expected nothing"
    with pytest.raises(VerificationError) as raised:
        check.require_equal({}, found, "modes")
    assert str(raised.value).endswith("  and 290 more")
    with pytest.raises(VerificationError) as raised:
        check.require_equal("x" * 20_000, "", "text")
    assert len(str(raised.value)) < 1_000
    with pytest.raises(VerificationError, match=r"files: missing \['file-000', .*…") as raised:
        check.require_same_set(set(), set(found), "files")
    assert len(str(raised.value)) < 1_000
