"""Failures: processes that die, hang or do not start."""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
from faas_runtime.sandbox.process import RuntimeProcess

from tests.emulator.support import INVOKE, STREAM, Emulator, FunctionGate, lives, read_all
from tests.runtime.support import RUNTIME
from tests.waiting import TIMEOUT_S, wait_until, wait_until_steady

Serve = Callable[..., Emulator]
HEALTH = "/_faas/health"


@pytest.mark.parametrize(
    ("event", "how"),
    [
        (b"3", "Runtime exited with error: exit status 3"),
        (b"-11", "Runtime exited with error: signal: segmentation fault"),
        (b"-9", "Runtime exited with error: signal: killed"),
        (b"-6", "Runtime exited with error: signal: aborted"),
    ],
)
def test_a_process_that_dies_is_reported_and_replaced(serve: Serve, event: bytes, how: str) -> None:
    emulator = serve("end", "--concurrency", "1")
    before = emulator.invoke(b"0").json
    response = emulator.invoke(event)
    identity = response.headers["x-amzn-requestid"]
    assert response.status == 200
    assert response.json == {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: {identity} Error: {how}"}
    assert response.headers["x-amz-function-error"] == "Unhandled"
    after = emulator.invoke(b"0")
    assert (after.status, after.json != before) == (200, True)
    assert f"END RequestId: {identity}\nREPORT RequestId: {identity}\t" in emulator.out
    assert f"request {identity}: {how}" in emulator.err


def test_a_process_that_times_out_is_killed_and_replaced(serve: Serve) -> None:
    emulator = serve("nap", "--timeout", "1", "--concurrency", "1")
    wait_until(lambda: "x-amz-function-error" not in emulator.invoke(b"0").headers, "it does not start")
    before = emulator.invoke(b"0").json
    response = emulator.invoke(b"30000")
    identity = response.headers["x-amzn-requestid"]
    assert (response.status, response.headers["x-amz-function-error"]) == (200, "Unhandled")
    message = f"RequestId: {identity} Error: Task timed out after 1.00 seconds"
    assert response.json == {"errorType": "Sandbox.Timedout", "errorMessage": message}
    wait_until(lambda: before not in emulator.children, "it is running")
    wait_until(lambda: "x-amz-function-error" not in emulator.invoke(b"0").headers, "it does not start again")
    assert emulator.invoke(b"0").json != before
    assert "hangs" not in emulator.err, "the runtime itself reported it"
    assert re.search(rf"REPORT RequestId: {identity}\tDuration: 1000.00 ms\tBilled Duration: 1000 ms\t", emulator.out)
    tail = emulator.invoke(b"30000", X_Amz_Log_Type="Tail").headers["x-amz-log-result"]
    assert b" Task timed out after 1.00 seconds\nEND RequestId: " in base64.b64decode(tail)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="not run: there is no /proc here")
def test_the_memory_of_ended_processes_is_reported(serve: Serve) -> None:
    emulator = serve("hoard", "--timeout", "1")
    response = emulator.invoke(b"50")
    assert response.json["errorType"] == "Sandbox.Timedout"
    assert 50 <= _used_mb(emulator, response.headers["x-amzn-requestid"]) < 200
    response = emulator.invoke(b"-1")
    assert response.json["errorType"] == "Runtime.ExitError"
    assert 1 <= _used_mb(emulator, response.headers["x-amzn-requestid"]) < 50, "as it was before, at the least"


def _used_mb(emulator: Emulator, request_id: str) -> int:
    found = re.search(rf"REPORT RequestId: {request_id}\t.*Max Memory Used: ([0-9]+) MB", emulator.out)
    assert found, emulator.out
    return int(found[1])


def test_nothing_that_a_function_starts_outlives_its_process(serve: Serve) -> None:
    emulator = serve("spawn", "--timeout", "1")
    emulator.invoke(b"30000")
    found = re.search(r"spawned ([0-9]+)\.", emulator.err)
    assert found
    wait_until(lambda: not lives(int(found[1])), "it runs after a timeout")
    pid = emulator.invoke(b"0").json
    assert emulator.end() == 0
    wait_until(lambda: not lives(pid), "it runs after the end")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="not run: only Linux has subreapers")
def test_orphans_are_collected(emulated: Path) -> None:
    """Process 1 of an image gets orphans; here, the emulator is a subreaper."""
    become = (
        "import ctypes, os, sys; "
        "assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0; "  # PR_SET_CHILD_SUBREAPER
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    before = (sys.executable, "-c", become)
    with Emulator(f"{emulated}.orphan", "--concurrency", "1", before=before) as emulator:
        pids = [emulator.invoke().json for _ in range(5)]
        (own,) = {pid for pid, _ in pids}
        wait_until(lambda: emulator.children == [own], "zombies are left")
        os.kill(own, signal.SIGKILL)
        wait_until(
            lambda: (
                f"process {own} ended between invocations: Runtime exited with error: signal: killed" in emulator.err
            ),
            "nothing reports it",
        )
        assert emulator.invoke().status == 200
        assert emulator.end() == 0
    assert not [pid for _, pid in pids if Path(f"/proc/{pid}").exists()]


@pytest.mark.skipif(sys.platform == "win32", reason="not run: Windows has no process groups of this kind")
def test_a_process_with_a_reused_id_is_not_killed() -> None:
    """The process was collected, its group is empty, and another process has its id now."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as stranger:
        process = RuntimeProcess(lambda *_: None, lambda: None)
        process.process_started(SimpleNamespace(get_pid=lambda: stranger.pid))
        process.pipe_closed(1)
        process._has_exited = True
        process.kill_group()
        assert stranger.communicate(b"alive")[0] == b"alive", "it was killed"


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="not run: there is no /proc here")
@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "rebound.example:{port}"},
        {"Host": "localhost:{port}"},
        {"Host": "127.0.0.1"},
        {"Origin": "https://page.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"sec-fetch-site": "none"},
    ],
)
def test_web_pages_cannot_use_the_runtime_api(serve: Serve, gate: FunctionGate, headers: dict[str, str]) -> None:
    emulator = serve("gate", "--concurrency", "1")
    pid = emulator.invoke().json
    variables = dict(pair.split(b"=", 1) for pair in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") if pair)
    host, _, port = variables[b"AWS_LAMBDA_RUNTIME_API"].decode().partition(":")
    with ThreadPoolExecutor() as executor:
        response = executor.submit(emulator.invoke, gate.event)
        wait_until(lambda: emulator.out.count("START") == 2, "it was not started")
        identity = emulator.out.split("START RequestId: ")[2].split()[0]
        for method, path in (
            ("GET", "invocation/next"), ("POST", f"invocation/{identity}/response"), ("POST", "init/error")
        ):  # fmt: skip
            fields = {name: value.format(port=port) for name, value in headers.items()}
            with contextlib.closing(http.client.HTTPConnection(host, int(port), timeout=TIMEOUT_S)) as connection:
                connection.request(method, f"/2018-06-01/runtime/{path}", b'"forged"', fields)
                assert connection.getresponse().status == 403
        gate.open()
        assert response.result().json == pid
    assert emulator.invoke().json == pid


def test_a_failed_init_is_reported_with_its_error_and_tried_again(serve: Serve, tmp_path: Path) -> None:
    fault = tmp_path / "fault"
    fault.touch()
    emulator = serve("echo", INIT_FILE=str(fault))
    wait_until(lambda: emulator.request("GET", HEALTH).json["status"] == "failed", "it did not fail")
    assert "the database is away" in emulator.request("GET", HEALTH).json["error"]
    response = emulator.invoke()
    assert (response.status, response.json["errorType"]) == (200, "Function.NoDatabase")
    assert b"Function.NoDatabase" in emulator.invoke(path=STREAM).body
    assert emulator.request("GET", "/").status == 502
    reported = [line for line in emulator.err.splitlines() if not re.search("serving|try it", line)]
    fault.unlink()
    assert emulator.invoke().status == 200
    assert emulator.request("GET", HEALTH).status == 200
    assert [line for line in reported if "was not run" not in line] == [
        "faas-runtime: faas_init failed: Function.NoDatabase: the database is away"
    ] * 4, "once for the start, and once for each request"
    assert len(reported) == 4 + 3, "each request is reported in one line"


def test_all_invocations_of_a_function_that_cannot_start_get_a_response(serve: Serve) -> None:
    emulator = serve("echo", INIT="exits")
    with ThreadPoolExecutor(8) as executor:
        responses = list(executor.map(lambda _: emulator.invoke(), range(8)))
    assert {(response.status, response.json["errorType"]) for response in responses} == {(200, "Runtime.ExitError")}
    assert "exit status 9" in responses[0].json["errorMessage"]
    assert emulator.err.count("was not run, because the function did not start\n") == 8
    assert "answered with" not in emulator.err


def test_an_init_that_hangs_is_killed(serve: Serve) -> None:
    emulator = serve("echo", "--timeout", "0.5", INIT="hangs")
    response = emulator.invoke()
    assert (response.status, response.json["errorType"]) == (200, "Sandbox.Timedout")
    wait_until(lambda: not emulator.children, "its process lives")


def test_a_missing_symbol_is_explained(serve: Serve) -> None:
    response = serve("nothing_of_that_name").invoke()
    assert (response.status, response.json["errorType"]) == (200, "Runtime.HandlerNotFound")


def test_a_missing_library_is_named(tmp_path: Path) -> None:
    with Emulator("mine.handle", environment={"LAMBDA_TASK_ROOT": str(tmp_path)}) as emulator:
        response = emulator.invoke()
        assert (response.status, response.json["errorType"]) == (200, "Runtime.LibraryNotFound")
        assert f"{tmp_path}/libmine" in response.json["errorMessage"]


def test_a_process_that_dies_between_invocations_is_reported_and_replaced(serve: Serve) -> None:
    emulator = serve("nap")
    pid = emulator.invoke(b"0").json
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: f"process {pid} ended between invocations" in emulator.err, "nothing reports it")
    wait_until(lambda: emulator.request("GET", HEALTH).status == 200, "no other process is started")
    assert emulator.invoke(b"0").json != pid


def test_a_process_that_dies_again_and_again_is_not_started_in_a_loop(serve: Serve) -> None:
    emulator = serve("echo")
    killed = 0
    while killed < 10 and emulator.request("GET", HEALTH).json["status"] != "failed":
        wait_until(lambda: emulator.request("GET", HEALTH).status == 200, "it does not start")
        (pid,) = emulator.children
        os.kill(pid, signal.SIGKILL)
        killed += 1
        message = f"process {pid} ended between invocations"
        wait_until(lambda message=message: message in emulator.err, "nothing reports the end")  # type: ignore[misc]
    assert killed < 10, "each process that dies at once is replaced"
    assert emulator.invoke().status == 200


def test_an_image_outside_of_lambda_runs_serve(emulated: Path) -> None:
    environment = {"FAAS_RUNTIME_LISTEN": "*:0", "LAMBDA_TASK_ROOT": str(emulated.parent)}
    with Emulator("emulated.echo", environment=environment, command=()) as emulator:
        assert emulator.invoke(b"1").body == b"1"
        assert f"on all addresses, port {emulator.port} (in a container: the port that you published)" in emulator.err
        assert "curl http://127.0.0.1:PORT/2015" in emulator.err, "the container's port cannot be used outside"
        if socket.has_ipv6:
            with socket.create_connection(("::1", emulator.port), TIMEOUT_S):
                pass


def test_the_package_works_without_a_launcher(emulated: Path, tmp_path: Path) -> None:
    """This is so in a pip installation."""
    (tmp_path / "faas_runtime").symlink_to(RUNTIME / "faas_runtime")
    start = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from faas_runtime.__main__ import main; sys.exit(main())"
    )
    command = [sys.executable, "-I", "-S", "-c", start, "serve", f"{emulated}.context", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        try:
            port = int(process.stderr.readline().rpartition(":")[2])
            with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as client:
                client.sendall(f"POST {INVOKE} HTTP/1.0\r\n\r\n".encode())
                assert b"emulated.context" in read_all(client)
        finally:
            process.terminate()
            process.stderr.read()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="not run: there is no /proc here")
def test_an_idle_emulator_uses_no_processor_time(serve: Serve) -> None:
    emulator = serve("echo")
    emulator.invoke()
    with emulator.connect():
        wait_until_steady(lambda: _switches(emulator.process.pid), 1.2, "the emulator wakes up")


def _switches(pid: int) -> int:
    """How often the process was put to sleep; it woke up as often."""
    return sum(int(count) for count in re.findall(r"ctxt_switches:\t([0-9]+)", Path(f"/proc/{pid}/status").read_text()))
