"""The event loop of the emulator by itself: with epoll where there is one, and with `select`, as on Windows."""

from __future__ import annotations

import contextlib
import gc
import selectors
import signal
import socket
import sys
import threading
import time
import weakref

import pytest
from faas_runtime.event_loop import poller, transport
from faas_runtime.event_loop.listening import ListeningSocket, bind
from faas_runtime.event_loop.loop import EventLoop, running_loop
from faas_runtime.event_loop.tasks import Cancelled, Future, Task, run, run_in_background, run_in_thread, sleep, wait
from faas_runtime.event_loop.transport import SocketTransport

from tests.emulator.support import read_all
from tests.waiting import TIMEOUT_S


@pytest.fixture(params=["best", "select"])
def loop(request: pytest.FixtureRequest) -> EventLoop:
    if request.param == "best":
        return EventLoop()
    return EventLoop(poller.SelectorPoller(selectors.SelectSelector()))


def test_actions_and_timers_run_in_order(loop: EventLoop) -> None:
    seen: list[str] = []

    async def body() -> None:
        now = loop.time()
        for name, at in (("third", now + 0.03), ("second", now + 0.02), ("never", now + 0.01), ("first", now + 0.01)):
            timer = loop.call_at(at, seen.append, name)
            if name == "never":
                timer.cancel()
        loop.call_soon(seen.append, "soon")
        await sleep(0.05)

    run(body(), loop)
    assert seen == ["soon", "first", "second", "third"]


def test_cancelled_timers_are_forgotten(loop: EventLoop) -> None:
    seen: list[int] = []

    async def body() -> None:
        kept = [loop.call_later(0.01 + number / 1e6, seen.append, number) for number in range(50)]
        for _ in range(10_000):
            loop.call_later(TIMEOUT_S, seen.append, -1).cancel()
        assert len(loop._timers) < 500
        kept[7].cancel()
        kept[7].cancel()
        await sleep(0.02)

    run(body(), loop)
    assert seen == [number for number in range(50) if number != 7]


def test_another_thread_wakes_the_loop(loop: EventLoop) -> None:
    async def body() -> float:
        started = time.monotonic()
        future = Future()
        running_loop().call_later(TIMEOUT_S, future.set_result)
        thread = threading.Thread(target=loop.call_soon_threadsafe, args=(future.set_result,))
        thread.start()
        await future
        thread.join()
        return time.monotonic() - started

    assert run(body(), loop) < TIMEOUT_S


@pytest.mark.skipif(sys.platform == "win32", reason="not run: Windows has no SIGUSR1")
def test_a_signal_wakes_the_loop(loop: EventLoop) -> None:
    async def body() -> None:
        future = Future()
        loop.add_signal_handler(signal.SIGUSR1, future.set_result)
        thread = threading.Thread(target=lambda: signal.raise_signal(signal.SIGUSR1))
        thread.start()
        await wait([future], seconds=TIMEOUT_S)
        thread.join()
        assert future.done()

    run(body(), loop)
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL


def test_an_error_is_reported_and_ends_nothing_else(loop: EventLoop) -> None:
    reported: list[str] = []
    loop.error_handler = lambda message, error: reported.append(repr(error))

    async def fail() -> None:
        raise ValueError("in a task")

    async def body() -> str:
        loop.call_soon(int, "in an action")
        run_in_background(fail())
        await sleep(0.01)
        return "ran on"

    assert run(body(), loop) == "ran on"
    assert [each[:10] for each in reported] == ["ValueError", "ValueError"]


def test_waiting_ends_with_the_first_with_all_or_with_the_time(loop: EventLoop) -> None:
    async def body() -> None:
        one, two = Future(), Future()
        loop.call_soon(one.set_result, 1)
        await wait([one, two], first_only=True)
        assert one.done()
        assert not two.done()
        await wait([one, two], first_only=True)
        await wait([one, two], seconds=0.01)
        assert not two.done()
        two.set_error(KeyError("two"))
        await wait([one, two])
        assert one.result() == 1
        with pytest.raises(KeyError):
            await two

    run(body(), loop)


def test_a_cancelled_task_can_tidy_up(loop: EventLoop) -> None:
    seen: list[str] = []

    async def waiting() -> None:
        try:
            await Future()
        finally:
            seen.append("tidy")

    async def body() -> None:
        task = Task(waiting())
        Task(waiting())  # cancelled at the end of the loop
        not_begun = Task(waiting())
        not_begun.cancel()
        await sleep(0)
        task.cancel()
        with pytest.raises(Cancelled):
            await task
        assert seen == ["tidy"]

    run(body(), loop)
    assert seen == ["tidy", "tidy"]


def test_a_thread_gives_a_result_or_an_error(loop: EventLoop) -> None:
    async def body() -> None:
        assert await run_in_thread(int, "7") == 7
        with pytest.raises(ValueError, match="invalid literal"):
            await run_in_thread(int, "x")

    run(body(), loop)


class _Protocol:
    """Notes what happens to a connection."""

    def __init__(self) -> None:
        self.received = b""
        self.events: list[str] = []
        self.ended = Future()
        self.transport: SocketTransport | None = None

    def data_received(self, data: bytes) -> None:
        self.received += data

    def eof_received(self) -> bool:
        self.events.append("eof")
        return False

    def pause_writing(self) -> None:
        self.events.append("pause")

    def resume_writing(self) -> None:
        self.events.append("resume")

    def connection_lost(self, error: Exception | None) -> None:
        self.ended.set_result(error)


def connected() -> tuple[_Protocol, SocketTransport, socket.socket]:
    """A connection in the running loop, and the socket of its client."""
    server, client = socket.socketpair()
    client.settimeout(TIMEOUT_S)
    protocol = _Protocol()
    protocol.transport = SocketTransport(server, protocol)
    return protocol, protocol.transport, client


def test_what_is_held_is_sent_at_once(loop: EventLoop) -> None:
    async def body() -> None:
        _, sender, client = connected()
        with client:
            sender.hold()
            sender.write(b"one,")
            client.setblocking(False)
            with pytest.raises(BlockingIOError):
                client.recv(100)
            sender.write(b"two")
            sender.release()
            assert client.recv(100) == b"one,two"
            sender.write(b"three")
            assert client.recv(100) == b"three"
            sender.close()

    run(body(), loop)


def test_a_slow_reader_gets_everything_in_order(loop: EventLoop) -> None:
    data = bytes(range(256)) * 40_000

    async def body() -> bytes:
        protocol, sender, client = connected()
        with client:
            for start in range(0, len(data), 100_000):
                sender.write(data[start : start + 100_000])
            sender.close()
            assert sender.get_write_buffer_size() > transport.WRITE_HIGH_WATER
            received: bytes = await run_in_thread(read_all, client)
            await wait([protocol.ended], seconds=TIMEOUT_S)
            assert protocol.events == ["pause", "resume"]
            return received

    assert run(body(), loop) == data


def test_the_end_of_the_peer_ends_the_connection_once(loop: EventLoop) -> None:
    async def body() -> None:
        protocol, sender, client = connected()
        client.sendall(b"last words")
        client.close()
        await wait([protocol.ended], seconds=TIMEOUT_S)
        assert (protocol.received, protocol.events) == (b"last words", ["eof"])
        sender.write(b"too late")
        sender.resume_reading()
        sender.abort()

    run(body(), loop)


def test_a_closed_connection_is_freed_at_once(loop: EventLoop) -> None:
    async def body() -> None:
        protocol, sender, client = connected()
        reference = weakref.ref(protocol)
        client.close()
        await wait([protocol.ended], seconds=TIMEOUT_S)
        await sleep(0)
        gc.disable()
        try:
            del protocol, sender
            assert reference() is None
        finally:
            gc.enable()

    run(body(), loop)


def test_a_broken_connection_is_noticed_when_writing(loop: EventLoop) -> None:
    async def body() -> None:
        protocol, sender, client = connected()
        sender.pause_reading()
        client.close()
        sender.write(b"x")
        sender.write(b"x")
        await wait([protocol.ended], seconds=TIMEOUT_S)
        assert isinstance(protocol.ended.result(), ConnectionError)

    run(body(), loop)


def test_a_listening_socket_recovers_from_a_lack_of_descriptors(
    loop: EventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("faas_runtime.event_loop.listening.RETRY_S", 0.05)
    reported: list[BaseException] = []
    loop.error_handler = lambda message, error: reported.append(error)

    class Failing(socket.socket):
        failures = 1

        def accept(self) -> tuple[socket.socket, object]:
            if Failing.failures:
                Failing.failures -= 1
                raise OSError(24, "Too many open files")
            return super().accept()

    async def body() -> None:
        bound = bind(socket.AF_INET, ("127.0.0.1", 0))
        failing = Failing(fileno=bound.detach())
        accepted = Future()
        listening = ListeningSocket(failing, 8, lambda found, peer: accepted.set_result((found, peer)))
        with socket.create_connection(failing.getsockname(), TIMEOUT_S):
            await wait([accepted], seconds=TIMEOUT_S)
        found, peer = accepted.result()
        assert peer == "127.0.0.1"
        found.close()
        listening.close()
        listening.close()

    run(body(), loop)
    assert len(reported) == 1


def test_one_loop_runs_at_a_time(loop: EventLoop) -> None:
    async def body() -> None:
        other = EventLoop()
        with contextlib.closing(other), pytest.raises(RuntimeError, match="running already"):
            other.run()

    run(body(), loop)
    with pytest.raises(RuntimeError, match="no event loop"):
        running_loop()
