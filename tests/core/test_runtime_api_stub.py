"""The stand-in for the Runtime API: when the time of an invocation begins."""

from __future__ import annotations

import http.client
import threading
import time

import pytest

from ci.core.runtime_api_stub import PATH, NoResult, RuntimeApiStub
from tests.waiting import wait_until


def test_the_time_limit_begins_when_the_runtime_gets_the_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """A runtime that starts slowly on a busy machine must not find a deadline that has passed."""
    monkeypatch.setattr(time, "time", lambda: 1000.0)
    ended = threading.Event()

    def invoke(api: RuntimeApiStub) -> None:
        with pytest.raises(NoResult):
            api.invoke_with_time_limit(b"{}", 0.5, timeout=60, request_id="r")
        ended.set()

    with RuntimeApiStub() as api:
        threading.Thread(target=invoke, args=(api,), daemon=True).start()
        wait_until(lambda: not api._events.empty(), "the event does not wait for the runtime")
        monkeypatch.setattr(time, "time", lambda: 2000.0)
        host, _, port = api.address.partition(":")
        client = http.client.HTTPConnection(host, int(port), timeout=60)
        client.request("GET", f"{PATH}/invocation/next")
        assert client.getresponse().headers["Lambda-Runtime-Deadline-Ms"] == "2000500"
        client.close()
    assert ended.wait(60)
