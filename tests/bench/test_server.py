"""The server distinguishes right answers from wrong ones, and its figures follow what it measures."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ci.bench.server import Command, Load, MeasuringServer, Native
from ci.bench.soak import judge
from ci.core.errors import CommandFailed
from tests.bench.conftest import CommandOf

FEW = Load(invokes=50, warmup=5)
TIMEOUT_S = 60  # only for what hangs


@pytest.mark.parametrize("size", [100, 101, 70_000, 1 << 20])
def test_takes_right_answers_of_any_size(server: MeasuringServer, command: CommandOf, size: int) -> None:
    run = server.measure(command("handle"), Load(invokes=20, warmup=3, size=size))
    assert run.processor_us > 0
    assert run.p50_us > 0
    assert run.start_wall_ms > 0
    assert run.most_in_flight == 1


@pytest.mark.parametrize("symbol", ["flip", "stale", "shorten"])
def test_notices_wrong_answers(server: MeasuringServer, command: CommandOf, symbol: str) -> None:
    with pytest.raises(CommandFailed, match=r"exit code 1(.|\n)*a wrong answer"):
        server.measure(command(symbol), FEW)


@pytest.mark.parametrize("size", [100, 70_000])
def test_takes_right_http_responses(server: MeasuringServer, command: CommandOf, size: int) -> None:
    run = server.measure(command("http"), Load(invokes=20, warmup=3, size=size, http=1))
    assert run.p50_us > 0
    assert run.most_in_flight == 1


@pytest.mark.parametrize("symbol", ["http_status", "http_stale", "handle"])
def test_notices_wrong_http_responses(server: MeasuringServer, command: CommandOf, symbol: str) -> None:
    with pytest.raises(CommandFailed, match=r"exit code 1(.|\n)*a wrong answer"):
        server.measure(command(symbol), Load(invokes=50, warmup=5, http=1))


def test_notices_an_early_end(server: MeasuringServer, command: CommandOf) -> None:
    with pytest.raises(CommandFailed, match=r"exit code 3(.|\n)*after 0 answers"):
        server.measure(command("crash"), FEW)


def test_notices_a_client_that_hangs(server: MeasuringServer) -> None:
    with pytest.raises(CommandFailed, match=r"exit code 4(.|\n)*timed out"):
        server.measure(Command(argv=("sleep", "60")), Load(invokes=1, timeout=1))


def test_work_shows_in_both_figures_and_waiting_in_one(server: MeasuringServer, command: CommandOf) -> None:
    plain = server.measure(command("handle"), FEW)
    busy = server.measure(command("spin"), FEW)
    idle = server.measure(command("nap"), Load(invokes=5))
    assert busy.processor_us > 3 * plain.processor_us
    assert busy.p50_us > 3 * plain.p50_us
    assert idle.p50_us > 3 * plain.p50_us
    assert idle.processor_us * 20 < idle.p50_us


def test_a_leak_shows_in_the_samples(server: MeasuringServer, command: CommandOf) -> None:
    load = Load(invokes=500, samples=10)
    sound, leaking = (server.measure(command(symbol), load) for symbol in ("handle", "leak"))
    assert [sample[0] for sample in sound.samples] == list(range(50, 501, 50))
    assert [target.met for target in judge(sound, 500)] == [True, True]
    assert [target.met for target in judge(leaking, 500)] == [False, False]


def test_samples_that_do_not_divide_the_invokes(server: MeasuringServer, command: CommandOf) -> None:
    run = server.measure(command("handle"), Load(invokes=17, samples=4))
    assert [sample[0] for sample in run.samples] == [4, 8, 12, 17]


def test_measures_a_start_and_an_end(server: MeasuringServer) -> None:
    run = server.start_and_end(Command(argv=(sys.executable, "-c", "pass")))
    assert run.start_processor_ms > 0
    with pytest.raises(CommandFailed, match="exit code 3"):
        server.start_and_end(Command(argv=("false",)))


@pytest.mark.parametrize("size", [100, 70_000])
def test_an_answer_and_the_next_request_may_come_together(
    server: MeasuringServer, command: CommandOf, size: int
) -> None:
    load = Load(invokes=20, warmup=3, size=size)
    apart, together = server.measure(command("handle"), load), server.measure(command("handle", "together"), load)
    assert apart.billed_us > apart.p50_us
    assert together.billed_us >= together.p50_us
    assert together.most_in_flight == 1
    with pytest.raises(CommandFailed, match=r"exit code 1(.|\n)*a wrong answer"):
        server.measure(command("flip", "together"), FEW)


def test_the_pause_comes_before_an_event_and_is_no_part_of_its_time(
    server: MeasuringServer, command: CommandOf
) -> None:
    run = server.measure(command("handle"), Load(invokes=5, warmup=100, pause=30))
    assert run.invokes_per_s < 1000 / 30
    assert run.billed_us < 1e6 / run.invokes_per_s / 2


def test_a_start_alone_needs_no_invoke(server: MeasuringServer, command: CommandOf) -> None:
    run = server.measure(command("handle"), Load(invokes=0))
    assert run.start_wall_ms > 0
    assert run.p50_us == 0


def test_prints_json_of_a_stable_form(native: Native, command: CommandOf) -> None:
    argv = [str(native.server), "--invokes", "3", "--", *map(str, command("handle").argv)]
    printed = json.loads(subprocess.run(argv, check=True, capture_output=True).stdout)
    assert list(printed) == [
        "invokes", "size", "wrong", "errors", "connections", "most_in_flight", "start_wall_ms", "start_processor_ms",
        "latency_us", "billed_us", "wall_s", "processor_us", "resident_kb", "descriptors", "samples",
    ]  # fmt: skip
    assert list(printed["latency_us"]) == list(printed["billed_us"]) == ["p50", "p90", "p99", "max", "mean"]
    assert list(printed["resident_kb"]) == ["idle", "end", "peak"]


@contextmanager
def serving(native: Native, *options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server that starts nothing: its address and process."""
    argv = [str(native.server), "--timeout", str(TIMEOUT_S), *options]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        yield process.stderr.readline().strip().partition("=")[2], process
        process.kill()


def take(connection: http.client.HTTPConnection) -> tuple[str, bytes]:
    connection.request("GET", "/2018-06-01/runtime/invocation/next")
    answer = connection.getresponse()
    return answer.headers["Lambda-Runtime-Aws-Request-Id"], answer.read()


@pytest.mark.parametrize(("spoilt", "exit_code"), [(False, 0), (True, 1)])
def test_joins_chunks(native: Native, spoilt: bool, exit_code: int) -> None:
    with serving(native, "--invokes", "3", "--size", "100000") as (address, process):
        connection = http.client.HTTPConnection(address, timeout=TIMEOUT_S)
        for _ in range(3):
            request_id, event = take(connection)
            pieces = [event[:1], event[1:70_000], event[70_000:] + (b"!" if spoilt else b"")]
            path = f"/2018-06-01/runtime/invocation/{request_id}/response"
            connection.request("POST", path, iter(pieces), encode_chunked=True)
            assert connection.getresponse().read() == b'{"status":"OK"}\n'
        end_by_asking(connection)
        output, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == exit_code
    assert json.loads(output)["wrong"] == (3 if spoilt else 0)


def test_counts_errors_and_unknown_requests(native: Native) -> None:
    with serving(native, "--invokes", "1") as (address, process):
        connection = http.client.HTTPConnection(address, timeout=TIMEOUT_S)
        request_id, _ = take(connection)
        for name in (f"{request_id[:-4]}ffff/response", f"{request_id}/error"):
            connection.request("POST", f"/2018-06-01/runtime/invocation/{name}", b"{}")
            connection.getresponse().read()
        end_by_asking(connection)
        output, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 1
    assert (json.loads(output)["wrong"], json.loads(output)["errors"]) == (1, 1)
    assert "an error: POST" in errors


def test_hands_out_several_events_at_once(native: Native) -> None:
    with serving(native, "--invokes", "3", "--pollers", "3") as (address, process):
        connections = [http.client.HTTPConnection(address, timeout=TIMEOUT_S) for _ in range(3)]
        taken = [take(connection) for connection in connections]
        for connection, (request_id, event) in reversed(list(zip(connections, taken, strict=True))):
            connection.request("POST", f"/2018-06-01/runtime/invocation/{request_id}/response", event)
            connection.getresponse().read()
        end_by_asking(connections[0])
        output, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0
    assert json.loads(output)["most_in_flight"] == 3


def end_by_asking(connection: http.client.HTTPConnection) -> None:
    """Ask for one more event, which never comes: the server ends."""

    def ask() -> None:
        try:
            take(connection)
        except (OSError, http.client.HTTPException):
            return

    threading.Thread(target=ask, daemon=True).start()


def test_everything_runs_on_the_one_core(server: MeasuringServer, native: Native) -> None:
    core = server.core
    script = f"import os; assert os.sched_getaffinity(0) == {{{core}}}, os.sched_getaffinity(0)"
    assert server.start_and_end(Command(argv=(sys.executable, "-c", script))).start_wall_ms > 0
    assert core in os.sched_getaffinity(0)
