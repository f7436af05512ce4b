"""`--http 1.0` and `--http alb`: the events of REST APIs and of load balancers, and the responses that they take."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faas_runtime.emulator import http_api_event, load_balancer_event, rest_api_event
from faas_runtime.emulator.event_input import SAMPLES
from faas_runtime.emulator.response_document import InvalidResponseDocument, to_complete_response
from faas_runtime.http_server.messages import HttpRequest

from tests.emulator.executables import make_bootstrap
from tests.emulator.support import Emulator

Serve = Callable[..., Emulator]
NOW = 1767323045.678  # 2 January 2026, 03:04:05
FORMATS = {"2.0": http_api_event, "1.0": rest_api_event, "alb": load_balancer_event}


def event(
    name: str, target: str = "/", *headers: tuple[str, str], method: str = "GET", body: bytes = b"", stage: str = ""
) -> dict[str, Any]:
    request = HttpRequest(method, target, list(headers), body, peer="192.0.2.7")
    given = {"stage": stage} if stage else {}
    found: dict[str, Any] = json.loads(FORMATS[name].encode_event(request, request_id="r-1", now=NOW, **given))
    return found


def test_an_event_of_format_1_has_all_fields() -> None:
    found = event("1.0", "/a%20b?x=1&x=%C3%BC&y", ("Host", "api.example.com:8080"), ("X-One", "1"), ("x-one", "2"))
    context = found.pop("requestContext")
    assert found == {
        "version": "1.0",
        "resource": "/{proxy+}",
        "path": "/a b",
        "httpMethod": "GET",
        "headers": {
            "Host": "api.example.com:8080",
            "X-One": "2",
            "X-Forwarded-For": "192.0.2.7",
            "X-Forwarded-Proto": "http",
            "X-Forwarded-Port": "8080",
        },
        "multiValueHeaders": {
            "Host": ["api.example.com:8080"],
            "X-One": ["1", "2"],
            "X-Forwarded-For": ["192.0.2.7"],
            "X-Forwarded-Proto": ["http"],
            "X-Forwarded-Port": ["8080"],
        },
        "queryStringParameters": {"x": "ü", "y": ""},
        "multiValueQueryStringParameters": {"x": ["1", "ü"], "y": [""]},
        "pathParameters": {"proxy": "a b"},
        "stageVariables": None,
        "body": None,
        "isBase64Encoded": False,
    }
    assert (context["path"], context["stage"], context["httpMethod"]) == ("/a b", "$default", "GET")
    assert (context["requestTime"], context["requestTimeEpoch"]) == ("02/Jan/2026:03:04:05 +0000", 1767323045678)
    assert (context["identity"]["sourceIp"], context["identity"]["user"]) == ("192.0.2.7", None)


def test_what_a_request_does_not_have_is_null_in_format_1() -> None:
    found = event("1.0", "/")
    assert found["resource"] == found["path"] == "/"
    for name in ("queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "body"):
        assert found[name] is None


def test_an_event_of_a_load_balancer_has_all_fields() -> None:
    headers = (("Host", "a.example:80"), ("Cookie", "a=1; b=2"), ("X-One", "1"), ("x-one", "2"))
    found = event("alb", "/a%20b?x=1&x=%C3%BC&y", *headers, ("X-Forwarded-For", "10.0.0.1"))
    assert found == {
        "requestContext": {
            "elb": {
                "targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:012345678912:"
                "targetgroup/local/0123456789abcdef"
            }
        },
        "httpMethod": "GET",
        "path": "/a%20b",
        "queryStringParameters": {"x": "%C3%BC", "y": ""},
        "headers": {
            "host": "a.example:80",
            "cookie": "a=1; b=2",
            "x-one": "2",
            "x-forwarded-for": "10.0.0.1, 192.0.2.7",
            "x-forwarded-proto": "http",
            "x-forwarded-port": "80",
        },
        "body": "",
        "isBase64Encoded": False,
    }


@pytest.mark.parametrize(("name", "sample"), [("1.0", "apigw-v1"), ("alb", "alb")])
def test_an_event_has_the_fields_of_the_sample(name: str, sample: str) -> None:
    wanted = json.loads((Path(SAMPLES) / f"{sample}.json").read_text())
    found = event(name, "/hello/world?a=1", method="POST", body=b"{}")
    assert wanted.keys() <= found.keys()
    of_an_authorizer = {"authorizer", "deploymentId"}
    assert wanted["requestContext"].keys() - of_an_authorizer <= found["requestContext"].keys()


@pytest.mark.parametrize("name", ["1.0", "alb"])
def test_bodies_are_text_or_in_base64(name: str) -> None:
    text = event(name, "/", ("Content-Type", "application/json"), method="POST", body=b'{"a":1}')
    assert (text["body"], text["isBase64Encoded"]) == ('{"a":1}', False)
    data = event(name, "/", ("Content-Type", "image/png"), method="POST", body=b"\x89PNG")
    assert (base64.b64decode(data["body"]), data["isBase64Encoded"]) == (b"\x89PNG", True)


def test_a_load_balancer_encodes_what_is_compressed() -> None:
    found = event("alb", "/", ("Content-Type", "text/plain"), ("Content-Encoding", "gzip"), body=b"abc")
    assert (base64.b64decode(found["body"]), found["isBase64Encoded"]) == (b"abc", True)


@pytest.mark.parametrize(
    ("target", "path", "requested"),
    [
        ("/prod/hello", "/hello", "/prod/hello"),
        ("/prod", "/", "/prod"),
        ("/prod/", "/", "/prod/"),
        ("/hello", "/hello", "/hello"),
        ("/production/hello", "/production/hello", "/production/hello"),
    ],
)
def test_the_stage_is_a_part_of_the_requested_path_only(target: str, path: str, requested: str) -> None:
    found = event("1.0", target, stage="prod")
    assert (found["path"], found["requestContext"]["path"]) == (path, requested)
    assert found["requestContext"]["stage"] == "prod"
    newer = event("2.0", target, stage="prod")
    assert (newer["rawPath"], newer["requestContext"]["stage"]) == (requested, "prod")


def test_a_response_may_have_headers_with_several_values() -> None:
    document = {
        "statusCode": 201,
        "statusDescription": "201 Created",
        "headers": {"X-A": "1", "x-b": "2"},
        "multiValueHeaders": {"x-a": ["3", "4"]},
        "body": "aGk=",
        "isBase64Encoded": True,
    }
    response = to_complete_response(json.dumps(document).encode())
    assert (response.status, response.body) == (201, b"hi")
    assert response.headers[:3] == [("x-a", "3"), ("x-a", "4"), ("x-b", "2")]


@pytest.mark.parametrize(
    ("payload", "fault"),
    [
        (b'{"hello":"there"}', "statusCode is None"),
        (b'"text"', "it is a string; it has to be an object with a statusCode"),
        (b"null", "it is null; it has to be an object"),
        (b"[]", "it is a list"),
        (b"text", "it is not JSON"),
        (b"[" * 200000 + b"]" * 200000, "it is nested too deeply for the emulator"),
        (b'{"statusCode":200,"multiValueHeaders":{"a":"b"}}', "multiValueHeaders has 'b' for 'a'"),
    ],
)
def test_nothing_is_made_of_other_responses(payload: bytes, fault: str) -> None:
    with pytest.raises(InvalidResponseDocument, match=fault):
        to_complete_response(payload)


@pytest.mark.parametrize("name", ["1.0", "alb"])
def test_what_is_no_response_is_explained(serve: Serve, name: str) -> None:
    emulator = serve("echo", "--http", name)
    assert emulator.request("GET", "/plain").status == 502, "the event has no statusCode"
    assert "statusCode is None; it has to be an integer from 200 to 599" in emulator.err


def test_the_events_reach_the_function(tmp_path: Path) -> None:
    bootstrap, web = str(make_bootstrap(tmp_path)), {"IS_WEB": "1"}
    with Emulator(bootstrap, "--http", "1.0", "--stage", "prod", environment=web) as emulator:
        found = emulator.request("PUT", "/prod/x?a=b", b"t", Content_Type="text/plain").json
        assert (found["version"], found["path"], found["body"]) == ("1.0", "/x", "t")
        assert found["requestContext"]["stage"] == "prod"
    with Emulator(bootstrap, "--http", "alb", environment=web) as emulator:
        assert emulator.request("GET", "/x").json["requestContext"].keys() == {"elb"}
        assert emulator.request("POST", "/", b"x" * ((1 << 20) + 1)).status == 413
        assert emulator.request("POST", "/", b"x" * 900_000).status == 502, "in base64, the answer is too large"
        assert "and may have 1048576" in emulator.err
