"""What Lambda's Invoke answers, and what it refuses: the emulator does the same."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.emulator.support import INVOKE, STREAM, ClientResponse, Emulator
from tests.waiting import wait_until

Serve = Callable[..., Emulator]
Shared = Callable[[str], Emulator]
NAME_PATTERN = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?([a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?"
    r"([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)


def path_of(name: str) -> str:
    return f"/2015-03-31/functions/{name}/invocations"


# Failures of the function are answers: an SDK takes a 5xx for a fault of Lambda, and sends the event again.

FAILURES = {
    "exit": ("end", b"3", {}, "Runtime.ExitError", "Runtime exited with error: exit status 3"),
    "exit without an error": ("hoard", b"-1", {}, "Runtime.ExitError", "Runtime exited with error: exit status 3"),
    "crash": ("end", b"-11", {}, "Runtime.ExitError", "Runtime exited with error: signal: segmentation fault"),
    "killed": ("end", b"-9", {}, "Runtime.ExitError", "Runtime exited with error: signal: killed"),
    "abort": ("end", b"-6", {}, "Runtime.ExitError", "Runtime exited with error: signal: aborted"),
    "time-out": ("nap", b"60000", {}, "Sandbox.Timedout", "Task timed out after 2.00 seconds"),
    "crash in a stream": ("broken", b"1", {}, "Runtime.ExitError", "Runtime exited with error: exit status 5"),
    "time-out in a stream": ("broken", b"2", {}, "Sandbox.Timedout", "Task timed out after 2.00 seconds"),
    "exit in init": ("echo", b"1", {"INIT": "exits"}, "Runtime.ExitError", "Runtime exited with error: exit status 9"),
    "time-out in init": ("echo", b"1", {"INIT": "hangs"}, "Sandbox.Timedout", "Task timed out after 2.00 seconds"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_failures_of_the_platform_are_answers(serve: Serve, case: str) -> None:
    handler, event, environment, kind, text = FAILURES[case]
    response = serve(handler, "--timeout", "2", **environment).invoke(event)
    assert (response.status, response.headers["x-amz-function-error"]) == (200, "Unhandled")
    assert response.headers["content-type"] == "application/json"
    assert response.json["errorType"] == kind
    assert response.json["errorMessage"] == f"RequestId: {response.headers['x-amzn-requestid']} Error: {text}"


OWN_FAILURES = {
    "error": ("fail", {}, "Function.OutOfCoffee", "no coffee"),
    "error in a stream": ("broken", {}, "Function.LostThread", "what was I saying?"),
    "error in init": ("echo", {"INIT": "fails"}, "Function.NoDatabase", "the database is away"),
}


@pytest.mark.parametrize("case", OWN_FAILURES)
def test_failures_of_the_function_are_answers(serve: Serve, case: str) -> None:
    handler, environment, kind, text = OWN_FAILURES[case]
    response = serve(handler, **environment).invoke(b"0")
    assert (response.status, response.headers["x-amz-function-error"]) == (200, "Unhandled")
    assert (response.json["errorType"], response.json["errorMessage"]) == (kind, text)


@pytest.mark.parametrize("missing", ["handler", "library"])
def test_a_function_that_is_not_there_is_an_answer(tmp_path: Path, emulated: Path, missing: str) -> None:
    function = f"{emulated}.nowhere" if missing == "handler" else f"{tmp_path}/libmissing.so"
    with Emulator(function) as emulator:
        response = emulator.invoke()
    assert (response.status, response.headers["x-amz-function-error"]) == (200, "Unhandled")
    assert response.json["errorType"] in ("Runtime.HandlerNotFound", "Runtime.LibraryNotFound")


@pytest.mark.parametrize(("init", "kind"), [("exits", "Runtime.ExitError"), ("fails", "Function.NoDatabase")])
def test_an_init_that_failed_is_in_the_event_stream(serve: Serve, init: str, kind: str) -> None:
    response = serve("echo", INIT=init).invoke(path=STREAM)
    assert (response.status, response.headers["content-type"]) == (200, "application/vnd.amazon.eventstream")
    assert f'"ErrorCode": "{kind}"'.encode() in response.body


# Names, versions and ARNs

HOME = "arn:aws:lambda:us-east-1:012345678912:function:"
NAMES = {
    "orders": f"{HOME}orders",
    "orders:live": f"{HOME}orders:live",
    "function": f"{HOME}test_function",
    "function:live": f"{HOME}live",  # the prefix `function:` of a partial ARN
    "orders:$LATEST": f"{HOME}orders:$LATEST",
    "my.orders_2-x": f"{HOME}my.orders_2-x",
    "function:orders": f"{HOME}orders",
    "999988887777:orders": "arn:aws:lambda:us-east-1:999988887777:function:orders",
    "999988887777:function:orders": "arn:aws:lambda:us-east-1:999988887777:function:orders",
    "999988887777:function:orders:7": "arn:aws:lambda:us-east-1:999988887777:function:orders:7",
    "999988887777": f"{HOME}999988887777",
    "eu-west-1:999988887777:function:orders": "arn:aws:lambda:eu-west-1:999988887777:function:orders",
    "us-gov-west-1:999988887777:function:orders": "arn:aws-us-gov:lambda:us-gov-west-1:999988887777:function:orders",
    "cn-north-1:999988887777:function:orders": "arn:aws-cn:lambda:cn-north-1:999988887777:function:orders",
    "eu-west-1:orders:live": "arn:aws:lambda:eu-west-1:012345678912:function:orders:live",
    **dict.fromkeys(
        (
            "arn:aws-us-gov:lambda:us-gov-west-1:999988887777:function:orders:live",
            "arn%3Aaws-us-gov%3Alambda%3Aus-gov-west-1%3A999988887777%3Afunction%3Aorders%3Alive",
        ),
        "arn:aws-us-gov:lambda:us-gov-west-1:999988887777:function:orders:live",
    ),
    "arn:aws:lambda:eu-west-1:999988887777:function:orders": "arn:aws:lambda:eu-west-1:999988887777:function:orders",
}


@pytest.mark.parametrize("name", NAMES)
def test_the_function_sees_the_arn_that_was_invoked(shared: Shared, name: str) -> None:
    response = shared("context").invoke(path=path_of(name))
    assert (response.status, response.json["arn"]) == (200, NAMES[name])


@pytest.mark.parametrize(
    ("name", "qualifier", "version"),
    [
        ("orders", "7", "7"),
        ("orders", "$LATEST", "$LATEST"),
        ("orders", "live", "$LATEST"),
        ("orders:7", "", "7"),
        ("orders:7", "7", "7"),
        ("999988887777:function:orders:12", "", "12"),
        ("arn:aws:lambda:eu-west-1:999988887777:function:orders:3", "", "3"),
        ("function", "42", "42"),
    ],
)
def test_the_version_that_was_executed(shared: Shared, name: str, qualifier: str, version: str) -> None:
    emulator = shared("context")
    query = f"?Qualifier={qualifier}" if qualifier else ""
    response = emulator.invoke(path=path_of(name) + query)
    assert response.headers["x-amz-executed-version"] == version
    assert response.json["arn"].endswith(f":{qualifier or name.rpartition(':')[2]}")
    assert f"START RequestId: {response.headers['x-amzn-requestid']} Version: {version}\n" in emulator.out
    dry = emulator.invoke(path=path_of(name) + query, X_Amz_Invocation_Type="DryRun")
    assert dry.headers["x-amz-executed-version"] == version


def context(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


INVALID = "InvalidRequestContentException"
VALIDATION = "ValidationException"
NO_OBJECT = "Client context must be a valid Base64-encoded JSON object."
REFUSED: dict[str, tuple[str, dict[str, str], str, str]] = {
    "slash in the name": (
        path_of("a%2Fb"), {}, VALIDATION,
        "1 validation error detected: Value 'a/b' at 'functionName' failed to satisfy constraint: "
        f"Member must satisfy regular expression pattern: {NAME_PATTERN}",
    ),
    "space in the name": (path_of("a%20b"), {}, VALIDATION, "Value 'a b' at 'functionName' failed to satisfy"),
    "umlaut in the name": (path_of("%C3%BC"), {}, VALIDATION, "at 'functionName' failed to satisfy constraint"),
    "line end in the name": (path_of("%0Ax"), {}, VALIDATION, "at 'functionName' failed to satisfy constraint"),
    "ARN of another service": (path_of("arn:aws:s3:eu-west-1:999988887777:function:a"), {}, VALIDATION, "functionName"),
    "account of eleven digits": (path_of("99998888777:function:orders"), {}, VALIDATION, "'functionName'"),
    "name of 65 characters": (path_of("x" * 65), {}, VALIDATION, "Member must have length less than or equal to 64"),
    "ARN of 257 characters": (
        path_of(HOME + "x" * (257 - len(HOME))), {}, VALIDATION, "Member must have length less than or equal to 256",
    ),
    "unknown qualifier": (INVOKE + "?Qualifier=a%20b", {}, VALIDATION, "Value 'a b' at 'qualifier' failed to satisfy"),
    "long qualifier": (INVOKE + f"?Qualifier={'x' * 129}", {}, VALIDATION, "length less than or equal to 128"),
    "two qualifiers": (
        path_of("orders:1") + "?Qualifier=2", {}, "InvalidParameterValueException",
        "The derived qualifier from the function name does not match the specified qualifier.",
    ),
    "invocation type": (
        INVOKE, {"X_Amz_Invocation_Type": "Later"}, VALIDATION,
        "1 validation error detected: Value 'Later' at 'invocationType' failed to satisfy constraint: "
        "Member must satisfy enum value set: [Event, RequestResponse, DryRun]",
    ),
    "invocation type of a stream": (
        STREAM, {"X_Amz_Invocation_Type": "Event"}, VALIDATION,
        "Member must satisfy enum value set: [RequestResponse, DryRun]",
    ),
    "log type": (INVOKE, {"X_Amz_Log_Type": "All"}, VALIDATION, "Member must satisfy enum value set: [None, Tail]"),
    "tenant": (INVOKE, {"X_Amz_Tenant_Id": "a;b"}, VALIDATION, "Value 'a;b' at 'tenantId' failed to satisfy"),
    "long tenant": (INVOKE, {"X_Amz_Tenant_Id": "a" * 257}, VALIDATION, "length less than or equal to 256"),
    "client context that is a list": (INVOKE, {"X_Amz_Client_Context": context("[1]")}, INVALID, NO_OBJECT),
    "client context that is a number": (INVOKE, {"X_Amz_Client_Context": context("1")}, INVALID, NO_OBJECT),
    "client context that is null": (INVOKE, {"X_Amz_Client_Context": context("null")}, INVALID, NO_OBJECT),
    "client context that is a string": (INVOKE, {"X_Amz_Client_Context": context('"a"')}, INVALID, NO_OBJECT),
    "client context that is no JSON": (INVOKE, {"X_Amz_Client_Context": context("{")}, INVALID, NO_OBJECT),
    "client context that is no base64": (INVOKE, {"X_Amz_Client_Context": "{}"}, INVALID, NO_OBJECT),
    "large client context": (
        INVOKE, {"X_Amz_Client_Context": context('{"a":"' + "x" * 2680 + '"}')}, INVALID, "3583 bytes",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(shared: Shared, case: str) -> None:
    path, headers, kind, message = REFUSED[case]
    emulator = shared("context")
    before = emulator.out
    streaming = path.replace("/2015-03-31/", "/2021-11-15/").replace("/invocations", "/response-streaming-invocations")
    for each in (path,) if "invocation type" in case else (path, streaming):
        response = emulator.invoke(b"{}", each, **headers)
        assert (response.status, response.headers["x-amzn-errortype"]) == (400, kind)
        assert message in response.json["message"]
    assert emulator.out == before, "it was run"


def test_the_largest_client_context_is_taken(shared: Shared) -> None:
    text = '{"a":"' + "x" * 2677 + '"}'
    assert len(context(text)) <= 3583
    assert shared("context").invoke(X_Amz_Client_Context=context(text)).json["client"] == json.loads(text)


# Methods

METHODS = ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "post"]


@pytest.mark.parametrize("path", [INVOKE, STREAM])
@pytest.mark.parametrize("method", METHODS)
def test_only_post_invokes(shared: Shared, method: str, path: str) -> None:
    emulator = shared("echo")
    before = emulator.out
    response = emulator.request(method, path, None if method in ("HEAD", "GET") else b"[1]")
    assert response.status == 403
    assert response.headers["x-amzn-errortype"] == "AccessDeniedException"
    if method != "HEAD":
        assert b"Unable to determine service/operation name to be authorized" in response.body
    assert emulator.out == before, "it was run"


# Streamed responses through plain Invoke


def test_a_streamed_answer_is_whole_and_has_a_log(shared: Shared) -> None:
    response = shared("pieces").invoke(b"1", X_Amz_Log_Type="Tail")
    assert (response.status, response.body, response.headers["content-type"]) == (200, b"one,two,three", "text/plain")
    assert "transfer-encoding" not in response.headers
    assert b"REPORT" in base64.b64decode(response.headers["x-amz-log-result"])


def test_a_streamed_answer_has_the_limit_of_any_other(serve: Serve) -> None:
    emulator = serve("flood")
    response = emulator.invoke(b"1")
    assert (response.status, response.headers["x-amz-function-error"]) == (200, "Unhandled")
    assert response.json["errorType"] == "Function.ResponseSizeTooLarge"
    wait_until(lambda: "wrote 512" in emulator.err, "the function was not run to its end")
    assert len(emulator.invoke(b"1", STREAM).body) > 512 * 65536


# Event bodies


@pytest.mark.parametrize("path", [INVOKE, STREAM])
def test_a_byte_order_mark_is_left_out(shared: Shared, path: str) -> None:
    response = shared("echo").invoke(b'\xef\xbb\xbf{"a":1}', path)
    assert response.status == 200
    assert b'{"a":1}' in response.body
    assert b"\xef\xbb\xbf" not in response.body


def test_a_mark_of_another_encoding_is_named(shared: Shared) -> None:
    for event in ("{}".encode("utf-16"), "{}".encode("utf-32"), b"\xef\xbb\xbf\xef\xbb\xbf{}"):
        response: ClientResponse = shared("echo").invoke(event)
        assert (response.status, response.headers["x-amzn-errortype"]) == (400, INVALID)
