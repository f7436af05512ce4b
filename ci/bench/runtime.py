"""What an invoke, a start and a large payload cost in this runtime, beside the bare C client and AWS's clients.

All contenders answer the same server on the same core, one after the other in every round, each in a process of
its own. Figures are medians over the rounds, ratios the medians of the rounds' ratios.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from ci.bench.chart import draw
from ci.bench.contenders import Subject
from ci.bench.figures import COLUMNS, Figure, Promise, all_kept, compare
from ci.bench.server import Load, Run
from ci.bench.workshop import RESULTS, NotMeasured, Workshop, open_workshop, save
from ci.console import Console
from ci.files import write_atomically

MIB = 1 << 20
SMALL = Load(invokes=20_000, warmup=2_000)
LARGE = {"1 MiB": Load(invokes=150, warmup=200, size=MIB), "6 MiB": Load(invokes=25, warmup=200, size=6 * MIB)}
LARGE_REPEATED = 3  # in each round, as two processes of the same program differ by half
LEAST_STARTS = 20
BARE = "python"
POLLERS = 8
NAPS = Load(
    invokes=30, warmup=POLLERS
)  # of 50 ms each, for every poller; full turns, so that no poller is short of work

Take = Callable[[Run], float]


def measure(rounds: int, subject: Subject) -> bool:
    """Measure, print the tables, write `dist/bench/runtime.json` and `.svg`; returns whether every promise is kept."""
    console = Console()
    with open_workshop(subject) as workshop:
        figures = {figure.key: figure for figure in _figures()}
        _start(workshop, figures, max(LEAST_STARTS, rounds), console)
        for number in range(1, rounds + 1):
            console.say(f"round {number} of {rounds}: small and large events")
            _echo(workshop, figures)
        for number in range(1, rounds + 1):
            console.say(f"round {number} of {rounds}: {POLLERS} pollers")
            _pollers(workshop, figures["pollers"])
        result: dict[str, object] = {"command": "nox -s bench -- runtime", "rounds": rounds, **workshop.facts()}
        titles = {key: contender.title for key, contender in workshop.contenders.items()} | {BARE: "python3 -c pass"}
    promises = _promises(figures)
    _print(console, list(figures.values()), titles, promises)
    data = {key: vars(figure) for key, figure in figures.items()}
    result |= {"titles": titles, "figures": data, "promises": [promise.data() for promise in promises]}
    save("runtime", result)
    subtitle = f"Both ends on one core, medians of {rounds} rounds. {result['interpreter']}, {result['processor']}"
    write_atomically(RESULTS / "runtime.svg", draw(figures, titles, subtitle).encode())
    return all_kept(promises)


def _figures() -> Iterable[Figure]:
    yield Figure(key="processor", what="processor time per invoke, 100 bytes", unit="µs")
    yield Figure(key="latency", what="latency p50, 100 bytes", unit="µs")
    yield Figure(key="start", what="start to the first /next", unit="ms")
    yield Figure(key="start_processor", what="start to the first /next, processor time", unit="ms")
    for size in LARGE:
        yield Figure(key=f"latency {size}", what=f"latency p50, {size}", unit="ms")
        yield Figure(key=f"memory {size}", what=f"peak memory over idle, {size}", unit="payloads")
    yield Figure(key="pollers", what=f"throughput of {POLLERS} pollers / one, 50 ms a call", unit="")


def _start(workshop: Workshop, figures: dict[str, Figure], rounds: int, console: Console) -> None:
    console.say(f"{rounds} starts of each")
    for number in range(-1, rounds):  # the first one warms the page cache, and does not count
        bare = workshop.server.start_and_end(workshop.subject.bare)
        runs = {BARE: bare, **_run_all(workshop, Load(invokes=0), (figures["start"], figures["start_processor"]))}
        for key, run in runs.items() if number >= 0 else ():
            figures["start"].add(key, run.start_wall_ms)
            figures["start_processor"].add(key, run.start_processor_ms)


def _echo(workshop: Workshop, figures: dict[str, Figure]) -> None:
    processor, latency = figures["processor"], figures["latency"]
    for key, run in _run_all(workshop, SMALL, (processor, latency)).items():
        processor.add(key, run.processor_us)
        latency.add(key, run.p50_us)
    for size, load in LARGE.items():
        latency, memory = figures[f"latency {size}"], figures[f"memory {size}"]
        for _ in range(LARGE_REPEATED):
            for key, run in _run_all(workshop, load, (latency, memory)).items():
                latency.add(key, run.p50_us / 1e3)
                memory.add(key, (run.peak_kb - run.idle_kb) * 1024 / load.size)


def _run_all(workshop: Workshop, load: Load, figures: tuple[Figure, ...]) -> dict[str, Run]:
    """The same load for all contenders, but for those that have failed with it already."""
    runs = {}
    for key, contender in workshop.contenders.items():
        reason = contender.reason or figures[0].missing.get(key, "")
        if not reason:
            try:
                runs[key] = workshop.measure(contender.command, load)
                continue
            except NotMeasured as error:
                reason = str(error)
        for figure in figures:
            figure.fail(key, reason)
    return runs


def _pollers(workshop: Workshop, figure: Figure) -> None:
    """One poller against several, on a function that only waits."""
    if "runtime" in figure.missing:
        return
    one = workshop.contenders["runtime"].command
    one = replace(one, env={**one.env, "_HANDLER": "echo.nap"})
    many = replace(one, env={**one.env, "AWS_LAMBDA_MAX_CONCURRENCY": str(POLLERS)})
    try:
        single = workshop.measure(one, NAPS)
        several = workshop.measure(many, replace(NAPS, invokes=NAPS.invokes * POLLERS, pollers=POLLERS))
    except NotMeasured as error:
        figure.fail("runtime", str(error))
        return
    if several.most_in_flight < 2:
        figure.fail("runtime", "the runtime took one event at a time, whatever AWS_LAMBDA_MAX_CONCURRENCY said")
    else:
        figure.add("runtime", several.invokes_per_s / single.invokes_per_s)


def _promises(figures: dict[str, Figure]) -> list[Promise]:
    processor, start = figures["processor"], figures["start"]
    pollers = figures["pollers"]
    return [
        compare(processor, "c", "processor time per invoke / bare C client", most=1.35),
        compare(processor, "awslambdaric", "processor time per invoke / awslambdaric", below=0.25),
        compare(figures["latency"], "rust", "latency p50 / lambda_runtime (Rust)", below=1.0),
        compare(start, BARE, "start to the first /next / python3 -I -S -c pass", most=1.25),
        compare(start, "awslambdaric", "start to the first /next / awslambdaric", below=0.45),
        *(
            compare(figures[f"latency {size}"], "c", f"latency p50 of {size} / bare C client", most=1.5)
            for size in LARGE
        ),
        *(_memory(figures[f"memory {size}"]) for size in LARGE),
        Promise(
            what=pollers.what,
            measured=pollers.median("runtime"),
            least=0.9 * POLLERS,
            most=1.1 * POLLERS,
            reason=pollers.missing.get("runtime", ""),
        ),
    ]


def _memory(figure: Figure) -> Promise:
    reason = figure.missing.get("runtime", "")
    return Promise(what=figure.what + ", payloads", measured=figure.median("runtime"), most=3.0, reason=reason)


def _print(console: Console, figures: list[Figure], titles: dict[str, str], promises: list[Promise]) -> None:
    columns = ["what", *(f">{title}" for title in titles.values())]
    console.table("Medians", columns, [[figure.what, *map(figure.text, titles)] for figure in figures])
    console.table("What is promised", COLUMNS, [promise.row() for promise in promises])
    for key, reason in {(key, reason) for figure in figures for key, reason in figure.missing.items()}:
        whats = [figure.what for figure in figures if figure.missing.get(key) == reason]
        console.say(f"not measured: {titles[key]}: {reason} ({'; '.join(whats)})")
