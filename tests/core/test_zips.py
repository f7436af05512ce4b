"""Zip files as trees: written and read again, and damaged ones."""

from __future__ import annotations

import hashlib
import os
import random
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from ci.core import tars, zips
from ci.core.errors import VerificationError
from ci.core.tars import Entry

EPOCH = 1_700_000_000
FOLDER = Entry(kind=tarfile.DIRTYPE, mode=0o755)
TREE = {"bootstrap": tars.file(b"#!/bin/sh\n" * 9, 0o755), "folder/link": tars.link("../bootstrap")}


def test_a_tree_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "tree.zip"
    path.write_bytes(zips.pack(TREE, EPOCH))
    assert zips.read(path) == TREE


def test_another_program_reads_it(tmp_path: Path) -> None:
    """Files, modes, links, names beyond ASCII, and data that does not become smaller."""
    tree = {**TREE, "folder/é ü.txt": tars.file(random.Random(2).randbytes(70_000)), "empty": tars.file(b"", 0o600)}
    (tmp_path / "tree.zip").write_bytes(zips.pack(tree, EPOCH))
    subprocess.run(["unzip", "-q", "tree.zip", "-d", "out"], cwd=tmp_path, env={**os.environ, "TZ": "UTC"}, check=True)
    for name, entry in tree.items():
        path = tmp_path / "out" / name
        if entry.target:
            assert str(path.readlink()) == entry.target
        else:
            assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (entry.data, entry.mode)
            assert path.stat().st_mtime == EPOCH


def test_the_bytes_depend_on_the_content_alone() -> None:
    """The digest changes only when libdeflate does: then, every layer does, too."""
    packed = zips.pack({"b": tars.file(b"text " * 100), "a": tars.link("b"), "c": FOLDER}, EPOCH)
    assert packed == zips.pack({"a": tars.link("b"), "b": tars.file(b"text " * 100)}, EPOCH)
    assert hashlib.sha256(packed).hexdigest() == "7f00fb413bdb749a317923bf6f87a5edae41c49496ee43db49e2da0268b97b43"


@pytest.mark.parametrize("epoch", [0, 4_354_819_200])
def test_a_year_that_it_cannot_have(epoch: int) -> None:
    with pytest.raises(ValueError, match=r"^a zip file cannot have the year (1970|2108): it has 1980 to 2107$"):
        zips.pack(TREE, epoch)


def test_more_entries_than_it_can_have() -> None:
    with pytest.raises(ValueError, match=r"^65536 files: too many for a zip file without ZIP64$"):
        zips.pack({str(number): tars.file(b"") for number in range(65536)}, EPOCH)


@pytest.mark.parametrize(
    ("name", "kind", "what"),
    [
        ("a" * 65536, tarfile.REGTYPE, "a{80}…: the name is too long for a zip file"),
        ("a", tarfile.LNKTYPE, "a: neither a file nor a symbolic link"),
        ("b", b"9", "b: neither a file nor a symbolic link"),
    ],
)
def test_an_entry_that_it_cannot_have(name: str, kind: bytes, what: str) -> None:
    with pytest.raises(ValueError, match=f"^{what}$"):
        zips.pack({name: Entry(kind=kind, mode=0o644)}, EPOCH)


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
