"""The install gate and the upgrade gate: what was built passes, and a planted fault is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.core.errors import VerificationError
from ci.pipeline.jobs import Project
from ci.verify.check import BuiltFunction
from tests.gates import run_job
from tests.packages.fixtures import older
from tests.verify.conftest import Spoiling

__all__ = ["older"]

SPEC = "specs/faas-runtime.spec"
PKGBUILD = "msys2/PKGBUILD"


@pytest.mark.long
@pytest.mark.mutant
def test_a_file_that_is_left_after_the_removal(spoiling: Spoiling, c_function: BuiltFunction, tmp_path: Path) -> None:
    spoilt = spoiling("rpm", SPEC, "%preun\n", "%preun\ntouch /usr/share/left-behind\n")
    with pytest.raises(VerificationError, match=r"noarch\.rpm: files that are left after the removal: .*left-behind"):
        run_job(spoilt, "install-rpm-bookworm", c_function, tmp_path / "job")


@pytest.mark.mutant
def test_a_dependency_that_nobody_provides(spoiling: Spoiling, c_function: BuiltFunction, tmp_path: Path) -> None:
    spoilt = spoiling("msys2", PKGBUILD, "-python>=3.9", "-python>=9")
    with pytest.raises(VerificationError, match=r"(?s)pkg\.tar\.zst: it does not install.*python>=9"):
        run_job(spoilt, "install-msys2-ucrt64-bookworm", c_function, tmp_path / "job")


@pytest.mark.mutant
def test_byte_code_of_a_dropped_module(
    spoiling: Spoiling, older: Project, c_function: BuiltFunction, tmp_path: Path
) -> None:
    spoilt = spoiling("rpm", SPEC, '|| rm -f "$compiled"', "|| :")
    with pytest.raises(VerificationError, match=r"after the upgrade: .*byte code: .*not expected \[.*gone"):
        run_job(spoilt, "upgrade-rpm-sid", c_function, tmp_path / "job", older)
