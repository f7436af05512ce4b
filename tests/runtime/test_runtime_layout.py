"""Heads that are recognised without being parsed mean what they would mean if they were parsed."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from faas_runtime import abi
from faas_runtime.caller import Caller
from faas_runtime.client import RuntimeApi
from faas_runtime.connection import Connection
from faas_runtime.environment import Place
from faas_runtime.errors import ConnectionLost, RuntimeApiError
from faas_runtime.fast_path import FastPath
from faas_runtime.framing import Answer
from faas_runtime.invocation import Invocation
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.runtime.support import FUZZ_FACTOR

FIELDS = ["Trace-Id", "Invocation-Id", "Client-Context", "Cognito-Identity", "Aws-Tenant-Id", "Invoked-Function-Arn"]
NAMES = {name: name.lower().replace("-", "_").removeprefix("aws_").removeprefix("invoked_") for name in FIELDS}
RECEIPT = b"HTTP/1.1 202 Accepted\r\nContent-Length: 15\r\n\r\n" + b'{"status":"OK"}'
Seen = tuple[object, ...]


class Wire:
    """A socket that brings one event to each `next`, in pieces, and takes every answer."""

    def __init__(self, cut: int, events: list[bytes]) -> None:
        self.events = events
        self.sent: list[bytes] = []
        self._waiting: list[bytes] = []
        self._cut = cut

    def send(self, data: bytes) -> int:
        answer = RECEIPT
        if not data.startswith(b"POST"):
            answer = self.events.pop(0) if self.events else b""
        else:
            self.sent.append(bytes(data))
        cut = min(self._cut, len(answer))
        self._waiting = [piece for piece in (answer[:cut], answer[cut:]) if piece]
        return len(data)

    sendall = send

    def close(self) -> None:
        pass

    def recv(self, size: int, flags: int = 0) -> bytes:
        if flags:  # a look whether the connection is still open
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


class Poller:
    """The fast path over such a socket, with a function in Python that writes down what it is given."""

    def __init__(self, cut: int, answers: list[bytes]) -> None:
        self.wire = Wire(cut, answers)
        connection = Connection(Place.parse("127.0.0.1:9"))

        def reopen() -> None:
            connection.socket = self.wire  # type: ignore[assignment]

        connection.open = reopen  # type: ignore[method-assign]
        self.api = RuntimeApi(connection)
        self.calls: list[Seen] = []
        self._answer = bytearray(b"{}")
        environment = SimpleNamespace(memory_limit_mb=1)
        environment.function_name = environment.function_version = environment.log_group = environment.log_stream = None
        function: Any = SimpleNamespace(call=self._call, environment=environment, symbol="handle")
        self.caller = Caller(function)
        self.path = FastPath(self.api, self.caller)

    def _call(self, _request: object, _response: object) -> int:
        assert self.api.invocation is not None
        self.calls.append(_facts(self.api.invocation))
        if self.api.invocation.payload == b"fail":
            return 1
        self.caller.words[abi.DATA] = abi.address_of(self._answer)
        self.caller.words[abi.LEN] = len(self._answer)
        return 0

    def run(self) -> list[Seen]:
        """Serve all events; what was seen of each, and whether it could be answered."""
        while self.wire.events:
            try:
                self.path.serve()
            except ConnectionLost:
                break  # nothing is left
            except RuntimeApiError as error:
                self.calls.append((type(error),))
        return [*self.calls, *self.wire.sent]  # type: ignore[list-item]


def _facts(invocation: Invocation) -> Seen:
    texts = [invocation.text(name) for name in ("request_id", *NAMES.values())]
    return (invocation.request_id, invocation.trace_id, invocation.deadline_ms, invocation.payload, *texts)


VALUES = st.sampled_from(["", "a", "bb", "Root=1;b", "x y", " lead", "trail ", "\tt", "ü", "c\rd", "{}", "12345678"])
EVENT = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["r-1", "r-2", "r.3", "r/4", "r 5", "", "12-ab"]),
        "deadline": st.sampled_from(["", "1", "1700000000000", "17000000000x0", "+1", "1_0"]),
        "payload": st.sampled_from([b"", b"x", b"y" * 9, b"z" * 10, b"\r\n\r\n", b"fail", b"w" * 99_999]),
        "values": st.lists(VALUES, min_size=len(FIELDS), max_size=len(FIELDS)),
        "length": st.sampled_from(["Content-Length", "content-length"]),
    }
)


def answer_of(event: Mapping[str, object]) -> bytes:
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
    answers = [answer_of(event) for event in events]
    apart = [Poller(10**9, [answer]).run() for answer in answers]
    calls = [seen for run in apart for seen in run if not isinstance(seen, bytes)]
    sent = [seen for run in apart for seen in run if isinstance(seen, bytes)]
    assert Poller(cut, answers).run() == [*calls, *sent]


@settings(max_examples=150 * FUZZ_FACTOR, deadline=None)
@given(st.lists(EVENT, min_size=2, max_size=6), st.integers(1, 700))
def test_same_meaning_with_and_without_a_layout(events: list[dict[str, object]], cut: int) -> None:
    check(events, cut)


@pytest.mark.long
@settings(max_examples=30_000, deadline=None)
@given(st.lists(EVENT, min_size=2, max_size=12), st.integers(1, 700))
def test_same_meaning_at_length(events: list[dict[str, object]], cut: int) -> None:
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
    """The head has the size of one that is known, so whatever differs has to be noticed."""
    base, changed = answer_of(BASE), answer_of({**BASE, **change})
    assert len(changed) == len(base)
    poller = Poller(10**9, [base, base, base])
    parsed = counted(poller)
    poller.run()
    assert parsed == [1, 0]  # the first event is parsed, the others are not; then there is no more
    check([BASE, BASE, {**BASE, **change}, BASE], cut)


@pytest.mark.parametrize("character", ["\0", "\r", "\n", " ", "?"])
def test_unusual_characters_are_not_taken_for_one_another(character: str) -> None:
    for place in (0, 1):
        values: list[Any] = [*BASE["values"]]
        values[place] = "1234/678"
        changed = [*values]
        changed[place] = f"1234{character}678"
        base, other = {**BASE, "values": values}, {**BASE, "values": changed}
        check([base, base, other, base], 10**9)


def test_answer_that_leaves_in_pieces() -> None:
    events = [answer_of(BASE)] * 4
    poller = Poller(10**9, [*events])
    whole, begun = poller.wire.send, []

    def send(data: bytes) -> int:
        if not data.startswith(b"POST"):
            return whole(data)
        begun.append(data[:50])
        return 50

    def send_all(data: bytes) -> int:
        return whole(begun.pop() + data if begun else data)

    poller.wire.send, poller.wire.sendall = send, send_all  # type: ignore[method-assign]
    assert poller.run() == Poller(10**9, [*events]).run()


LARGE: list[dict[str, object]] = [{**BASE, "payload": b"x" * size} for size in (10_000, 11_000, 70_000, 80_000, 10_000)]


@pytest.mark.parametrize("cut", [10**9, 400, 60])
def test_events_that_outgrow_the_buffer(cut: int) -> None:
    check(LARGE, cut)


def test_what_the_platform_wants_echoed_belongs_to_its_event() -> None:
    unnamed = {**BASE, "values": ["12345678", "", "{}", "{}", "tenant", "arn"], "payload": b"fail"}
    check([BASE, unnamed, BASE, unnamed, BASE, {**BASE, "payload": b"fail"}, unnamed], 10**9)


def counted(poller: Poller) -> list[int]:
    """How many answers are parsed: 1 for those that are, 0 for none being there."""
    parsed: list[int] = []
    answer = poller.api._answer

    def counting() -> Answer:
        parsed.append(len(poller.wire.events) and 1)
        return answer()

    poller.api._answer = counting  # type: ignore[method-assign]
    return parsed


def test_layouts_are_used_and_bounded() -> None:
    plain = {"id": "r-1", "deadline": "5", "values": [""] * len(FIELDS), "length": "Content-Length"}
    sizes = [*range(1, 400), *(10**power for power in range(5))] * 2
    rest = random.Random(1)
    tenants = ["t" * rest.randrange(1, 50) for _ in range(100)]
    answers = [answer_of({**plain, "payload": b"x" * size}) for size in sizes]
    answers += [answer_of({**plain, "payload": b"", "values": ["", "", "", "", tenant, ""]}) for tenant in tenants]
    poller = Poller(10**9, answers)
    parsed = counted(poller)
    poller.run()
    assert [call[3] for call in poller.calls[: len(sizes)]] == [b"x" * size for size in sizes]
    assert len(poller.calls) == len(sizes) + len(tenants)
    assert len(parsed) < 10 + len(tenants)
    assert 0 < len(poller.path._layouts) <= 8


def test_a_refused_event_leaves_nothing_behind() -> None:
    usual: dict[str, object] = {"id": "r-1", "deadline": "1", "payload": b"", "length": "Content-Length"}
    usual["values"] = ["", "", "", "a", "", ""]
    check([usual, usual, {**usual, "id": "r/4"}, usual], 10**9)
