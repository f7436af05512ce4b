"""Several functions of several kinds behind one `serve`, and callers that compare each answer with its event."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.cache import kept, key_of
from tests.emulator.mixed_events import WEB, Asked, CallerAnswer
from tests.emulator.support import EMULATOR_FUNCTIONS, Emulator
from tests.support import ROOT, not_there, program
from tests.waiting import TIMEOUT_S

CRATE = ROOT / "ci" / "bench" / "native" / "rust-echo"
CUT_OFF = "the connection was closed within the response"


def rust_echo() -> Path:
    """AWS's runtime for Rust with a function that answers with its event, built once."""
    sources = (CRATE / "Cargo.toml", CRATE / "Cargo.lock", *sorted((CRATE / "src").rglob("*.rs")))

    def build(target: Path) -> None:
        command = (program("cargo"), "build", "--quiet", "--release", "--locked", "--target-dir", str(target))
        variables = {name: value for name, value in os.environ.items() if name != "CARGO_TARGET_DIR"}
        subprocess.run(command, cwd=CRATE, env=variables, check=True)

    return kept("rust-echo", key_of(*sources), build) / "release" / "rust-echo"


def go_bootstrap() -> Path:
    """The program bootstrap.go, built once. Go is large, so nothing installs it: a test without it is not run."""
    go = shutil.which("go") or not_there("go (Debian: golang-go)", optional=True)
    source = EMULATOR_FUNCTIONS / "bootstrap.go"
    version = subprocess.run([go, "version"], capture_output=True, text=True, check=True).stdout

    def build(target: Path) -> None:
        with tempfile.TemporaryDirectory() as cache:
            settings = {"CGO_ENABLED": "0", "GOCACHE": cache, "GOFLAGS": "", "GOPROXY": "off", "GO111MODULE": "off"}
            command = (go, "build", "-o", str(target), str(source))
            subprocess.run(command, cwd=cache, env={**os.environ, **settings}, check=True)

    return kept("go-bootstrap", key_of(source, version), build)


def config(folder: Path, functions: Mapping[str, Any]) -> str:
    """The file of `serve --config`."""
    path = folder / "faas.json"
    path.write_text(json.dumps({"functions": functions}))
    return str(path)


def ask(port: int, caller: str, names: tuple[str, ...], each: int, http_format: str = "2.0") -> list[CallerAnswer]:
    """Invoke the functions in turn over one connection; the application also over HTTP."""
    answers = []
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)) as connection:
        for count in range(each):
            asked = Asked(names[count % len(names)], caller, count)
            if asked.to == WEB and count % 2:
                answers.append(_get(connection, asked))
            else:
                answers.append(_invoke(connection, asked, http_format))
    return answers


def _invoke(connection: http.client.HTTPConnection, asked: Asked, http_format: str) -> CallerAnswer:
    event = json.dumps(asked.event(http_format)).encode()
    connection.request("POST", f"/2015-03-31/functions/{asked.to}/invocations", event)
    response = connection.getresponse()
    body, request_id = response.read(), response.headers["X-Amzn-RequestId"]
    assert response.status == 200, body
    if response.headers["X-Amz-Function-Error"]:
        return CallerAnswer(asked.to, request_id, json.loads(body))
    asked.check(body, http_format)
    return CallerAnswer(asked.to, request_id, None)


def _get(connection: http.client.HTTPConnection, asked: Asked) -> CallerAnswer:
    headers = {"Host": f"{WEB}.localhost", "User-Agent": asked.agent}
    connection.request("GET", asked.target, headers=headers)
    response = connection.getresponse()
    try:
        body = response.read()
    except http.client.IncompleteRead:  # a stream that has begun can only be cut off
        connection.close()
        return CallerAnswer(WEB, "", {"message": CUT_OFF})
    if response.status == 502:
        return CallerAnswer(WEB, "", json.loads(body))
    assert response.status == 200, body
    asked.check_body(body)
    return CallerAnswer(WEB, "", None)


def ask_all(port: int, callers: int, names: tuple[str, ...], each: int, http_format: str = "2.0") -> list[CallerAnswer]:
    """Invoke from so many callers at once. Each begins with another function."""
    with ThreadPoolExecutor(callers) as executor:
        asking = []
        for number in range(callers):
            first = number % len(names)
            turn = names[first:] + names[:first]
            asking.append(executor.submit(ask, port, f"raw{number}", turn, each, http_format))
        return [answer for each_one in asking for answer in each_one.result()]


def check_all_answered(
    emulator: Emulator, answers: list[CallerAnswer], names: tuple[str, ...], invocations: int
) -> None:
    """Check that each invocation was answered without a failure, and is once in the log."""
    assert [answer for answer in answers if answer.error] == []
    assert Counter(answer.to for answer in answers).keys() == set(names)
    check_each_reported(emulator, answers, invocations)


def check_each_reported(emulator: Emulator, answers: list[CallerAnswer], invocations: int) -> None:
    """Check that each invocation was answered, and that the log has its three lines, once."""
    assert len(answers) == invocations
    assert emulator.end() == 0
    told = [answer.request_id for answer in answers if answer.request_id]
    assert len(set(told)) == len(told)
    for kind in ("START", "END", "REPORT"):
        lines = [line for line in emulator.out.splitlines() if line.startswith(f"{kind} RequestId: ")]
        logged = [line.split()[2] for line in lines]
        assert len(logged) == len(set(logged)) == invocations, f"each invocation has one line {kind}"
        assert set(told) <= set(logged)
