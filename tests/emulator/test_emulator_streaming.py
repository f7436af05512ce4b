"""Streamed answers: each piece goes out when it is written, and no faster than it is taken."""

from __future__ import annotations

import base64
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.emulator.support import INVOKE, STREAM, Emulator, read_all, read_until, wait_for

Serve = Callable[..., Emulator]


def _request(path: str, event: bytes) -> bytes:
    return b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (path.encode(), len(event), event)


def _events(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Take event stream messages apart: their type and their payload."""
    while data:
        size, headers = int.from_bytes(data[:4], "big"), int.from_bytes(data[4:8], "big")
        head = data[12 : 12 + headers]
        kind = "PayloadChunk" if b"PayloadChunk" in head else "InvokeComplete"
        yield kind, data[12 + headers : size - 4]
        data = data[size:]


def test_a_piece_goes_out_before_the_next_one_is_written(serve: Serve, tmp_path: Path) -> None:
    go_on = tmp_path / "go on"
    for path in (INVOKE, STREAM):
        emulator = serve("pieces")
        with emulator.connect() as connection:
            connection.sendall(_request(path, json.dumps(str(go_on)).encode()))
            received = read_until(connection, b"one,")
            assert b"two," not in received
            go_on.touch()
            read_until(connection, b"three")
        go_on.unlink()


def test_a_streamed_answer_is_whole(serve: Serve) -> None:
    answer = serve("pieces").invoke(b"1")
    assert (answer.status, answer.body) == (200, b"one,two,three")
    assert answer.headers["content-type"] == "text/plain"
    assert answer.headers["transfer-encoding"] == "chunked"


def test_old_clients_get_it_until_the_connection_closes(serve: Serve) -> None:
    answer = serve("pieces").raw(f"POST {INVOKE} HTTP/1.0\r\nContent-Length: 1\r\n\r\n1".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert body == b"one,two,three"
    assert b"chunked" not in head


def test_the_event_stream_of_sdks(serve: Serve) -> None:
    answer = serve("pieces").invoke(b"1", STREAM, X_Amz_Log_Type="Tail")
    assert answer.headers["content-type"] == "application/vnd.amazon.eventstream"
    assert answer.headers["x-amzn-remapped-content-type"] == "text/plain"
    *chunks, (last, complete) = _events(answer.body)
    assert {kind for kind, _ in chunks} == {"PayloadChunk"}
    assert b"".join(data for _, data in chunks) == b"one,two,three"
    assert last == "InvokeComplete"
    found = json.loads(complete)
    assert "REPORT RequestId" in base64.b64decode(found["LogResult"]).decode()
    assert "ErrorCode" not in found


def test_an_answer_that_is_not_streamed_is_one_event(serve: Serve) -> None:
    answer = serve("echo").invoke(b"[1]", STREAM)
    assert list(_events(answer.body)) == [("PayloadChunk", b"[1]"), ("InvokeComplete", b"{}")]


def test_an_error_instead_of_an_answer_is_in_the_last_event(serve: Serve) -> None:
    ((kind, complete),) = _events(serve("fail").invoke(b"1", STREAM).body)
    found = json.loads(complete)
    assert (kind, found["ErrorCode"]) == ("InvokeComplete", "Function.OutOfCoffee")
    assert json.loads(found["ErrorDetails"])["errorMessage"] == "no coffee"


def test_a_stream_that_breaks_is_never_taken_for_whole(serve: Serve) -> None:
    emulator = serve("broken", "--timeout", "1")
    for event, kind in (
        (b"0", "Function.LostThread"), (b"1", "Runtime.ExitError"), (b"2", "Sandbox.Timedout"), (b"3", "LostThread")
    ):  # fmt: skip
        with emulator.connect() as connection:
            connection.sendall(_request(INVOKE, event))
            received = read_all(connection)
        assert received.endswith(b"4\r\nhalf\r\n"), event
        *_, (_, complete) = _events(emulator.invoke(event, STREAM).body)
        assert json.loads(complete)["ErrorCode"] == kind
    assert "Traceback" not in emulator.err


def test_old_clients_see_that_a_stream_broke(serve: Serve) -> None:
    """What ends where the connection does would look whole if that was closed in order."""
    with serve("broken").connect() as connection:
        connection.sendall(f"POST {INVOKE} HTTP/1.0\r\nContent-Length: 1\r\n\r\n0".encode())
        with pytest.raises(ConnectionResetError):
            list(iter(lambda: connection.recv(1000), b""))


def test_a_function_waits_for_a_slow_caller(serve: Serve) -> None:
    emulator = serve("flood")
    with emulator.connect() as connection:
        connection.sendall(_request(INVOKE, b"1"))
        head = read_until(connection, b"\r\n\r\n")
        time.sleep(0.5)
        written = emulator.err.count("wrote")
        rest = head.partition(b"\r\n\r\n")[2]
        received = len(rest)
        while not rest.endswith(b"0\r\n\r\n"):
            data = connection.recv(1 << 20)
            assert data
            rest = data[-16:]
            received += len(data)
    assert written < 8, "32 MiB went somewhere"
    assert 512 * 65536 < received < 513 * 65536
    wait_for(lambda: "wrote 512" in emulator.err, "it has not come to its end")


def test_a_caller_that_leaves_lets_the_function_go_on(serve: Serve) -> None:
    emulator = serve("flood", "--concurrency", "1")
    with emulator.connect() as connection:
        connection.sendall(_request(INVOKE, b"1"))
        read_until(connection, b"yyy")
    wait_for(lambda: "wrote 512" in emulator.err, "it hangs")
    assert len(emulator.invoke(b"1").body) == 512 * 65536


def _wait_for_floods(emulator: Emulator, count: int) -> None:
    wait_for(lambda: emulator.err.count("wrote 512") == count, "it hangs")


def test_a_stream_that_no_client_can_have_is_run_to_its_end(serve: Serve) -> None:
    emulator = serve("flood", "--concurrency", "1")
    with emulator.connect() as connection:
        for count in (1, 2):
            connection.sendall(b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert read_until(connection, b"\r\n\r\n").startswith(b"HTTP/1.1 200 OK\r\n")
            _wait_for_floods(emulator, count)
        connection.sendall(b"HEAD %b HTTP/1.1\r\nHost: localhost\r\n\r\n" % INVOKE.encode())
        read_until(connection, b"\r\n\r\n")
    _wait_for_floods(emulator, 3)


def test_callers_that_leave_at_any_time_let_the_function_go_on(serve: Serve) -> None:
    emulator = serve("flood", "--concurrency", "1")
    for path in (INVOKE, STREAM, "/"):
        with emulator.connect() as connection:
            connection.sendall(_request(path, b"1"))
            time.sleep(0.01)
        with emulator.connect() as connection:
            connection.sendall(_request(path, b"1"))
            connection.shutdown(socket.SHUT_WR)
            read_until(connection, b"yyy")
    _wait_for_floods(emulator, 6)


def test_a_stream_that_nobody_wants_is_run_to_its_end(serve: Serve) -> None:
    emulator = serve("flood")
    assert emulator.invoke(b"1", X_Amz_Invocation_Type="Event").status == 202
    wait_for(lambda: "wrote 512" in emulator.err, "it hangs")


def test_the_front_streams_with_what_the_prelude_says(serve: Serve) -> None:
    answer = serve("web_stream").request("GET", "/")
    assert (answer.status, answer.body, answer.headers["x-kind"]) == (202, b"body and more", "streamed")


def test_the_front_streams_other_content(serve: Serve) -> None:
    answer = serve("pieces").request("GET", "/")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"one,two,three", "text/plain")


def test_a_prelude_that_never_comes_is_told_and_the_function_goes_on(serve: Serve) -> None:
    emulator = serve("web_stream", "--concurrency", "1")
    for path, why in (("/half", "Function.OutOfCoffee: no coffee"), ("/endless", "no eight NUL bytes end the prelude")):
        answer = emulator.request("GET", path)
        assert (answer.status, answer.json) == (502, {"message": "Internal Server Error"})
        assert re.search(rf"request \S+ was answered with 502: .*{why}", emulator.err)
    wait_for(lambda: "wrote 512" in emulator.err, "it hangs")
    assert emulator.request("GET", "/").status == 202
    assert "Traceback" not in emulator.err
