"""The first difference between two files is found: the member, the field, the byte."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from ci.prove.explain import first_difference


def tar(time: int = 0, mode: int = 0o644, text: bytes = b"some text", owner: str = "root") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in (("first", b"the same"), ("second", text)):
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode, info.uname = len(data), time, mode, owner
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def zipped(order: tuple[str, ...] = ("a", "b")) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in order:
            archive.writestr(zipfile.ZipInfo(name), name)
    return buffer.getvalue()


def packed(data: bytes, time: int = 0, level: int = 9) -> bytes:
    return gzip.compress(data, level, mtime=time)


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (tar(), tar(time=7), "first: time: 0 and 7"),
        (tar(), tar(mode=0o600), "first: mode: '0644' and '0600'"),
        (tar(), tar(owner="somebody"), "first: owner: '0:0 root:' and '0:0 somebody:'"),
        (tar(), tar(text=b"some tent"), "second: byte 7: 'some text' and 'some tent'"),
        (packed(tar()), packed(tar(time=7)), "unpacked: first: time: 0 and 7"),
        (packed(tar()), packed(tar(), time=9), "unpacked: gzip time: 0 and 9"),
        (zipped(), zipped(("b", "a")), "order: member 0 is a and b"),
        (zipped(), zipped(("a", "b", "c")), "only in the second: c"),
        (b"abc", b"abcd", "byte 3: 'abc' and 'abcd'"),
        (tar()[:600], tar()[:601], "byte 600:"),  # damaged: it is no archive, but it still differs
    ],
)
def test_the_first_difference_is_named(tmp_path: Path, first: bytes, second: bytes, said: str) -> None:
    (tmp_path / "first").write_bytes(first)
    (tmp_path / "second").write_bytes(second)
    assert first_difference(tmp_path / "first", tmp_path / "second").startswith(said)


def test_the_same_packed_otherwise_is_told(tmp_path: Path) -> None:
    text = tar(text=b"a text that is long enough for levels to matter " * 400)
    (tmp_path / "first").write_bytes(packed(text, level=9))
    (tmp_path / "second").write_bytes(packed(text, level=0))
    said = first_difference(tmp_path / "first", tmp_path / "second")
    assert "what is packed is the same" in said or "gzip header" in said


def test_folders_are_compared_by_their_files(tmp_path: Path) -> None:
    for name, text in (("one", "a"), ("two", "b")):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "file").write_text(text)
    assert first_difference(tmp_path / "one", tmp_path / "two") == "sub/file: byte 0: 'a' and 'b'"
    assert first_difference(tmp_path / "one", tmp_path / "one") == ""
