"""`faas-runtime package` refuses a file that is no layer, whatever is in it, and says what is wrong with it."""

from __future__ import annotations

import random
import stat
import struct
import sys
import zipfile
from pathlib import Path

import pytest

from tests.runtime.target_libraries import libraries
from tests.runtime.test_runtime_package_command import add, package

FILE, LINK, PIPE = stat.S_IFREG | 0o755, stat.S_IFLNK | 0o777, stat.S_IFIFO | 0o644
PROGRAM = Path(sys.executable).resolve().read_bytes()[:4096]
CENTRAL = b"PK\1\2"  # what an entry of the central directory begins with
RISCV = 243


@pytest.fixture(scope="module")
def library() -> Path:
    return libraries() / "no-libc" / "libfunction.so"


def refused(folder: Path, library: Path) -> str:
    exit_code, output, errors = package(folder, library, "--layer", "layer.zip")
    assert (exit_code, output) == (2, ""), errors
    assert "; get the file from https://" in errors
    assert errors.count("\n") == 1
    assert not (folder / "function.zip").exists()
    return errors


def layer(path: Path, *more: tuple[str, int, bytes], bootstrap: int = FILE, program: bytes = PROGRAM) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        add(archive, "bootstrap", b"#!/bin/sh\n", bootstrap)
        add(archive, "faas-runtime/python", program, FILE)
        for name, mode, data in more:
            add(archive, name, data, mode)
    return path


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (("faas-runtime//x", FILE, b""), "it has faas-runtime//x"),
        (("faas-runtime/./x", FILE, b""), "it has faas-runtime/./x"),
        (("faas-runtime/..\\x", FILE, b""), "it has faas-runtime/..\\x"),
        (("/etc/x", FILE, b""), "it has /etc/x"),
        (("a\n\x1b[31m", FILE, b""), r"it has 'a\n\x1b[31m'"),
        (("faas-runtime/python/x", FILE, b""), "it has files below faas-runtime/python, which is no folder"),
        (("faas-runtime/x", LINK, b"/etc/passwd"), "the link faas-runtime/x leads out of it, to /etc/passwd"),
        (("faas-runtime/x", LINK, b"../../x"), "the link faas-runtime/x leads out of it, to ../../x"),
        (("faas-runtime/x", PIPE, b""), "the mode of faas-runtime/x, 10644, is neither that of a file nor of a link"),
    ],
)
def test_entry_that_no_layer_has(library: Path, tmp_path: Path, entry: tuple[str, int, bytes], message: str) -> None:
    layer(tmp_path / "layer.zip", entry)
    assert f"layer.zip is not a layer of faas-runtime: {message}; " in refused(tmp_path, library)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_entry_that_is_there_twice(library: Path, tmp_path: Path) -> None:
    layer(tmp_path / "layer.zip", ("bootstrap", FILE, b"another"))
    assert "it has bootstrap twice" in refused(tmp_path, library)


@pytest.mark.parametrize("mode", [LINK, stat.S_IFREG | 0o644, stat.S_IFREG | 0o700])
def test_bootstrap_that_nobody_can_start(library: Path, tmp_path: Path, mode: int) -> None:
    layer(tmp_path / "layer.zip", bootstrap=mode)
    message = f"bootstrap is no program that everybody may start: its mode is {mode:o}"
    assert message in refused(tmp_path, library)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (b"text", "it has no program"),
        (PROGRAM[:8], "it has no program"),
        (PROGRAM[:18] + struct.pack("<H", RISCV) + PROGRAM[20:], "its programs are for riscv64"),
        (PROGRAM[:18] + b"\xff\xff" + PROGRAM[20:], "its programs are for another processor"),
    ],
)
def test_layer_without_a_program_for_lambda(library: Path, tmp_path: Path, program: bytes, message: str) -> None:
    layer(tmp_path / "layer.zip", program=program)
    assert message in refused(tmp_path, library)


@pytest.mark.parametrize(
    ("at", "data", "message"),
    [
        (6, b"\xc8\0", "is no zip file, or damaged: zip file version"),
        (8, b"\1\0", "bootstrap is encrypted, or compressed otherwise than by deflate"),
        (10, b"\x61\0", "bootstrap is encrypted, or compressed otherwise than by deflate"),
        (10, b"\x0e\0", "bootstrap is encrypted, or compressed otherwise than by deflate"),
        (24, struct.pack("<I", 300 << 20), " bytes unpacked, and Lambda accepts 262144000"),
    ],
)
def test_entries_that_cannot_be_unpacked(library: Path, tmp_path: Path, at: int, data: bytes, message: str) -> None:
    """A bomb is one of them: what it says of its size is read before anything is unpacked."""
    path = layer(tmp_path / "layer.zip")
    content = bytearray(path.read_bytes())
    start = content.index(CENTRAL) + at
    content[start : start + len(data)] = data
    path.write_bytes(content)
    assert message in refused(tmp_path, library)


def test_damaged_layers_are_no_bug(tmp_path: Path) -> None:
    """Whatever byte is damaged, the answer is a layer or a UsageError."""
    from faas_runtime.commands.layer import LambdaLayer
    from faas_runtime.errors import UsageError

    path = tmp_path / "layer.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (("bootstrap", b"#!/bin/sh\n" * 9), ("faas-runtime/python", PROGRAM)):
            info = zipfile.ZipInfo(name)
            info.external_attr = FILE << 16
            archive.writestr(info, data, zipfile.ZIP_DEFLATED)
    whole = path.read_bytes()
    chance = random.Random(1)
    refusals = 0
    for _ in range(600):
        content = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            content[chance.randrange(len(content))] = chance.randrange(256)
        path.write_bytes(content)
        try:
            LambdaLayer(str(path))
        except UsageError:
            refusals += 1
    assert refusals > 300
