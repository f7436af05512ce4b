"""Other things than a library at the watched path: the emulator still answers, reports it, and can be stopped."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.emulator.building import LibraryBuilder
from tests.emulator.support import Emulator
from tests.runtime.support import SUFFIX
from tests.waiting import wait_until

HEALTH_S = 2.0
ANSWERS = 20


def fifo(path: Path) -> None:
    os.mkfifo(path)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 30)


def sparse_library(path: Path) -> None:
    """It begins like a library."""
    with path.open("wb") as file:
        file.write(b"\x7fELF\x02\x01\x01" + bytes(57))
        file.truncate(1 << 30)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.mkdir()


def socket_file(path: Path) -> None:
    import socket

    before = Path.cwd()
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(path.parent)  # the path of a socket may have 107 bytes, and this one has more
        try:
            listener.bind(path.name)
        finally:
            os.chdir(before)


def loop(path: Path) -> None:
    path.symlink_to(path)


def fifo_behind_a_link(path: Path) -> None:
    os.mkfifo(path.with_name("fifo"))
    path.symlink_to("fifo")


KINDS = [fifo, sparse, sparse_library, device, folder, socket_file, loop, fifo_behind_a_link]


@pytest.mark.parametrize("there_first", [True, False], ids=["at the start", "later"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_emulator_stays_awake(
    tmp_path: Path, builder: LibraryBuilder, kind: Callable[[Path], None], there_first: bool
) -> None:
    library = tmp_path / f"libmine{SUFFIX}"
    if there_first:
        kind(library)
    else:
        shutil.copyfile(builder.version(1), library)
    with Emulator(str(library), "--watch", "--timeout", "3") as emulator:
        if not there_first:
            wait_until(lambda: "x-amz-function-error" not in emulator.invoke().headers, "it does not start")
            library.unlink()
            kind(library)
        connection = emulator.connect()
        connection.sendall(
            b"POST /2015-03-31/functions/function/invocations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
        )
        answers_s: list[float] = []

        def reports_and_answers() -> bool:
            asked = time.monotonic()
            emulator.request("GET", "/_faas/health")
            answers_s.append(time.monotonic() - asked)
            return str(library) in emulator.err and len(answers_s) >= ANSWERS

        wait_until(reports_and_answers, "it is not reported")
        assert max(answers_s) < HEALTH_S
        status = Path(f"/proc/{emulator.process.pid}/status").read_text() if Path("/proc").is_dir() else ""
        peak_kib = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)
        assert peak_kib < 500_000
        connection.close()
        if library.is_dir() and not library.is_symlink():
            library.rmdir()
        else:
            library.unlink()
        shutil.copyfile(builder.version(2), library)
        wait_until(lambda: "x-amz-function-error" not in emulator.invoke().headers, "the library is not taken")
        assert emulator.invoke().json[0] == 2
        assert emulator.end() == 0
        assert "Traceback" not in emulator.err


@pytest.mark.parametrize("way", ["written over", "renamed over"])
def test_a_library_of_the_same_size_and_time_is_seen(tmp_path: Path, builder: LibraryBuilder, way: str) -> None:
    """An archive with fixed times, unpacked over the folder."""
    library = tmp_path / f"libmine{SUFFIX}"
    versions = [builder.version(number).read_bytes() for number in (1, 2, 3)]
    size = max(map(len, versions))
    with Emulator(str(_unpack(library, versions[0], size, way)), "--watch") as emulator:
        for number, data in enumerate(versions, start=1):
            _unpack(library, data, size, way)
            assert emulator.invoke().json[0] == number
        assert emulator.end() == 0


def _unpack(library: Path, data: bytes, size: int, way: str) -> Path:
    target = library if way == "written over" else library.with_name("new")
    inode = library.stat().st_ino if library.exists() else 0
    target.write_bytes(data.ljust(size, b"\0"))
    os.utime(target, (1_600_000_000, 1_600_000_000))
    if target is not library:
        target.replace(library)
    assert not inode or way != "written over" or library.stat().st_ino == inode
    return library
