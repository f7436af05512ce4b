"""The Invoke API of `faas-runtime serve`: what AWS's emulator has of it, and the rest."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from faas_runtime.emulator.invoke_request import InvalidRequest, _decode_client_context

from tests.emulator.support import INVOKE, STREAM, Emulator, FunctionGate
from tests.waiting import wait_until

Shared = Callable[[str], Emulator]
Serve = Callable[..., Emulator]
ID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
REPORT = (
    r"REPORT RequestId: (\S+)\t(Init Duration: [0-9]+\.[0-9]{2} ms\t)?Duration: ([0-9]+\.[0-9]{2}) ms\t"
    r"Billed Duration: ([0-9]+) ms\tMemory Size: ([0-9]+) MB\tMax Memory Used: ([0-9]+) MB\t\n"
)


def test_responses_are_those_of_the_emulator_of_aws(shared: Shared) -> None:
    response = shared("echo").invoke(b'{"a": 1}')
    assert (response.status, response.body) == (200, b'{"a": 1}')
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-amz-executed-version"] == "$LATEST"
    assert re.fullmatch(ID, response.headers["x-amzn-requestid"])
    assert "x-amz-function-error" not in response.headers


def test_a_preflight_does_not_invoke(shared: Shared) -> None:
    emulator = shared("echo")
    before = emulator.out
    origin = "http://localhost:5173"
    response = emulator.request(
        "OPTIONS", INVOKE, None, Origin=origin,
        Access_Control_Request_Method="POST", Access_Control_Request_Headers="x-amz-log-type",
    )  # fmt: skip
    assert (response.status, response.body) == (204, b"")
    assert response.headers["access-control-allow-origin"] == "http://localhost:5173"
    assert "POST" in response.headers["access-control-allow-methods"]
    assert response.headers["access-control-allow-headers"] == "x-amz-log-type"
    assert emulator.out == before, "it was run"

    response = emulator.invoke(b"[2]", Origin=origin)
    assert (response.body, response.headers["access-control-allow-origin"]) == (b"[2]", "http://localhost:5173")
    assert "X-Amzn-RequestId" in response.headers["access-control-expose-headers"]
    assert emulator.request("OPTIONS", INVOKE, b"[3]", Origin=origin).status == 403, "no preflight"


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://page.example"}, {"Origin": "null"}, {"Sec_Fetch_Site": "cross-site"}]
)
@pytest.mark.parametrize("path", [INVOKE, STREAM])
def test_pages_of_other_origins_may_not_invoke(shared: Shared, path: str, headers: dict[str, str]) -> None:
    emulator = shared("echo")
    before = emulator.out
    response = emulator.invoke(b"{}", path, **headers)
    assert (response.status, response.headers["x-amzn-errortype"]) == (403, "AccessDeniedException")
    assert "allow them with --cors ORIGIN" in response.json["message"]
    assert "access-control-allow-origin" not in response.headers
    assert emulator.out == before, "it was run"


def test_pages_of_allowed_origins_may_invoke(serve: Serve) -> None:
    emulator = serve("echo", "--cors", "https://App.example:443/")
    assert emulator.invoke(b"1", Origin="https://app.example", Host="app.example").body == b"1"
    assert emulator.invoke(b"1", Origin="https://page.example").status == 403


@pytest.mark.parametrize("path", [INVOKE, "/", "/_faas/health"])
def test_foreign_host_names_are_refused_on_loopback(shared: Shared, path: str) -> None:
    """DNS rebinding: the name of the page's site suddenly resolves to 127.0.0.1."""
    emulator = shared("echo")
    before = emulator.out
    method = "POST" if path == INVOKE else "GET"
    response = emulator.request(method, path, Host=f"page.example:{emulator.port}")
    assert response.status == 421
    assert "allow the name: --cors http://page.example, or --host '*'" in response.json["message"]
    assert emulator.out == before, "it was run"
    assert "a request was refused (421): 'page.example'" in emulator.err
    assert emulator.request(method, path, Host=f"api.localhost:{emulator.port}").status == 200


@pytest.mark.parametrize("name", ["user@localhost", "a/b", "x" * 200])
def test_a_host_that_cannot_be_allowed_is_not_told_to_be(shared: Shared, name: str) -> None:
    emulator = shared("echo")
    response = emulator.request("POST", INVOKE, Host=f"{name}:{emulator.port}")
    assert response.status == 421
    assert "use localhost or an IP address, or --host '*' to serve the network" in response.json["message"]
    assert len(response.json["message"]) < 300


def test_every_host_name_is_accepted_on_all_addresses(serve: Serve) -> None:
    assert serve("echo", "--host", "*").invoke(b"1", Host="lambda.example").body == b"1"


def test_without_a_body_the_event_is_an_empty_object(shared: Shared) -> None:
    assert shared("echo").request("POST", INVOKE).body == b"{}"


def test_an_error_of_the_function_has_status_200(shared: Shared) -> None:
    response = shared("fail").invoke()
    assert response.status == 200
    assert response.headers["x-amz-function-error"] == "Unhandled"
    assert (response.json["errorType"], response.json["errorMessage"]) == ("Function.OutOfCoffee", "no coffee")


def test_defaults_are_those_of_the_emulator_of_aws(shared: Shared) -> None:
    response = shared("context").invoke()
    found = response.json
    assert found["arn"] == "arn:aws:lambda:us-east-1:012345678912:function:test_function"
    assert (found["name"], found["version"], found["memory"]) == ("test_function", "$LATEST", 3008)
    assert (found["group"], found["stream"]) == ("/aws/lambda/Functions", "$LATEST")
    assert found["id"] == response.headers["x-amzn-requestid"]
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
    response = emulator.invoke()
    found = response.json
    assert found["arn"] == "arn:aws:lambda:eu-west-1:012345678912:function:mine"
    assert (found["memory"], found["version"], found["extra"]) == (128, "3", "from the file")
    assert response.headers["x-amz-executed-version"] == "3"
    assert 0 < found["deadline"] / 1000 - time.time() <= 7
    assert (found["handler"], found["root"]) == ("emulated.context", str(emulated.parent))
    assert found["listen"] == ""
    assert "Version: 3\n" in emulator.out
    assert "\tMemory Size: 128 MB\t" in emulator.out


def test_empty_variables_count_as_unset(serve: Serve) -> None:
    found = serve("context", AWS_LAMBDA_FUNCTION_NAME="", AWS_LAMBDA_FUNCTION_TIMEOUT="").invoke().json
    assert found["name"] == "test_function"


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("anything", "anything"),
        ("anything:live", "anything:live"),
        ("anything/invocations?Qualifier=7", "anything:7"),
    ],
)
def test_every_name_is_a_name_of_the_function(shared: Shared, name: str, called: str) -> None:
    path = f"/2015-03-31/functions/{name}" + ("" if "/" in name else "/invocations")
    response = shared("context").invoke(path=path)
    assert response.json["arn"] == f"arn:aws:lambda:us-east-1:012345678912:function:{called}"


def test_headers_reach_the_function(shared: Shared) -> None:
    client = base64.b64encode('{"custom":\n{"name": "Jürgen"}}'.encode()).decode()
    response = shared("context").invoke(
        X_Amz_Client_Context=client, X_Amzn_Trace_Id="Root=1-2;Sampled=1", X_Amz_Tenant_Id="blue"
    )
    assert response.json["client"] == {"custom": {"name": "Jürgen"}}
    assert (response.json["trace"], response.json["tenant"]) == ("Root=1-2;Sampled=1", "blue")


@pytest.mark.parametrize("event", [b"{", b"", b'{"a": NaN}', b"\xff", b"[" * 100000, b'{"a":1} x'])
def test_a_broken_event_never_reaches_the_function(shared: Shared, event: bytes) -> None:
    response = shared("echo").invoke(event or b" ")
    assert response.status == 400
    assert response.headers["x-amzn-errortype"] == "InvalidRequestContentException"
    assert response.json["Type"] == "User"
    assert "json" in response.json["message"]


def test_what_is_nested_too_deeply_is_called_so(shared: Shared) -> None:
    emulator = shared("echo")
    deep = b"[" * 100000 + b"]" * 100000
    said = "Could not parse request body into json: it is nested too deeply for the emulator"
    assert emulator.invoke(deep).json["message"] == said


def test_a_client_context_that_is_nested_too_deeply_is_called_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which depth that is depends on the Python."""

    def too_deep(*_: object, **__: object) -> None:
        raise RecursionError

    monkeypatch.setattr(json, "loads", too_deep)
    with pytest.raises(InvalidRequest, match="Client context is nested too deeply for the emulator"):
        _decode_client_context(base64.b64encode(b"{}").decode())


@pytest.mark.parametrize("event", [b"1" * 9000, b'"\\ud800"', b"null", b' {"a":1e400} '])
def test_unusual_json_is_passed_on_unchanged(shared: Shared, event: bytes) -> None:
    assert shared("echo").invoke(event).body == event


def test_refused_requests_have_an_error_type(shared: Shared) -> None:
    emulator = shared("echo")
    refused = [
        (emulator.invoke(X_Amz_Invocation_Type="Later"), 400, "ValidationException"),
        (emulator.invoke(X_Amz_Client_Context="?"), 400, "InvalidRequestContentException"),
        (emulator.invoke(X_Amz_Client_Context="ew=="), 400, "InvalidRequestContentException"),
        (emulator.invoke(path="/2015-03-31/functions"), 404, "ResourceNotFoundException"),
        (emulator.invoke(path="/2021-11-15/functions/function/invocations"), 404, "ResourceNotFoundException"),
        (emulator.invoke(path="/2015-03-31/functions/%0Ax/invocations"), 400, "ValidationException"),
        (emulator.invoke(path=f"/2015-03-31/functions/{'x' * 301}/invocations"), 400, "ValidationException"),
        (emulator.invoke(path=STREAM, X_Amz_Invocation_Type="Event"), 400, "ValidationException"),
    ]
    for response, status, kind in refused:
        assert (response.status, response.headers["x-amzn-errortype"]) == (status, kind)
        assert response.json["message"]


def test_log_lines_are_those_of_the_emulator_of_aws(serve: Serve) -> None:
    emulator = serve("talk", "--concurrency", "1")
    first, second = (emulator.invoke(event).headers["x-amzn-requestid"] for event in (b"1", b"2"))
    wait_until(lambda: emulator.out.count("REPORT") == 2, "no REPORT")
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


def test_the_log_tail_is_in_the_response(serve: Serve) -> None:
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
        response = emulator.invoke(path=path, X_Amz_Invocation_Type="DryRun")
        assert (response.status, response.body) == (204, b"")
    assert emulator.out == ""


def test_an_asynchronous_invocation_is_accepted_before_it_is_run(serve: Serve, gate: FunctionGate) -> None:
    emulator = serve("gate")
    response = emulator.invoke(gate.event, X_Amz_Invocation_Type="Event")
    assert (response.status, response.body) == (202, b"")
    gate.open()
    wait_until(lambda: f"REPORT RequestId: {response.headers['x-amzn-requestid']}" in emulator.out, "it was not run")


def test_an_asynchronous_invocation_that_fails_is_reported_and_not_repeated(serve: Serve) -> None:
    emulator = serve("fail")
    identity = emulator.invoke(X_Amz_Invocation_Type="Event").headers["x-amzn-requestid"]
    message = f"request {identity} failed: Function.OutOfCoffee: no coffee"
    wait_until(lambda: message in emulator.err, "nothing reports it")
    emulator.invoke()
    assert emulator.out.count("START") == 2


def test_parallel_invocations_get_a_process_each(serve: Serve, gate: FunctionGate) -> None:
    emulator = serve("gate", "--concurrency", "3")
    with ThreadPoolExecutor(3) as executor:
        responses = [executor.submit(emulator.invoke, gate.event) for _ in range(3)]
        wait_until(lambda: emulator.out.count("START") == 3, "they do not run at once")
        for _ in range(5):
            assert emulator.invoke(gate.event, X_Amz_Invocation_Type="Event").status == 202
        assert emulator.invoke(X_Amz_Invocation_Type="DryRun").status == 204
        assert emulator.out.count("START") == 3, "more invocations run than there may be processes"
        gate.open()
        pids = {response.result().json for response in responses}
    wait_until(lambda: emulator.out.count("REPORT") == 8, "not all have run")
    assert len(pids) == 3
    assert set(emulator.children) == pids


def test_successive_invocations_get_the_same_process(serve: Serve) -> None:
    """The response arrives before the process requests the next invocation; no other process is started for that."""
    emulator = serve("linger")
    pids = {emulator.invoke(b"20").json for _ in range(5)}
    assert emulator.children == [*pids]


def test_a_process_that_requests_nothing_is_not_waited_for(serve: Serve) -> None:
    emulator = serve("linger")
    first, second = emulator.invoke(b"60000").json, emulator.invoke(b"0").json
    assert first != second


def test_a_process_with_a_busy_and_a_free_connection_gets_the_next_invocation(serve: Serve, gate: FunctionGate) -> None:
    emulator = serve("late_gate", AWS_LAMBDA_MAX_CONCURRENCY="2")
    with ThreadPoolExecutor(1) as executor:
        held = executor.submit(emulator.invoke, gate.event)
        wait_until(lambda: "START" in emulator.out, "it was not started")
        pids = {emulator.invoke().json for _ in range(5)}
        gate.open()
        assert pids == {held.result().json}
    assert emulator.children == [*pids]


def test_a_runtime_can_take_several_invocations_at_once(serve: Serve, gate: FunctionGate) -> None:
    emulator = serve("gate", "--concurrency", "4", AWS_LAMBDA_MAX_CONCURRENCY="4")
    with ThreadPoolExecutor(4) as executor:
        responses = [executor.submit(emulator.invoke, gate.event) for _ in range(4)]
        wait_until(lambda: emulator.out.count("START") == 4, "they do not run at once")
        gate.open()
    assert len({response.result().body for response in responses}) == 1


def test_a_client_that_goes_away_does_not_end_the_invocation(serve: Serve) -> None:
    emulator = serve("nap")
    with emulator.connect() as connection:
        connection.sendall(b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\n200" % INVOKE.encode())
        wait_until(lambda: "START" in emulator.out, "it was not started")
    pid = emulator.invoke(b"0").json
    wait_until(lambda: emulator.out.count("REPORT") == 2, "it was not finished")
    assert pid in emulator.children
    assert "Traceback" not in emulator.err


@pytest.mark.parametrize(("size", "status"), [(6 << 20, 200), ((6 << 20) + 1, 413)])
def test_events_have_a_limit(shared: Shared, size: int, status: int) -> None:
    event = b'"' + b"x" * (size - 2) + b'"'
    response = shared("echo").invoke(event)
    assert response.status == status
    if status == 200:
        assert response.body == event
    else:
        assert response.headers["x-amzn-errortype"] == "RequestEntityTooLargeException"


def test_asynchronous_events_have_a_smaller_limit(shared: Shared) -> None:
    response = shared("echo").invoke(b'"' + b"x" * (1 << 20) + b'"', X_Amz_Invocation_Type="Event")
    assert response.status == 413


@pytest.mark.parametrize(("size", "is_taken"), [(6291556, True), (6291557, False), (20_000_000, False)])
def test_responses_have_a_limit(shared: Shared, size: int, is_taken: bool) -> None:
    emulator = shared("large")
    response = emulator.invoke(str(size).encode())
    assert response.status == 200
    if is_taken:
        assert len(response.body) == size
    else:
        assert response.headers["x-amz-function-error"] == "Unhandled"
        assert response.json["errorType"] == "Function.ResponseSizeTooLarge"
    assert emulator.invoke(b"3").body == b'"x"'
