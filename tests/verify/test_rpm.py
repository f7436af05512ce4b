"""Faults planted in the RPMs, each of which installs and answers as the good one does."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ci.builders.rpm import jobs, probe
from ci.core.errors import VerificationError
from ci.pipeline.jobs import Project
from ci.verify import rpm
from tests.cases import first_of
from tests.packages.support import check_of, open_project
from tests.verify.conftest import Checking, Spoiling

pytestmark = pytest.mark.mutant

SPEC = "specs/faas-runtime.spec"
REQUIRES = "Requires:       python3 >= 3.9\n"
TOUCH = "find %{buildroot} -exec"
SAME = "source tarball"


def package(project: Project, kind: str = "rpm") -> Path:
    (path,) = (output.path for output in jobs(project.with_facts(probe(project)))[0].outputs if output.kind == kind)
    return project.dist / path


@pytest.mark.parametrize("kind", ["rpm", "rpm-devel", "srpm"])
def test_what_was_built_passes(built: Project, checking: Checking, kind: str) -> None:
    untried = rpm.verify(checking(kind, package(built, kind))).untried
    assert untried in ((), ("unpacked, not installed: rpm --root needs root",))


@pytest.mark.parametrize(
    ("kind", "old", "new", "said"),
    first_of(
        [
            ("rpm", REQUIRES, f"{REQUIRES}Requires: python(abi) = 3.11\n", "requires: .*python\\(abi\\) = 3.11"),
            ("rpm", "%preun\n", "%preun\nrm -rf /srv\n", "scriptlets, compared with the rendered spec"),
            ("rpm", TOUCH, f"echo x > %{{buildroot}}%{{_licensedir}}/%{{name}}/LICENSE\n{TOUCH}", f"LICENSE .* {SAME}"),
            ("rpm-devel", TOUCH, f"echo >> %{{buildroot}}%{{_includedir}}/faas.h\n{TOUCH}", f"faas.h .* {SAME}"),
            ("rpm", REQUIRES, f"{REQUIRES}Conflicts: python3 >= 3.13\n", "conflicts: .*python3 >= 3.13"),
            ("rpm", REQUIRES, f"{REQUIRES}Obsoletes: python3 < 3.9\n", "obsoletes: .*python3 < 3.9"),
            ("rpm", REQUIRES, f"{REQUIRES}Provides: python3 = 9\n", "provides: .*python3 = 9"),
            ("rpm", REQUIRES, f"{REQUIRES}Recommends: gcc\n", "recommends: .*gcc"),
            ("rpm", "%preun\n", "%post\ntrue\n\n%preun\n", "kinds of scriptlets: .*postinstall"),
            ("rpm", "%preun\n", "%post -p /bin/sh\n\n%preun\n", "scriptlets"),
            ("rpm", "%preun\n", "%triggerun -- gcc\ntrue\n\n%preun\n", "kinds of scriptlets: .*triggerun"),
            ("rpm", TOUCH, f"echo x > %{{buildroot}}%{{_docdir}}/%{{name}}/README.md\n{TOUCH}", f"README.md .* {SAME}"),
            ("rpm", "< man/faas-runtime.1", "< README.md", f"faas-runtime.1.gz .* {SAME}"),
            ("rpm-devel", "Requires:       %{name} =", "Requires:       %{name} >=", "requires: "),
            ("rpm-devel", "%files devel\n", "%post devel\ntrue\n\n%files devel\n", "requires: .*/bin/sh"),
            ("rpm-devel", TOUCH, f"echo x > %{{buildroot}}%{{_licensedir}}/%{{name}}/LICENSE\n{TOUCH}", "LICENSE"),
        ],
        4,
    ),
)
def test_a_planted_fault_is_refused(
    checking: Checking, spoiling: Spoiling, kind: str, old: str, new: str, said: str
) -> None:
    spoilt = spoiling("rpm", SPEC, old, new)
    with pytest.raises(VerificationError, match=said):
        rpm.verify(checking(kind, package(spoilt, kind)))


def test_a_package_of_another_release_beside_it_does_no_harm(built: Project, tmp_path: Path) -> None:
    for name in ("sdist", "baked", "rpm"):
        shutil.copytree(built.dist / name, tmp_path / "dist" / name)
    project = open_project(built.root, tmp_path / "dist", built.release)
    package(project).with_name("faas-runtime-0.0.1-1.noarch.rpm").write_bytes(b"not even a package")
    rpm.verify(check_of(project, "rpm", package(project), tmp_path / "check"))
