"""Faults planted in an MSYS2 package, each of which installs and answers as the good one does."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.core.errors import VerificationError
from ci.manifest import dist_paths
from ci.pipeline.jobs import Project
from ci.verify import msys2
from tests.cases import first_of
from tests.verify.conftest import Checking, Spoiling

pytestmark = pytest.mark.mutant

PKGBUILD = "msys2/PKGBUILD"
DEPENDS = 'depends=("${MINGW_PACKAGE_PREFIX}-python>=3.9")\n'
COMMANDS = "  _install_commands\n"
LICENSE = '"${prefix}/share/licenses/${_realname}/LICENSE"'
REMOVING = "Exec = /usr/bin/find ${code} -name __pycache__ -prune -exec rm -rf {} +\n"


def package(project: Project) -> Path:
    return project.dist / dist_paths.msys2(project.release, "ucrt64")


def test_what_was_built_passes(built: Project, checking: Checking) -> None:
    assert msys2.verify(checking("msys2", package(built))).untried[0].startswith("the .cmd was not started")


def test_no_relation_to_other_packages_is_accepted_but_the_one_to_python(
    checking: Checking, spoiling: Spoiling
) -> None:
    """All fields are compared at once, and the message shows them: one build stands for a fault in each."""
    relations = {
        "conflicts": ("conflict", "a"),
        "replaces": ("replaces", "b"),
        "provides": ("provides", "c"),
        "optdepends": ("optdepend", "d: more"),
    }
    planted = "".join(f'{name}=("{value}")\n' for name, (_, value) in relations.items())
    spoilt = spoiling("msys2", PKGBUILD, DEPENDS, DEPENDS.replace('=("', '=("evil" "') + planted)
    with pytest.raises(VerificationError, match=r"\.PKGINFO: ") as raised:
        msys2.verify(checking("msys2", package(spoilt)))
    said = str(raised.value)
    assert "depend: found ['evil', " in said
    for key, value in relations.values():
        assert f"{key}: found ['{value}'], expected nothing" in said


@pytest.mark.parametrize(
    ("old", "new", "said"),
    first_of(
        [
            (REMOVING, "Exec = /usr/bin/rm -rf /\n", "clean.hook"),
            ("When = PostTransaction\n", "When = PostTransaction\nNeedsTargets\n", "compile.hook"),
            (COMMANDS, f'{COMMANDS}  echo "//" >> "${{prefix}}/include/faas.h"\n', "faas.h .* source tarball"),
            (COMMANDS, f"{COMMANDS}  echo x > {LICENSE}\n", "LICENSE .* source tarball"),
            (COMMANDS, f'{COMMANDS}  cp README.md "${{prefix}}/share/man/man1/faas-runtime.1"\n', "faas-runtime.1"),
            (COMMANDS, f'{COMMANDS}  echo x >> "${{prefix}}/share/doc/${{_realname}}/README.md"\n', "README.md"),
            (COMMANDS, f'{COMMANDS}  ln -s faas.h "${{prefix}}/include/alias.h"\n', "alias.h"),
        ]
    ),
)
def test_a_planted_fault_is_refused(checking: Checking, spoiling: Spoiling, old: str, new: str, said: str) -> None:
    spoilt = spoiling("msys2", PKGBUILD, old, new)
    with pytest.raises(VerificationError, match=said):
        msys2.verify(checking("msys2", package(spoilt)))
