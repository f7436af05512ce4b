"""HTTP/1.1: connections that are kept alive, and invalid requests."""

from __future__ import annotations

import re
import select
import socket
from collections.abc import Callable

import pytest

from tests.emulator.support import INVOKE, Emulator, read_all, read_until, statuses
from tests.waiting import wait_until

Shared = Callable[[str], Emulator]
Serve = Callable[..., Emulator]
PATH = INVOKE.encode()


def test_a_connection_is_kept_alive(shared: Shared) -> None:
    with shared("echo").connect() as connection:
        for number in (b"1", b"22", b"333"):
            connection.sendall(
                b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (PATH, len(number), number)
            )
            assert read_until(connection, b"\r\n\r\n" + number)


def test_pipelined_requests_are_answered_in_order(shared: Shared) -> None:
    requests = [
        b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n%02d" % (PATH, n + 10) for n in range(50)
    ]
    last = b"POST %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % PATH
    received = shared("echo").raw(b"".join(requests) + last)
    assert statuses(received) == [200] * 51
    assert re.findall(rb"\r\n\r\n([0-9]{2})", received) == [b"%02d" % (n + 10) for n in range(50)]


def test_a_request_may_arrive_byte_by_byte(shared: Shared) -> None:
    head = b"\r\nPOST %b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" % PATH
    request = head + b"1;a=b\r\n[\r\n02\r\n1]\r\n0\r\nA: b\r\n\r\n"
    with shared("echo").connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request:
            connection.sendall(bytes([byte]))
        assert read_until(connection, b"[1]").startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_client_that_expects_100_continue_gets_it(shared: Shared) -> None:
    head = b"POST %b HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    with shared("echo").connect() as connection:
        connection.sendall(head % (PATH, 3))
        assert read_until(connection, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"[1]")
        assert b"HTTP/1.1 200" in read_until(connection, b"[1]")
    received = shared("echo").raw(head % (PATH, 7 << 20))
    assert statuses(received) == [413]


def test_the_response_to_head_has_no_body(shared: Shared) -> None:
    with shared("echo").connect() as connection:
        connection.sendall(
            b"HEAD /_faas/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
            b"GET /_faas/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
        )
        received = read_until(connection, b"}")
    assert received.count(b"Content-Length: ") == 2
    assert received.count(b"{") == 1


@pytest.mark.parametrize(
    ("version", "header", "lives"),
    [("1.0", "", False), ("1.0", "Connection: keep-alive\r\n", True), ("1.1", "Connection: close\r\n", False)],
)
def test_clients_decide_whether_the_connection_is_kept_alive(
    shared: Shared, version: str, header: str, lives: bool
) -> None:
    request = f"POST {INVOKE} HTTP/{version}\r\nHost: localhost\r\n{header}\r\n".encode()
    with shared("echo").connect() as connection:
        connection.sendall(request)
        received = read_until(connection, b"{}")
        if lives:
            connection.sendall(request)
            read_until(connection, b"{}")
        else:
            assert read_all(connection) == b""
    assert (b"Connection: close" in received) is not lives


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),  # TLS
        (b"GET\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: x\n\n", 400),
        (b"GET /  HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: localhost\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nA b: c\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n folded: c\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nA: b\rc\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nA: b\0c\r\n\r\n", 400),
        (b"GET x HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n12", 400),
        (
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;%b\r\n" % (b"a" * 300), 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nExpect: miracles\r\n\r\n", 417),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999999999999999999\r\n\r\n", 413),
        (
            b"POST %b HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n600000\r\n%b\r\n1\r\n"
            % (PATH, bytes(6 << 20)),
            413,
        ),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 100 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"b" * 70000, 431),
        (b"GET /" + b"x" * 70000, 431),
    ],
)
def test_invalid_requests_are_refused(shared: Shared, request_: bytes, status: int) -> None:
    emulator = shared("echo")
    received = emulator.raw(request_)
    assert statuses(received) == [status]
    assert b"\r\nConnection: close\r\n" in received
    assert emulator.invoke(b"1").body == b"1"


def test_a_transfer_encoding_that_is_given_twice_is_called_so(shared: Shared) -> None:
    line = b"Transfer-Encoding: chunked\r\n"
    received = shared("echo").raw(b"POST %b HTTP/1.1\r\nHost: localhost\r\n%b%b\r\n0\r\n\r\n" % (PATH, line, line))
    assert statuses(received) == [400]
    assert b"Transfer-Encoding is given twice; give it once" in received


def test_a_response_reaches_a_client_that_still_sends(shared: Shared) -> None:
    """Closing at once would reset the connection, and the client would lose the response."""
    with shared("echo").connect() as connection:
        connection.sendall(b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n" % PATH)
        while not select.select([connection], [], [], 0)[0]:
            connection.sendall(bytes(100000))
        for _ in range(10):
            connection.sendall(bytes(100000))
        assert statuses(read_all(connection)) == [413]


def test_connections_may_be_reset_at_any_time(shared: Shared) -> None:
    emulator = shared("echo")
    for data in (b"", b"GE", b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n12"):
        connection = emulator.connect()
        connection.sendall(data)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # closing resets
        connection.close()
    assert emulator.invoke(b"1").body == b"1"
    assert "Traceback" not in emulator.err


def test_a_client_that_closes_its_half_gets_all_responses(shared: Shared) -> None:
    head = b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n" % PATH
    requests = [head + b"%02d" % (n + 10) for n in range(20)]
    for rest in (b"", b"POST / HT"):
        with shared("echo").connect() as connection:
            connection.sendall(b"".join(requests) + rest)
            connection.shutdown(socket.SHUT_WR)
            received = read_all(connection)
        assert re.findall(rb"\r\n\r\n([0-9]{2})", received) == [b"%02d" % (n + 10) for n in range(20)]


def test_the_health_path_never_reaches_the_function(serve: Serve) -> None:
    emulator = serve("echo")
    wait_until(lambda: emulator.request("GET", "/_faas/health").status == 200, "it does not start")
    response = emulator.request("GET", "/_faas/health?x=1")
    assert (response.status, response.json) == (200, {"status": "ready"})
    assert emulator.out == ""


def test_a_client_that_closes_its_half_gets_responses_that_are_there_at_once(shared: Shared) -> None:
    request = b"GET /_faas/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with shared("echo").connect() as connection:
        connection.sendall(request * 20 + b"GET /_faas")
        connection.shutdown(socket.SHUT_WR)
        assert len(statuses(read_all(connection))) == 20


def test_the_same_fields_are_judged_by_the_version_of_each_request(shared: Shared) -> None:
    """What fields say is kept for the next request with the same ones."""
    emulator = shared("echo")
    for _ in range(2):
        for version, status in (("1.0", 200), ("1.1", 400)):
            received = emulator.raw(f"GET /_faas/health HTTP/{version}\r\nAccept: */*\r\n\r\n".encode())
            assert statuses(received) == [status]
        chunked = "Host: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        for version, status in (("1.0", 501), ("1.1", 200)):
            assert statuses(emulator.raw(f"POST {INVOKE} HTTP/{version}\r\n{chunked}".encode())) == [status]


def test_many_different_fields_do_not_get_mixed_up(shared: Shared) -> None:
    with shared("echo").connect() as connection:
        for number in range(600):
            body = b"%d" % number
            connection.sendall(
                b"POST %b HTTP/1.1\r\nHost: localhost\r\nX-Number: %d\r\nContent-Length: %d\r\n\r\n%b"
                % (PATH, number, len(body), body)
            )
            assert read_until(connection, b"\r\n\r\n" + body).endswith(b"\r\n\r\n" + body)
