"""Parts of the emulator by themselves, for what can hardly be brought about from outside."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from faas_runtime.emulator import waiting
from faas_runtime.emulator.command import read
from faas_runtime.emulator.environment import ENDED, READY, Environment
from faas_runtime.emulator.invocation import Invocation
from faas_runtime.emulator.lines import Lines
from faas_runtime.emulator.outlet import WAITING_LIMIT, Outlet
from faas_runtime.emulator.pool import RETURN_S, Pool
from faas_runtime.emulator.runtime_api import Poller
from faas_runtime.emulator.waiting import Waiting

from tests.emulator.support import TIMEOUT_S
from tests.runtime.support import RUNTIME


class _Owner:
    """Who started an environment, and waits for its end alone."""

    def __init__(self) -> None:
        self.has_ended = asyncio.Event()

    def polled(self, poller: Poller) -> None:
        pass  # it gets nothing, and waits

    def poller_lost(self, poller: Poller) -> None:
        pass

    def emptied(self, environment: Environment) -> None:
        pass

    def ended(self, environment: Environment) -> None:
        self.has_ended.set()


@pytest.mark.parametrize("end", [Environment.kill, Environment.retire])
def test_a_process_that_is_not_wanted_any_more_while_it_is_started_ends(
    emulated: Path, end: Callable[[Environment], None]
) -> None:
    async def run() -> None:
        owner = _Owner()
        lines = Lines("1", 128, write=lambda descriptor, data: None)
        environment = Environment(owner, 0, lines, timeout_s=600, places=1)
        starting = asyncio.ensure_future(environment.start(f"{emulated}.echo", {}))
        await asyncio.sleep(0)
        end(environment)
        await starting
        await asyncio.wait_for(owner.has_ended.wait(), TIMEOUT_S)
        assert environment.state is ENDED

    asyncio.run(run())


def test_a_process_that_has_not_come_back_in_time_is_counted_on_no_more(emulated: Path) -> None:
    """Or else each invocation would wait for it before another process is started."""

    async def run() -> None:
        lines = Lines("1", 128, write=lambda descriptor, data: None)
        pool = Pool(read("serve", [f"{emulated}.echo"], {}), lines)
        environment = Environment(pool, 0, lines, timeout_s=600, places=2)
        pool._current.environments.append(environment)
        assert pool._returning == 0, "it has not come up"
        environment.state, environment.freed_at = READY, time.monotonic() + TIMEOUT_S
        assert pool._returning == 2
        environment.freed_at = time.monotonic() - RETURN_S
        assert pool._returning == 0

    asyncio.run(run())


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="not run: this system cannot tell which process has ended")
def test_a_process_that_is_being_started_is_left_to_whoever_starts_it() -> None:
    """In a process of its own, as all others that have ended are collected."""
    script = """if True:
        import os, subprocess, sys
        sys.path.insert(0, sys.argv[1])
        from faas_runtime.emulator import reaper
        with reaper.Start() as start:
            own = subprocess.Popen(["true"])
            os.waitid(os.P_PID, own.pid, os.WEXITED | os.WNOWAIT)
            reaper.reap()
            start.done(own.pid)
        assert os.waitpid(own.pid, 0) == (own.pid, 0)
        reaper.ended(own.pid)
        stranger = subprocess.Popen(["true"])
        os.waitid(os.P_PID, stranger.pid, os.WEXITED | os.WNOWAIT)
        reaper.reap()
        try:
            os.waitpid(stranger.pid, 0)
        except ChildProcessError:
            sys.exit(0)
        sys.exit("it was not collected")
    """
    subprocess.run([sys.executable, "-c", script, str(RUNTIME)], check=True)


def test_the_line_is_full_when_the_events_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SIZE_LIMIT", 10)

    async def run() -> None:
        line = Waiting()
        for payload in (b"12345", b"1234"):
            line.append(Invocation(payload, "arn"))
        assert not line.is_full
        line.append(Invocation(b"1", "arn"))
        assert line.is_full
        assert line.take().payload == b"12345"
        assert not line.is_full
        assert [invocation.payload for invocation in line] == [b"1234", b"1"]

    asyncio.run(run())


def test_nothing_overtakes_what_was_left_out() -> None:
    """Nobody reads for a while: what is small enough to wait comes later than what is not, and is left out with it."""
    reading, writing = os.pipe()
    outlet = Outlet(writing)
    outlet.put(b"a" * (WAITING_LIMIT - 1))
    outlet.put(b"b" * 100)
    outlet.put(b"c")
    received = b""
    while not received.endswith(b"nobody read them\n"):
        received += os.read(reading, 1 << 16)
    told = b"faas-runtime: 101 bytes were left out here, as nobody read them\n"
    assert received == b"a" * (WAITING_LIMIT - 1) + b"\n" + told
    outlet.put(b"d\n")
    assert os.read(reading, 100) == b"d\n"
    os.close(reading)
    os.close(writing)
