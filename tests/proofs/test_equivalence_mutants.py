"""One fault in the runtime of one artefact at a time: the gate `equivalence` names the event and what differs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ci.pipeline.jobs import Project
from ci.verify.equivalence import compare
from ci.verify.equivalence.record import Record
from tests.verify.records import good, recorded

__all__ = ["good"]

pytestmark = pytest.mark.long

# From the name of a fault to the file, a text in it, what replaces it, and what the gate says.
FAULTS = {
    "usage errors end with 1": ("errors.py", "exit_code = 2", "exit_code = 1", r"no-runtime-api: exit code"),
    "a time-out ends with 5": ("watcher.py", "HANG_EXIT_CODE = 4", "HANG_EXIT_CODE = 5", r"time-out: exit code"),
    "a changed log line": ("log.py", 'f"faas-runtime: {message}"', 'f"runtime: {message}"', r"error: log"),
    "a log line in JSON": ("log.py", '"level": level', '"severity": level', r"error-logged-as-json: log"),
    "a swapped answer": (
        "caller.py",
        "data: bytes = self.data[0:length]",
        "data: bytes = self.data[0:length][::-1]",
        r": answer",
    ),
    "another error type": (
        "native_memory.py",
        'INVALID_RESPONSE = "Function.InvalidResponse"',
        'INVALID_RESPONSE = "Function.Invalid"',
        r"response-without-data: (headers|error document)",
    ),
    "a shorter message": ("reports.py", "MESSAGE_LIMIT = 1 << 17", "MESSAGE_LIMIT = 1 << 16", r"error-of-300-kB: "),
    "an unescaped message": ("reports.py", 'ord("\\n"): "\\\\n"', 'ord("\\n"): "\\\\r"', r"error: "),
    "a cause without messages": (
        "reports.py",
        '"message": message, "stack": stack',
        '"message": "", "stack": stack',
        r"error: headers",
    ),
    "another content type": (
        "client.py",
        'JSON = b"Content-Type: application/json',
        'JSON = b"Content-Type: text/json',
        r"small: headers",
    ),
    "another version": ("_version.py", "0.1.0", "0.1.1", r"(small|empty): headers"),
    "a trailer cut short": ("reports.py", "TRAILER_LIMIT = 2700", "TRAILER_LIMIT = 94", r"stream-that-breaks: headers"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_runtime(good: Record, built: Project, tmp_path: Path, fault: str) -> None:
    file, old, new, said = FAULTS[fault]
    spoilt = recorded(built, tmp_path / "spoilt", (f"faas_runtime/{file}", old, new), name="spoilt")
    lines = compare.differences([good, spoilt])
    assert any(re.search(f"^spoilt and sdist: .*{said}", line) for line in lines), lines
