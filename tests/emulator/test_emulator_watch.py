"""`faas-runtime serve --watch`: an author builds a library again and again, and invokes it in between."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.emulator.building import WAYS, LibraryBuilder, overwrite, rename
from tests.emulator.support import EMULATOR_FUNCTIONS, INVOKE, ClientResponse, Emulator, FunctionGate
from tests.runtime.support import SUFFIX, compile_c
from tests.waiting import TIMEOUT_S, pause, wait_until

INVOKES = 10_000
CALLERS = 16
LASTING_S = 8.0
BUILD_EACH_S = 1.0


@pytest.fixture
def library(tmp_path: Path, builder: LibraryBuilder) -> Path:
    """The library that the author builds."""
    folder = tmp_path / "target"
    folder.mkdir()
    return Path(shutil.copyfile(builder.version(1), folder / f"libmine{SUFFIX}"))


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    """The folder for the emulator's copies of the library."""
    folder = tmp_path / "copies"
    folder.mkdir()
    return folder


@pytest.fixture
def emulator(library: Path, copies: Path) -> Iterator[Emulator]:
    with Emulator(str(library), "--watch", "--concurrency", "4", environment={"TMPDIR": str(copies)}) as emulator:
        yield emulator
        assert emulator.end() == 0
    assert list(copies.iterdir()) == []


def version(response: ClientResponse) -> int:
    """The version of the library that has answered the event {}."""
    assert response.status == 200, response
    first, last, event = response.json
    assert (first, event) == (last, {})
    return int(first)


def health(emulator: Emulator) -> int:
    return emulator.request("GET", "/_faas/health").status


@pytest.mark.parametrize("build", WAYS)
def test_the_first_request_after_a_save_sees_the_new_code(
    builder: LibraryBuilder, library: Path, copies: Path, emulator: Emulator, build: Callable[[Path, Path], None]
) -> None:
    for number in range(1, 5):
        if number > 1:
            build(builder.version(number), library)
        assert version(emulator.invoke()) == number
        assert version(emulator.invoke()) == number
    wait_until(lambda: len(list(copies.rglob(f"*{SUFFIX}"))) == 1, "old processes or their copies are left")
    (copy,) = copies.rglob(f"*{SUFFIX}")
    assert copy.name == library.name
    assert copy.read_bytes() == builder.version(4).read_bytes()


def test_a_new_process_starts_before_the_first_request(
    builder: LibraryBuilder, library: Path, emulator: Emulator
) -> None:
    emulator.invoke()
    before = emulator.children
    rename(builder.version(2), library)
    wait_until(lambda: len(emulator.children) == 1 and emulator.children != before, "nothing is started")
    assert version(emulator.invoke()) == 2


def test_running_invocations_are_completed_by_the_old_code(emulated: Path, tmp_path: Path, gate: FunctionGate) -> None:
    library = Path(shutil.copyfile(emulated, tmp_path / emulated.name))
    with ThreadPoolExecutor() as executor, Emulator(f"{library}.gate", "--watch") as emulator:
        old = executor.submit(emulator.invoke, gate.event)
        wait_until(lambda: "START" in emulator.out, "it was not started")
        (pid,) = emulator.children
        overwrite(emulated, library)
        assert emulator.invoke().json != pid
        assert not old.done()
        gate.open()
        assert old.result().json == pid
        wait_until(lambda: pid not in emulator.children, "the old process is running")


def test_old_processes_with_several_connections_end(
    emulated: Path, tmp_path: Path, copies: Path, gate: FunctionGate
) -> None:
    """Those that run something at the time, and those that do not."""
    library = Path(shutil.copyfile(emulated, tmp_path / emulated.name))
    environment = {"TMPDIR": str(copies), "AWS_LAMBDA_MAX_CONCURRENCY": "4"}
    with ThreadPoolExecutor() as executor, Emulator(f"{library}.gate", "--watch", environment=environment) as emulator:
        olds = [executor.submit(emulator.invoke, gate.event) for _ in range(2)]
        wait_until(lambda: emulator.out.count("START") == 2, "they were not started")
        pids = set(emulator.children)
        overwrite(emulated, library)
        assert emulator.invoke().json not in pids
        gate.open()
        assert {old.result().json for old in olds} <= pids
        wait_until(lambda: not pids & set(emulator.children), "old processes are running")
        wait_until(lambda: len(list(copies.rglob(f"*{SUFFIX}"))) == 1, "its copy is left")


def test_requests_wait_for_a_missing_library(builder: LibraryBuilder, library: Path, emulator: Emulator) -> None:
    with ThreadPoolExecutor() as executor:
        emulator.invoke()
        library.unlink()
        response = executor.submit(emulator.invoke)
        wait_until(lambda: f"faas-runtime: waiting for {library}\n" in emulator.err, "nothing reports it")
        assert not response.done()
        overwrite(builder.version(2), library)
        assert version(response.result()) == 2


def test_a_library_may_be_built_after_the_start(builder: LibraryBuilder, tmp_path: Path) -> None:
    environment = {"LAMBDA_TASK_ROOT": str(tmp_path)}
    with Emulator("mine", "--watch", environment=environment) as emulator, ThreadPoolExecutor() as executor:
        assert health(emulator) == 503
        response = executor.submit(emulator.invoke)
        wait_until(
            lambda: f"faas-runtime: waiting for {tmp_path}/libmine{SUFFIX}\n" in emulator.err, "nothing reports it"
        )
        overwrite(builder.version(2), tmp_path / f"libmine{SUFFIX}")
        assert version(response.result()) == 2
        assert health(emulator) == 200
        assert emulator.err.count("waiting for") == 1


def test_a_deleted_library_is_reported_and_may_come_back(builder: LibraryBuilder, library: Path) -> None:
    """The emulator does not wait longer than an invocation may take."""
    with Emulator(str(library), "--watch", "--timeout", "2") as emulator:
        assert version(emulator.invoke()) == 1
        library.unlink()
        response = emulator.invoke()
        assert (response.status, response.json["errorType"]) == (200, "Runtime.LibraryNotFound")
        assert f"{library} does not exist after 2 s" in response.json["errorMessage"]
        overwrite(builder.version(2), library)
        assert version(emulator.invoke()) == 2


def test_a_library_that_does_not_load_is_reported_until_it_does(
    builder: LibraryBuilder, library: Path, emulator: Emulator
) -> None:
    assert version(emulator.invoke()) == 1
    overwrite(builder.broken, library)
    for _ in range(2):
        response = emulator.invoke()
        assert (response.status, response.json["errorType"]) == (200, "Runtime.LibraryNotLoadable")
    assert health(emulator) == 503
    overwrite(builder.version(2), library)
    assert version(emulator.invoke()) == 2


def test_a_removed_folder_of_copies_is_made_again(
    builder: LibraryBuilder, library: Path, copies: Path, emulator: Emulator
) -> None:
    assert version(emulator.invoke()) == 1
    for folder in copies.iterdir():
        shutil.rmtree(folder)
    (pid,) = emulator.children
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: pid not in emulator.children, "it does not end")
    assert version(emulator.invoke()) == 1, "another process needs another copy"
    for folder in copies.iterdir():
        shutil.rmtree(folder)
    overwrite(builder.version(2), library)
    assert version(emulator.invoke()) == 2


def test_libraries_next_to_the_original_are_found(emulated: Path, copies: Path) -> None:
    environment = {"TMPDIR": str(copies), "LD_LIBRARY_PATH": "/else/where"}
    with Emulator(f"{emulated}.context", "--watch", environment=environment) as emulator:
        assert emulator.invoke().json["root"] == str(emulated.parent)
        (pid,) = emulator.children
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        assert b"LD_LIBRARY_PATH=%b:/else/where" % os.fsencode(emulated.parent) in variables


@pytest.mark.parametrize("place", ["lib", "${ORIGIN}/../lib"])
def test_libraries_where_the_search_path_of_the_original_says_are_found(tmp_path: Path, place: str) -> None:
    source = tmp_path / "other.c"
    source.write_text("#include <stdint.h>\nuint32_t other(void) { return 1; }\n")
    home = tmp_path / "home"
    folder = home / place.replace("${ORIGIN}/", "")
    home.mkdir()
    folder.mkdir()
    compile_c(source, folder / f"libother{SUFFIX}", "-shared", "-fPIC")
    source.write_text("unsigned other(void);\n__attribute__((constructor)) static void start(void) { other(); }\n")
    search = place if place.startswith("$") else f"$ORIGIN/{place}"
    library = compile_c(
        EMULATOR_FUNCTIONS / "version.c", home / f"libmine{SUFFIX}", "-std=gnu99", "-shared", "-fPIC", str(source),
        f"-L{folder}", "-Wl,--no-as-needed", "-lother", f"-Wl,-rpath,{search}",
    )  # fmt: skip
    with Emulator(str(library), "--watch") as emulator:
        assert version(emulator.invoke()) == 1


class InvokingClient:
    """Sends requests over one connection, one after the other."""

    def __init__(self, port: int) -> None:
        self._connection = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        self._connection.close()

    def ask(self, event: bytes) -> tuple[bytes, bytes]:
        """Send an event; returns status and body of the response."""
        head = b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % (INVOKE.encode(), len(event))
        self._connection.sendall(head + event)
        received = b""
        while not (found := re.match(rb"HTTP/1.1 ([0-9]+) .*?Content-Length: ([0-9]+).*?\r\n\r\n", received, re.S)):
            received += self._received()
        while len(received) < found.end() + int(found[2]):
            received += self._received()
        assert len(received) == found.end() + int(found[2])
        return found[1], received[found.end() :]

    def _received(self) -> bytes:
        data = self._connection.recv(65536)
        assert data, "the connection was closed"
        return data


class Author:
    """Builds a new version every second, each time in another way."""

    def __init__(self, builder: LibraryBuilder, library: Path) -> None:
        self.begun = self.done = 1
        """The latest versions whose builds have begun and are complete."""
        self._builder = builder
        self._library = library
        self._is_over = threading.Event()

    def build(self) -> None:
        due = time.monotonic() + BUILD_EACH_S
        while not self._is_over.wait(max(0.0, due - time.monotonic())):
            due += BUILD_EACH_S
            built = self._builder.version(self.begun + 1)
            self.begun += 1
            WAYS[self.begun % len(WAYS)](built, self._library)
            self.done = self.begun

    def stop(self) -> None:
        self._is_over.set()


def ask_often(emulator: Emulator, author: Author, number: int) -> Counter[int]:
    """Invoke at an even pace; returns how many responses each version has given."""
    found: Counter[int] = Counter()
    started = time.monotonic()
    each = INVOKES // CALLERS
    with contextlib.closing(InvokingClient(emulator.port)) as caller:
        for count in range(each):
            pause(max(0.0, started + count * LASTING_S / each - time.monotonic()))
            event = {"caller": number, "count": count}
            at_least = author.done
            status, body = caller.ask(json.dumps(event).encode())
            assert status == b"200", body
            first, last, echo = json.loads(body)
            assert echo == event
            assert first == last
            assert at_least <= first <= author.begun
            found[first] += 1
    return found


def test_ten_thousand_invocations_are_answered_while_the_library_is_built_every_second(
    builder: LibraryBuilder, library: Path, emulator: Emulator
) -> None:
    author = Author(builder, library)
    found: Counter[int] = Counter()
    with ThreadPoolExecutor(CALLERS + 1) as executor:
        building = executor.submit(author.build)
        try:
            for asking in [executor.submit(ask_often, emulator, author, number) for number in range(CALLERS)]:
                found += asking.result()
        finally:
            author.stop()
        building.result()
    assert found.total() == INVOKES
    assert author.done > 5
    assert len(found) > 3, found
    assert version(emulator.invoke()) == author.done
    assert emulator.out.count("\nREPORT ") == INVOKES + 1
