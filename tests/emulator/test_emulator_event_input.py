"""The input of `faas-runtime invoke` (events, samples), and its latencies."""

from __future__ import annotations

import gzip
import json
import re
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from faas_runtime.emulator.event_input import SAMPLES, read_event, sample_names
from faas_runtime.emulator.latencies import percentile
from faas_runtime.emulator.options import EventOptions
from faas_runtime.emulator.size_limits import EVENT_LIMIT
from faas_runtime.errors import UsageError

TELLTALES = (
    {"Records"}, {"requestContext"}, {"id", "detail"}, {"userPoolId", "triggerSource"}, {"awslogs"},
    {"info", "arguments", "request"}, {"RequestType", "ResponseURL", "LogicalResourceId"},
    {"deliveryStreamArn", "records"}, {"eventSource", "bootstrapServers", "records"},
    {"Step", "SecretId", "ClientRequestToken"},
)  # fmt: skip
"""Fields by which functions, and AWS's libraries, recognise an event."""


def options(**given: str) -> EventOptions:
    return EventOptions(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("event", "place"),
    [
        (b'{"a": 1,\n "b": }', ":2:7: the event is not JSON"),
        (b"{} x", ":1:4: the event is not JSON"),
        (b'{\n\n"\xff"}', ":3:2: the event is not UTF-8"),
        (b"", ":1:1: the event is empty"),
        (b" \n", ":1:1: the event is empty"),
        (b"[NaN]", ": the event is not JSON: NaN"),
        (b"[" * 200000 + b"]" * 200000, ": the event is nested too deeply for the emulator"),
        (b'"' + b"x" * EVENT_LIMIT + b'"', f": the event is larger than {EVENT_LIMIT} bytes"),
    ],
    ids=lambda value: repr(value)[:25],
)
def test_broken_events_are_reported_with_their_place(tmp_path: Path, event: bytes, place: str) -> None:
    path = tmp_path / "event.json"
    path.write_bytes(event)
    with pytest.raises(UsageError, match=re.escape(f"{path}{place}")):
        read_event(options(event=str(path)))


@pytest.mark.parametrize(
    "event", [b"null", b"9" * 5000, b"1e99999", b'\xef\xbb\xbf{"a":1}', b'"\\ud800"', b'{"a":1,"a":2}']
)
def test_unusual_events_are_accepted(tmp_path: Path, event: bytes) -> None:
    path = tmp_path / "event.json"
    path.write_bytes(event)
    assert read_event(options(event=str(path))) == event.removeprefix(b"\xef\xbb\xbf")


def test_the_event_itself_can_be_given(tmp_path: Path) -> None:
    assert read_event(options(data='{"a":1}')) == b'{"a":1}'
    path = tmp_path / "event.json"
    path.write_bytes(b"[1]")
    assert read_event(options(data=f"@{path}")) == b"[1]"
    path.write_bytes(b"[1,]")
    for data, place in (
        (f"@{path}", f"{path}:1:4: "),
        ("[1,]", "--data:1:4: "),
        (" ", "--data:1:1: "),
        ("@", "--data @ "),
    ):
        with pytest.raises(UsageError, match=re.escape(place)):
            read_event(options(data=data))


@pytest.mark.parametrize("name", sample_names())
def test_samples_are_events(name: str) -> None:
    text = (Path(SAMPLES) / f"{name}.json").read_text()
    event = json.loads(text)
    assert json.dumps(event, indent=2, ensure_ascii=False) + "\n" == text
    assert any(keys <= event.keys() for keys in TELLTALES)
    assert len(text) < 5000, "the samples ship in images"
    assert set(re.findall(r":([0-9]{12}):", text)) <= {"123456789012"}
    assert set(re.findall(r"\b20[0-9]{2}-[0-9]{2}-", text)) <= {"2026-01-"}


def test_the_usual_samples_exist() -> None:
    wanted = {"apigw-v1", "apigw-v2", "function-url", "alb", "sqs", "sns", "s3", "dynamodb-stream", "kinesis"}
    assert wanted | {"eventbridge", "schedule"} <= set(sample_names())
    assert len(sample_names()) == 23


def test_what_samples_have_encoded_can_be_decoded() -> None:
    def load(name: str) -> Any:
        return json.loads((Path(SAMPLES) / f"{name}.json").read_text())

    logs = json.loads(gzip.decompress(b64decode(load("cloudwatch-logs")["awslogs"]["data"])))
    assert logs["messageType"] == "DATA_MESSAGE"
    assert logs["logEvents"][0]["message"].startswith("ERROR order 42")
    assert json.loads(b64decode(load("firehose")["records"][0]["data"]))["order"] == 42
    (record,) = load("kafka")["records"]["orders-0"]
    assert (b64decode(record["key"]), json.loads(b64decode(record["value"]))["order"]) == (b"42", 42)
    assert bytes(record["headers"][0]["origin"]) == b"checkout"


@pytest.mark.parametrize(
    ("ordered", "part", "value"),
    [
        ([7.0], 50, 7.0),
        ([1.0, 2.0], 50, 1.0),
        ([1.0, 2.0, 3.0], 50, 2.0),
        ([float(value) for value in range(1, 101)], 99, 99.0),
        ([float(value) for value in range(1, 101)], 100, 100.0),
        ([float(value) for value in range(1, 101)], 0, 1.0),
        ([float(value) for value in range(1, 12)], 90, 10.0),
    ],
)
def test_percentiles_are_nearest_ranks(ordered: list[float], part: int, value: float) -> None:
    assert percentile(ordered, part) == value
