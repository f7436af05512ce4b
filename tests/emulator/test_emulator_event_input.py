"""The input of `faas-runtime invoke` (events, samples), and its latencies."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from faas_runtime.emulator.event_input import SAMPLES, read_event, sample_names
from faas_runtime.emulator.latencies import percentile
from faas_runtime.emulator.options import EmulatorOptions
from faas_runtime.emulator.size_limits import EVENT_LIMIT
from faas_runtime.errors import UsageError
from faas_runtime.library import Handler


def options(**given: str) -> EmulatorOptions:
    return EmulatorOptions(Handler([], "handle"), {}, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("event", "place"),
    [
        (b'{"a": 1,\n "b": }', ":2:7: the event is not JSON"),
        (b"{} x", ":1:4: the event is not JSON"),
        (b'{\n\n"\xff"}', ":3:2: the event is not UTF-8"),
        (b"", ":1:1: the event is empty"),
        (b" \n", ":1:1: the event is empty"),
        (b"[NaN]", ": the event is not JSON: NaN"),
        (b"[" * 200000, ": the event is not JSON: "),
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


@pytest.mark.parametrize("name", sample_names())
def test_samples_are_events(name: str) -> None:
    text = (Path(SAMPLES) / f"{name}.json").read_text()
    event = json.loads(text)
    assert json.dumps(event, indent=2, ensure_ascii=False) + "\n" == text
    assert "Records" in event or "requestContext" in event or {"id", "detail"} <= event.keys() or "userPoolId" in event
    assert set(re.findall(r":([0-9]{12}):", text)) <= {"123456789012"}
    assert set(re.findall(r"\b20[0-9]{2}-[0-9]{2}-", text)) <= {"2026-01-"}


def test_the_usual_samples_exist() -> None:
    wanted = {"apigw-v1", "apigw-v2", "function-url", "alb", "sqs", "sns", "s3", "dynamodb-stream", "kinesis"}
    assert wanted | {"eventbridge", "schedule"} <= set(sample_names())


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
