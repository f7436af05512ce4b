"""Streamed responses: each piece is sent when it is written, but no faster than the client reads."""

from __future__ import annotations

import base64
import json
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.emulator.support import INVOKE, STREAM, Emulator, read_all, read_until
from tests.waiting import wait_until, wait_until_steady

Serve = Callable[..., Emulator]


def _request(path: str, event: bytes) -> bytes:
    return b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (path.encode(), len(event), event)


def _events(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The messages of an event stream: their type and their payload."""
    while data:
        size, headers = int.from_bytes(data[:4], "big"), int.from_bytes(data[4:8], "big")
        head = data[12 : 12 + headers]
        kind = "PayloadChunk" if b"PayloadChunk" in head else "InvokeComplete"
        yield kind, data[12 + headers : size - 4]
        data = data[size:]


def test_a_piece_is_sent_before_the_next_one_is_written(serve: Serve, tmp_path: Path) -> None:
    go_on = tmp_path / "go on"
    with serve("pieces").connect() as connection:
        connection.sendall(_request(STREAM, json.dumps(str(go_on)).encode()))
        received = read_until(connection, b"one,")
        assert b"two," not in received
        go_on.touch()
        read_until(connection, b"three")


def test_a_streamed_answer_is_whole(serve: Serve) -> None:
    response = serve("pieces").invoke(b"1", "/")
    assert (response.status, response.body) == (200, b"one,two,three")
    assert response.headers["content-type"] == "text/plain"
    assert response.headers["transfer-encoding"] == "chunked"


def test_old_clients_get_it_until_the_connection_closes(serve: Serve) -> None:
    response = serve("pieces").raw(b"POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\n1")
    head, _, body = response.partition(b"\r\n\r\n")
    assert body == b"one,two,three"
    assert b"chunked" not in head


def test_sdks_get_an_event_stream(serve: Serve) -> None:
    response = serve("pieces").invoke(b"1", STREAM, X_Amz_Log_Type="Tail")
    assert response.headers["content-type"] == "application/vnd.amazon.eventstream"
    assert response.headers["x-amzn-remapped-content-type"] == "text/plain"
    *chunks, (last, complete) = _events(response.body)
    assert {kind for kind, _ in chunks} == {"PayloadChunk"}
    assert b"".join(data for _, data in chunks) == b"one,two,three"
    assert last == "InvokeComplete"
    found = json.loads(complete)
    assert "REPORT RequestId" in base64.b64decode(found["LogResult"]).decode()
    assert "ErrorCode" not in found


def test_a_response_that_is_not_streamed_is_one_event(serve: Serve) -> None:
    response = serve("echo").invoke(b"[1]", STREAM)
    assert list(_events(response.body)) == [("PayloadChunk", b"[1]"), ("InvokeComplete", b"{}")]


def test_an_error_is_in_the_last_event(serve: Serve) -> None:
    ((kind, complete),) = _events(serve("fail").invoke(b"1", STREAM).body)
    found = json.loads(complete)
    assert (kind, found["ErrorCode"]) == ("InvokeComplete", "Function.OutOfCoffee")
    assert json.loads(found["ErrorDetails"])["errorMessage"] == "no coffee"


def test_a_broken_stream_is_never_mistaken_for_a_complete_one(serve: Serve) -> None:
    emulator = serve("broken", "--timeout", "1")
    with emulator.connect() as connection:
        connection.sendall(_request("/", b"0"))
        assert read_all(connection).endswith(b"4\r\nhalf\r\n")
    for event, kind in (
        (b"0", "Function.LostThread"), (b"1", "Runtime.ExitError"), (b"2", "Sandbox.Timedout"), (b"3", "LostThread")
    ):  # fmt: skip
        response = emulator.invoke(event)
        assert (response.status, response.headers["x-amz-function-error"]) == (200, "Unhandled")
        assert response.json["errorType"] == kind
        *_, (_, complete) = _events(emulator.invoke(event, STREAM).body)
        assert json.loads(complete)["ErrorCode"] == kind
    assert "Traceback" not in emulator.err


def test_http_1_0_clients_notice_a_broken_stream(serve: Serve) -> None:
    """A response that ends with its connection would look complete if the connection was closed in order."""
    with serve("broken").connect() as connection:
        connection.sendall(b"POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\n0")
        with pytest.raises(ConnectionResetError):
            list(iter(lambda: connection.recv(1000), b""))


def test_a_function_waits_for_a_slow_client(serve: Serve) -> None:
    emulator = serve("flood")
    with emulator.connect() as connection:
        connection.sendall(_request("/", b"1"))
        head = read_until(connection, b"\r\n\r\n")
        wait_until_steady(lambda: emulator.err.count("wrote"), 0.5, "it does not stop writing")
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
    wait_until(lambda: "wrote 512" in emulator.err, "it did not run to its end")


def test_a_client_that_goes_away_lets_the_function_run_to_its_end(serve: Serve) -> None:
    emulator = serve("flood", "--concurrency", "1")
    with emulator.connect() as connection:
        connection.sendall(_request("/", b"1"))
        read_until(connection, b"yyy")
    wait_until(lambda: "wrote 512" in emulator.err, "it hangs")
    assert len(emulator.invoke(b"1", "/").body) == 512 * 65536


def _wait_for_floods(emulator: Emulator, count: int) -> None:
    wait_until(lambda: emulator.err.count("wrote 512") == count, "it hangs")


def test_the_stream_for_a_head_request_is_run_to_its_end(serve: Serve) -> None:
    emulator = serve("flood", "--concurrency", "1")
    with emulator.connect() as connection:
        for count in (1, 2):
            connection.sendall(b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert read_until(connection, b"\r\n\r\n").startswith(b"HTTP/1.1 200 OK\r\n")
            _wait_for_floods(emulator, count)


def test_clients_that_go_away_early_let_the_function_run_to_its_end(serve: Serve) -> None:
    emulator = serve("flood", "--concurrency", "1")
    for count, path in enumerate((INVOKE, STREAM, "/")):
        with emulator.connect() as connection:
            connection.sendall(_request(path, b"1"))
            wait_until(lambda count=count: emulator.out.count("START") > 2 * count, "it is not run")  # type: ignore[misc]
        with emulator.connect() as connection:
            connection.sendall(_request(path, b"1"))
            connection.shutdown(socket.SHUT_WR)
            read_until(connection, b"ResponseSizeTooLarge" if path == INVOKE else b"yyy")
    _wait_for_floods(emulator, 6)


def test_the_stream_of_an_asynchronous_invocation_is_run_to_its_end(serve: Serve) -> None:
    emulator = serve("flood")
    assert emulator.invoke(b"1", X_Amz_Invocation_Type="Event").status == 202
    wait_until(lambda: "wrote 512" in emulator.err, "it hangs")


def test_a_prelude_gives_status_and_headers_of_the_response(serve: Serve) -> None:
    response = serve("web_stream").request("GET", "/")
    assert (response.status, response.body, response.headers["x-kind"]) == (202, b"body and more", "streamed")


def test_a_stream_without_a_prelude_is_the_body(serve: Serve) -> None:
    response = serve("pieces").request("GET", "/")
    assert (response.status, response.body, response.headers["content-type"]) == (200, b"one,two,three", "text/plain")


def test_a_missing_prelude_is_reported_and_the_function_runs_to_its_end(serve: Serve) -> None:
    emulator = serve("web_stream", "--concurrency", "1")
    for path, why in (
        ("/half", "Function.OutOfCoffee: no coffee"),
        ("/endless", "no eight NUL bytes"),
    ):
        response = emulator.request("GET", path)
        assert (response.status, response.json) == (502, {"message": "Internal Server Error"})
        assert re.search(rf"request \S+ was answered with 502: .*{why}", emulator.err)
    wait_until(lambda: "wrote 512" in emulator.err, "it hangs")
    assert emulator.request("GET", "/").status == 202
    assert "Traceback" not in emulator.err


def test_a_load_balancer_gets_a_stream_as_a_whole(serve: Serve) -> None:
    """It invokes with Invoke; what it cannot read on AWS is not read here."""
    emulator = serve("document_stream", "--http", "alb")
    response = emulator.request("GET", "/")
    assert (response.status, response.body) == (203, b"in pieces")
    for path, why in (("/half", "Function.OutOfCoffee: no coffee"), ("/large", "and may have 1048576")):
        assert emulator.request("GET", path).status == 502
        assert why in emulator.err
    emulator = serve("web_stream", "--http", "alb")
    assert emulator.request("GET", "/").status == 502
    assert "it is a stream for a function URL or an API; a load balancer takes none" in emulator.err
    emulator = serve("flood", "--http", "alb")
    assert emulator.request("GET", "/").status == 502
    assert "exceeded maximum allowed payload size" in emulator.err
    wait_until(lambda: "wrote 512" in emulator.err, "it hangs")
