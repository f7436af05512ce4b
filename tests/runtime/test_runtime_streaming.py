"""Streamed responses, as they are sent."""

from __future__ import annotations

import base64
import json
import socket
from pathlib import Path

import pytest

from ci.core.runtime_api_stub import RuntimeApiStub
from tests.runtime.support import (
    ACCEPTED,
    OVER,
    Early,
    RecordedRequest,
    Runtime,
    ScriptedServer,
    accept_runtime,
    invocation,
    status,
)
from tests.waiting import TIMEOUT_S

INTEGRATION = "application/vnd.awslambda.http-integration-response"


def stream(functions: Path, handler: str, *connections: list[bytes]) -> tuple[list[RecordedRequest], int, str]:
    with (
        ScriptedServer(*connections) as server,
        Runtime(server.address, f"rough.{handler}", functions) as runtime,
    ):
        exit_code, errors = runtime.end()
    assert "Traceback" not in errors
    return server.requests, exit_code, errors


def test_pieces_are_chunks_and_the_connection_ends(functions: Path) -> None:
    prelude = b'{"statusCode":200}' + bytes(8) + b"x"
    requests, _, _ = stream(functions, "stream", [invocation(prelude), ACCEPTED], [OVER])
    post = requests[1]
    assert post.headers["lambda-runtime-function-response-mode"] == "streaming"
    assert post.headers["transfer-encoding"] == "chunked"
    assert post.headers["content-type"] == INTEGRATION
    declared = {name.strip() for name in post.headers["trailer"].split(",")}
    assert declared == {"Lambda-Runtime-Function-Error-Type", "Lambda-Runtime-Function-Error-Body"}
    assert post.headers["connection"] == "close"
    assert "content-length" not in post.headers
    assert post.body == b"".join(b"1\r\n%c\r\n" % byte for byte in prelude) + b"0\r\n\r\n"
    assert [request.connection for request in requests] == [0, 0, 1]


def test_connection_of_a_stream_is_not_used_again(functions: Path) -> None:
    with (
        ScriptedServer([invocation(b"ab"), ACCEPTED], [OVER], lingering=True) as server,
        Runtime(server.address, "rough.stream", functions) as runtime,
    ):
        runtime.end()
    assert [request.connection for request in server.requests] == [0, 0, 1]


def test_connection_closed_before_the_stream(functions: Path) -> None:
    requests, _, errors = stream(functions, "stream", [invocation(b"ab")], [ACCEPTED], [OVER])
    assert [request.connection for request in requests] == [0, 1, 2]
    assert requests[1].body == b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n"
    assert "broke" not in errors


def test_piece_is_sent_before_the_function_goes_on(functions: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with Runtime(address, "rough.stream_then_hang", functions):
            peer = accept_runtime(listener)
            peer.settimeout(TIMEOUT_S)
            peer.recv(65536)
            peer.sendall(invocation(b""))
            received = b""
            while not received.endswith(b"\r\n\r\n5\r\npiece\r\n"):
                data = peer.recv(65536)
                assert data, received
                received += data
            peer.close()


def test_stream_without_a_piece(functions: Path) -> None:
    requests, _, _ = stream(functions, "stream", [invocation(b""), ACCEPTED], [OVER])
    assert requests[1].headers["lambda-runtime-function-response-mode"] == "streaming"
    assert requests[1].body == b"0\r\n\r\n"


def test_invocation_id_goes_with_a_stream(functions: Path) -> None:
    event = invocation(b"ab", "Lambda-Runtime-Invocation-Id: i-1")
    requests, _, _ = stream(functions, "stream", [event, ACCEPTED], [OVER])
    assert requests[1].headers["lambda-runtime-invocation-id"] == "i-1"


def test_error_in_mid_stream_is_in_the_trailers(functions: Path) -> None:
    requests, _, errors = stream(functions, "stream_then_fail", [invocation(b"1"), ACCEPTED], [OVER])
    head, _, trailers = requests[1].body.partition(b"\r\n0\r\n")
    assert head == b"5\r\npiece"
    fields = dict(line.split(": ") for line in trailers.decode().rstrip("\r\n").split("\r\n"))
    assert fields["Lambda-Runtime-Function-Error-Type"] == "Function.Half"
    document = json.loads(base64.b64decode(fields["Lambda-Runtime-Function-Error-Body"]))
    assert document == {"errorType": "Function.Half", "errorMessage": 'half "way"', "stackTrace": []}
    assert "request r-1 failed: Function.Half" in errors


def test_trailers_have_a_limit(functions: Path) -> None:
    """Servers written in Go, such as AWS's emulator, accept 4 KiB."""
    requests, _, errors = stream(functions, "stream_then_fail", [invocation(b"123"), ACCEPTED], [OVER])
    _, _, trailers = requests[1].body.partition(b"\r\n0\r\n")
    assert 1500 < len(trailers) < 4096
    document = json.loads(base64.b64decode(trailers.split(b"Error-Body: ")[1]))
    assert document["errorMessage"] == "m" * len(document["errorMessage"])
    assert len(errors) > 100_000  # the log has more


def test_error_type_in_the_trailers_has_the_accepted_form(functions: Path) -> None:
    requests, _, _ = stream(functions, "stream_then_fail", [invocation(b"12"), ACCEPTED], [OVER])
    assert b"\r\nLambda-Runtime-Function-Error-Type: Function.Unknown\r\n" in requests[1].body


def test_error_before_the_first_piece_is_an_error(functions: Path) -> None:
    requests, _, _ = stream(functions, "stream_then_fail", [invocation(b""), ACCEPTED, OVER])
    assert [request.action for request in requests] == ["GET next", "POST error", "GET next"]


def test_content_type_that_cannot_be_sent(functions: Path) -> None:
    requests, _, _ = stream(functions, "stream_bad_type", [invocation(b""), ACCEPTED, OVER])
    assert requests[1].action == "POST error"


@pytest.mark.parametrize("piece", [b"N", b"-"])
def test_an_invalid_piece_is_an_error(functions: Path, piece: bytes) -> None:
    """At the address NULL, or with a wrong length: before the first piece, and after one."""
    script = [invocation(b" " + piece), ACCEPTED, invocation(b"+" + piece), ACCEPTED]
    requests, _, errors = stream(functions, "write_nothing", script, [OVER])
    actions = [request.action for request in requests]
    assert actions == ["GET next", "POST error", "GET next", "POST response", "GET next"]
    assert requests[1].headers["lambda-runtime-function-error-type"] == "Function.InvalidResponse"
    trailer = b"Lambda-Runtime-Function-Error-Type: Function.InvalidResponse"
    assert requests[3].body.startswith(b"5\r\npiece\r\n0\r\n" + trailer)
    assert errors.count("bytes, at the address NULL" if piece == b"N" else "bytes, which is too many") == 2


def test_large_stream_arrives_completely(functions: Path) -> None:
    requests, _, _ = stream(functions, "stream_large", [invocation(b""), ACCEPTED], [OVER])
    body, size = requests[1].body, 1 << 20
    expected = b"".join(b"100000\r\n" + bytes([ord("a") + i % 26]) * size + b"\r\n" for i in range(32)) + b"0\r\n\r\n"
    assert body == expected


def test_reader_that_is_gone_ends_the_stream_only(functions: Path) -> None:
    requests, _, errors = stream(
        functions, "stream_large", [invocation(b""), Early(b"")], [invocation(b""), Early(status(413))], [OVER]
    )
    assert [request.action for request in requests] == ["GET next", "POST response"] * 2 + ["GET next"]
    assert "the stream broke" in errors


def test_stand_in_reads_streams(functions: Path) -> None:
    with RuntimeApiStub() as api, Runtime(api.address, "rough.stream_then_fail", functions):
        for _ in range(2):
            result = api.invoke(b"1", timeout=TIMEOUT_S)
            assert (result.kind, result.body) == ("response", b"piece")
            assert result.headers["lambda-runtime-function-error-type"] == "Function.Half"


def test_slow_reader_slows_the_function_down(functions: Path) -> None:
    """The process buffers nothing: while nobody reads, it does not grow, and the function waits."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with Runtime(address, "rough.stream_large", functions) as runtime:
            peer = accept_runtime(listener)
            peer.settimeout(TIMEOUT_S)
            peer.recv(65536)
            peer.sendall(invocation(b""))
            assert b"POST" in peer.recv(16, socket.MSG_WAITALL)
            runtime.wait_until_idle()
            assert _memory_kib(runtime.pid) < 60_000
            received = 0
            while received < 32 << 20:
                received += len(peer.recv(1 << 20))
            peer.close()


def _memory_kib(pid: int) -> int:
    path = Path(f"/proc/{pid}/status")
    if not path.exists():
        pytest.skip("no /proc on this system")
    (line,) = [line for line in path.read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1])


def test_a_stream_that_breaks_in_a_warm_process_ends_nothing_else(functions: Path) -> None:
    with RuntimeApiStub() as api, Runtime(api.address, "rough.break_if_asked", functions) as runtime:
        for size in (1, 100, 1000, 10, 1):  # heads that are alike, and heads that are the first of their kind
            assert api.invoke(b"00", timeout=TIMEOUT_S).body == b"00"
            result = api.invoke(b"s" * size, timeout=TIMEOUT_S)
            assert (result.kind, result.body) == ("response", b"piece")
        assert runtime.is_alive


def test_a_write_to_the_stream_of_an_ended_call_is_refused(functions: Path) -> None:
    with RuntimeApiStub() as api, Runtime(api.address, "rough.write_to_ended", functions):
        bodies = [api.invoke(b"{}", timeout=TIMEOUT_S).body for _ in range(5)]
    assert bodies == [b"-", b"R", b"R", b"R", b"R"]
