"""The recipes make functions that build, pass their own tests and answer events."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from ci.core.runtime_api_stub import RuntimeApiStub, RuntimeResult
from tests.runtime.conftest import bake
from tests.runtime.support import Runtime
from tests.waiting import TIMEOUT_S

NOT_JSON = "the payload is not JSON"


def invoke(task_root: Path, handler: str, payload: bytes, **headers: str) -> RuntimeResult:
    with RuntimeApiStub() as api, Runtime(api.address, handler, task_root) as runtime:
        result = api.invoke(payload, request_id="r-1", timeout=TIMEOUT_S, **headers)
        assert runtime.is_alive
        return result


@pytest.mark.parametrize("payload", ['{"a":[1,2.5,null],"b":"Grüße \\"x\\""}', "[]", '"text"', ""])
def test_the_recipe_for_c_returns_the_event(c_recipe: Path, payload: str) -> None:
    event = payload or "null"
    expected = f'{{"event":{event},"function":"simple_handler","request_id":"r-1"}}'.encode()
    assert invoke(c_recipe, "simple_handler.handle", payload.encode()).body == expected


@pytest.mark.parametrize(
    ("payload", "name"),
    [
        ('{"name":"Gr\\u00fc\\u00dfe \\"x\\""}', 'Grüße \\"x\\"'),
        ('{"other":[1,2.5]}', "world"),
        ('{"name":null}', "world"),
    ],
)
def test_the_recipe_for_rust_greets(rust_recipe: Path, payload: str, name: str) -> None:
    expected = f'{{"greeting":"Hello, {name}.","request_id":"r-1"}}'.encode()
    assert invoke(rust_recipe, "simple_handler.handle", payload.encode()).body == expected


def test_the_recipe_for_rust_says_what_does_not_fit(rust_recipe: Path) -> None:
    result = invoke(rust_recipe, "simple_handler.handle", b'{"name":7}')
    document = json.loads(result.body)
    assert document["errorType"] == "Function.InvalidPayload"
    assert document["errorMessage"].startswith("the event does not fit: name: invalid type: integer `7`")


def test_the_recipe_for_rust_answers_its_sample_events(rust_project: Path, rust_recipe: Path) -> None:
    events = rust_project / "events"
    for name, greeted in (("sample.json", "Zoë"), ("http.json", "world")):
        answer = json.loads(invoke(rust_recipe, "simple_handler.handle", (events / name).read_bytes()).body)
        assert answer["greeting"] == f"Hello, {greeted}."


def test_sample_events_are_compact_and_sorted(c_recipe: Path, rust_project: Path) -> None:
    for project in (c_recipe, rust_project):
        sample = (project / "events" / "sample.json").read_text().rstrip("\n")
        assert sample == json.dumps(json.loads(sample), separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def test_crate_is_formatted_and_clean(rust_project: Path, cargo_environment: dict[str, str]) -> None:
    commands = [["test", "--locked"]]
    for tool, command in [
        ("rustfmt", ["fmt", "--check"]),
        ("cargo-clippy", ["clippy", "--locked", "--all-targets", "--", "-D", "warnings"]),
    ]:
        if shutil.which(tool):
            commands.append(command)
    for command in commands:
        subprocess.run(["cargo", *command], cwd=rust_project, env=cargo_environment, check=True)


@pytest.mark.parametrize("name", ["a", "mm", "my-function", "serde-jsonp", "zz"])
def test_lock_file_fits_every_name(tmp_path: Path, cargo_environment: dict[str, str], name: str) -> None:
    project = bake("rust-function", tmp_path, name=name)
    command = ["cargo", "metadata", "--locked", "--format-version=1"]
    subprocess.run(command, cwd=project, env=cargo_environment, check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize(
    ("payload", "error_type", "message", "location"),
    [
        ('{"mood":"panic"}', "Function.Panic", "in a bad mood", "src/lib.rs:12:26"),
        ('{"mood":"format","number":7}', "Function.Panic", "number 7", "src/lib.rs:13:27"),
        ('{"mood":"value"}', "Function.Panic", "the function panicked", "src/lib.rs:14:26"),
        ('{"mood":"error"}', "Function.Error", "not\ufffdtoday", None),
        ("{", "Function.InvalidPayload", f"{NOT_JSON}: EOF while parsing an object at line 1 column 1", None),
    ],
)
def test_rust_failures(moody: Path, payload: str, error_type: str, message: str, location: str | None) -> None:
    result = invoke(moody, "moody.handle", payload.encode())
    assert result.kind == "error"
    assert result.headers["lambda-runtime-function-error-type"] == error_type
    document = json.loads(result.body)
    assert (document["errorType"], document["errorMessage"]) == (error_type, message)
    assert document["stackTrace"] == ([location] if location else [])


def test_rust_continues_after_a_panic(moody: Path) -> None:
    with RuntimeApiStub() as api, Runtime(api.address, "moody.handle", moody):
        assert api.invoke(b'{"mood":"panic"}', timeout=TIMEOUT_S).kind == "error"
        assert api.invoke(b"{}", timeout=TIMEOUT_S).kind == "response"


def test_context_reaches_rust(moody: Path) -> None:
    environment = {
        "AWS_LAMBDA_FUNCTION_NAME": "name",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_LOG_GROUP_NAME": "group",
        "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
    }
    headers = {
        "invocation_id": "i-1",
        "invoked_function_arn": "arn:1",
        "trace_id": "Root=1",
        "client_context": '{"w3c":{}}',
        "cognito_identity": '{"id":1}',
        "aws_tenant_id": "tenant",
        "deadline_ms": "99000000000123",
    }
    with RuntimeApiStub() as api, Runtime(api.address, "moody.handle", moody, environment=environment):
        given = api.invoke(b"{}", request_id="r-1", timeout=TIMEOUT_S, **headers)
        late = api.invoke(b"{}", deadline_ms="1", timeout=TIMEOUT_S)
        without = api.invoke(b"{}", deadline_ms="", timeout=TIMEOUT_S)
    assert json.loads(given.body) == [
        ["r-1", "i-1", "arn:1", "Root=1"],
        ['{"w3c":{}}', '{"id":1}', "tenant"],
        ["name", "$LATEST", "group", "stream"],
        [99000000000123, 512],
        True,
    ]
    assert json.loads(late.body)[4] is False
    assert json.loads(without.body)[3:] == [[0, 512], None]
