"""The library under --watch, looked at closely: what is a change, and what is waited for before it is copied."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest
from faas_runtime.emulator.source import NotThere, Source

from tests.emulator.building import overwrite, rename, rename_older, unlink_and_create
from tests.runtime.support import FUNCTIONS, SUFFIX, TIMEOUT_S, compile_library

PATIENCE_S = 0.2  # for what has to fail in the end


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_library(FUNCTIONS / "probe.c", tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_library(FUNCTIONS / "hooks.c", tmp_path_factory.mktemp("other"))


@pytest.fixture
def library(tmp_path: Path, built: Path) -> Path:
    return Path(shutil.copy(built, tmp_path / f"libf{SUFFIX}"))


def copied(source: Source) -> Path:
    return Path(asyncio.run(asyncio.wait_for(source.copy(), TIMEOUT_S)))


def old(path: Path, age_s: float = 60) -> None:
    """As if it was written a while ago."""
    at = path.stat().st_mtime - age_s
    os.utime(path, (at, at))


def test_copy_is_private_and_has_the_name(library: Path) -> None:
    source = Source(str(library))
    first, second = copied(source), copied(source)
    assert first != second
    assert first.name == second.name == library.name
    assert first.read_bytes() == second.read_bytes() == library.read_bytes()
    assert first.stat().st_ino != library.stat().st_ino
    assert first.parent.parent.stat().st_mode & 0o077 == 0
    source.discard(str(first))
    assert not first.parent.exists()
    assert second.exists()
    source.close()
    assert not second.parent.parent.exists()
    source.close()


def test_copies_after_a_close_go_elsewhere(library: Path) -> None:
    source = Source(str(library))
    copied(source)
    source.close()
    again = copied(source)
    assert again.exists()
    source.close()
    assert not again.exists()


def test_before_the_first_copy_all_is_new(library: Path) -> None:
    source = Source(str(library))
    assert source.changed()
    copied(source)
    assert not source.changed()
    assert not source.changed()
    source.close()


def overwrite_with_an_older_time(built: Path, library: Path) -> None:
    overwrite(built, library)
    old(library, 86400)


@pytest.mark.parametrize("build", [overwrite, unlink_and_create, rename, rename_older, overwrite_with_an_older_time])
def test_every_way_to_build_is_seen(library: Path, other: Path, build: Callable[[Path, Path], None]) -> None:
    source = Source(str(library))
    before = copied(source)
    build(other, library)
    assert source.changed()
    after = copied(source)
    assert not source.changed()
    assert after.read_bytes() == other.read_bytes() != before.read_bytes()
    source.close()


def test_same_size_within_a_moment_is_a_change(library: Path) -> None:
    source = Source(str(library))
    for number in range(5):
        copied(source)
        data = bytearray(library.read_bytes())
        data[-1] = number
        library.write_bytes(data)
        assert source.changed()
        assert copied(source).read_bytes() == data
    source.close()


def test_other_file_of_the_same_size_and_time_is_a_change(library: Path) -> None:
    source = Source(str(library))
    copied(source)
    found = library.stat()
    beside = Path(shutil.copy2(library, library.with_suffix(".new")))
    os.utime(beside, ns=(found.st_atime_ns, found.st_mtime_ns))
    beside.replace(library)
    assert source.changed()
    source.close()


def test_change_while_it_is_read(library: Path, other: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first time that the library is read, a compiler comes in between."""
    old(library)
    times: list[str] = []

    def read_and_build(path: str, mode: str) -> IO[bytes]:
        file: IO[bytes] = open(path, mode)  # noqa: PTH123, SIM115
        if path == str(library):
            times.append(path)
            if len(times) == 1:
                rename(other, library)
        return file

    monkeypatch.setattr("faas_runtime.emulator.source.open", read_and_build, raising=False)
    source = Source(str(library))
    assert copied(source).read_bytes() == other.read_bytes()
    assert not source.changed()
    assert len(times) == 2
    source.close()


def test_vanished_and_back(library: Path, built: Path) -> None:
    source = Source(str(library), PATIENCE_S)
    copied(source)
    aside = library.rename(library.with_suffix(".aside"))
    assert source.changed()
    with pytest.raises(NotThere, match="is not there"):
        copied(source)
    assert source.changed()
    aside.rename(library)
    assert not source.changed()  # it is the very one that was copied
    shutil.copyfile(built, library)
    assert source.changed()
    source.close()


def test_folder_that_is_built_anew(tmp_path: Path, built: Path) -> None:
    folder = tmp_path / "target" / "release"
    source = Source(str(folder / built.name))

    def build() -> None:
        folder.mkdir(parents=True)
        shutil.copyfile(built, folder / built.name)

    timer = threading.Timer(0.2, build)
    timer.start()
    assert copied(source).read_bytes() == built.read_bytes()
    timer.join()
    source.close()


def test_half_written_library_is_waited_for(library: Path, other: Path) -> None:
    """A linker that is slow at any point, with pauses longer than any settle time."""
    data = other.read_bytes()
    cuts = [0, 4, 100, len(data) // 2, len(data) - 1, len(data)]
    library.write_bytes(b"")
    source = Source(str(library))

    def build() -> None:
        with library.open("r+b", buffering=0) as file:
            for start, end in itertools.pairwise(cuts):
                time.sleep(0.12)
                file.write(data[start:end])

    writer = threading.Thread(target=build)
    writer.start()
    assert copied(source).read_bytes() == data
    writer.join()
    source.close()


def test_library_that_is_filled_from_its_end(library: Path, other: Path) -> None:
    """The size is right all the time; the head comes last."""
    data = other.read_bytes()
    library.write_bytes(bytes(len(data)))
    source = Source(str(library))

    def build() -> None:
        with library.open("r+b", buffering=0) as file:
            for start in range(len(data) - len(data) % 4096, -1, -4096):
                time.sleep(0.06)
                file.seek(start)
                file.write(data[start : start + 4096])

    writer = threading.Thread(target=build)
    writer.start()
    assert copied(source).read_bytes() == data
    writer.join()
    source.close()


def test_library_that_is_overwritten_while_it_looks_whole(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is cut off, so only the times tell that somebody is still writing."""
    monkeypatch.setattr("faas_runtime.emulator.source.SETTLED_S", 1.0)  # the writer may have to wait for a processor
    new = bytearray(library.read_bytes())
    new[-64:] = bytes(64)
    source = Source(str(library))
    size = len(new) // 20 + 1
    begun = threading.Event()

    def build() -> None:
        with library.open("r+b", buffering=0) as file:
            for start in range(0, len(new), size):
                file.write(new[start : start + size])
                begun.set()
                time.sleep(0.01)

    writer = threading.Thread(target=build)
    writer.start()
    begun.wait(TIMEOUT_S)
    assert copied(source).read_bytes() == new
    writer.join()
    source.close()


def test_library_of_the_future(library: Path) -> None:
    os.utime(library, (time.time() + 86400,) * 2)
    source = Source(str(library))
    assert copied(source).exists()
    source.close()


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (lambda path: path.unlink(), "is not there"),
        (lambda path: path.write_bytes(b""), "is not whole .0 bytes"),
        (lambda path: path.write_bytes(bytes(9999)), "is not whole .9999 bytes"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "is not whole"),
        (lambda path: (path.unlink(), path.mkdir()), "cannot be read .Is a directory"),
        (lambda path: (path.unlink(), path.symlink_to(path.name)), "cannot be read .Too many levels"),
    ],
)
def test_what_never_comes_is_told(library: Path, prepare: Callable[[Path], object], reason: str) -> None:
    prepare(library)
    if not library.is_symlink():
        old(library) if library.exists() else None
    source = Source(str(library), PATIENCE_S)
    with pytest.raises(NotThere, match=reason) as caught:
        copied(source)
    assert str(library) in str(caught.value)
    assert source.changed()
    source.close()


def test_what_is_no_library_is_for_the_runtime_to_tell(tmp_path: Path) -> None:
    path = tmp_path / "notes.so"
    path.write_text("no library at all\n")
    source = Source(str(path))
    assert copied(source).read_text() == "no library at all\n"
    source.close()


def test_symbolic_link_is_followed(tmp_path: Path, library: Path, other: Path) -> None:
    link = tmp_path / f"liblink{SUFFIX}"
    link.symlink_to(library.name)
    source = Source(str(link))
    copied(source)
    shutil.copyfile(other, library)
    assert source.changed()
    found = copied(source)
    assert found.name == link.name
    assert found.read_bytes() == other.read_bytes()
    source.close()


def test_copies_while_it_is_built_again_and_again(library: Path, built: Path, other: Path) -> None:
    """Whatever a copy holds, it is one of the two, and whole."""
    choices = [built.read_bytes(), other.read_bytes()]
    over = threading.Event()
    ways = itertools.cycle([overwrite, unlink_and_create, rename])

    def build() -> None:
        for new in itertools.cycle([built, other]):
            next(ways)(new, library)
            if over.wait(0.08):
                break

    writer = threading.Thread(target=build)
    writer.start()
    source = Source(str(library))
    seen: list[int] = []
    due = time.monotonic() + TIMEOUT_S
    try:
        while len(seen) < 12 or len(set(seen)) < 2:
            assert time.monotonic() < due, seen
            if source.changed():
                path = copied(source)
                seen.append(choices.index(path.read_bytes()))
                source.discard(str(path))
            time.sleep(0.001)
    finally:
        over.set()
        writer.join()
    source.close()
