"""The table of events. Each artefact's runtime gets all of them, in this order.

The events of `ANSWERED` go to one process, one after the other. Each of `ENDING` has a process of its own: what is
compared includes how that ends. `how` is what `function.c` is to do; it reads it from the client context.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# Every event carries these, so that nothing depends on the time or on chance. The deadline is in the year 2100.
_FAR_DEADLINE_MS = "4102444800000"
_SIX_MB = 6 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Event:
    """One event: its payload, and the headers of the Runtime API without their prefix, as `RuntimeApiStub.invoke` has.

    `how` is the client context. An empty text leaves a header out.
    """

    name: str
    how: str = "echo"
    payload: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def all_headers(self) -> dict[str, str]:
        """The headers, with the client context and a deadline that is always the same."""
        return {"client_context": self.how, "deadline_ms": _FAR_DEADLINE_MS, **self.headers}


@dataclass(frozen=True, kw_only=True)
class Ending:
    """A process and how it ends: by itself, or by a signal after its `event`, which gets no answer unless it is a stop.

    `variables` are added to its environment; an empty one is removed. `arguments` replace the handler's name.
    `seconds` is the time that its event is given. `function` is the library that it loads.
    """

    name: str
    event: Event | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    seconds: float = 0
    is_stopped: bool = False
    function: str = "c"


def _unicode() -> bytes:
    texts = ("grüß dich", "日本語", "𝄞 \N{GRINNING FACE}", "\u202eabc", "e\u0301", "\u0000"[:0])
    return "".join(texts).encode() * 50


ANSWERED: tuple[Event, ...] = (
    Event(name="empty"),
    Event(name="small", payload=b'{"answer":42}'),
    Event(name="six-megabytes", payload=b'"' + b"abcdefghijklmnopqrstuvwxyz012345" * (_SIX_MB // 32 - 1) + b'"'),
    Event(name="every-byte", payload=bytes(range(256)) * 16),
    Event(name="line-ends", payload=b"\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
    Event(name="deep-json", payload=b"[" * 100_000 + b"]" * 100_000),
    Event(name="unicode", payload=_unicode()),
    Event(
        name="all-headers",
        how="describe all",
        payload=b"{}",
        headers={"cognito_identity": '{"id":"x"}', "aws_tenant_id": "tenant-1", "aws_invocation_id": "attempt-1"},
    ),
    Event(name="few-headers", how="", payload=b"{}", headers={"trace_id": "", "invoked_function_arn": ""}),
    Event(
        name="large-headers",
        how=f"describe {'c' * 8000}",
        headers={"cognito_identity": "i" * 8000, "aws_tenant_id": "t" * 200},
    ),
    Event(name="trace", how="trace", headers={"trace_id": "Root=1-5bef4de7-0123456789abcdef01234567;Sampled=1"}),
    Event(name="no-response", how="nothing"),
    Event(name="response-without-data", how="nowhere"),
    Event(name="content-type", how="text"),
    Event(name="content-type-that-cannot-be-sent", how="bad-type"),
    Event(name="error", how="fail"),
    Event(name="error-without-words", how="fail-silently"),
    Event(name="error-of-own-type", how="fail-own-type"),
    Event(name="error-of-300-kB", how="fail-at-length"),
    Event(name="printed", how="print"),
    Event(name="streamed", how="stream"),
    Event(name="streamed-http", how="stream-http"),
    Event(name="stream-that-breaks", how="stream-breaks"),
    Event(name="six-megabytes-streamed", how="stream-much"),
    Event(name="small-again", payload=b"[1,2,3]"),
)

_JSON = {"AWS_LAMBDA_LOG_FORMAT": "JSON"}

ENDING: tuple[Ending, ...] = (
    Ending(name="crash", event=Event(name="crash", how="crash")),
    Ending(name="abort", event=Event(name="abort", how="abort")),
    Ending(name="exit", event=Event(name="exit", how="exit")),
    Ending(name="time-out", event=Event(name="time-out", how="hang"), seconds=0.5),
    Ending(name="stop", event=Event(name="stop", how="print"), is_stopped=True),
    Ending(name="error-logged-as-json", event=Event(name="json", how="fail"), variables=_JSON, is_stopped=True),
    Ending(name="panic", event=Event(name="panic", how="", payload=b"[1]"), is_stopped=True, function="rust"),
    Ending(name="no-such-handler", arguments=("libfunction.nothing",)),
    Ending(name="no-such-library", arguments=("missing.handle",)),
    Ending(name="not-a-library", arguments=("text.so",)),
    Ending(name="malformed-handler", arguments=("a-b.c-d",)),
    Ending(name="no-runtime-api", variables={"AWS_LAMBDA_RUNTIME_API": "", "FAAS_RUNTIME_LISTEN": ""}),
    Ending(name="address-that-is-none", variables={"AWS_LAMBDA_RUNTIME_API": "http://127.0.0.1/"}),
    Ending(name="version", arguments=("--version",)),
    Ending(name="unknown-option", arguments=("--no-such-option",)),
)
