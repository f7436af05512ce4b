"""Receipts of any form, with events behind them: each event is answered once, and one request at most is repeated."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.runtime.support import FUZZ_FACTOR
from tests.runtime.test_runtime_head_template import BASE, TemplatePoller, response_with

STATUSES = ["202 Accepted", "200 OK", "400 Bad Request", "403 Forbidden", "413 Too Large"]
FORMS = ["length", "empty", "chunked", "until the end"]
DATE = "Date: Thu, 01 Jan 2026 00:00:%02d GMT"
INTERIM = b"HTTP/1.1 102 Processing\r\n\r\n"
PAYLOAD = st.sampled_from([b"", b"x", b"x", b"x" * 100, b"fail"])
RECEIPT = st.fixed_dictionaries(
    {
        "status": st.sampled_from(STATUSES),
        "form": st.sampled_from(FORMS),
        "date": st.integers(-1, 2),
        "is_interim": st.booleans(),
        "closes": st.sampled_from([False, False, False, True]),
        "body": st.sampled_from([b"{}", b"{\r\n\r\n}", b"{HTTP/1.1 200 OK\r\n\r\n", b"{" * 600]),
    }
)


def receipt_of(choice: Mapping[str, object]) -> bytes:
    body = choice["body"]
    assert isinstance(body, bytes)
    lines = [f"HTTP/1.1 {choice['status']}"]
    if choice["date"] != -1:
        lines.append(DATE % choice["date"])
    if choice["closes"]:
        lines.append("Connection: close")
    if choice["form"] == "empty":
        body = b""
    if choice["form"] in ("length", "empty"):
        lines.append(f"Content-Length: {len(body)}")
    if choice["form"] == "chunked":
        lines.append("Transfer-Encoding: chunked")
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    head = "\r\n".join(lines).encode() + b"\r\n\r\n"
    return (INTERIM if choice["is_interim"] else b"") + head + body


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=150 * FUZZ_FACTOR, deadline=None)
@given(st.lists(RECEIPT, min_size=1, max_size=4), st.lists(PAYLOAD, min_size=3, max_size=9), st.integers(1, 1500))
def test_fuzzed_receipts_lose_no_event(choices: list[dict[str, object]], payloads: list[bytes], cut: int) -> None:
    receipts = [receipt_of(choice) for choice in choices]
    usual = receipt_of({**choices[0], "status": STATUSES[0], "form": "length", "closes": False, "is_interim": False})
    events = [
        response_with({**BASE, "id": f"r-{number}", "payload": payload}) for number, payload in enumerate(payloads)
    ]
    apart = TemplatePoller(cut, [*events], receipts=[usual, usual, *receipts]).run()
    poller = TemplatePoller(cut, [*events], pipelining=True, receipts=[usual, usual, *receipts])
    assert poller.run() == apart
    assert len(poller.calls) == len(poller.wire.sent) == len(payloads)
    assert len(poller.wire.dropped) <= 1
