"""The garbage collector rests until the first answer, and no longer."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.runtime.support import ACCEPTED, OVER, PYTHON, RUNTIME, ScriptedServer, invocation

CODE = f"""\
import gc, os, sys
sys.path.append({str(RUNTIME)!r})
from faas_runtime import __main__, client, exit_guard
seen = []
take = client.RuntimeApiClient.next
def take_and_look(self):
    seen.append(gc.isenabled())
    return take(self)
def end(code):
    print(*seen, flush=True)
    os._exit(code)
client.RuntimeApiClient.next = take_and_look
exit_guard.exit_process = end
__main__.main(["probe.echo"])
"""


@pytest.mark.parametrize(
    ("kind", "requests"),
    [("on-demand", 1), ("lambda-managed-instances", 6)],
)
def test_it_works_after_the_first_answer(functions: Path, kind: str, requests: int) -> None:
    """On managed instances it works before, as several invocations may come at the same time."""
    events = [invocation(b"1"), ACCEPTED, invocation(b"2"), ACCEPTED]
    with ScriptedServer(events, *[[OVER]] * requests) as server:
        environment = {
            "AWS_LAMBDA_RUNTIME_API": server.address,
            "AWS_LAMBDA_INITIALIZATION_TYPE": kind,
            "LAMBDA_TASK_ROOT": str(functions),
        }
        done = subprocess.run([*PYTHON, "-c", CODE], env=environment, capture_output=True, text=True, check=False)
    seen = done.stdout.split()
    assert len(seen) > 1
    assert set(seen[1:] if kind == "on-demand" else seen) == {"True"}  # the first event may be there at once, or later
