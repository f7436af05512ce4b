"""Copies of a watched library: what counts as a change, and when the library can be copied."""

from __future__ import annotations

import itertools
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest
from faas_runtime.emulator.launch import library_state
from faas_runtime.event_loop.tasks import run
from faas_runtime.sandbox.library_copies import LIMIT_S, LibraryCopies, LibraryUnavailable
from faas_runtime.sandbox.options import WatchedLibrary

from tests.emulator.building import overwrite, rename, rename_older, unlink_and_create
from tests.runtime.support import FUNCTIONS, SUFFIX, compile_library
from tests.waiting import TIMEOUT_S, pause

SHORT_LIMIT_S = 0.2  # where the library never gets complete


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_library(FUNCTIONS / "probe.c", tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_library(FUNCTIONS / "hooks.c", tmp_path_factory.mktemp("other"))


@pytest.fixture
def library(tmp_path: Path, built: Path) -> Path:
    return Path(shutil.copy(built, tmp_path / f"libf{SUFFIX}"))


def watching(path: Path, limit_s: float = LIMIT_S) -> LibraryCopies:
    return LibraryCopies(WatchedLibrary(str(path), library_state), limit_s)


def copied(copies: LibraryCopies) -> Path:
    return Path(run(copies.create()))


def old(path: Path, age_s: float = 60) -> None:
    """Make the file older, as if it was written a while ago."""
    at = path.stat().st_mtime - age_s
    os.utime(path, (at, at))


def test_a_copy_is_private_and_has_the_same_name(library: Path) -> None:
    copies = watching(library)
    first, second = copied(copies), copied(copies)
    assert first != second
    assert first.name == second.name == library.name
    assert first.read_bytes() == second.read_bytes() == library.read_bytes()
    assert first.stat().st_ino != library.stat().st_ino
    assert first.parent.parent.stat().st_mode & 0o077 == 0
    copies.discard(str(first))
    assert not first.parent.exists()
    assert second.exists()
    copies.close()
    assert not second.parent.parent.exists()
    copies.close()


def test_a_copy_can_be_made_after_close(library: Path) -> None:
    copies = watching(library)
    copied(copies)
    copies.close()
    again = copied(copies)
    assert again.exists()
    copies.close()
    assert not again.exists()


def test_a_copy_can_be_made_after_its_folder_was_removed(library: Path) -> None:
    """Such as by systemd-tmpfiles, which removes old temporary files."""
    copies = watching(library)
    first = copied(copies)
    assert not copies.is_missing(str(first))
    shutil.rmtree(first.parent.parent)
    assert copies.is_missing(str(first))
    again = copied(copies)
    assert again.read_bytes() == library.read_bytes()
    copies.close()
    assert not again.parent.parent.exists()


def test_before_the_first_copy_the_library_has_changed(library: Path) -> None:
    copies = watching(library)
    assert copies.has_changed()
    copied(copies)
    assert not copies.has_changed()
    assert not copies.has_changed()
    copies.close()


def overwrite_with_an_older_time(built: Path, library: Path) -> None:
    overwrite(built, library)
    old(library, 86400)


@pytest.mark.parametrize("build", [overwrite, unlink_and_create, rename, rename_older, overwrite_with_an_older_time])
def test_every_way_to_build_is_noticed(library: Path, other: Path, build: Callable[[Path, Path], None]) -> None:
    copies = watching(library)
    before = copied(copies)
    build(other, library)
    assert copies.has_changed()
    after = copied(copies)
    assert not copies.has_changed()
    assert after.read_bytes() == other.read_bytes() != before.read_bytes()
    copies.close()


def test_a_quick_change_without_another_size_is_noticed(library: Path) -> None:
    copies = watching(library)
    for number in range(5):
        copied(copies)
        data = bytearray(library.read_bytes())
        data[-1] = number
        library.write_bytes(data)
        assert copies.has_changed()
        assert copied(copies).read_bytes() == data
    copies.close()


def test_another_file_with_the_same_size_and_time_is_noticed(library: Path) -> None:
    copies = watching(library)
    copied(copies)
    found = library.stat()
    replacement = Path(shutil.copy2(library, library.with_suffix(".new")))
    os.utime(replacement, ns=(found.st_atime_ns, found.st_mtime_ns))
    replacement.replace(library)
    assert copies.has_changed()
    copies.close()


def test_a_change_while_the_library_is_read_is_noticed(
    library: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A compiler replaces the library when it is read for the first time."""
    old(library)
    times: list[str] = []

    def read_and_build(path: str, mode: str, **options: Any) -> IO[bytes]:
        file: IO[bytes] = open(path, mode, **options)  # noqa: PTH123, SIM115
        if path == str(library):
            times.append(path)
            if len(times) == 1:
                rename(other, library)
        return file

    monkeypatch.setattr("faas_runtime.sandbox.library_copies.open", read_and_build, raising=False)
    copies = watching(library)
    assert copied(copies).read_bytes() == other.read_bytes()
    assert not copies.has_changed()
    assert len(times) == 2
    copies.close()


def test_a_library_may_disappear_and_come_back(library: Path, built: Path) -> None:
    copies = watching(library, SHORT_LIMIT_S)
    copied(copies)
    aside = library.rename(library.with_suffix(".aside"))
    assert copies.has_changed()
    with pytest.raises(LibraryUnavailable, match="does not exist"):
        copied(copies)
    assert copies.has_changed()
    aside.rename(library)
    assert copies.has_changed()  # renaming a file changes its time of change
    assert copied(copies).read_bytes() == built.read_bytes()
    assert not copies.has_changed()
    copies.close()


def test_a_missing_folder_is_waited_for(tmp_path: Path, built: Path) -> None:
    folder = tmp_path / "target" / "release"
    copies = watching(folder / built.name)

    def build() -> None:
        folder.mkdir(parents=True)
        shutil.copyfile(built, folder / built.name)

    timer = threading.Timer(0.2, build)
    timer.start()
    assert copied(copies).read_bytes() == built.read_bytes()
    timer.join()
    copies.close()


def test_an_incomplete_library_is_waited_for(library: Path, other: Path) -> None:
    """A slow linker makes pauses that are longer than the settle time."""
    data = other.read_bytes()
    cuts = [0, 4, 100, len(data) // 2, len(data) - 1, len(data)]
    library.write_bytes(b"")
    copies = watching(library)

    def build() -> None:
        with library.open("r+b", buffering=0) as file:
            for start, end in itertools.pairwise(cuts):
                pause(0.12)
                file.write(data[start:end])

    writer = threading.Thread(target=build)
    writer.start()
    assert copied(copies).read_bytes() == data
    writer.join()
    copies.close()


def test_a_library_may_be_written_from_its_end(library: Path, other: Path) -> None:
    """The size is right all the time; the head is written last."""
    data = other.read_bytes()
    library.write_bytes(bytes(len(data)))
    copies = watching(library)

    def build() -> None:
        with library.open("r+b", buffering=0) as file:
            for start in range(len(data) - len(data) % 4096, -1, -4096):
                pause(0.06)
                file.seek(start)
                file.write(data[start : start + 4096])

    writer = threading.Thread(target=build)
    writer.start()
    assert copied(copies).read_bytes() == data
    writer.join()
    copies.close()


def test_a_library_that_looks_complete_may_still_be_written(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is missing, so only the times show that it is still being written."""
    # The writer may have to wait for a processor.
    monkeypatch.setattr("faas_runtime.sandbox.library_copies.SETTLED_S", 1.0)
    new = bytearray(library.read_bytes())
    new[-64:] = bytes(64)
    copies = watching(library)
    size = len(new) // 20 + 1
    begun = threading.Event()

    def build() -> None:
        with library.open("r+b", buffering=0) as file:
            for start in range(0, len(new), size):
                file.write(new[start : start + size])
                begun.set()
                pause(0.01)

    writer = threading.Thread(target=build)
    writer.start()
    begun.wait(TIMEOUT_S)
    assert copied(copies).read_bytes() == new
    writer.join()
    copies.close()


def test_the_time_of_the_library_may_be_in_the_future(library: Path) -> None:
    os.utime(library, (time.time() + 86400,) * 2)
    copies = watching(library)
    assert copied(copies).exists()
    copies.close()


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (lambda path: path.unlink(), "does not exist"),
        (lambda path: path.write_bytes(b""), "is not complete .0 bytes"),
        (lambda path: path.write_bytes(bytes(9999)), "is not complete .9999 bytes"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "is not complete"),
        (lambda path: (path.unlink(), path.mkdir()), "is not a regular file"),
        (lambda path: (path.unlink(), path.symlink_to(path.name)), "cannot be read .Too many levels"),
    ],
)
def test_a_library_that_never_gets_complete_is_reported(
    library: Path, prepare: Callable[[Path], object], reason: str
) -> None:
    prepare(library)
    if not library.is_symlink():
        old(library) if library.exists() else None
    copies = watching(library, SHORT_LIMIT_S)
    with pytest.raises(LibraryUnavailable, match=reason) as caught:
        copied(copies)
    assert str(library) in str(caught.value)
    assert copies.has_changed()
    copies.close()


def test_a_file_that_is_no_library_is_copied(tmp_path: Path) -> None:
    path = tmp_path / "notes.so"
    path.write_text("no library at all\n")
    copies = watching(path)
    assert copied(copies).read_text() == "no library at all\n"
    copies.close()


def test_a_symbolic_link_is_followed(tmp_path: Path, library: Path, other: Path) -> None:
    link = tmp_path / f"liblink{SUFFIX}"
    link.symlink_to(library.name)
    copies = watching(link)
    copied(copies)
    shutil.copyfile(other, library)
    assert copies.has_changed()
    found = copied(copies)
    assert found.name == link.name
    assert found.read_bytes() == other.read_bytes()
    copies.close()


def test_copies_are_complete_while_the_library_is_built_again_and_again(
    library: Path, built: Path, other: Path
) -> None:
    """Each copy is one of the two libraries, and complete."""
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
    copies = watching(library)
    seen: list[int] = []
    due = time.monotonic() + TIMEOUT_S
    try:
        while len(seen) < 12 or len(set(seen)) < 2:
            assert time.monotonic() < due, seen
            if copies.has_changed():
                path = copied(copies)
                seen.append(choices.index(path.read_bytes()))
                copies.discard(str(path))
            pause(0.001)
    finally:
        over.set()
        writer.join()
    copies.close()
