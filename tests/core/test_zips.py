"""Zip files as trees: written and read again, and damaged ones."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ci.core import tars, zips
from ci.core.errors import VerificationError

EPOCH = 1_700_000_000
TREE = {"bootstrap": tars.file(b"#!/bin/sh\n" * 9, 0o755), "folder/link": tars.link("../bootstrap")}


def test_a_tree_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "tree.zip"
    path.write_bytes(zips.pack(TREE, EPOCH))
    assert zips.read(path) == TREE


@pytest.mark.parametrize(("at", "data"), [(6, 200), (8, 1), (10, 97)])
def test_entry_that_cannot_be_unpacked(tmp_path: Path, at: int, data: int) -> None:
    """One for a newer version of the format, an encrypted one, and one that is compressed in an unknown way."""
    content = bytearray(zips.pack(TREE, EPOCH))
    content[content.index(b"PK\1\2") + at] = data
    path = tmp_path / "tree.zip"
    path.write_bytes(content)
    with pytest.raises(VerificationError, match=r"tree\.zip: no zip file, or damaged: "):
        zips.read(path)


def test_damaged_bytes_are_a_fault_of_the_file(tmp_path: Path) -> None:
    chance = random.Random(1)
    whole = zips.pack(TREE, EPOCH)
    path = tmp_path / "tree.zip"
    faults = 0
    for _ in range(1000):
        content = bytearray(whole)
        content[chance.randrange(len(content))] = chance.randrange(256)
        path.write_bytes(content)
        try:
            zips.read(path)
        except VerificationError:
            faults += 1
    assert faults > 300
