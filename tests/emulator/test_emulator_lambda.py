"""The Invoke API of `faas-runtime serve`: what clients of AWS's emulator rely on, and what that one lacks."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.emulator.support import INVOKE, STREAM, Emulator, Gate, wait_for

Shared = Callable[[str], Emulator]
Serve = Callable[..., Emulator]
ID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
REPORT = (
    r"REPORT RequestId: (\S+)\t(Init Duration: [0-9]+\.[0-9]{2} ms\t)?Duration: ([0-9]+\.[0-9]{2}) ms\t"
    r"Billed Duration: ([0-9]+) ms\tMemory Size: ([0-9]+) MB\tMax Memory Used: ([0-9]+) MB\t\n"
)


def test_answers_as_the_emulator_of_aws_does(shared: Shared) -> None:
    answer = shared("echo").invoke(b'{"a": 1}')
    assert (answer.status, answer.body) == (200, b'{"a": 1}')
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-amz-executed-version"] == "$LATEST"
    assert re.fullmatch(ID, answer.headers["x-amzn-requestid"])
    assert "x-amz-function-error" not in answer.headers


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_any_method_invokes(shared: Shared, method: str) -> None:
    assert shared("echo").request(method, INVOKE, b"[1]").body == b"[1]"


def test_a_preflight_does_not_invoke(shared: Shared) -> None:
    emulator = shared("echo")
    before = emulator.out
    origin = "http://localhost:5173"
    answer = emulator.request(
        "OPTIONS", INVOKE, None, Origin=origin,
        Access_Control_Request_Method="POST", Access_Control_Request_Headers="x-amz-log-type",
    )  # fmt: skip
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "http://localhost:5173"
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-headers"] == "x-amz-log-type"
    assert emulator.out == before, "it was run"

    answer = emulator.invoke(b"[2]", Origin=origin)
    assert (answer.body, answer.headers["access-control-allow-origin"]) == (b"[2]", "http://localhost:5173")
    assert "X-Amzn-RequestId" in answer.headers["access-control-expose-headers"]
    assert emulator.request("OPTIONS", INVOKE, b"[3]", Origin=origin).body == b"[3]", "no preflight"


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://page.example"}, {"Origin": "null"}, {"Sec_Fetch_Site": "cross-site"}]
)
@pytest.mark.parametrize("path", [INVOKE, STREAM])
def test_pages_from_elsewhere_may_not_invoke(shared: Shared, path: str, headers: dict[str, str]) -> None:
    emulator = shared("echo")
    before = emulator.out
    answer = emulator.invoke(b"{}", path, **headers)
    assert (answer.status, answer.headers["x-amzn-errortype"]) == (403, "AccessDeniedException")
    assert "allow them with --cors ORIGIN" in answer.json["message"]
    assert "access-control-allow-origin" not in answer.headers
    assert emulator.out == before, "it was run"


def test_pages_that_were_named_may_invoke(serve: Serve) -> None:
    emulator = serve("echo", "--cors", "https://App.example:443/")
    assert emulator.invoke(b"1", Origin="https://app.example", Host="app.example").body == b"1"
    assert emulator.invoke(b"1", Origin="https://page.example").status == 403


@pytest.mark.parametrize("path", [INVOKE, "/", "/_faas/health"])
def test_names_that_may_be_made_up_by_a_page_are_not_served_on_loopback(shared: Shared, path: str) -> None:
    """DNS rebinding: the page's own name stands for 127.0.0.1 all of a sudden."""
    emulator = shared("echo")
    before = emulator.out
    answer = emulator.request("GET", path, Host=f"page.example:{emulator.port}")
    assert answer.status == 421
    assert "allow it: --cors http://page.example, or --host '*'" in answer.json["message"]
    assert emulator.out == before, "it was run"
    assert "a request was refused (421): 'page.example'" in emulator.err
    assert emulator.request("GET", path, Host=f"api.localhost:{emulator.port}").status == 200


def test_any_name_is_served_on_all_addresses(serve: Serve) -> None:
    assert serve("echo", "--host", "*").invoke(b"1", Host="lambda.example").body == b"1"


def test_no_event_is_an_empty_object(shared: Shared) -> None:
    assert shared("echo").request("POST", INVOKE).body == b"{}"


def test_an_error_of_the_function_is_an_answer(shared: Shared) -> None:
    answer = shared("fail").invoke()
    assert answer.status == 200
    assert answer.headers["x-amz-function-error"] == "Unhandled"
    assert (answer.json["errorType"], answer.json["errorMessage"]) == ("Function.OutOfCoffee", "no coffee")


def test_defaults_are_those_of_the_emulator_of_aws(shared: Shared) -> None:
    answer = shared("context").invoke()
    found = answer.json
    assert found["arn"] == "arn:aws:lambda:us-east-1:012345678912:function:test_function"
    assert (found["name"], found["version"], found["memory"]) == ("test_function", "$LATEST", 3008)
    assert (found["group"], found["stream"]) == ("/aws/lambda/Functions", "$LATEST")
    assert found["id"] == answer.headers["x-amzn-requestid"]
    assert 290 < found["deadline"] / 1000 - time.time() <= 300
    assert (found["trace"], found["tenant"], found["client"]) == ("", "", None)


def test_the_environment_configures_the_function(serve: Serve, emulated: Path, tmp_path: Path) -> None:
    file = tmp_path / "variables"
    file.write_text("EXTRA=from the file\nAWS_LAMBDA_FUNCTION_NAME=mine\n")
    emulator = serve(
        "context", "--env-file", str(file), "--timeout", "7",
        AWS_REGION="eu-west-1", AWS_LAMBDA_FUNCTION_MEMORY_SIZE="128", AWS_LAMBDA_FUNCTION_VERSION="3",
        AWS_LAMBDA_FUNCTION_TIMEOUT="9", FAAS_RUNTIME_LISTEN="127.0.0.1:1",
    )  # fmt: skip
    answer = emulator.invoke()
    found = answer.json
    assert found["arn"] == "arn:aws:lambda:eu-west-1:012345678912:function:mine"
    assert (found["memory"], found["version"], found["extra"]) == (128, "3", "from the file")
    assert answer.headers["x-amz-executed-version"] == "3"
    assert 0 < found["deadline"] / 1000 - time.time() <= 7
    assert (found["handler"], found["root"]) == ("emulated.context", str(emulated.parent))
    assert found["listen"] == ""
    assert "Version: 3\n" in emulator.out
    assert "\tMemory Size: 128 MB\t" in emulator.out


def test_variables_that_are_empty_are_as_good_as_none(serve: Serve) -> None:
    found = serve("context", AWS_LAMBDA_FUNCTION_NAME="", AWS_LAMBDA_FUNCTION_TIMEOUT="").invoke().json
    assert found["name"] == "test_function"


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("anything", "anything"),
        ("anything:live", "anything:live"),
        ("anything/invocations?Qualifier=7", "anything:7"),
        ("arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Amine%3Alive", "mine:live"),
        ("arn:aws:lambda:eu-west-1:123456789012:function:mine", "mine"),
        ("123456789012:function:mine", "mine"),
    ],
)
def test_any_name_is_the_functions(shared: Shared, name: str, called: str) -> None:
    path = f"/2015-03-31/functions/{name}" + ("" if "/" in name else "/invocations")
    answer = shared("context").invoke(path=path)
    assert answer.json["arn"] == f"arn:aws:lambda:us-east-1:012345678912:function:{called}"


def test_headers_reach_the_function(shared: Shared) -> None:
    client = base64.b64encode('{"custom":\n{"name": "Jürgen"}}'.encode()).decode()
    answer = shared("context").invoke(
        X_Amz_Client_Context=client, X_Amzn_Trace_Id="Root=1-2;Sampled=1", X_Amz_Tenant_Id="blue"
    )
    assert answer.json["client"] == {"custom": {"name": "Jürgen"}}
    assert (answer.json["trace"], answer.json["tenant"]) == ("Root=1-2;Sampled=1", "blue")


@pytest.mark.parametrize("event", [b"{", b"", b'{"a": NaN}', b"\xff", b"[" * 100000, b'{"a":1} x', b"\xef\xbb\xbf{}"])
def test_a_broken_event_never_reaches_the_function(shared: Shared, event: bytes) -> None:
    answer = shared("echo").invoke(event or b" ")
    assert answer.status == 400
    assert answer.headers["x-amzn-errortype"] == "InvalidRequestContentException"
    assert answer.json["Type"] == "User"
    assert "json" in answer.json["message"]


@pytest.mark.parametrize("event", [b"1" * 9000, b'"\\ud800"', b"null", b' {"a":1e400} '])
def test_unusual_json_passes_through_untouched(shared: Shared, event: bytes) -> None:
    assert shared("echo").invoke(event).body == event


def test_what_is_refused_says_so(shared: Shared) -> None:
    emulator = shared("echo")
    refused = [
        (emulator.invoke(X_Amz_Invocation_Type="Later"), 400, "InvalidParameterValueException"),
        (emulator.invoke(X_Amz_Client_Context="?"), 400, "InvalidRequestContentException"),
        (emulator.invoke(X_Amz_Client_Context="ew=="), 400, "InvalidRequestContentException"),
        (emulator.invoke(path="/2015-03-31/functions"), 404, "ResourceNotFoundException"),
        (emulator.invoke(path="/2021-11-15/functions/function/invocations"), 404, "ResourceNotFoundException"),
        (emulator.invoke(path="/2015-03-31/functions/%0Ax/invocations"), 400, "InvalidParameterValueException"),
        (emulator.invoke(path=f"/2015-03-31/functions/{'x' * 301}/invocations"), 400, "InvalidParameterValueException"),
        (emulator.invoke(path=STREAM, X_Amz_Invocation_Type="Event"), 400, "InvalidParameterValueException"),
    ]
    for answer, status, kind in refused:
        assert (answer.status, answer.headers["x-amzn-errortype"]) == (status, kind)
        assert answer.json["message"]


def test_lines_are_those_of_the_emulator_of_aws(serve: Serve) -> None:
    emulator = serve("talk", "--concurrency", "1")
    first, second = (emulator.invoke(event).headers["x-amzn-requestid"] for event in (b"1", b"2"))
    wait_for(lambda: emulator.out.count("REPORT") == 2, "no REPORT")
    found = re.fullmatch(
        rf"START RequestId: (\S+) Version: \$LATEST\nout: 1\nEND RequestId: (\S+)\n{REPORT}"
        rf"START RequestId: (\S+) Version: \$LATEST\nout: 2\nEND RequestId: (\S+)\n{REPORT}",
        emulator.out,
    )
    assert found, emulator.out
    ids = [found[number] for number in (1, 2, 3, 9, 10, 11)]
    assert ids == [first] * 3 + [second] * 3
    assert found[4]
    assert not found[12], "one process has one init"
    assert int(found[6]) - 1 < float(found[5]) <= int(found[6])
    assert emulator.err.count("err: no end of line") == 2


def test_the_tail_of_the_log(serve: Serve) -> None:
    emulator = serve("talk")
    event = json.dumps("x" * 5000).encode()
    tails = [
        base64.b64decode(emulator.invoke(each, X_Amz_Log_Type="Tail").headers["x-amz-log-result"]).decode()
        for each in (b'"short"', event)
    ]
    assert re.fullmatch(
        rf'START RequestId: \S+ Version: \$LATEST\nout: "short"\nerr: no end of lineEND RequestId: \S+\n{REPORT}',
        tails[0],
    )
    assert len(tails[1]) == 4096
    assert tails[1].endswith("MB\t\n")
    assert "x-amz-log-result" in emulator.invoke(X_Amz_Log_Type="tail").headers
    assert "x-amz-log-result" not in emulator.invoke().headers


def test_dry_run_runs_nothing(serve: Serve) -> None:
    emulator = serve("echo")
    for path in (INVOKE, STREAM):
        answer = emulator.invoke(path=path, X_Amz_Invocation_Type="DryRun")
        assert (answer.status, answer.body) == (204, b"")
    assert emulator.out == ""


def test_an_event_is_answered_before_it_is_run(serve: Serve, gate: Gate) -> None:
    emulator = serve("gate")
    answer = emulator.invoke(gate.event, X_Amz_Invocation_Type="Event")
    assert (answer.status, answer.body) == (202, b"")
    gate.open()
    wait_for(lambda: f"REPORT RequestId: {answer.headers['x-amzn-requestid']}" in emulator.out, "it was not run")


def test_an_event_that_fails_is_told_and_not_repeated(serve: Serve) -> None:
    emulator = serve("fail")
    identity = emulator.invoke(X_Amz_Invocation_Type="Event").headers["x-amzn-requestid"]
    message = f"request {identity} failed: Function.OutOfCoffee: no coffee"
    wait_for(lambda: message in emulator.err, "nobody tells")
    emulator.invoke()
    assert emulator.out.count("START") == 2


def test_invocations_at_once_get_a_process_each(serve: Serve, gate: Gate) -> None:
    emulator = serve("gate", "--concurrency", "3")
    with ThreadPoolExecutor(8) as executor:
        answers = [executor.submit(emulator.invoke, gate.event) for _ in range(8)]
        wait_for(lambda: emulator.out.count("START") == 3, "they do not run at once")
        time.sleep(0.2)
        assert emulator.out.count("START") == 3
        gate.open()
        pids = [answer.result().json for answer in answers]
    assert len(set(pids)) == 3
    assert sorted(emulator.children) == sorted(set(pids))


def test_one_invocation_after_another_gets_the_same_process(serve: Serve) -> None:
    """The answer is there before the process has asked for more: that is no reason to start another one."""
    emulator = serve("linger")
    pids = {emulator.invoke(b"20").json for _ in range(5)}
    assert emulator.children == [*pids]


def test_a_process_that_does_not_come_back_is_not_waited_for(serve: Serve) -> None:
    emulator = serve("linger")
    first, second = emulator.invoke(b"60000").json, emulator.invoke(b"0").json
    assert first != second


def test_a_poller_that_has_answered_is_waited_for_while_others_are_busy(serve: Serve, gate: Gate) -> None:
    emulator = serve("late_gate", AWS_LAMBDA_MAX_CONCURRENCY="2")
    with ThreadPoolExecutor(1) as executor:
        held = executor.submit(emulator.invoke, gate.event)
        wait_for(lambda: "START" in emulator.out, "it was not started")
        pids = {emulator.invoke().json for _ in range(5)}
        gate.open()
        assert pids == {held.result().json}
    assert emulator.children == [*pids]


def test_a_runtime_with_several_pollers_is_one_process(serve: Serve, gate: Gate) -> None:
    emulator = serve("gate", "--concurrency", "4", AWS_LAMBDA_MAX_CONCURRENCY="4")
    with ThreadPoolExecutor(4) as executor:
        answers = [executor.submit(emulator.invoke, gate.event) for _ in range(4)]
        wait_for(lambda: emulator.out.count("START") == 4, "they do not run at once")
        gate.open()
    assert len({answer.result().body for answer in answers}) == 1


def test_a_caller_that_leaves_changes_nothing(serve: Serve) -> None:
    emulator = serve("nap")
    with emulator.connect() as connection:
        connection.sendall(b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n200" % INVOKE.encode())
        wait_for(lambda: "START" in emulator.out, "it was not started")
    pid = emulator.invoke(b"0").json
    wait_for(lambda: emulator.out.count("REPORT") == 2, "it was not finished")
    assert pid in emulator.children
    assert "Traceback" not in emulator.err


@pytest.mark.parametrize(("size", "status"), [(6 << 20, 200), ((6 << 20) + 1, 413)])
def test_events_have_a_limit(shared: Shared, size: int, status: int) -> None:
    event = b'"' + b"x" * (size - 2) + b'"'
    answer = shared("echo").invoke(event)
    assert answer.status == status
    if status == 200:
        assert answer.body == event
    else:
        assert answer.headers["x-amzn-errortype"] == "RequestEntityTooLargeException"


def test_asynchronous_events_have_a_smaller_limit(shared: Shared) -> None:
    answer = shared("echo").invoke(b'"' + b"x" * (1 << 20) + b'"', X_Amz_Invocation_Type="Event")
    assert answer.status == 413


@pytest.mark.parametrize(("size", "is_taken"), [(6291556, True), (6291557, False), (20_000_000, False)])
def test_answers_have_a_limit(shared: Shared, size: int, is_taken: bool) -> None:
    emulator = shared("large")
    answer = emulator.invoke(str(size).encode())
    assert answer.status == 200
    if is_taken:
        assert len(answer.body) == size
    else:
        assert answer.headers["x-amz-function-error"] == "Unhandled"
        assert answer.json["errorType"] == "Function.ResponseSizeTooLarge"
    assert emulator.invoke(b"3").body == b'"x"'
