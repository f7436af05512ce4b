"""Events for functions of several kinds that are served together; each answer shows whose it is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.support import ROOT

ECHOES = ("library", "other", "rust")
"""Functions that answer with their event alone."""
NAMED = ("script", "go")
"""Those that answer with their event and their name."""
WEB = "web"
"""The axum application of docs/examples/rust/webapp."""
SAMPLES = ROOT / "runtime" / "faas_runtime" / "emulator" / "samples"
SAMPLE_OF = {"2.0": "apigw-v2", "1.0": "apigw-v1", "alb": "alb"}


class CallerAnswer(NamedTuple):
    """What a client got. That a good answer is the right one was checked already."""

    to: str
    request_id: str
    """Empty if the client is not told."""
    error: dict[str, Any] | None
    """The document of a failure."""


@dataclass(frozen=True)
class Asked:
    """One invocation."""

    to: str
    caller: str
    count: int

    @property
    def target(self) -> str:
        """The path and the query of the request to the application."""
        return f"/hello/{self.caller}?count={self.count}"

    @property
    def agent(self) -> str:
        """The user agent of that request."""
        return f"agent-{self.caller}-{self.count}"

    def event(self, http_format: str = "2.0") -> dict[str, Any]:
        """The event; that of the application has one of the formats of `--http`."""
        if self.to != WEB:
            text = "x" * (self.count % 50)
            return {"to": self.to, "caller": self.caller, "count": self.count, "text": text}
        event: dict[str, Any] = json.loads((SAMPLES / f"{SAMPLE_OF[http_format]}.json").read_text())
        path, _, query = self.target.partition("?")
        headers = {"host": "web.localhost", "user-agent": self.agent}
        event |= {"headers": headers, "body": None, "queryStringParameters": {"count": str(self.count)}}
        if http_format == "2.0":
            event |= {"rawPath": path, "rawQueryString": query}
            event["requestContext"]["http"] |= {"method": "GET", "path": path}
            return event
        event |= {"path": path, "httpMethod": "GET"}
        for name in ("multiValueHeaders", "multiValueQueryStringParameters"):
            event.pop(name, None)
        if http_format == "1.0":
            # With another stage, lambda_http puts it in front of the path.
            event["requestContext"] |= {"path": path, "stage": "$default"}
        return event

    def check(self, payload: bytes, http_format: str = "2.0") -> None:
        """Compare the answer of an invocation with its event."""
        if self.to in ECHOES:
            assert json.loads(payload) == self.event()
        elif self.to in NAMED:
            found = json.loads(payload)
            assert (found["event"], found["name"]) == (self.event(), self.to)
        else:
            self._check_web(payload, is_stream=http_format != "alb")

    def check_body(self, body: bytes) -> None:
        """Compare the body of a response of the application with its request."""
        assert json.loads(body) == {"name": self.caller, "query": {"count": str(self.count)}, "agent": self.agent}

    def _check_web(self, payload: bytes, *, is_stream: bool) -> None:
        """A stream begins with its status and headers; others are one document. A load balancer takes no streams."""
        head, zeros, body = payload.partition(bytes(8))
        assert bool(zeros) == is_stream, payload
        document = json.loads(head)
        assert document["statusCode"] == 200, payload
        self.check_body(body if is_stream else document["body"].encode())
