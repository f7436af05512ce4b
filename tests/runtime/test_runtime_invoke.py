"""Invocations with the real launcher and functions in C, against the stand-in of the Runtime API."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ci.core.runtime_api_stub import NoResult, RuntimeApiStub
from tests.runtime.support import LAUNCHER, VERSION, Runtime
from tests.waiting import TIMEOUT_S

FIVE_MB = 5 * 1024 * 1024


@pytest.mark.parametrize(
    "payload",
    [b'{"a":1}', b"", bytes(range(251)) * (FIVE_MB // 251), bytes(range(256)), "Grüße".encode()],
    ids=["small", "empty", "5 MB", "all bytes", "unicode"],
)
def test_the_payload_is_passed_on_unchanged(functions: Path, payload: bytes) -> None:
    with RuntimeApiStub() as api, Runtime(api.address, "probe.echo", functions):
        result = api.invoke(payload, timeout=TIMEOUT_S)
    assert result.kind == "response"
    assert result.body == payload


def test_one_process_serves_one_invocation_after_the_other(functions: Path) -> None:
    with RuntimeApiStub() as api, Runtime(api.address, "probe.echo", functions):
        for number in range(20):
            result = api.invoke(str(number).encode(), request_id=f"r-{number}", timeout=TIMEOUT_S)
            assert (result.request_id, result.body) == (f"r-{number}", str(number).encode())


def test_a_response_that_is_not_utf8_is_sent(functions: Path) -> None:
    with RuntimeApiStub() as api, Runtime(api.address, "probe.not_utf8", functions):
        assert api.invoke(b"{}", timeout=TIMEOUT_S).body == b"\xff\x00\xfe"


def test_response_headers(functions: Path) -> None:
    with RuntimeApiStub() as api, Runtime(api.address, "probe.echo", functions):
        headers = api.invoke(b"{}", timeout=TIMEOUT_S).headers
        assert "lambda-runtime-invocation-id" not in headers
        assert headers["content-type"] == "application/json"
        assert headers["user-agent"] == f"faas-runtime/{VERSION}"
        assert headers["host"] == api.address
        echoed = api.invoke(b"{}", invocation_id="i-7", timeout=TIMEOUT_S)
    assert echoed.headers["lambda-runtime-invocation-id"] == "i-7"


def test_function_error(functions: Path) -> None:
    with RuntimeApiStub() as api, Runtime(api.address, "probe.fail", functions):
        result = api.invoke(b"{}", invocation_id="i-8", timeout=TIMEOUT_S)
    assert result.kind == "error"
    assert result.headers["lambda-runtime-function-error-type"] == "Function.Broken"
    assert result.headers["lambda-runtime-invocation-id"] == "i-8"
    assert json.loads(result.body) == {
        "errorMessage": 'a "quoted" message\nwith \\ and \x01 and \ufffd',
        "errorType": "Function.Broken",
        "stackTrace": ["one.c:1", "two.c:2"],
    }


@pytest.mark.parametrize(
    ("handler", "header", "error_type", "message"),
    [
        ("fail_own_type", "Function.Unknown", "my\r\nError", "fail_own_type returned 1"),
        ("fail_silently", "Function.Error", "Function.Error", "fail_silently returned -3"),
        ("nowhere", "Function.InvalidResponse", "Function.InvalidResponse", "5 bytes, at the address NULL"),
        ("endless", "Function.InvalidResponse", "Function.InvalidResponse", "bytes, which is too many"),
    ],
)
def test_missing_fields_of_an_error_get_defaults(
    functions: Path, handler: str, header: str, error_type: str, message: str
) -> None:
    with RuntimeApiStub() as api, Runtime(api.address, f"probe.{handler}", functions):
        result = api.invoke(b"{}", timeout=TIMEOUT_S)
    assert result.kind == "error"
    assert result.headers["lambda-runtime-function-error-type"] == header
    document = json.loads(result.body)
    assert document["errorType"] == error_type
    assert message in document["errorMessage"]
    assert document["stackTrace"] == []


def test_content_type_is_sent_but_cannot_smuggle_headers(functions: Path) -> None:
    with RuntimeApiStub() as api, Runtime(api.address, "probe.content_type", functions):
        good = api.invoke(b"text/plain; charset=utf-8", timeout=TIMEOUT_S)
        bad = api.invoke(b"text/plain\r\nX-Other: 1", timeout=TIMEOUT_S)
        longest = api.invoke(b"t" * 1024, timeout=TIMEOUT_S)
        too_long = api.invoke(b"t" * 1025, timeout=TIMEOUT_S)
    assert good.headers["content-type"] == "text/plain; charset=utf-8"
    assert bad.kind == "error"
    assert json.loads(bad.body)["errorType"] == "Function.InvalidResponse"
    assert "x-other" not in bad.headers
    assert longest.headers["content-type"] == "t" * 1024
    assert json.loads(too_long.body)["errorType"] == "Function.InvalidResponse"


@pytest.mark.parametrize("events", ["1f1", "11111111", "1212121111222", "0101011000", "111f111f222", "2222021200"])
def test_each_response_is_released_once(functions: Path, events: str) -> None:
    released = 0
    with RuntimeApiStub() as api, Runtime(api.address, "probe.count", functions):
        for event in events:
            result = api.invoke(event.encode(), timeout=TIMEOUT_S)
            assert result.kind == ("error" if event == "f" else "response")
            assert result.kind == "error" or result.body == b"%d" % released
            released += {"0": 0, "1": 1, "2": 100, "f": 1}[event]


def test_the_trace_id_is_in_the_c_environment_during_its_invocation_only(functions: Path) -> None:
    with RuntimeApiStub() as api, Runtime(api.address, "probe.trace", functions):
        assert api.invoke(b"", trace_id="Root=1;a", timeout=TIMEOUT_S).body == b"Root=1;a|Root=1;a"
        assert api.invoke(b"", trace_id="Root=2", timeout=TIMEOUT_S).body == b"Root=2|Root=2"
        assert api.invoke(b"", trace_id="", timeout=TIMEOUT_S).body == b"unset|NULL"


def test_context_reaches_the_function(functions: Path) -> None:
    environment = {
        "AWS_LAMBDA_FUNCTION_NAME": "name",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_LOG_GROUP_NAME": "group",
        "AWS_LAMBDA_LOG_STREAM_NAME": "",
    }
    headers = {
        "invocation_id": "i-1",
        "invoked_function_arn": "arn:1",
        "client_context": '{"w3c":{}}',
        "cognito_identity": '{"id":1}',
        "aws_tenant_id": "tenant",
        "deadline_ms": "1790000000123",
    }
    with RuntimeApiStub() as api, Runtime(api.address, "probe.context", functions, environment=environment):
        result = api.invoke(b"", request_id="r-9", timeout=TIMEOUT_S, **headers)
    assert result.body.decode().splitlines() == [
        *("r-9", "i-1", "arn:1", '{"w3c":{}}', '{"id":1}', "tenant"),
        *("name", "$LATEST", "group", "NULL", "1790000000123", "512", "1", "1", "1"),
    ]


def test_context_that_is_not_given_is_null(functions: Path) -> None:
    environment = {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "much"}
    with RuntimeApiStub() as api, Runtime(api.address, "probe.context", functions, environment=environment):
        result = api.invoke(b"", request_id="r-9", invoked_function_arn="", deadline_ms="", timeout=TIMEOUT_S)
    assert result.body.decode().splitlines() == ["r-9", *["NULL"] * 9, "0", "0", "1", "1", "1"]


def test_launcher_starts_by_itself_and_through_symbolic_links(functions: Path, tmp_path: Path) -> None:
    if not Path("/usr/bin/python3").exists():
        pytest.skip("no /usr/bin/python3, which the launcher names")
    (tmp_path / "first").symlink_to(LAUNCHER)
    (tmp_path / "bootstrap").symlink_to("first")
    with RuntimeApiStub() as api:
        command = [str(tmp_path / "bootstrap"), "probe.echo"]
        with Runtime(api.address, "other.handler", functions, command=command):
            assert api.invoke(b"linked", timeout=TIMEOUT_S).body == b"linked"


def test_proxies_are_ignored(functions: Path) -> None:
    proxy = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), "http://127.0.0.1:9")
    with RuntimeApiStub() as api, Runtime(api.address, "probe.echo", functions, environment=proxy):
        assert api.invoke(b"direct", timeout=TIMEOUT_S).body == b"direct"


def test_hooks_are_called_and_the_end_of_the_api_ends_the_process(functions: Path) -> None:
    with RuntimeApiStub() as api, Runtime(api.address, "hooks.handle", functions) as runtime:
        assert api.invoke(b"", timeout=TIMEOUT_S).body == b"initialised"
        api.close()
        exit_code, errors = runtime.end()
    assert exit_code == 3
    assert errors.count("shut down\n") == 1
    assert "Traceback" not in errors


def test_the_stand_in_reports_that_nothing_answers() -> None:
    with RuntimeApiStub() as api, pytest.raises(NoResult, match="has not answered"):
        api.invoke(b"{}", timeout=0.01)
