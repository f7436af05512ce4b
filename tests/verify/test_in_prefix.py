"""The install gate for the formula: it passes, and what lies beside its keg or cannot be used is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ci.core.errors import VerificationError
from ci.manifest import dist_paths
from ci.pipeline.jobs import Project
from ci.verify import in_prefix
from ci.verify.check import BuiltFunction, Check
from tests.packages.support import check_of

pytestmark = pytest.mark.mutant

Planting = Callable[[str, str], Check]
# The last line of the formula's `install`.
INSTALL = '    chmod 0755, bin/"faas-runtime"\n'


@pytest.fixture
def planted(built: Project, c_function: BuiltFunction, tmp_path: Path) -> Planting:
    """The check of the formula after a change in it."""

    def plant(old: str, new: str) -> Check:
        text = (built.dist / dist_paths.formula(built.release)).read_text()
        assert old in text
        formula = tmp_path / "formulae" / "faas-runtime.rb"
        formula.parent.mkdir()
        formula.write_text(text.replace(old, new, 1))
        return check_of(built, "formula", formula, tmp_path / "check", c_function)

    return plant


def test_the_formula_is_installed_and_removed(planted: Planting) -> None:
    check = planted("", "")
    verdict = in_prefix.install(check)
    assert verdict.passed
    assert verdict.untried == ("by a stand-in for brew",)
    assert not list((check.folder / "prefix" / "Cellar").glob("*"))
    assert not (check.folder / "prefix" / "bin").exists()


def test_a_file_beside_the_keg_is_named(planted: Planting) -> None:
    with pytest.raises(VerificationError, match=r"^formulae/faas-runtime\.rb: files beside the keg: .*'etc/faas'"):
        in_prefix.install(planted(INSTALL, f'{INSTALL}    (prefix/"../../../etc/faas").write "x"\n'))
