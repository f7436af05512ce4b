"""What is different on Windows, as far as it can be tested on another system."""

from __future__ import annotations

import errno
import os
import selectors
import signal
import sys
from types import SimpleNamespace

import pytest
from faas_runtime.emulator.standard_output import StandardOutput
from faas_runtime.event_loop.loop import EventLoop
from faas_runtime.event_loop.poller import SelectorPoller
from faas_runtime.event_loop.tasks import run
from faas_runtime.sandbox import posix_process, process
from faas_runtime.sandbox.invocation import OutcomeKind, PendingInvocation
from faas_runtime.sandbox.invocation_log import InvocationLog
from faas_runtime.sandbox.options import LaunchCommand, SandboxOptions
from faas_runtime.sandbox.pool import Pool
from faas_runtime.sandbox.windows_process import WindowsProcess

from tests.emulator.test_sandbox_pool import ANOTHER_RUNTIME
from tests.waiting import TIMEOUT_S

CTRL_BREAK_EVENT = 1


def started(
    monkeypatch: pytest.MonkeyPatch, *, refusal: type[Exception] | None = None, code: int = 0
) -> tuple[process.RuntimeProcess, list[int]]:
    """A stand-in for a process on Windows, and the list of signals that it receives."""
    monkeypatch.setattr(process, "STOP_SIGNAL", CTRL_BREAK_EVENT)
    sent: list[int] = []

    def send(number: int) -> None:
        if number == CTRL_BREAK_EVENT and refusal is not None:
            raise refusal("there is no console")
        sent.append(number)

    found = process.RuntimeProcess(lambda *_: None, lambda: None)
    found._started = SimpleNamespace(send_signal=send, get_returncode=lambda: code)
    return found, sent


def test_ctrl_break_asks_a_process_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    found, sent = started(monkeypatch)
    found.terminate()
    assert sent == [CTRL_BREAK_EVENT]


@pytest.mark.parametrize("refusal", [OSError, SystemError])
def test_a_process_that_cannot_be_asked_is_ended(monkeypatch: pytest.MonkeyPatch, refusal: type[Exception]) -> None:
    found, sent = started(monkeypatch, refusal=refusal)
    found.terminate()
    assert sent == [signal.SIGTERM]


@pytest.mark.parametrize(("code", "how"), [(0xC0000005, "exit status 0xc0000005"), (259, "exit status 259")])
def test_exit_codes_of_windows_are_in_the_exit_reason(monkeypatch: pytest.MonkeyPatch, code: int, how: str) -> None:
    assert started(monkeypatch, code=code)[0].exit_reason == how


def test_nothing_is_written_after_the_reader_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows, the error is EINVAL if nobody reads the pipe."""
    output, calls = StandardOutput(), []

    def write(descriptor: int, data: bytes) -> int:
        calls.append(data)
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "write", write)
    output.write(b"one")
    output.write(b"two")
    assert calls == [b"one"]


def test_processes_and_their_output_are_served_by_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The event loop of Windows, which watches sockets only, and its processes; on this system, but the same code."""
    monkeypatch.setattr(posix_process, "PosixProcess", WindowsProcess)
    post = '    api.request("POST"'
    program = ANOTHER_RUNTIME.replace(post, f"    print('said', event, flush=True)\n{post}")
    assert "said" in program
    written: list[bytes] = []

    async def body() -> list[tuple[OutcomeKind, bytes]]:
        command = LaunchCommand([sys.executable, "-c", program], {})
        log = InvocationLog("1", 128, write=lambda descriptor, data: written.append(data))
        pool = Pool(SandboxOptions(lambda copy: command, concurrency=1, timeout_s=TIMEOUT_S), log)
        await pool.start()
        outcomes = [await pool.invoke(PendingInvocation(b"%d" % number, "arn")) for number in range(3)]
        await pool.stop()
        return [(outcome.kind, outcome.payload) for outcome in outcomes]

    found = run(body(), EventLoop(SelectorPoller(selectors.SelectSelector())))
    assert found == [(OutcomeKind.ANSWERED, b"[%d]" % number) for number in range(3)]
    lines = b"".join(written).splitlines()
    assert [line.split()[0] for line in lines] == [b"START", b"said", b"END", b"REPORT"] * 3


def test_the_end_of_a_process_is_seen_by_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posix_process, "PosixProcess", WindowsProcess)
    program = "import sys; sys.stderr.write('last words'); sys.stderr.flush(); sys.exit(7)"
    written: list[bytes] = []

    async def body() -> bytes:
        command = LaunchCommand([sys.executable, "-c", program], {})
        log = InvocationLog("1", 128, write=lambda descriptor, data: written.append(data))
        pool = Pool(SandboxOptions(lambda copy: command, concurrency=1, timeout_s=TIMEOUT_S), log)
        outcome = await pool.invoke(PendingInvocation(b"1", "arn"))
        await pool.stop()
        return outcome.payload

    assert b"exit status 7" in run(body(), EventLoop(SelectorPoller(selectors.SelectSelector())))
    assert b"last words" in b"".join(written)
