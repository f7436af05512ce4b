"""What an invoke, a start and a large payload cost in this runtime, in the bare C client and in AWS's clients.

All clients answer the same server on the same core, one after the other in every round, each in its own process.
Figures are medians over the rounds, ratios the medians of the rounds' ratios.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ci.bench import small, starts
from ci.bench.chart import draw
from ci.bench.clients import MeasuredRuntime
from ci.bench.figures import COLUMNS, Figure, FigureTarget, all_met, compare
from ci.bench.paths import RESULTS
from ci.bench.server import Load
from ci.bench.setup import NotMeasured, Setup, open_setup, save
from ci.bench.starts import BARE
from ci.core.console import Console
from ci.core.files import write_atomically

MIB = 1 << 20
LARGE = {"1 MiB": Load(invokes=150, warmup=200, size=MIB), "6 MiB": Load(invokes=25, warmup=200, size=6 * MIB)}
LARGE_REPEATED = 3  # in each round, since two processes of the same program can differ by half
LEAST_STARTS = 20
POLLERS = 8
NAPS = Load(invokes=30, warmup=POLLERS)  # 50 ms each, for every poller: all pollers have the same number of them


def measure(rounds: int, subject: MeasuredRuntime) -> bool:
    """Measure, print the tables, write `dist/bench/runtime.json` and `.svg`; returns whether every target is met."""
    console = Console()
    with open_setup(subject) as setup:
        figures = {figure.key: figure for figure in _figures()}
        _start(setup, figures, max(LEAST_STARTS, rounds), console)
        starts.measure(setup, figures, console)
        for number in range(1, rounds + 1):
            console.say(f"round {number} of {rounds}: small and large events")
            _echo(setup, figures)
        for number in range(1, rounds + 1):
            console.say(f"round {number} of {rounds}: {POLLERS} pollers")
            _pollers(setup, figures["pollers"])
        result: dict[str, object] = {"command": "nox -s bench -- runtime", "rounds": rounds, **setup.facts()}
        titles = {key: client.title for key, client in setup.clients.items()} | {BARE: "python3 -c pass"}
    targets = _targets(figures)
    _print(console, list(figures.values()), titles, targets)
    data = {key: vars(figure) for key, figure in figures.items()}
    result |= {"titles": titles, "figures": data, "targets": [target.data() for target in targets]}
    save("runtime", result)
    subtitle = f"Both ends on one core, medians of {rounds} rounds. {result['interpreter']}, {result['processor']}"
    write_atomically(RESULTS / "runtime.svg", draw(figures, titles, subtitle).encode())
    return all_met(targets)


def _figures() -> Iterable[Figure]:
    yield from small.figures()
    yield Figure(key="start", what="start to the first /next", unit="ms")
    yield Figure(key="start_processor", what="start to the first /next, processor time", unit="ms")
    yield from starts.figures()
    for size in LARGE:
        yield Figure(key=f"latency {size}", what=f"latency p50, {size}", unit="ms")
        yield Figure(key=f"memory {size}", what=f"peak memory over idle, {size}", unit="payloads")
    yield Figure(key="pollers", what=f"throughput of {POLLERS} pollers / one, 50 ms a call", unit="")


def _start(setup: Setup, figures: dict[str, Figure], rounds: int, console: Console) -> None:
    console.say(f"{rounds} starts of each")
    for number in range(-1, rounds):  # the first one fills the page cache, and does not count
        bare = setup.server.start_and_end(setup.subject.bare)
        runs = {BARE: bare, **setup.measure_all(Load(invokes=0), (figures["start"], figures["start_processor"]))}
        for key, run in runs.items() if number >= 0 else ():
            figures["start"].add(key, run.start_wall_ms)
            figures["start_processor"].add(key, run.start_processor_ms)


def _echo(setup: Setup, figures: dict[str, Figure]) -> None:
    for pause in small.PAUSES_MS:
        small.measure(setup, figures, pause)
    for size, load in LARGE.items():
        latency, memory = figures[f"latency {size}"], figures[f"memory {size}"]
        for _ in range(LARGE_REPEATED):
            for key, run in setup.measure_all(load, (latency, memory)).items():
                latency.add(key, run.p50_us / 1e3)
                memory.add(key, (run.peak_kb - run.idle_kb) * 1024 / load.size)


def _pollers(setup: Setup, figure: Figure) -> None:
    """Compare one poller with several, on a function that only waits."""
    if "runtime" in figure.missing:
        return
    one = setup.clients["runtime"].command
    one = replace(one, env={**one.env, "_HANDLER": "echo.nap"})
    many = replace(one, env={**one.env, "AWS_LAMBDA_MAX_CONCURRENCY": str(POLLERS)})
    try:
        single = setup.measure(one, NAPS)
        several = setup.measure(many, replace(NAPS, invokes=NAPS.invokes * POLLERS, pollers=POLLERS))
    except NotMeasured as error:
        figure.fail("runtime", str(error))
        return
    if several.most_in_flight < 2:
        figure.fail("runtime", "the runtime took one event at a time in spite of AWS_LAMBDA_MAX_CONCURRENCY")
    else:
        figure.add("runtime", several.invokes_per_s / single.invokes_per_s)


def _targets(figures: dict[str, Figure]) -> list[FigureTarget]:
    start, pollers = figures["start"], figures["pollers"]
    return [
        *small.targets(figures),
        compare(start, BARE, "start to the first /next / python3 -I -S -c pass", most=1.25),
        compare(start, "awslambdaric", "start to the first /next / awslambdaric", below=0.45),
        *starts.targets(figures),
        *(
            compare(figures[f"latency {size}"], "c", f"latency p50 of {size} / bare C client", most=1.5)
            for size in LARGE
        ),
        *(_memory(figures[f"memory {size}"]) for size in LARGE),
        FigureTarget(
            what=pollers.what,
            measured=pollers.median("runtime"),
            least=0.9 * POLLERS,
            most=1.1 * POLLERS,
            reason=pollers.missing.get("runtime", ""),
        ),
    ]


def _memory(figure: Figure) -> FigureTarget:
    reason = figure.missing.get("runtime", "")
    return FigureTarget(what=figure.what + ", payloads", measured=figure.median("runtime"), most=3.0, reason=reason)


def _print(console: Console, figures: list[Figure], titles: dict[str, str], targets: list[FigureTarget]) -> None:
    columns = ["what", *(f">{title}" for title in titles.values())]
    console.table("Medians", columns, [[figure.what, *map(figure.text, titles)] for figure in figures])
    console.table("Targets", COLUMNS, [target.row() for target in targets])
    for key, reason in dict.fromkeys(missing for figure in figures for missing in figure.missing.items()):
        whats = [figure.what for figure in figures if figure.missing.get(key) == reason]
        console.say(f"not measured: {titles[key]}: {reason} ({'; '.join(whats)})")
