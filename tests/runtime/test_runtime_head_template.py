"""A head that fits a template means the same as if it were parsed."""

from __future__ import annotations

import ctypes
import errno
import itertools
import random
import re
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from faas_runtime import abi
from faas_runtime.caller import Caller
from faas_runtime.client import RuntimeApiClient
from faas_runtime.connection import RuntimeApiConnection
from faas_runtime.environment import Endpoint
from faas_runtime.errors import ConnectionLost, RuntimeApiError
from faas_runtime.fast_path import FastPath
from faas_runtime.head_template import UsualReceipt
from faas_runtime.http_reader import ReceivedResponse, ResponseReader
from faas_runtime.invocation import Invocation
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.runtime.support import FUZZ_FACTOR

FIELDS = ["Trace-Id", "Invocation-Id", "Client-Context", "Cognito-Identity", "Aws-Tenant-Id", "Invoked-Function-Arn"]
NAMES = {name: name.lower().replace("-", "_").removeprefix("aws_").removeprefix("invoked_") for name in FIELDS}
RECEIPT = b"HTTP/1.1 202 Accepted\r\nContent-Length: 15\r\n\r\n" + b'{"status":"OK"}'
Seen = tuple[object, ...]


class Wire:
    """A socket that brings one event to each `next`, in pieces, and accepts every response.

    Requests may come one behind the other; then so do what they bring. A receipt that closes the connection ends it:
    a request behind it is dropped.
    """

    def __init__(self, cut: int, events: list[bytes], receipts: Sequence[bytes] = (RECEIPT,)) -> None:
        self.events = events
        self.receipts = receipts
        """One for each response, from the first one again after the last."""
        self.dropped: list[bytes] = []
        self.sent: list[bytes] = []
        self._waiting: list[bytes] = []
        self._cut = cut
        self._is_closed = False

    def another(self) -> Wire:
        """The wire after a reconnect, with the events that are left."""
        other = Wire(self._cut, self.events, self.receipts)
        other.sent, other.dropped = self.sent, self.dropped
        return other

    def send(self, data: bytes) -> int:
        if self._is_closed:
            raise OSError(errno.EBADF, "closed")
        responses, rest = b"", bytes(data)
        while rest:
            request, rest = _first_request(rest)
            if request.startswith(b"POST"):
                responses += self.receipts[len(self.sent) % len(self.receipts)]
                self.sent.append(request)
                if is_last(responses):
                    self.dropped += [rest] if rest else []
                    break
            elif self.events:
                responses += self.events.pop(0)
        cut = min(self._cut, len(responses))
        pieces = [responses[:cut], responses[cut : 2 * cut], responses[2 * cut :]]
        self._waiting = [piece for piece in pieces if piece]
        return len(data)

    sendall = send

    def sendmsg(self, pieces: Sequence[bytes | memoryview]) -> int:
        return self.send(b"".join(pieces))

    def fileno(self) -> int:
        return 7

    def recvmsg(self, _: int, message: Any, _flags: int) -> int:
        """As the system call: one piece of what has come, spread over the pieces of memory."""
        place = bytearray(2_000_000)
        received = self.recv_into(memoryview(place)[: sum(size for _, size in entries(message))])
        position = 0
        for address, size in entries(message):
            part = bytes(place[position : min(position + size, received)])
            ctypes.memmove(address, part, len(part))
            position += size
        return received

    def sendmsg_by_address(self, descriptor: int, message: Any, _flags: int) -> int:
        if descriptor != self.fileno():
            return -1
        assert not self._is_closed, "by now, another file may have the descriptor"
        try:
            return self.send(b"".join(ctypes.string_at(address, size) for address, size in entries(message)))
        except OSError:
            return -1

    def close(self) -> None:
        self._is_closed = True

    def recv(self, size: int, flags: int = 0) -> bytes:
        if flags:  # the check whether the connection is open
            raise BlockingIOError
        place = bytearray(size)
        return bytes(place[: self.recv_into(place)])

    def recv_into(self, place: bytearray | memoryview) -> int:
        if not self._waiting:
            return 0
        piece = self._waiting.pop(0)
        taken = piece[: len(place)]
        if len(taken) < len(piece):
            self._waiting.insert(0, piece[len(taken) :])
        place[: len(taken)] = taken
        return len(taken)


def entries(message: Any) -> list[tuple[int, int]]:
    """The addresses and sizes of the pieces of a `struct msghdr`."""
    header = (ctypes.c_size_t * 7).from_address(ctypes.addressof(message._obj))
    assert not any((*header[:2], *header[4:]))
    words = (ctypes.c_size_t * (2 * header[3])).from_address(header[2])
    return [(words[2 * number], words[2 * number + 1]) for number in range(header[3])]


def is_last(receipt: bytes) -> bool:
    """Whether the connection ends with this receipt."""
    head = receipt.partition(b"{")[0]
    return b"Connection: close" in head or not (b"Content-Length" in head or b"Transfer-Encoding" in head)


def _first_request(requests: bytes) -> tuple[bytes, bytes]:
    """The first request, and what comes behind it."""
    head, end, rest = requests.partition(b"\r\n\r\n")
    length = re.search(rb"\r\nContent-Length: ([0-9]+)", head)
    size = int(length[1]) if length else 0
    return head + end + rest[:size], rest[size:]


class TemplatePoller:
    """The fast path over such a socket, with a function in Python that records its requests and returns the event."""

    def __init__(
        self,
        cut: int,
        responses: list[bytes],
        *,
        pipelining: bool = False,
        has_vectors: bool = True,
        receipts: Sequence[bytes] = (RECEIPT,),
    ) -> None:
        """`has_vectors`: whether the system has calls for several pieces of memory, as all but Windows have."""
        self.wire = Wire(cut, responses, receipts)
        connection = RuntimeApiConnection(Endpoint.parse("127.0.0.1:9"))

        def reopen() -> None:
            if self.wire._is_closed:
                self.wire = self.wire.another()
            connection.socket = self.wire  # type: ignore[assignment]

        connection.open = reopen  # type: ignore[method-assign]
        self.api = RuntimeApiClient(connection)
        self.calls: list[Seen] = []
        self._answer = bytearray()
        settings: Any = SimpleNamespace(memory_limit_mb=1, pipelining=pipelining)
        settings.function_name = settings.function_version = settings.log_group = settings.log_stream = None
        function: Any = SimpleNamespace(call=self._call, settings=settings, symbol="handle")
        self.caller = Caller(function)
        self.path = FastPath(self.api, self.caller, settings)
        # The wire may be another one after a reconnect.
        self.path._recvmsg = (lambda *arguments: self.wire.recvmsg(*arguments)) if has_vectors else None
        self.path._sendmsg = (lambda *arguments: self.wire.sendmsg_by_address(*arguments)) if has_vectors else None

    def _call(self, _request: object, _response: object) -> int:
        assert self.api.invocation is not None
        self.calls.append(_facts(self.api.invocation))
        payload = self.api.invocation.payload
        if payload == b"fail":
            return 1
        self._answer = bytearray(payload or b"-")
        self.caller.words[abi.DATA] = abi.address_of(self._answer) if payload != b"nothing" else 0
        self.caller.words[abi.LEN] = len(payload) if payload != b"nothing" else 0
        return 0

    def run(self) -> list[Seen]:
        """Serve all events; returns what the function got of each, and whether it was answered."""
        while self.wire.events:
            try:
                self.path.serve()
            except ConnectionLost:
                break  # there are no more events
            except RuntimeApiError as error:
                self.calls.append((type(error),))
        return [*self.calls, *self.wire.sent]  # type: ignore[list-item]


def _facts(invocation: Invocation) -> Seen:
    texts = [invocation.text(name) for name in ("request_id", *NAMES.values())]
    return (invocation.request_id, invocation.deadline_ms, invocation.payload, *texts)


VALUES = st.sampled_from(["", "a", "bb", "Root=1;b", "x y", " lead", "trail ", "\tt", "ü", "c\rd", "{}", "12345678"])
EVENT = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["r-1", "r-2", "r.3", "r/4", "r 5", "", "12-ab"]),
        "deadline": st.sampled_from(["", "1", "1700000000000", "17000000000x0", "+1", "1_0"]),
        "payload": st.sampled_from([b"", b"x", b"y" * 9, b"z" * 10, b"\r\n\r\n", b"fail", b"nothing", b"w" * 99_999]),
        "values": st.lists(VALUES, min_size=len(FIELDS), max_size=len(FIELDS)),
        "length": st.sampled_from(["Content-Length", "content-length"]),
    }
)


def response_with(event: Mapping[str, object]) -> bytes:
    payload, values = event["payload"], event["values"]
    assert isinstance(payload, bytes)
    assert isinstance(values, list)
    lines = [
        *("HTTP/1.1 200 OK", f"Lambda-Runtime-Aws-Request-Id: {event['id']}"),
        *(f"Lambda-Runtime-Deadline-Ms: {event['deadline']}", f"{event['length']}: {event.get('size', len(payload))}"),
        *(f"Lambda-Runtime-{name}: {value}" for name, value in zip(FIELDS, values, strict=True)),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + payload


def check(events: Sequence[Mapping[str, object]], cut: int) -> None:
    responses = [response_with(event) for event in events]
    apart = [TemplatePoller(10**9, [response]).run() for response in responses]
    calls = [seen for run in apart for seen in run if not isinstance(seen, bytes)]
    sent = [seen for run in apart for seen in run if isinstance(seen, bytes)]
    for pipelining, has_vectors in itertools.product((False, True), repeat=2):
        poller = TemplatePoller(cut, [*responses], pipelining=pipelining, has_vectors=has_vectors)
        assert poller.run() == [*calls, *sent]


@settings(max_examples=150 * FUZZ_FACTOR, deadline=None)
@given(st.lists(EVENT, min_size=2, max_size=6), st.integers(1, 700))
def test_same_meaning_with_and_without_a_template(events: list[dict[str, object]], cut: int) -> None:
    check(events, cut)


@pytest.mark.long
@settings(max_examples=30_000, deadline=None)
@given(st.lists(EVENT, min_size=2, max_size=12), st.integers(1, 700))
def test_same_meaning_in_long_runs(events: list[dict[str, object]], cut: int) -> None:
    check(events, cut)


BASE = {
    "id": "r-1",
    "deadline": "12345",
    "payload": b"x",
    "values": ["12345678", "abcdefgh", "{}", "{}", "tenant", "arn"],
    "length": "Content-Length",
}
SAME_LENGTH = [
    {"id": "r-2"},
    *({"id": unusable} for unusable in ("r/1", "r 1", " r1", "r1 ", "r?1", "\xfc1")),
    *({"deadline": deadline} for deadline in ("54321", "1_234", "+1234", " 1234", "1234 ", "12a45")),
    *(
        {"values": [*before, value, *after]}
        for before, after in ([[], BASE["values"][1:]], [BASE["values"][:1], BASE["values"][2:]])
        for value in (
            "87654321",
            " 2345678",
            "1234567 ",
            "\t2345678",
            "1\r\nX: 23",
            "1234 678",
            "1\r\n\r\n678",
            "123\0-678",
        )
    ),
    {"payload": b"y"},
    *({"size": size} for size in ("x", "-", "0", "+")),
    {"length": "content-length"},
    {"values": ["12345678", "abcdefgh", "[]", "{}", "tenant", "arn"]},
    {"values": ["12345678", "abcdefgh", "{}", "{}", "tennnt", "ars"]},
]


@pytest.mark.parametrize("cut", [10**9, 300, 200, 100, 60])
@pytest.mark.parametrize("change", SAME_LENGTH, ids=repr)
def test_heads_of_the_same_length(change: dict[str, object], cut: int) -> None:
    """The head has the size of a known one, so each difference has to be noticed."""
    base, changed = response_with(BASE), response_with({**BASE, **change})
    assert len(changed) == len(base)
    poller = TemplatePoller(10**9, [base, base, base])
    parsed = counted(poller)
    poller.run()
    assert parsed == [1, 0]  # the first event is parsed, the others are not; then there are no more
    check([BASE, BASE, {**BASE, **change}, BASE], cut)


@pytest.mark.parametrize("character", ["\0", "\r", "\n", " ", "?"])
def test_unusual_characters_are_not_confused_with_each_other(character: str) -> None:
    for place in (0, 1):
        values: list[Any] = [*BASE["values"]]
        values[place] = "1234/678"
        changed = [*values]
        changed[place] = f"1234{character}678"
        base, other = {**BASE, "values": values}, {**BASE, "values": changed}
        check([base, base, other, base], 10**9)


def test_a_response_may_be_sent_in_pieces() -> None:
    events = [response_with(BASE)] * 4
    poller = TemplatePoller(10**9, [*events])
    whole, begun = poller.wire.send, []

    def send(data: bytes) -> int:
        if not data.startswith(b"POST"):
            return whole(data)
        begun.append(data[:50])
        return 50

    def send_all(data: bytes) -> int:
        return whole(begun.pop() + data if begun else data)

    poller.wire.send, poller.wire.sendall = send, send_all  # type: ignore[method-assign]
    assert poller.run() == TemplatePoller(10**9, [*events]).run()


LARGE: list[dict[str, object]] = [{**BASE, "payload": b"x" * size} for size in (10_000, 11_000, 70_000, 80_000, 10_000)]


@pytest.mark.parametrize("cut", [10**9, 400, 60])
def test_events_may_be_larger_than_the_buffer(cut: int) -> None:
    check(LARGE, cut)


@pytest.mark.parametrize("status", [b"202 Accepted", b"403 Forbidden"])
@pytest.mark.parametrize("cut", [10**9, 370])
def test_a_receipt_may_be_larger_than_the_buffer(cut: int, status: bytes) -> None:
    """Events that follow are in another buffer."""
    large = b"HTTP/1.1 %b\r\nContent-Length: 70000\r\n\r\n" % status + b"R" * 70_000
    events = [response_with({**BASE, "payload": b"%d" % number * 40}) for number in range(8)]
    for pipelining, has_vectors in itertools.product((False, True), repeat=2):
        receipts = [*[RECEIPT] * 3, large, *[RECEIPT] * 4]
        poller = TemplatePoller(cut, [*events], pipelining=pipelining, has_vectors=has_vectors, receipts=receipts)
        poller.run()
        assert [call[2] for call in poller.calls] == [b"%d" % number * 40 for number in range(8)]


def test_nothing_is_sent_by_the_number_of_a_closed_socket() -> None:
    """The server sends more than the event, which closes the connection before the function is called."""
    events = [response_with(BASE)] * 3 + [response_with({**BASE, "size": 0})] + [response_with(BASE)]
    assert TemplatePoller(10**9, [*events]).run() == TemplatePoller(10**9, [*events], has_vectors=False).run()


def test_a_call_that_a_signal_interrupts_is_repeated() -> None:
    events = [response_with(BASE)] * 5
    poller, failures = TemplatePoller(10**9, [*events]), []
    receive, send = poller.path._recvmsg, poller.path._sendmsg
    assert receive is not None
    assert send is not None

    def interrupted(call: Callable[[int, object, int], int]) -> Callable[[int, object, int], int]:
        def call_or_fail(descriptor: int, message: object, flags: int) -> int:
            failures.append(call)
            return -1 if failures.count(call) % 2 else call(descriptor, message, flags)

        return call_or_fail

    poller.path._recvmsg, poller.path._sendmsg = interrupted(receive), interrupted(send)
    assert poller.run() == TemplatePoller(10**9, [*events]).run()
    assert len(failures) > len(events)


@pytest.mark.parametrize("values", [BASE["values"], ["", "", "", "", "", ""]])
def test_responses_may_have_any_size(values: list[str]) -> None:
    sizes = [1, 9, 9, 8, 10, 0, 5, 4096, 4095, 4097, 4096, 65_536, 65_535, 65_537, 20_000, 9, 65_536]
    check([{**BASE, "values": values, "payload": b"x" * size} for size in sizes], 10**9)


def test_the_invocation_id_belongs_to_its_event() -> None:
    unnamed = {**BASE, "values": ["12345678", "", "{}", "{}", "tenant", "arn"], "payload": b"fail"}
    check([BASE, unnamed, BASE, unnamed, BASE, {**BASE, "payload": b"fail"}, unnamed], 10**9)


def counted(poller: TemplatePoller) -> list[int]:
    """Counts the heads that are parsed: the list gets 1 for each, and 0 when no event is left."""
    parsed: list[int] = []
    receive_event = poller.api._receive_event

    def counting() -> ReceivedResponse:
        parsed.append(len(poller.wire.events) and 1)
        return receive_event()

    poller.api._receive_event = counting  # type: ignore[method-assign]
    return parsed


def test_templates_are_used_and_bounded() -> None:
    plain = {"id": "r-1", "deadline": "5", "values": [""] * len(FIELDS), "length": "Content-Length"}
    sizes = [*range(1, 400), *(10**power for power in range(5))] * 2
    rest = random.Random(1)
    tenants = ["t" * rest.randrange(1, 50) for _ in range(100)]
    responses = [response_with({**plain, "payload": b"x" * size}) for size in sizes]
    responses += [response_with({**plain, "payload": b"", "values": [*4 * [""], tenant, ""]}) for tenant in tenants]
    poller = TemplatePoller(10**9, responses)
    parsed = counted(poller)
    poller.run()
    assert [call[2] for call in poller.calls[: len(sizes)]] == [b"x" * size for size in sizes]
    assert len(poller.calls) == len(sizes) + len(tenants)
    assert len(parsed) < 10 + len(tenants)
    assert 0 < len(poller.path._templates) <= 8


def test_a_refused_event_leaves_nothing_behind() -> None:
    usual: dict[str, object] = {"id": "r-1", "deadline": "1", "payload": b"", "length": "Content-Length"}
    usual["values"] = ["", "", "", "a", "", ""]
    check([usual, usual, {**usual, "id": "r/4"}, usual], 10**9)


DATE = "Thu, 01 Jan 2026 00:00:00 GMT"


@pytest.mark.parametrize("cut", [10**9, 300, 60])
@pytest.mark.parametrize(
    ("date", "is_followed"),
    [("Fri, 02 Feb 2027 11:11:11 GMT", True), ("Thu, 01 Jan\r\nX: 26 00:00:00 GMT", False), ("\0" * 29, False)],
)
def test_only_the_text_of_a_date_may_change(date: str, is_followed: bool, cut: int) -> None:
    base, changed = ({**BASE, "length": f"Date: {each}\r\nContent-Length"} for each in (DATE, date))
    check([base, base, changed, changed, base, base], cut)
    poller = TemplatePoller(10**9, [response_with(event) for event in (base, base, changed, changed, base)])
    parsed = counted(poller)
    poller.run()
    assert (sum(parsed) == 1) == is_followed


@pytest.mark.parametrize("date", [b"Fri, 02 Feb 2027 11:11:11 GMT", b"Thu, 01 Jan\r\nX: 26 00:00:00 GMT", b"\0" * 29])
def test_only_the_text_of_a_date_in_a_receipt_may_change(date: bytes) -> None:
    first = RECEIPT.replace(b"\r\n", b"\r\nDate: %b\r\n" % DATE.encode(), 1)
    other = first.replace(DATE.encode(), date)
    reader = ResponseReader(lambda _: 0)
    reader.buffer[: len(first)] = first
    usual = UsualReceipt()
    usual.learn(reader.buffer, reader.read_response(len(first)))
    assert usual.text == first
    assert usual.follow_date(other) == date.startswith(b"Fri")
    assert not usual.follow_date(other[:-1])
    assert not usual.follow_date(other.replace(b"202", b"403"))
    assert usual.text == (other if date.startswith(b"Fri") else first)
