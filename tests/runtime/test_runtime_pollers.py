"""Several invocations at once in one process, and the rules of managed instances."""

from __future__ import annotations

import json
import re
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from ci.core.runtime_api_stub import RuntimeApiStub
from tests.runtime.support import ACCEPTED, LAUNCHER, OVER, PYTHON, RUNTIME, Runtime, ScriptedServer, invocation
from tests.support import not_there
from tests.waiting import TIMEOUT_S

EIGHT = {"AWS_LAMBDA_MAX_CONCURRENCY": "8"}
MANAGED = {"AWS_LAMBDA_INITIALIZATION_TYPE": "lambda-managed-instances"}


def test_eight_invocations_at_once(functions: Path) -> None:
    with RuntimeApiStub() as api, Runtime(api.address, "rough.nap", functions, environment=EIGHT) as runtime:
        api.invoke(b"warm", timeout=TIMEOUT_S)
        responses: dict[int, bytes] = {}

        def invoke(number: int) -> None:
            responses[number] = api.invoke(b"%d" % number, timeout=TIMEOUT_S).body

        threads = [threading.Thread(target=invoke, args=(number,)) for number in range(24)]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.monotonic() - started
        runtime.signal(signal.SIGTERM)
        exit_code, errors = runtime.end()
    assert responses == {number: b"%d" % number for number in range(24)}
    assert took < 24 * 0.2 / 2  # 24 sleeps of 0.2 s one after the other; eight at once take the time of three
    assert (exit_code, errors.count("shut down")) == (0, 1)


def test_trace_id_is_not_in_the_environment(functions: Path) -> None:
    with RuntimeApiStub() as api, Runtime(api.address, "probe.trace", functions, environment=EIGHT):
        assert api.invoke(b"", trace_id="Root=1", timeout=TIMEOUT_S).body == b"unset|Root=1"


def test_a_poller_that_fails_does_not_affect_the_others(functions: Path) -> None:
    broken = [invocation(b"\0"), b"garbage\r\n\r\n"]
    with (
        ScriptedServer(broken, [invocation(), ACCEPTED, OVER], [invocation(), ACCEPTED, OVER]) as server,
        Runtime(server.address, "probe.echo", functions, environment={"AWS_LAMBDA_MAX_CONCURRENCY": "2"}) as runtime,
    ):
        exit_code, errors = runtime.end()
    assert server.actions.count("POST response") == 3
    assert exit_code == 3
    assert errors.count("one of 2 pollers has ended") == 2


def test_next_is_retried_with_growing_delays(functions: Path) -> None:
    script = [[OVER]] * 3 + [[invocation(b"late"), ACCEPTED]]
    with (
        ScriptedServer(*script) as server,
        Runtime(server.address, "probe.echo", functions, environment=MANAGED) as runtime,
    ):
        exit_code, errors = runtime.end()
    assert server.actions == ["GET next"] * 4 + ["POST response"]
    times = [request.at for request in server.requests[:4]]
    assert all(
        later - earlier > pause for earlier, later, pause in zip(times, times[1:], (0.1, 0.2, 0.4), strict=False)
    )
    assert exit_code == 3
    lines = [json.loads(line) for line in errors.splitlines() if line.startswith("{")]
    assert lines[-1]["level"] == "FATAL"
    assert "no connection to the Runtime API" in lines[-1]["message"]


def test_retries_are_counted_from_zero_after_an_invocation(functions: Path) -> None:
    script = [[invocation(b"%d" % number), ACCEPTED, OVER] for number in range(7)]
    with (
        ScriptedServer(*script) as server,
        Runtime(server.address, "probe.echo", functions, environment=MANAGED) as runtime,
    ):
        runtime.end()
    assert server.actions == ["GET next", "POST response", "GET next"] * 7


@pytest.mark.parametrize("concurrency", ["", "1", "001"])
def test_one_poller(functions: Path, concurrency: str) -> None:
    environment = {"AWS_LAMBDA_MAX_CONCURRENCY": concurrency}
    with RuntimeApiStub() as api, Runtime(api.address, "probe.trace", functions, environment=environment):
        assert api.invoke(b"", trace_id="Root=1", timeout=TIMEOUT_S).body == b"Root=1|Root=1"


@pytest.mark.parametrize("concurrency", ["0", "-1", "x", " ", "1.5", "1025", "99999999", "9" * 5000, "²"])
def test_invalid_numbers_of_invocations_are_refused(functions: Path, concurrency: str) -> None:
    environment = {"AWS_LAMBDA_MAX_CONCURRENCY": concurrency}
    with RuntimeApiStub() as api, Runtime(api.address, "probe.trace", functions, environment=environment) as runtime:
        exit_code, errors = runtime.end()
    assert exit_code == 2
    assert f"AWS_LAMBDA_MAX_CONCURRENCY is {concurrency[:80]!r}, which is not" in errors
    assert "a number from 1 to 1024" in errors


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit(1)")
def test_pollers_that_could_be_started_serve(functions: Path) -> None:
    """There is memory for the stacks of about forty threads, and 64 are requested."""
    limited = (shutil.which("prlimit") or not_there("prlimit"), f"--as={400 << 20}", *PYTHON, str(LAUNCHER))
    many = {"AWS_LAMBDA_MAX_CONCURRENCY": "64", "MALLOC_ARENA_MAX": "1"}
    with (
        RuntimeApiStub() as api,
        Runtime(api.address, "rough.nap", functions, command=limited, environment=many) as runtime,
    ):
        for payload in (b"1", b"2"):
            assert api.invoke(payload, timeout=TIMEOUT_S).body == payload
        runtime.signal(signal.SIGTERM)
        exit_code, errors = runtime.end()
    *lines, last = errors.splitlines()
    assert (exit_code, last) == (0, "shut down")
    messages = [json.loads(line) for line in lines]
    assert {message["level"] for message in messages} == {"WARN"}
    found = re.search(r": (\d+) invocations at once are served, and not 64; ", errors)
    assert found
    assert 1 < int(found[1]) < 64


def test_process_that_may_have_no_thread(functions: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(RUNTIME)!r})\n"
        "import _thread\n"
        "def refuse(*_): raise RuntimeError('no more threads')\n"
        "_thread.start_new_thread = refuse\n"
        "from faas_runtime.__main__ import main\n"
        "sys.exit(main([]))\n"
    )
    with (
        RuntimeApiStub() as api,
        Runtime(api.address, "rough.nap", functions, command=(*PYTHON, "-c", code)) as runtime,
    ):
        exit_code, errors = runtime.end()
    assert exit_code == 1
    assert "faas-runtime: Runtime.NoThread: no more threads; allow the process a second thread" in errors
    assert "Traceback" not in errors


def test_stack_of_every_poller_is_large(functions: Path, tmp_path: Path) -> None:
    """The function needs 1 MiB of stack; musl gives threads an eighth of that by default."""
    with RuntimeApiStub() as api, Runtime(api.address, "rough.deep", functions, environment=EIGHT):
        threads = [threading.Thread(target=api.invoke, args=(b"",), kwargs={"timeout": 10}) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert api.invoke(b"", timeout=TIMEOUT_S).body == b"deep"
