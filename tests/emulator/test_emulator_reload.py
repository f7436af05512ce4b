"""`faas-runtime serve --watch`: an author builds again and again, and asks in between."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.emulator.support import FUNCTIONS, Emulator, wait_for
from tests.runtime.support import SUFFIX, compile_c

Build = Callable[[int], Path]
STATES = 6


@pytest.fixture(scope="session")
def builds(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The library, built several times: its handler `build` answers which one it is."""
    folder = tmp_path_factory.mktemp("builds")
    options = ("-shared", "-fPIC", "-fvisibility=hidden")
    source = FUNCTIONS / "emulated.c"
    return [
        compile_c(source, folder / f"lib{number}{SUFFIX}", *options, f'-DBUILD="{number}"') for number in range(STATES)
    ]


@pytest.fixture
def library(builds: list[Path], tmp_path: Path) -> Path:
    """Where the author builds."""
    folder = tmp_path / "target"
    folder.mkdir()
    return Path(shutil.copyfile(builds[0], folder / f"libmine{SUFFIX}"))


def overwrite(built: Path, library: Path) -> None:
    shutil.copyfile(built, library)


def replace(built: Path, library: Path) -> None:
    shutil.copyfile(built, library.with_suffix(".new"))
    library.with_suffix(".new").replace(library)


def unlink(built: Path, library: Path) -> None:
    library.unlink()
    time.sleep(0.02)
    shutil.copyfile(built, library)


def trickle(built: Path, library: Path) -> None:
    data = built.read_bytes()
    with library.open("wb") as file:
        for start in range(0, len(data), 2048):
            file.write(data[start : start + 2048])
            file.flush()
            time.sleep(0.001)


WAYS = (overwrite, replace, unlink, trickle)


@pytest.mark.parametrize("way", WAYS)
def test_the_first_request_after_a_save_sees_the_new_code(
    builds: list[Path], library: Path, way: Callable[[Path, Path], None]
) -> None:
    with Emulator(f"{library}.build", "--watch") as emulator:
        assert emulator.invoke().json == "0"
        for number in range(1, STATES):
            way(builds[number], library)
            assert emulator.invoke().json == str(number)
        wait_for(lambda: len(emulator.children) == 1, "old processes live")


def test_a_new_process_is_there_before_the_first_request(builds: list[Path], library: Path) -> None:
    with Emulator(f"{library}.build", "--watch") as emulator:
        emulator.invoke()
        before = emulator.children
        replace(builds[1], library)
        wait_for(lambda: len(emulator.children) == 1 and emulator.children != before, "nobody looks")
        assert emulator.invoke().json == "1"


def test_what_is_in_hand_is_finished_by_the_old_code(builds: list[Path], library: Path) -> None:
    with Emulator(f"{library}.nap", "--watch") as emulator, ThreadPoolExecutor() as executor:
        old = executor.submit(emulator.invoke, b"600")
        wait_for(lambda: "START" in emulator.out, "it was not started")
        (pid,) = emulator.children
        overwrite(builds[1], library)
        assert emulator.invoke(b"0").json != pid
        assert old.result().json == pid
        wait_for(lambda: pid not in emulator.children, "the old process lives")


def test_a_library_that_is_away_is_waited_for(builds: list[Path], library: Path) -> None:
    with Emulator(f"{library}.build", "--watch") as emulator, ThreadPoolExecutor() as executor:
        emulator.invoke()
        library.unlink()
        answer = executor.submit(emulator.invoke)
        time.sleep(0.3)
        assert not answer.done()
        shutil.copyfile(builds[1], library)
        assert answer.result().json == "1"


def test_a_library_that_does_not_exist_yet_is_waited_for(builds: list[Path], tmp_path: Path) -> None:
    environment = {"LAMBDA_TASK_ROOT": str(tmp_path)}
    with Emulator("mine.build", "--watch", environment=environment) as emulator, ThreadPoolExecutor() as executor:
        answer = executor.submit(emulator.invoke)
        time.sleep(0.2)
        shutil.copyfile(builds[2], tmp_path / f"libmine{SUFFIX}")
        assert answer.result().json == "2"


def test_a_new_state_that_does_not_come_up_says_so_until_it_is_mended(builds: list[Path], library: Path) -> None:
    with Emulator(f"{library}.build", "--watch") as emulator:
        emulator.invoke()
        library.write_text("no library")
        answer = emulator.invoke()
        assert (answer.status, answer.json["errorType"]) == (502, "Runtime.LibraryNotLoadable")
        overwrite(builds[3], library)
        assert emulator.invoke().json == "3"


def test_what_lies_beside_the_library_is_found_and_nothing_is_left(
    builds: list[Path], library: Path, tmp_path: Path
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with Emulator(f"{library}.context", "--watch", environment={"TMPDIR": str(temporary)}) as emulator:
        for number in range(3):
            overwrite(builds[number], library)
            assert emulator.invoke().json["root"] == str(library.parent)
        (pid,) = emulator.children if len(emulator.children) == 1 else emulator.children[-1:]
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        assert b"LD_LIBRARY_PATH=" + os.fsencode(library.parent) in variables
        wait_for(lambda: len(list(temporary.glob("*/*"))) == 1, "old copies are kept")
        assert emulator.end() == 0
    assert not list(temporary.iterdir())


def test_every_request_is_answered_while_the_library_changes(builds: list[Path], library: Path) -> None:
    built = 0
    is_over = threading.Event()
    found: Counter[str] = Counter()

    def build() -> None:
        nonlocal built
        for number in range(1, STATES):
            time.sleep(0.4)
            WAYS[number % len(WAYS)](builds[number], library)
            built = number
        is_over.set()

    def ask() -> None:
        while not is_over.is_set():
            least = built
            answer = emulator.invoke()
            assert answer.status == 200, answer
            assert int(answer.json) >= least
            found[answer.json] += 1

    with Emulator(f"{library}.build", "--watch") as emulator, ThreadPoolExecutor(9) as executor:
        for done in [executor.submit(build), *(executor.submit(ask) for _ in range(8))]:
            done.result()
        assert emulator.invoke().json == str(STATES - 1)
    assert len(found) > 2, found
