"""A late invocation ends the process only if it is still late some time after the first look at it."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from faas_runtime import watcher
from faas_runtime.client import RuntimeApiClient
from faas_runtime.connection import RuntimeApiConnection
from faas_runtime.environment import Endpoint
from faas_runtime.invocation import Invocation
from faas_runtime.watcher import DEADLINE_GRACE_S, HANG_EXIT_CODE, SHORTEST_INTERVAL_S, Watcher

from tests.waiting import wait_until


class Ended(Exception):
    """The watcher has ended the process."""


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> tuple[Watcher, RuntimeApiClient]:
    """A watcher, and a client whose invocation is late. It came before the process was frozen, for example."""

    def end(code: int) -> None:
        raise Ended(code)

    monkeypatch.setattr(watcher, "system", SimpleNamespace(_exit=end))
    client = RuntimeApiClient(RuntimeApiConnection(Endpoint.parse("127.0.0.1:9")))
    client.received_at = time.monotonic() - 2 - DEADLINE_GRACE_S
    client.invocation = Invocation(deadline_ms=int((time.time() - 1 - DEADLINE_GRACE_S) * 1000))
    client.is_busy = True
    watching = Watcher((), is_starting=False)
    watching.add(client)
    return watching, client


def look_after_a_while(watching: Watcher) -> None:
    since = time.monotonic()
    wait_until(lambda: time.monotonic() - since > SHORTEST_INTERVAL_S)
    watching._check_deadlines()


def test_an_invocation_that_stays_late(late: tuple[Watcher, RuntimeApiClient]) -> None:
    watching, _ = late
    watching._check_deadlines()
    watching._check_deadlines()  # too soon after the first look
    with pytest.raises(Ended, match=str(HANG_EXIT_CODE)):
        look_after_a_while(watching)


def test_a_receipt_that_is_read_after_the_first_look(late: tuple[Watcher, RuntimeApiClient]) -> None:
    watching, client = late
    watching._check_deadlines()
    client.is_busy = False
    look_after_a_while(watching)


def test_another_invocation_after_the_first_look(late: tuple[Watcher, RuntimeApiClient]) -> None:
    watching, client = late
    watching._check_deadlines()
    client.received_at += 0.5
    look_after_a_while(watching)
    with pytest.raises(Ended):
        look_after_a_while(watching)
