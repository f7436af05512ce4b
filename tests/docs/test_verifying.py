"""The commands of SECURITY.md and of docs/verifying.md, run on a release that is really signed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.docs.conftest import need, variables
from tests.docs.follow import Reader
from tests.docs.pages import blocks
from tests.release.fixtures_of_sets import _tools_of_the_environment, built, finished, keys, release, signing
from tests.release.sets import VERIFY, OwnerKeys
from tests.release.site import served

__all__ = ["_tools_of_the_environment", "built", "finished", "keys", "release", "signing"]

PUBLISHED = "https://github.com/faas-runtime/faas-runtime/releases/download/v0.1.0"


@pytest.mark.parametrize("page", ["../SECURITY.md", "verifying.md"])
def test_the_commands_of_the_page(page: str, finished: Path, keys: OwnerKeys, tmp_path: Path) -> None:
    need("gpg", "rpmkeys", "openssl", "sha256sum")
    folder = tmp_path / "work"
    shutil.copytree(finished, tmp_path / "site" / "releases", ignore=shutil.ignore_patterns("yum", "pacman"))
    with (
        served(tmp_path / "site") as url,
        Reader(folder, variables(tmp_path / "home"), instead=(PUBLISHED, url)) as reader,
    ):
        shutil.copytree(finished, folder / "release")
        shutil.copy(keys.public, folder / "packages.asc")
        shutil.copy(VERIFY, folder)
        reader.follow(blocks(page))
