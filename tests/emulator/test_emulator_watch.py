"""`faas-runtime serve --watch`, with clients that go on asking while the library is built again and again."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.emulator.support import FUNCTIONS, INVOKE, TIMEOUT_S, Emulator
from tests.runtime.support import SUFFIX, compile_c

SOURCE = FUNCTIONS / "version.c"


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Builds each version of the function once."""
    folder = tmp_path_factory.mktemp("versions")

    def build(number: int) -> Path:
        path = folder / f"version-{number}{SUFFIX}"
        if not path.exists():
            compile_c(SOURCE, path, "-std=gnu99", "-shared", "-fPIC", f"-DVERSION={number}")
        return path

    return build


def overwrite(built: Path, library: Path) -> None:
    shutil.copyfile(built, library)


def slowly(built: Path, library: Path) -> None:
    data = built.read_bytes()
    with library.open("wb", buffering=0) as file:
        for start in range(0, len(data), len(data) // 4 + 1):
            file.write(data[start : start + len(data) // 4 + 1])
            time.sleep(0.06)


def create(built: Path, library: Path) -> None:
    library.unlink()
    time.sleep(0.02)
    shutil.copyfile(built, library)


def rename(built: Path, library: Path) -> None:
    beside = library.with_suffix(".new")
    shutil.copyfile(built, beside)
    beside.replace(library)


def older(built: Path, library: Path) -> None:
    beside = library.with_suffix(".new")
    shutil.copyfile(built, beside)
    os.utime(beside, (1e9, 1e9))
    beside.replace(library)


@pytest.fixture
def library(tmp_path: Path, versions: Callable[[int], Path]) -> Path:
    return Path(shutil.copyfile(versions(1), tmp_path / f"libversion{SUFFIX}"))


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    """Where the emulator has its copies of the library."""
    folder = tmp_path / "copies"
    folder.mkdir()
    return folder


@pytest.fixture
def emulator(library: Path, copies: Path) -> Iterator[Emulator]:
    with Emulator(str(library), "--watch", "--concurrency", "4", environment={"TMPDIR": str(copies)}) as emulator:
        yield emulator


def ask(emulator: Emulator) -> tuple[int, bytes]:
    answer = emulator.invoke()
    return answer.status, answer.body


def health(emulator: Emulator) -> int:
    return emulator.request("GET", "/_faas/health").status


@pytest.mark.parametrize("build", [overwrite, slowly, create, rename, older])
def test_first_request_after_a_save_sees_the_new_code(
    library: Path,
    copies: Path,
    versions: Callable[[int], Path],
    emulator: Emulator,
    build: Callable[[Path, Path], None],
) -> None:
    for number in (1, 2, 3):
        if number > 1:
            build(versions(number), library)
        assert ask(emulator) == (200, b"%d %d" % (number, number))
        assert ask(emulator) == (200, b"%d %d" % (number, number))
    assert emulator.end() == 0
    assert list(copies.iterdir()) == []


def test_answers_are_of_the_old_or_the_new_code_and_none_is_lost(
    library: Path, copies: Path, versions: Callable[[int], Path], emulator: Emulator
) -> None:
    ways = [overwrite, slowly, create, rename, older]
    for number in range(1, len(ways) + 2):
        versions(number)
    installed = 1
    over = threading.Event()
    wrong: list[object] = []
    seen: set[int] = set()

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", emulator.port, timeout=TIMEOUT_S)
        while not over.is_set():
            at_least = installed
            try:
                connection.request("POST", INVOKE, b"{}")
                answer = connection.getresponse()
                text = answer.read()
                first, last = map(int, text.split())
            except (OSError, ValueError, http.client.HTTPException) as error:
                wrong.append(error)
                break
            seen.add(first)
            if answer.status != 200 or first != last or first < at_least:
                wrong.append((answer.status, text, at_least))
        connection.close()

    clients = [threading.Thread(target=client) for _ in range(4)]
    for each in clients:
        each.start()
    for number, build in enumerate(ways, start=2):
        build(versions(number), library)
        installed = number
        over_at = time.monotonic() + TIMEOUT_S
        while number not in seen and not wrong and time.monotonic() < over_at:
            time.sleep(0.02)
    over.set()
    for each in clients:
        each.join()
    assert wrong == []
    assert seen >= set(range(2, len(ways) + 2))
    assert emulator.end() == 0
    assert list(copies.iterdir()) == []


def test_library_that_comes_after_the_start(library: Path, versions: Callable[[int], Path]) -> None:
    library.unlink()
    with Emulator(str(library), "--watch") as emulator:
        assert health(emulator) == 503
        timer = threading.Timer(0.3, shutil.copyfile, (versions(2), library))
        timer.start()
        assert ask(emulator) == (200, b"2 2")
        timer.join()
        assert health(emulator) == 200


def test_library_that_vanishes_is_told_and_may_come_back(
    library: Path, versions: Callable[[int], Path], emulator: Emulator
) -> None:
    assert ask(emulator) == (200, b"1 1")
    library.unlink()
    status, document = ask(emulator)
    assert status == 502
    assert json.loads(document)["errorType"] == "Runtime.LibraryNotFound"
    assert f"{library} is not there" in json.loads(document)["errorMessage"]
    assert emulator.process.poll() is None
    shutil.copyfile(versions(2), library)
    assert ask(emulator) == (200, b"2 2")


def test_library_that_does_not_load_is_told_until_it_does(
    library: Path, versions: Callable[[int], Path], emulator: Emulator
) -> None:
    assert ask(emulator) == (200, b"1 1")
    overwrite(versions(-1), library)
    status, document = ask(emulator)
    assert status == 502
    assert json.loads(document)["errorType"] == "Runtime.LibraryNotLoadable"
    assert health(emulator) == 503
    overwrite(versions(2), library)
    assert ask(emulator) == (200, b"2 2")


def test_copy_is_one_a_generation_and_the_library_stays_writable(
    library: Path, copies: Path, versions: Callable[[int], Path], emulator: Emulator
) -> None:
    for number in (1, 2):
        overwrite(versions(number), library)
        assert ask(emulator) == (200, b"%d %d" % (number, number))
    over = time.monotonic() + TIMEOUT_S
    while len(found := list(copies.rglob(f"*{SUFFIX}"))) != 1:
        assert time.monotonic() < over, found
        time.sleep(0.02)
    assert found[0].name == library.name
    assert found[0].read_bytes() == versions(2).read_bytes()
