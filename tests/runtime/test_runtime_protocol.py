"""What the runtime sends, against a server that follows a script byte by byte."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.runtime.support import ACCEPTED, OVER, Early, Runtime, ScriptedServer, invocation, status

NEXT_AND_RESPONSE = ["GET next", "POST response"]


def play(
    functions: Path, *connections: Sequence[bytes], handler: str = "probe.echo", bytewise: bool = False
) -> tuple[ScriptedServer, int, str]:
    """Run a script to its end: the server, the exit code and standard error."""
    with (
        ScriptedServer(*connections, bytewise=bytewise) as server,
        Runtime(server.address, handler, functions) as runtime,
    ):
        exit_code, errors = runtime.end()
    assert "Traceback" not in errors
    return server, exit_code, errors


@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "bytewise"])
def test_keeps_one_connection(functions: Path, bytewise: bool) -> None:
    responses = [invocation(b"one"), ACCEPTED, invocation(b"two", request_id="r-2"), ACCEPTED, OVER]
    server, exit_code, errors = play(functions, responses, bytewise=bytewise)
    assert server.actions == [*NEXT_AND_RESPONSE, *NEXT_AND_RESPONSE, "GET next"]
    assert [request.body for request in server.requests] == [b"", b"one", b"", b"two", b""]
    assert server.requests[0].path == "/2018-06-01/runtime/invocation/next"
    assert server.requests[3].path == "/2018-06-01/runtime/invocation/r-2/response"
    assert exit_code == 3
    assert "answered 500 the script is over" in errors


@pytest.mark.parametrize("bytewise", [False, True], ids=["whole", "bytewise"])
def test_chunked_response(functions: Path, bytewise: bool) -> None:
    chunked = (
        b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r-1\r\nTransfer-Encoding: Chunked\r\n\r\n"
        b"3\r\nabc\r\nA;name=value\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
    )
    server, _, _ = play(functions, [chunked, ACCEPTED, OVER], bytewise=bytewise)
    assert server.actions == [*NEXT_AND_RESPONSE, "GET next"]
    assert server.requests[1].body == b"abc0123456789"


def test_header_names_in_any_case(functions: Path) -> None:
    response = (
        b"HTTP/1.1 200\r\nlAMBDA-rUNTIME-aWS-rEQUEST-iD:r-1\r\nLAMBDA-RUNTIME-INVOCATION-ID: \t i-1 \r\n"
        b"content-LENGTH:4\r\n\r\nbody"
    )
    server, _, _ = play(functions, [response, ACCEPTED, OVER])
    assert server.requests[1].body == b"body"
    assert server.requests[1].headers["lambda-runtime-invocation-id"] == "i-1"


def test_interim_responses_are_skipped(functions: Path) -> None:
    server, _, _ = play(functions, [b"HTTP/1.1 100 Continue\r\n\r\n" + invocation(b"late"), ACCEPTED, OVER])
    assert server.requests[1].body == b"late"


def test_body_that_ends_with_the_connection(functions: Path) -> None:
    endless = b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r-1\r\n\r\nto the end"
    server, _, _ = play(functions, [endless], [ACCEPTED, OVER])
    assert server.requests[1].body == b"to the end"
    assert server.requests[1].connection == 1


@pytest.mark.parametrize(
    "parting",
    [invocation(), invocation(b"{}", "Connection: close"), invocation().replace(b"HTTP/1.1", b"HTTP/1.0")],
    ids=["silent", "announced", "HTTP/1.0"],
)
def test_connection_closed_before_the_post(functions: Path, parting: bytes) -> None:
    server, _, _ = play(functions, [parting], [ACCEPTED, OVER])
    assert server.actions == [*NEXT_AND_RESPONSE, "GET next"]
    assert [request.connection for request in server.requests] == [0, 1, 1]


@pytest.mark.parametrize(
    "parting", [invocation(b"{}", "Connection: close"), invocation().replace(b"HTTP/1.1", b"HTTP/1.0")]
)
def test_connection_that_is_to_be_closed_is_not_used_again(functions: Path, parting: bytes) -> None:
    with (
        ScriptedServer([parting], [ACCEPTED, OVER], lingering=True) as server,
        Runtime(server.address, "probe.echo", functions) as runtime,
    ):
        runtime.end()
    assert [request.connection for request in server.requests] == [0, 1, 1]


def test_connection_closed_between_invocations(functions: Path) -> None:
    server, _, _ = play(functions, [invocation(), ACCEPTED], [invocation(), ACCEPTED, OVER])
    assert server.actions == [*NEXT_AND_RESPONSE, *NEXT_AND_RESPONSE, "GET next"]


def test_next_is_repeated_when_the_connection_breaks_without_a_response(functions: Path) -> None:
    server, _, _ = play(functions, [invocation(), ACCEPTED, b""], [invocation(b"again"), ACCEPTED, OVER])
    assert server.actions == [*NEXT_AND_RESPONSE, "GET next", *NEXT_AND_RESPONSE, "GET next"]
    assert server.requests[4].body == b"again"


def test_a_post_that_may_have_been_accepted_is_not_repeated(functions: Path) -> None:
    server, exit_code, errors = play(functions, [invocation(), b""], [invocation(b"two"), ACCEPTED, OVER])
    assert server.actions == [*NEXT_AND_RESPONSE, *NEXT_AND_RESPONSE, "GET next"]
    assert [request.body for request in server.requests] == [b"", b"{}", b"", b"two", b""]
    assert "request r-1" in errors
    assert "not sent again" in errors
    assert exit_code == 3


def test_unexpected_bytes_are_not_read_as_a_response(functions: Path) -> None:
    unasked = status(408, b"idle for too long")
    server, _, _ = play(functions, [invocation() + unasked], [ACCEPTED, OVER])
    assert server.actions == [*NEXT_AND_RESPONSE, "GET next"]


def test_a_connection_with_unexpected_bytes_is_not_used_again(functions: Path) -> None:
    """The server may have received only the first of them."""
    with (
        ScriptedServer([invocation() + b"H"], [ACCEPTED, OVER], lingering=True) as server,
        Runtime(server.address, "probe.echo", functions) as runtime,
    ):
        runtime.end()
    assert [request.connection for request in server.requests] == [0, 1, 1]


def test_an_incomplete_event_is_not_requested_again(functions: Path) -> None:
    """Nobody knows whether it was processed."""
    cut = invocation(b"0123456789")[:-5]
    server, exit_code, errors = play(functions, [invocation(), ACCEPTED, cut])
    assert server.actions == [*NEXT_AND_RESPONSE, "GET next"]
    assert exit_code == 3
    assert "closed the connection in the middle of its response" in errors


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (302, "unexpected"),
        (400, "it does not know the request, or the request was malformed"),
        (403, "it does not expect a response to this request now"),
        (410, "the invocation has timed out"),
        (413, "the response is too large, and the caller was told so"),
    ],
)
@pytest.mark.parametrize("handler", ["echo", "fail"])
def test_refused_outcome_ends_the_invocation_only(functions: Path, code: int, reason: str, handler: str) -> None:
    script = [invocation(), status(code, b"because"), invocation(request_id="r-2"), ACCEPTED, OVER]
    server, _, errors = play(functions, script, handler=f"probe.{handler}")
    outcome = "POST response" if handler == "echo" else "POST error"
    assert server.actions == ["GET next", outcome, "GET next", outcome, "GET next"]
    assert f"/{outcome[5:]}, {reason}: it answered {code} because\n" in errors


def test_a_response_may_be_refused_before_its_body_is_read(functions: Path) -> None:
    """The network decides whether the response still arrives; the runtime continues with the next invocation."""
    large = b"x" * (8 * 1024 * 1024)
    refused = [invocation(large), Early(status(413))]
    server, _, errors = play(functions, refused, [invocation(b"small"), ACCEPTED, OVER])
    assert server.actions == [*NEXT_AND_RESPONSE, *NEXT_AND_RESPONSE, "GET next"]
    assert "it answered 413" in errors or "not sent again" in errors


def test_broken_api_ends_the_process(functions: Path) -> None:
    bare = b"HTTP/1.1 500 Internal Server Error\r\n\r\n"
    for script, message in [
        ([bare], "gave no invocation: it answered 500"),
        ([status(403)], "gave no invocation: it answered 403"),
        ([invocation(), bare], "failed on /invocation/r-1/response: it answered 500"),
    ]:
        server, exit_code, errors = play(functions, script, handler="hooks.handle")
        assert len(server.requests) == len(script)
        assert exit_code == 3
        assert message in errors
        assert "shut down\n" in errors


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-server\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        invocation(b"", "Bad Name: 1"),
        invocation(b"", ": no name"),
        invocation(b"", "Content-Length: 7"),
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\naXX0\r\n\r\n",
        invocation(b"", "Lambda-Runtime-Trace-Id: a\0b"),
    ],
)
def test_a_server_that_does_not_speak_http_is_reported(functions: Path, garbage: bytes) -> None:
    server, exit_code, errors = play(functions, [garbage])
    assert server.actions == ["GET next"]
    assert exit_code == 3
    assert "does not speak HTTP/1.1; malformed" in errors


@pytest.mark.parametrize("request_id", ["", "a/../b", "a b", "a?b", "a%2fb", "a#b", "ü"])
def test_unusable_request_id(functions: Path, request_id: str) -> None:
    _, exit_code, errors = play(functions, [invocation(request_id=request_id)])
    assert exit_code == 3
    assert "the request id" in errors


def test_a_response_that_ends_early_is_reported(functions: Path) -> None:
    server, exit_code, errors = play(functions, [invocation(b"0123456789")[:-5]])
    assert server.actions == ["GET next"]
    assert exit_code == 3
    assert "closed the connection in the middle of its response" in errors


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_addresses(functions: Path, host: str) -> None:
    try:
        server = ScriptedServer([invocation(), ACCEPTED, OVER], host=host)
    except OSError as error:
        pytest.skip(f"no {host} on this machine: {error}")
    with server, Runtime(server.address, "probe.echo", functions) as runtime:
        runtime.end()
    assert server.requests[1].headers["host"] == server.address


def test_host_name(functions: Path) -> None:
    with ScriptedServer([invocation(), ACCEPTED, OVER]) as server:
        address = server.address.replace("127.0.0.1", "localhost")
        with Runtime(address, "probe.echo", functions) as runtime:
            runtime.end()
    assert server.actions == [*NEXT_AND_RESPONSE, "GET next"]


def test_init_error_body(functions: Path) -> None:
    server, exit_code, _ = play(functions, [ACCEPTED], handler="absent")
    (request,) = server.requests
    assert request.path == "/2018-06-01/runtime/init/error"
    assert set(json.loads(request.body)) == {"errorMessage", "errorType", "stackTrace"}
    assert exit_code == 1
