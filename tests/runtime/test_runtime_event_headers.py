"""The table of an event's headers: a test adds a header as a developer would, and it keeps the fast path."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runtime.support import ROOT, RUNTIME
from tests.waiting import TIMEOUT_S

TABLE = "TEXT_HEADERS = (\n"
END_OF_FIELDS = ')\n"""The fields of `faas_request`, '
RUN = """
import json, sys
sys.path[:0] = sys.argv[1:3]
import faas_runtime
assert faas_runtime.__file__.startswith(sys.argv[1])
from tests.runtime.test_runtime_head_template import TemplatePoller, counted

class Seeing(TemplatePoller):
    def _call(self, request, response):
        seen.append(self.api.invocation.text("added").decode())
        return super()._call(request, response)

seen = []
values = json.loads(sys.argv[3])
head = "HTTP/1.1 200 OK\\r\\nLambda-Runtime-Aws-Request-Id: r-1\\r\\nLambda-Runtime-Deadline-Ms: 5\\r\\n"
end = "\\r\\nContent-Length: 2\\r\\n\\r\\n{}"
events = [f"{head}Lambda-Runtime-Added: {value}{end}".encode() for value in values]
poller = Seeing(10**9, events)
parsed = counted(poller)
poller.run()
print(json.dumps([sum(parsed), seen]))
"""


def serve_with_added_header(folder: Path, values: list[str], *, changes: bool) -> int:
    """Serve an event for each value of the added header; returns how many are parsed, the last one not counted."""
    package = folder / "faas_runtime"
    shutil.copytree(RUNTIME / "faas_runtime", package, ignore=shutil.ignore_patterns("__pycache__"))
    header = f'    EventHeader(b"lambda-runtime-added", "added", changes={changes}),\n'
    replace(package / "invocation.py", TABLE, TABLE + header)
    replace(package / "abi.py", END_OF_FIELDS, '    ("added", WORD),\n' + END_OF_FIELDS)
    command = [sys.executable, "-c", RUN, str(folder), str(ROOT), json.dumps(values)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
    parsed, seen = json.loads(done.stdout)
    assert seen == values
    return int(parsed)


def replace(file: Path, before: str, after: str) -> None:
    """Replace a text that the file has once."""
    text = file.read_text()
    assert text.count(before) == 1
    file.write_text(text.replace(before, after))


def test_a_header_that_changes_keeps_the_fast_path(tmp_path: Path) -> None:
    assert serve_with_added_header(tmp_path, ["a-1", "b-2", "c-3", "d-4", "e-5"], changes=True) == 1


@pytest.mark.parametrize(("unusual", "parsed"), [("b+2", 2), ("b2-", 2), ("b 2", 3), ("b/2", 3)])
def test_a_value_of_another_shape_is_parsed(tmp_path: Path, unusual: str, parsed: int) -> None:
    """A head with a character that is not expected in any value gives no template, so the next one is parsed too."""
    assert serve_with_added_header(tmp_path, ["a-1", "a-2", unusual, "a-3"], changes=True) == parsed


def test_a_header_that_is_not_expected_to_change_is_parsed_when_it_does(tmp_path: Path) -> None:
    assert serve_with_added_header(tmp_path, ["a-1", "a-1", "b-2", "b-2"], changes=False) == 2
