"""What the crate `faas-function` costs: functions in Rust that answer with their event, beside AWS's crate.

The same types, the same server, the same core. The functions of HTTP requests answer with the body, beside AWS's crate
`lambda_http`. `features.py` measures what each feature of the crate adds.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ci.bench.clients import CRATE, MeasuredClient, MeasuredRuntime, crate_version
from ci.bench.figures import COLUMNS, Figure, FigureTarget, all_met
from ci.bench.paths import CACHE
from ci.bench.server import SOURCES, Command, Load
from ci.bench.setup import Setup, open_setup, save
from ci.core.console import Console
from ci.core.files import fresh_folder
from ci.core.run import Runner

FUNCTIONS = SOURCES / "rust-functions"
HTTP_CRATE = SOURCES / "rust-http"
FEATURES = ("", "tokio", "http")
"""What the functions need: none, `tokio`, and `http`."""
LOADS = {"": Load(invokes=20_000, warmup=2_000), ", 5 ms between events": Load(invokes=120, warmup=500, pause=5)}
HTTP_LOADS = {f", HTTP{name}": replace(load, http=1) for name, load in LOADS.items()}
STARTS = 20
MOST_FOR_TOKIO_MS = 0.3


@dataclass(frozen=True, kw_only=True)
class MeasuredFunction:
    """One handler: its library was built with a feature of the crate, or with none."""

    key: str
    title: str
    feature: str
    handler: str


HANDLERS = (
    MeasuredFunction(key="value", title="fn(&Value)", feature="", handler="value"),
    MeasuredFunction(key="typed", title="fn(Text)", feature="", handler="typed"),
    MeasuredFunction(key="async", title="async fn(Text)", feature="tokio", handler="asynchronous"),
)
HTTP = MeasuredFunction(key="http", title="async fn(Request)", feature="http", handler="http")
AWS, AWS_HTTP = "rust", "rust-http"


def measure(rounds: int, subject: MeasuredRuntime) -> bool:
    """Measure, print the tables, write `dist/bench/crate.json`; returns whether every target is met."""
    console = Console()
    with open_setup(subject, only_own=True) as setup:
        libraries = {feature: _build(setup.run, feature) for feature in FEATURES}
        measured = replace(setup, clients=_clients(setup, libraries))
        figures = {figure.key: figure for figure in _figures()}
        _starts(measured, figures["start"], console)
        for number in range(1, rounds + 1):
            console.say(f"round {number} of {rounds}")
            for name, load in LOADS.items():
                _echo(_without(measured, HTTP.key, AWS_HTTP), figures, name, load)
            for name, load in HTTP_LOADS.items():
                _echo(_without(measured, AWS, *(one.key for one in HANDLERS)), figures, name, load)
        result: dict[str, object] = {"command": "nox -s bench -- crate", "rounds": rounds, **measured.facts()}
        titles = {key: client.title for key, client in measured.clients.items()}
    targets = _targets(figures)
    columns = ["what", *(f">{title}" for title in titles.values())]
    console.table("Medians", columns, [[figure.what, *map(figure.text, titles)] for figure in figures.values()])
    console.table("Targets", COLUMNS, [target.row() for target in targets])
    data = {key: vars(figure) for key, figure in figures.items()}
    result |= {"titles": titles, "figures": data, "targets": [target.data() for target in targets]}
    save("crate", result)
    return all_met(targets)


def _build(run: Runner, feature: str) -> Path:
    """Build the functions; returns the library, in a folder of its own."""
    target = CACHE / "crate"
    options = ("--features", feature) if feature else ()
    run("cargo", "build", "--release", "--locked", "--target-dir", target, *options, cwd=FUNCTIONS)
    folder = fresh_folder(CACHE / "functions" / (feature or "none"))
    return Path(shutil.copy(target / "release" / "librust_functions.so", folder / "librust_functions.so"))


def _clients(setup: Setup, libraries: Mapping[str, Path]) -> dict[str, MeasuredClient]:
    ours = setup.clients["runtime"]
    found = {}
    for one in (*HANDLERS, HTTP):
        variables = {
            "LAMBDA_TASK_ROOT": str(libraries[one.feature].parent),
            "_HANDLER": f"rust_functions.{one.handler}",
        }
        command = replace(ours.command, env={**ours.command.env, **variables})
        found[one.key] = replace(ours, key=one.key, title=one.title, command=command)
    aws = {
        AWS: ("lambda_runtime (Rust)", CRATE, "typed", "lambda_runtime"),
        AWS_HTTP: ("lambda_http (Rust)", HTTP_CRATE, HTTP_CRATE.name, "lambda_http"),
    }
    for key, (title, project, program, crate) in aws.items():
        target = CACHE / "cargo"
        setup.run("cargo", "build", "--release", "--locked", "--target-dir", target, cwd=project)
        command = Command(argv=(target / "release" / program,), env={**ours.command.env, "_HANDLER": "echo"})
        version = crate_version(project, crate)
        found[key] = MeasuredClient(key=key, title=title, version=version, command=command)
    return found


def _without(setup: Setup, *keys: str) -> Setup:
    """The same, with the other clients alone."""
    return replace(setup, clients={key: client for key, client in setup.clients.items() if key not in keys})


def _figures() -> Iterable[Figure]:
    for name in (*LOADS, *HTTP_LOADS):
        yield Figure(key=f"processor{name}", what=f"processor time per invoke{name}", unit="µs")
        yield Figure(key=f"latency{name}", what=f"latency p50{name}", unit="µs")
    yield Figure(key="start", what="start to the first /next", unit="ms")


def _starts(setup: Setup, figure: Figure, console: Console) -> None:
    console.say(f"{STARTS} starts of each")
    for number in range(-1, STARTS):  # the first one fills the page cache, and does not count
        runs = setup.measure_all(Load(invokes=0), (figure,))
        for key, run in runs.items() if number >= 0 else ():
            figure.add(key, run.start_wall_ms)


def _echo(setup: Setup, figures: Mapping[str, Figure], name: str, load: Load) -> None:
    processor, latency = figures[f"processor{name}"], figures[f"latency{name}"]
    for key, run in setup.measure_all(load, (processor, latency)).items():
        processor.add(key, run.processor_us)
        latency.add(key, run.p50_us)


def _targets(figures: Mapping[str, Figure]) -> list[FigureTarget]:
    compared = [(one, AWS, "lambda_runtime (Rust)", "") for one in HANDLERS[1:]]
    compared.append((HTTP, AWS_HTTP, "lambda_http (Rust)", ", HTTP"))
    ratios = [
        FigureTarget(
            what=f"{one.title}: {figure.what} / {title}",
            measured=figure.ratio(one.key, other),
            below=1.0,
            reason=figure.missing.get(one.key) or figure.missing.get(other, ""),
        )
        for one, other, title, load in compared
        for figure in (figures[f"processor{load}"], figures[f"latency{load}"])
    ]
    start = figures["start"]
    typed, asynchronous = start.median("typed"), start.median("async")
    more = asynchronous - typed if typed is not None and asynchronous is not None else None
    tokio = FigureTarget(what="start with tokio over one without", measured=more, most=MOST_FOR_TOKIO_MS, unit=" ms")
    return [*ratios, tokio]
