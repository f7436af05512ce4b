"""The runtime as it is installed, on the oldest, a middling and the newest Python at hand, and on one for musl.

A little of everything: all of `tests/runtime` runs on the Python of the tests; here is one test for each thing that a
Python could do differently, foremost what the runtime reaches beneath the module `ctypes`.
"""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path

import pytest

from ci.core.runtime_api_stub import RuntimeApiStub, RuntimeResult
from tests.emulator.support import STREAM, Emulator
from tests.matrix.roots import PythonRoot
from tests.runtime.support import ACCEPTED, OVER, VERSION, RecordedRequest, Runtime, ScriptedServer, invocation, status
from tests.waiting import TIMEOUT_S

TASK_ROOT = Path("/var/task")
SNAP_START = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}


def start(root: PythonRoot, address: str, handler: str, **environment: str) -> Runtime:
    return Runtime(address, handler, TASK_ROOT, command=root.launcher, environment=environment)


def invoke(root: PythonRoot, handler: str, *payloads: bytes) -> list[RuntimeResult]:
    with RuntimeApiStub() as api, start(root, api.address, handler):
        return [api.invoke(payload, request_id="r-1", timeout=TIMEOUT_S) for payload in payloads]


def play(
    root: PythonRoot, handler: str, *connections: list[bytes], **environment: str
) -> tuple[list[RecordedRequest], int, str]:
    """Follow a script to the runtime's end: the requests, the exit code, standard error."""
    with ScriptedServer(*connections) as server, start(root, server.address, handler, **environment) as runtime:
        exit_code, errors = runtime.end()
    return server.requests, exit_code, errors


def test_versions(root: PythonRoot) -> None:
    code = "import sys; print(*sys.version_info[:2])"
    found = tuple(map(int, root.run("/usr/bin/python3", "-I", "-S", "-c", code).stdout.split()))
    assert found >= root.python if root.suite == "sid" else found == root.python
    assert root.run(*root.launcher[2:], "--version").stdout == f"faas-runtime {VERSION}\n"


def test_check(root: PythonRoot) -> None:
    done = root.run(*root.launcher[2:], "check", "/var/task/libsimple_handler.so")
    assert (done.returncode, done.stderr) == (0, "")
    assert "ABI" in done.stdout
    assert root.run(*root.launcher[2:], "check", "/var/task/libno_version.so").returncode == 1


@pytest.mark.parametrize("payload", [b'{"a":"Gr\xc3\xbc\xc3\x9fe"}', b"", b'"' + b"x" * 1_000_000 + b'"'])
def test_c_function(root: PythonRoot, payload: bytes) -> None:
    expected = b'{"event":%b,"function":"simple_handler","request_id":"r-1"}' % (payload or b"null")
    for result in invoke(root, "simple_handler.handle", payload, payload):
        assert (result.kind, result.body) == ("response", expected)


def test_rust_function(rust_root: PythonRoot) -> None:
    fine, panic, again = invoke(rust_root, "moods.handle", b"{}", b'{"mood":"panic"}', b"{}")
    assert [result.kind for result in (fine, panic, again)] == ["response", "error", "response"]
    assert json.loads(fine.body)[0][0] == "r-1"
    assert panic.headers["lambda-runtime-function-error-type"] == "Function.Panic"
    assert json.loads(panic.body) == {
        "errorMessage": "in a bad mood",
        "errorType": "Function.Panic",
        "stackTrace": ["src/lib.rs:45:26"],
    }


def test_many_invocations(root: PythonRoot) -> None:
    """The head of the response to /next keeps its form, then changes it, and the function fails in between."""
    with RuntimeApiStub() as api, start(root, api.address, "probe.count"):
        for number in range(200):
            failing = number % 10 == 9
            result = api.invoke(b"f" if failing else b"1", request_id=f"r-{number}", timeout=TIMEOUT_S)
            assert result.kind == ("error" if failing else "response")
            assert failing or result.body == b"%d" % number


def test_function_error(root: PythonRoot) -> None:
    (result,) = invoke(root, "probe.fail", b"")
    assert result.kind == "error"
    assert json.loads(result.body) == {
        "errorMessage": 'a "quoted" message\nwith \\ and \x01 and \ufffd',
        "errorType": "Function.Broken",
        "stackTrace": ["one.c:1", "two.c:2"],
    }


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        ("wrong_version.handle", "Runtime.AbiVersionMismatch"),
        ("no_version.handle", "Runtime.AbiVersionMissing"),
        ("simple_handler.other", "Runtime.HandlerNotFound"),
        ("missing.handle", "Runtime.LibraryNotFound"),
    ],
)
def test_init_error(root: PythonRoot, handler: str, kind: str) -> None:
    (request,), exit_code, errors = play(root, handler, [ACCEPTED])
    assert (request.action, json.loads(request.body)["errorType"]) == ("POST error", kind)
    assert exit_code == 1
    assert kind in errors


def test_stream(root: PythonRoot) -> None:
    requests, _, _ = play(root, "rough.stream", [invocation(b"abc"), ACCEPTED], [OVER])
    assert requests[1].headers["lambda-runtime-function-response-mode"] == "streaming"
    assert requests[1].body.split(b"\r\n")[:6:2] == [b"1", b"1", b"1"]
    assert requests[1].body.split(b"\r\n")[1:6:2] == [b"a", b"b", b"c"]


def test_stream_from_rust(rust_root: PythonRoot) -> None:
    requests, _, _ = play(rust_root, "moods.handle", [invocation(b'{"mood":"stream","last":1}'), ACCEPTED], [OVER])
    assert requests[1].headers["content-type"] == "text/plain"
    assert requests[1].body.replace(b"\r\n", b"|").startswith("7|Grüße|2| 1|1|1|0|".encode())


def test_host_name(root: PythonRoot) -> None:
    with RuntimeApiStub() as api, start(root, api.address.replace("127.0.0.1", "localhost"), "probe.echo"):
        assert api.invoke(b"x", timeout=TIMEOUT_S).body == b"x"


def test_pollers(root: PythonRoot) -> None:
    with (
        RuntimeApiStub() as api,
        start(root, api.address, "rough.nap", AWS_LAMBDA_MAX_CONCURRENCY="4") as runtime,
    ):
        bodies: list[bytes] = []
        threads = [
            threading.Thread(target=lambda n=n: bodies.append(api.invoke(b"%d" % n, timeout=TIMEOUT_S).body))
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        runtime.signal(signal.SIGTERM)
        exit_code, errors = runtime.end()
    assert sorted(bodies) == [b"%d" % n for n in range(8)]
    assert (exit_code, errors) == (0, "shut down\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop(root: PythonRoot, number: int) -> None:
    with RuntimeApiStub() as api, start(root, api.address, "hooks.handle") as runtime:
        assert api.invoke(b"", timeout=TIMEOUT_S).kind == "response"
        runtime.signal(number)
        assert runtime.end() == (0, "shut down\n")


def test_snapshot(root: PythonRoot) -> None:
    connections = [[status(200)], [invocation(), ACCEPTED, OVER]]
    requests, _, errors = play(root, "hooks.handle", *connections, **SNAP_START)
    assert requests[0].action == "GET next"
    assert [request.connection for request in requests] == [0, 1, 1, 1]
    assert requests[2].body == b"restored"
    assert errors.startswith("before\nafter\n")


def test_crash(root: PythonRoot) -> None:
    """The place is named each time, though the dump reads the frames of all threads, running ones as well.

    Python 3.14 says of a thread that has no number yet only that it is freed, which must never happen.
    """
    for _ in range(10):
        _, exit_code, errors = play(root, "rough.crash", [invocation(b"1"), ACCEPTED])
        assert exit_code == -signal.SIGSEGV
        assert "Fatal Python error: Segmentation fault" in errors
        assert "freed" not in errors
        assert 'librough.so", line 0 in crash\n' in errors


def test_emulator(rust_root: PythonRoot) -> None:
    """A response, an error, and a streamed response."""
    with Emulator("/var/task/libmoods.so", launcher=rust_root.launcher) as emulator:
        assert emulator.invoke(b"{}").json[2][0] == "test_function"
        assert emulator.invoke(b'{"mood":"panic"}').json["errorType"] == "Function.Panic"
        assert "Grüße".encode() in emulator.invoke(b'{"mood":"stream"}', STREAM).body
        assert emulator.end() == 0


def test_emulator_after_a_crash(root: PythonRoot) -> None:
    with Emulator("/var/task/librough.so.crash", launcher=root.launcher) as emulator:
        assert [emulator.invoke(b"1").json["errorType"] for _ in range(2)] == ["Runtime.ExitError"] * 2
        assert "Segmentation fault" in emulator.err
        assert emulator.end() == 0


def test_invoke_command(root: PythonRoot) -> None:
    (root.path / "event.json").write_text('{"a":1}')
    done = root.run(*root.launcher[2:], "invoke", "/var/task/libsimple_handler.so", "--event", "/event.json")
    assert (done.returncode, json.loads(done.stdout)["event"]) == (0, {"a": 1}), done.stderr


def test_structured_log(root: PythonRoot) -> None:
    environment = {"AWS_LAMBDA_LOG_FORMAT": "JSON"}
    _, _, errors = play(root, "probe.fail", [invocation(), ACCEPTED, OVER], **environment)
    first = json.loads(errors.splitlines()[0])
    assert (first["level"], first["requestId"]) == ("ERROR", "r-1")


def test_no_warning(root: PythonRoot) -> None:
    """Each module of the runtime, imported with every warning turned into an error."""
    code = (
        "import pathlib, sys; sys.path.insert(0, '/usr/lib/faas-runtime')\n"
        "package = pathlib.Path('/usr/lib/faas-runtime/faas_runtime')\n"
        "for path in sorted([*package.glob('*.py'), *package.glob('commands/*.py'), *package.glob('binary/*.py')]):\n"
        "    names = path.relative_to(package.parent).with_suffix('').parts\n"
        "    if path.stem in ('__main__', 'start_finder'): continue\n"
        "    try: __import__('.'.join(names))\n"
        "    except ModuleNotFoundError as error:\n"
        "        if error.name != 'zlib': raise\n"  # the Python for musl has none, and `package` says so
    )
    done = root.run("/usr/bin/python3", "-I", "-W", "error", "-c", code)
    assert (done.returncode, done.stderr) == (0, "")
