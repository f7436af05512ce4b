"""Heads that are recognised without being parsed mean what they would mean if they were parsed."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest
from faas_runtime.client import RuntimeApi
from faas_runtime.connection import Connection
from faas_runtime.environment import Place
from faas_runtime.errors import RuntimeApiError
from faas_runtime.invocation import Invocation
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.runtime.support import FUZZ_FACTOR

FIELDS = ["Trace-Id", "Invocation-Id", "Client-Context", "Cognito-Identity", "Aws-Tenant-Id", "Invoked-Function-Arn"]
NAMES = {name: name.lower().replace("-", "_").removeprefix("aws_").removeprefix("invoked_") for name in FIELDS}
Seen = tuple[object, ...]


class Wire:
    """A socket that brings one answer to each `next`, in pieces, and leaves stale bytes behind them."""

    def __init__(self, cut: int) -> None:
        self.waiting: list[bytes] = []
        self._cut = cut

    def bring(self, answer: bytes) -> None:
        cut = min(self._cut, len(answer))
        self.waiting = [piece for piece in (answer[:cut], answer[cut:]) if piece]

    def send(self, data: bytes) -> int:
        return len(data)

    def sendall(self, data: bytes) -> None:
        pass

    def close(self) -> None:
        pass

    def recv_into(self, place: bytearray | memoryview) -> int:
        if not self.waiting:
            return 0
        piece = self.waiting.pop(0)
        taken = piece[: len(place)]
        if len(taken) < len(piece):
            self.waiting.insert(0, piece[len(taken) :])
        place[: len(taken)] = taken
        return len(taken)


def client(cut: int) -> tuple[RuntimeApi, Wire]:
    wire = Wire(cut)
    connection = Connection(Place.parse("127.0.0.1:9"))

    def reopen() -> None:
        connection.socket = wire  # type: ignore[assignment]

    connection.open = reopen  # type: ignore[method-assign]
    return RuntimeApi(connection), wire


def seen(api: RuntimeApi, wire: Wire, answer: bytes) -> Seen:
    wire.bring(answer)
    try:
        invocation = api.next()
    except RuntimeApiError as error:
        return (type(error),)
    return (*_facts(invocation), api._echo)


def _facts(invocation: Invocation) -> Seen:
    texts = [invocation.text(name) for name in ("request_id", *NAMES.values())]
    return (invocation.request_id, invocation.trace_id, invocation.deadline_ms, invocation.payload, *texts)


VALUES = st.sampled_from(["", "a", "bb", "Root=1;b", "x y", " lead", "trail ", "\tt", "ü", "c\rd", "{}", "12345678"])
EVENT = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["r-1", "r-2", "r.3", "r/4", "r 5", "", "12-ab"]),
        "deadline": st.sampled_from(["", "1", "1700000000000", "17000000000x0", "+1", "1_0"]),
        "payload": st.sampled_from([b"", b"x", b"y" * 9, b"z" * 10, b"\r\n\r\n", b"w" * 99_999]),
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
        *(f"Lambda-Runtime-Deadline-Ms: {event['deadline']}", f"{event['length']}: {len(payload)}"),
        *(f"Lambda-Runtime-{name}: {value}" for name, value in zip(FIELDS, values, strict=True)),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + payload


def check(events: list[dict[str, object]], cut: int) -> None:
    api, wire = client(cut)
    for event in events:
        answer = answer_of(event)
        fresh, other = client(10**9)
        assert seen(api, wire, answer) == seen(fresh, other, answer)


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
    {"length": "content-length"},
    {"values": ["12345678", "abcdefgh", "[]", "{}", "tenant", "arn"]},
    {"values": ["12345678", "abcdefgh", "{}", "{}", "tennnt", "ars"]},
]


@pytest.mark.parametrize("change", SAME_LENGTH, ids=repr)
def test_heads_of_the_same_length(change: dict[str, object]) -> None:
    """The head has the size of one that is known, so whatever differs has to be noticed."""
    api, wire = client(10**9)
    base = answer_of(BASE)
    first = seen(api, wire, base)
    api._parsed = None  # type: ignore[assignment, method-assign]
    assert seen(api, wire, base) == first  # without being parsed
    del api._parsed
    answer = answer_of({**BASE, **change})
    assert len(answer) == len(base)
    fresh, other = client(10**9)
    assert seen(api, wire, answer) == seen(fresh, other, answer)


def test_layouts_are_used_and_bounded() -> None:
    api, wire = client(10**9)
    plain = {"id": "r-1", "deadline": "5", "values": [""] * len(FIELDS), "length": "Content-Length"}
    for size in [*range(1, 400), *(10**power for power in range(5))] * 2:
        assert seen(api, wire, answer_of({**plain, "payload": b"x" * size}))[3] == b"x" * size
    assert 0 < len(api._layouts) <= 8
    rest = random.Random(1)
    for _ in range(100):
        tenant = "t" * rest.randrange(1, 50)
        seen(api, wire, answer_of({**plain, "payload": b"", "values": ["", "", "", "", tenant, ""]}))
    assert len(api._layouts) <= 8


def test_a_refused_event_leaves_nothing_behind() -> None:
    usual: dict[str, object] = {"id": "r-1", "deadline": "1", "payload": b"", "length": "Content-Length"}
    usual["values"] = ["", "", "", "a", "", ""]
    check([usual, usual, {**usual, "id": "r/4"}, usual], 10**9)
