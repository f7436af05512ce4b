"""A runtime that sends an answer and the request for the next event together (RFC 9112, section 9.3.2)."""

from __future__ import annotations

import sys

import pytest
from faas_runtime.event_loop.tasks import Future, run, wait
from faas_runtime.sandbox.invocation import InvocationOutcome, OutcomeKind, PendingInvocation
from faas_runtime.sandbox.invocation_log import InvocationLog
from faas_runtime.sandbox.options import LaunchCommand, SandboxOptions
from faas_runtime.sandbox.pool import Pool

from tests.waiting import TIMEOUT_S

# It answers with how the receipt and the event have arrived. HOW: in which pieces it sends.
RUNTIME = r"""
import os, re, socket
host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
api = socket.create_connection((host, int(port)))
api.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
how = os.environ["HOW"]
received = b""

def response():
    global received
    while True:
        found = re.match(rb"(?s)(HTTP/1.1 [0-9]+ .*?)\r\n\r\n", received)
        if found:
            length = int(re.search(rb"Content-Length: ([0-9]+)", found[1])[1])
            if len(received) >= found.end() + length:
                body, received = received[found.end():found.end() + length], received[found.end() + length:]
                return found[1], body
        data = api.recv(65536)
        assert data
        received += data

def send(data):
    if how == "bytes":
        for byte in data:
            api.sendall(bytes([byte]))
    elif how == "halves":
        api.sendall(data[:-20]); api.sendall(data[-20:])
    else:
        api.sendall(data)

NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: %s:%s\r\n\r\n" % (host.encode(), port.encode())
answer = b"first"
send(NEXT)
while True:
    head, event = response()
    assert head.startswith(b"HTTP/1.1 200"), head
    request_id = re.search(rb"Request-Id: (\S+)", head)[1]
    post = b"POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\n" % request_id
    post += b"Host: %s:%s\r\nContent-Length: %d\r\n\r\n%s" % (host.encode(), port.encode(), len(answer), answer)
    send(post + NEXT)
    head, body = response()
    assert head.startswith(b"HTTP/1.1 202"), head
    print("receipt", flush=True)
    answer = b"together" if received else b"apart"
"""


def pool_of(how: str, output: list[bytes]) -> Pool:
    command = LaunchCommand([sys.executable, "-c", RUNTIME], {"HOW": how})
    log = InvocationLog("1", 128, write=lambda descriptor, data: output.append(data))
    return Pool(SandboxOptions(lambda copy: command, concurrency=1, timeout_s=TIMEOUT_S), log)


@pytest.mark.parametrize("how", ["at once", "halves", "bytes"])
def test_requests_that_arrive_together_are_answered_in_order(how: str) -> None:
    output: list[bytes] = []

    async def body() -> list[InvocationOutcome]:
        pool = pool_of(how, output)
        await pool.start()
        invocations = [PendingInvocation(b"%d" % number, "arn") for number in range(5)]
        finished = [each.finish_future() for each in invocations]
        for each in invocations:
            pool.submit(each)
        await wait(finished, seconds=TIMEOUT_S)
        await pool.stop()
        return [each.outcome for each in invocations if each.outcome is not None]

    outcomes = run(body())
    assert [each.kind for each in outcomes] == [OutcomeKind.ANSWERED] * 5
    assert outcomes[0].payload == b"first"
    if how == "at once":  # the receipt and the event that waits are sent together, too
        assert {each.payload for each in outcomes[1:]} == {b"together"}
    assert b"".join(output).count(b"REPORT") == 5


def test_the_receipt_does_not_wait_for_the_next_event() -> None:
    output: list[bytes] = []

    async def body() -> bytes:
        pool = pool_of("at once", output)
        await pool.start()
        await pool.invoke(PendingInvocation(b"1", "arn"))
        seen = Future()
        pool._log._write = lambda descriptor, data: seen.set_result() if b"receipt" in data else None
        if b"receipt" not in b"".join(output):
            await wait([seen], seconds=TIMEOUT_S)
            assert seen.done(), "it waits"
        outcome = await pool.invoke(PendingInvocation(b"2", "arn"))
        await pool.stop()
        return outcome.payload

    assert run(body()) == b"apart"
