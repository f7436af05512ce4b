"""Faults planted in the RPMs, each of which installs and answers as the good one does."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.builders.rpm import jobs
from ci.errors import VerificationError
from ci.jobs import Project
from ci.verify import rpm
from tests.verify.conftest import Checking, Spoiling

SPEC = "specs/faas-runtime.spec"
REQUIRES = "Requires:       python3 >= 3.9\n"
TOUCH = "find %{buildroot} -exec"
SAME = "source tarball"


def package(project: Project, kind: str = "rpm") -> Path:
    (path,) = (output.path for output in jobs(project)[0].outputs if output.kind == kind)
    return project.dist / path


@pytest.mark.parametrize("kind", ["rpm", "rpm-devel", "srpm"])
def test_what_was_built_passes(built: Project, checking: Checking, kind: str) -> None:
    assert rpm.verify(checking(kind, package(built, kind))) in (None, "unpacked, not installed: rpm --root needs root")


@pytest.mark.parametrize(
    ("kind", "old", "new", "said"),
    [
        ("rpm", REQUIRES, f"{REQUIRES}Requires: python(abi) = 3.11\n", "requires: .*python\\(abi\\) = 3.11"),
        ("rpm", REQUIRES, f"{REQUIRES}Conflicts: python3 >= 3.13\n", "conflicts: .*python3 >= 3.13"),
        ("rpm", REQUIRES, f"{REQUIRES}Obsoletes: python3 < 3.9\n", "obsoletes: .*python3 < 3.9"),
        ("rpm", REQUIRES, f"{REQUIRES}Provides: python3 = 9\n", "provides: .*python3 = 9"),
        ("rpm", REQUIRES, f"{REQUIRES}Recommends: gcc\n", "recommends: .*gcc"),
        ("rpm", "%preun\n", "%post\ntrue\n\n%preun\n", "kinds of scriptlets: .*postinstall"),
        ("rpm", "%preun\n", "%post -p /bin/sh\n\n%preun\n", "scriptlets"),
        ("rpm", "%preun\n", "%triggerun -- gcc\ntrue\n\n%preun\n", "kinds of scriptlets: .*triggerun"),
        ("rpm", "%preun\n", "%preun\nrm -rf /srv\n", "scriptlets, against the baked spec"),
        ("rpm", TOUCH, f"echo x > %{{buildroot}}%{{_licensedir}}/%{{name}}/LICENSE\n{TOUCH}", f"LICENSE .* {SAME}"),
        ("rpm", TOUCH, f"echo x > %{{buildroot}}%{{_docdir}}/%{{name}}/README.md\n{TOUCH}", f"README.md .* {SAME}"),
        ("rpm", "< man/faas-runtime.1", "< README.md", f"faas-runtime.1.gz .* {SAME}"),
        ("rpm-devel", "Requires:       %{name} =", "Requires:       %{name} >=", "requires: "),
        ("rpm-devel", "%files devel\n", "%post devel\ntrue\n\n%files devel\n", "requires: .*/bin/sh"),
        ("rpm-devel", TOUCH, f"echo x > %{{buildroot}}%{{_licensedir}}/%{{name}}/LICENSE\n{TOUCH}", "LICENSE"),
        ("rpm-devel", TOUCH, f"echo >> %{{buildroot}}%{{_includedir}}/faas.h\n{TOUCH}", f"faas.h .* {SAME}"),
    ],
)
def test_a_planted_fault_is_refused(
    checking: Checking, spoiling: Spoiling, kind: str, old: str, new: str, said: str
) -> None:
    spoilt = spoiling("rpm", SPEC, old, new)
    with pytest.raises(VerificationError, match=said):
        rpm.verify(checking(kind, package(spoilt, kind)))


def test_a_package_of_another_release_beside_it_does_no_harm(built: Project, checking: Checking) -> None:
    stale = package(built).with_name("faas-runtime-0.0.1-1.noarch.rpm")
    stale.write_bytes(b"not even a package")
    try:
        rpm.verify(checking("rpm", package(built)))
    finally:
        stale.unlink()
