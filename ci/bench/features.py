"""What each feature of the crate `faas-function` adds: to the size of a library, and to its start."""

from __future__ import annotations

import resource
import statistics
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from ci.bench import machine
from ci.bench.clients import MeasuredRuntime
from ci.bench.figures import number
from ci.bench.paths import CACHE, LOG
from ci.bench.server import SOURCES
from ci.bench.setup import save
from ci.core.console import Console
from ci.core.run import Runner
from ci.core.runtime_api_stub import RuntimeApiStub

CRATE = SOURCES / "features"
FEATURES = ("plain", "tokio", "tracing", "aws_lambda_events", "http", "axum")
"""The functions of the crate. `plain` uses no feature, and `axum` is a service under the feature `http`."""
COLUMNS = ["feature", ">library", ">start, wall clock", ">start, processor", ">ratio"]
EVENT = (
    b'{"version":"2.0","routeKey":"$default","rawPath":"/","rawQueryString":"name=Ada","headers":{"host":"localhost"},'
    b'"queryStringParameters":{"name":"Ada"},"requestContext":{"stage":"$default","http":{"method":"GET","path":"/"}}}'
)
STARTS = 5  # in each round


def measure(rounds: int, subject: MeasuredRuntime) -> bool:
    """Print the table and write `dist/bench/features.json`; there is no target."""
    run = Runner(log=LOG)
    libraries = {feature: _build(run, feature) for feature in FEATURES}
    walls: dict[str, list[float]] = {feature: [] for feature in FEATURES}
    processors: dict[str, list[float]] = {feature: [] for feature in FEATURES}
    for number_of_start in range(-1, rounds * STARTS):  # the first one fills the page cache, and does not count
        for feature, library in libraries.items():
            wall_ms, processor_ms = _start(subject, library)
            if number_of_start >= 0:
                walls[feature].append(wall_ms)
                processors[feature].append(processor_ms)
    rows = [_row(feature, libraries[feature], walls, processors) for feature in FEATURES]
    Console().table("Features of faas-function: the size, and the start to the first answer", COLUMNS, rows)
    facts = machine.facts(run, subject)
    save("features", {"command": "nox -s bench -- features", **facts, "columns": COLUMNS, "rows": rows})
    return True


def _build(run: Runner, feature: str) -> Path:
    target = CACHE / "features" / feature
    options = ("--release", "--locked", "--features", feature)
    run("cargo", "build", *options, "--target-dir", CACHE / "features" / "target", cwd=CRATE)
    target.mkdir(parents=True, exist_ok=True)
    library = target / "libfeatures.so"
    library.unlink(missing_ok=True)
    (CACHE / "features" / "target" / "release" / library.name).rename(library)
    return library


def _start(subject: MeasuredRuntime, library: Path) -> tuple[float, float]:
    """The milliseconds until the first answer, and those of the processor, of one process."""
    launcher = str(subject.tree / "bin" / "faas-runtime")
    command = (str(subject.python), *map(str, subject.options), launcher, "features.handle")
    with RuntimeApiStub() as api:
        variables = {"AWS_LAMBDA_RUNTIME_API": api.address, "LAMBDA_TASK_ROOT": str(library.parent)}
        before = _processor_s()
        begun = time.monotonic()
        with subprocess.Popen(command, env=variables, stderr=subprocess.DEVNULL) as process:
            result = api.invoke(EVENT, timeout=60)
            wall_s = time.monotonic() - begun
            process.kill()
    assert result.kind == "response", result
    assert b"Ada" in result.body, result
    return wall_s * 1e3, (_processor_s() - before) * 1e3


def _processor_s() -> float:
    """What all processes have used that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _row(
    feature: str, library: Path, walls: Mapping[str, list[float]], processors: Mapping[str, list[float]]
) -> list[str]:
    ratios = [one / plain for one, plain in zip(processors[feature], processors["plain"], strict=True)]
    return [
        feature,
        f"{library.stat().st_size / 1e3:.0f} kB",
        f"{number(statistics.median(walls[feature]))} ms",
        f"{number(statistics.median(processors[feature]))} ms",
        number(statistics.median(ratios)),
    ]
