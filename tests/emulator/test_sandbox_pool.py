"""Execution environments and their pool by themselves: states that are hard to reach from outside."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from faas_runtime.emulator.cli import read_serve
from faas_runtime.emulator.launch import sandbox_options
from faas_runtime.event_loop.loop import running_loop
from faas_runtime.event_loop.tasks import Future, Task, run, sleep, wait
from faas_runtime.sandbox import invocation_queue, process
from faas_runtime.sandbox.environment import EnvironmentState, ExecutionEnvironment
from faas_runtime.sandbox.generation import RETURN_S, Generation, Generations
from faas_runtime.sandbox.invocation import InvocationOutcome, OutcomeKind, PendingInvocation
from faas_runtime.sandbox.invocation_log import InvocationLog
from faas_runtime.sandbox.invocation_queue import InvocationQueue
from faas_runtime.sandbox.options import LaunchCommand, SandboxOptions
from faas_runtime.sandbox.pool import Pool
from faas_runtime.sandbox.process import RuntimeProcess
from faas_runtime.sandbox.runtime_api import RuntimeConnection

from tests.waiting import TIMEOUT_S

ANOTHER_RUNTIME = """
import http.client, os
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    response = api.getresponse()
    request_id, event = response.headers["Lambda-Runtime-Aws-Request-Id"], response.read()
    api.request("POST", f"/2018-06-01/runtime/invocation/{request_id}/response", b"[%b]" % event)
    api.getresponse().read()
"""


class _Owner:
    """An owner of an environment that only waits for its end."""

    def __init__(self) -> None:
        self.has_ended = Future()

    def next_requested(self, connection: RuntimeConnection) -> None:
        pass  # the connection waits forever

    def next_cancelled(self, connection: RuntimeConnection) -> None:
        pass

    def environment_idle(self, environment: ExecutionEnvironment) -> None:
        pass

    def environment_ended(self, environment: ExecutionEnvironment) -> None:
        self.has_ended.set_result()


async def within(awaited: Future | Coroutine[Any, Any, None]) -> None:
    """Wait for something that has to end."""
    future = awaited if isinstance(awaited, Future) else Task(awaited)
    await wait([future], seconds=TIMEOUT_S)
    assert future.done(), "it does not end"
    future.result()


def silent_log() -> InvocationLog:
    return InvocationLog("1", 128, write=lambda descriptor, data: None)


def test_any_program_that_speaks_the_runtime_api_can_be_run() -> None:
    async def body() -> InvocationOutcome:
        command = LaunchCommand([sys.executable, "-c", ANOTHER_RUNTIME], {})
        pool = Pool(SandboxOptions(lambda copy: command, concurrency=1, timeout_s=TIMEOUT_S), silent_log())
        await pool.start()
        outcome = await pool.invoke(PendingInvocation(b"1", "arn"))
        await pool.stop()
        return outcome

    outcome = run(body())
    assert (outcome.kind, outcome.payload) == (OutcomeKind.ANSWERED, b"[1]")


def _fail(*arguments: object) -> None:
    raise RuntimeError("a fault of the emulator itself")


async def _fail_later(*arguments: object) -> None:
    _fail()


async def _never(*arguments: object) -> None:
    await Future()


FAULTS: dict[str, tuple[object, str, object]] = {
    "the process is not started": (RuntimeProcess, "start", _fail_later),
    "the start does not end": (RuntimeProcess, "start", _never),
    "the end is not reported": (RuntimeProcess, "process_exited", lambda *arguments: None),
    "the pipes are not closed": (RuntimeProcess, "_end", lambda *arguments: None),
    "nothing is killed": (RuntimeProcess, "kill", lambda *arguments: None),
    "the memory is not known": (RuntimeProcess, "peak_mb", _fail),
    "the environment is not started": (ExecutionEnvironment, "start", _fail_later),
    "the library is not prepared": (Generations, "prepare", _fail_later),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_fault_keeps_the_pool_from_stopping(monkeypatch: pytest.MonkeyPatch, emulated: Path, fault: str) -> None:
    monkeypatch.setattr(*FAULTS[fault])
    (options,) = read_serve([f"{emulated}.echo", "--timeout", "1"], {}).functions

    async def body() -> None:
        running_loop().error_handler = lambda message, error: None
        pool = Pool(sandbox_options(options, options.concurrency, watch=True), silent_log())
        started = Task(pool.start())
        invoked = Task(pool.invoke(PendingInvocation(b"1", "arn")))
        await sleep(0)
        await within(pool.stop())
        started.cancel()
        await within(invoked)

    run(body())


@pytest.mark.parametrize("end", [ExecutionEnvironment.kill, ExecutionEnvironment.end_if_idle])
def test_an_environment_that_is_ended_while_its_process_is_started_ends(
    emulated: Path, end: Callable[[ExecutionEnvironment], None]
) -> None:
    async def body() -> None:
        owner = _Owner()
        environment = ExecutionEnvironment(owner, 0, silent_log(), timeout_s=600, capacity=1)
        (options,) = read_serve([f"{emulated}.echo"], {}).functions
        command = sandbox_options(options, 1).launch_command(None)
        starting = Task(environment.start(command))
        await sleep(0)  # let the start begin
        end(environment)
        await starting
        await within(owner.has_ended)
        assert environment.state is EnvironmentState.ENDED

    run(body())


def test_an_environment_that_requests_nothing_for_a_while_is_not_counted_on() -> None:
    """Otherwise each invocation would wait for it before another process is started."""

    async def body() -> None:
        generation = Generation(0)
        environment = ExecutionEnvironment(_Owner(), 0, silent_log(), timeout_s=600, capacity=2)
        generation.environments.append(environment)
        assert generation.returning_capacity == 0, "it is not ready"
        environment.state, environment.last_freed_at = EnvironmentState.READY, time.monotonic() + TIMEOUT_S
        assert generation.returning_capacity == 2
        environment.last_freed_at = time.monotonic() - RETURN_S
        assert generation.returning_capacity == 0

    run(body())


def test_the_memory_is_read_after_each_invocation_but_the_quick_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system takes longer to tell than a quick invocation does."""
    reads = iter(range(1, 100))
    monkeypatch.setattr(process, "peak_mb", lambda pid: next(reads))
    monkeypatch.setattr(process, "PEAK_AGE_S", TIMEOUT_S)
    found = RuntimeProcess(lambda *_: None, lambda: None)
    assert found.peak_mb() == 1, "at the end of the init"
    assert found.recent_peak_mb(0.0001) == 2, "the first invocation"
    assert [found.recent_peak_mb(0.0001) for _ in range(3)] == [2, 2, 2]
    assert found.recent_peak_mb(process.SHORT_S) == 3
    monkeypatch.setattr(process, "PEAK_AGE_S", 0.0)
    assert [found.recent_peak_mb(0.0001) for _ in range(2)] == [4, 5]


def test_the_queue_is_full_when_its_events_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invocation_queue, "SIZE_LIMIT", 10)

    async def body() -> None:
        queue = InvocationQueue()
        for payload in (b"12345", b"1234"):
            queue.append(PendingInvocation(payload, "arn"))
        assert not queue.is_full
        queue.append(PendingInvocation(b"1", "arn"))
        assert queue.is_full
        assert queue.pop_first().payload == b"12345"
        assert not queue.is_full
        assert [invocation.payload for invocation in queue] == [b"1234", b"1"]

    run(body())
