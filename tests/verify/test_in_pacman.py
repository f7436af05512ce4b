"""The repository that the gates offer to pacman is read anew each time."""

from __future__ import annotations

import os
from pathlib import Path

from ci.pipeline.jobs import Project
from ci.verify.in_pacman import Pacman, python_stub
from tests.gates import root_of

NAME = "mingw-w64-ucrt-x86_64-python"


def test_a_repository_that_changes_within_a_second_is_read_again(built: Project, tmp_path: Path) -> None:
    pacman = Pacman(root=root_of(built, "bookworm", tmp_path / "work"))
    database = pacman.root.folder / "srv" / "repository" / "offered.db.tar.gz"
    for version, words in (("3.11.1", ("-Sy", NAME)), ("3.11.2", ("-Syu",))):
        pacman.offer([python_stub(tmp_path / "stub", "ucrt64", version, pacman.root.python)])
        os.utime(database, (1, 1))
        pacman(*words)
        assert pacman.output("-Q", NAME) == f"{NAME} {version}-1\n"
