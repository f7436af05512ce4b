"""Whether memory and descriptors stay as they are over a million invokes."""

from __future__ import annotations

from ci.bench.contenders import Subject
from ci.bench.figures import COLUMNS, Promise, all_kept
from ci.bench.server import Load, Run
from ci.bench.workshop import NotMeasured, open_workshop, save
from ci.console import Console

INVOKES = 1_000_000
SAMPLES = 1000
GROWTH_KB = 1024


def measure(invokes: int, subject: Subject) -> bool:
    """Measure, print the table, write `dist/bench/soak.json`; returns whether every promise is kept."""
    console = Console()
    run, reason = None, ""
    with open_workshop(subject, only_own=True) as workshop:
        console.say(f"{invokes} invokes, one after the other")
        load = Load(invokes=invokes, samples=min(SAMPLES, invokes), timeout=60 + invokes // 2000)
        try:
            run = workshop.measure(workshop.contenders["runtime"].command, load)
        except NotMeasured as error:
            reason = str(error)
            console.say(f"not measured: {reason}")
        facts = workshop.facts()
    promises = judge(run, invokes, reason)
    console.table("What is promised", COLUMNS, [promise.row() for promise in promises])
    save("soak", {
        "command": f"nox -s bench -- soak --invokes {invokes}",
        "invokes": invokes,
        **facts,
        "promises": [promise.data() for promise in promises],
        "columns": ["answered", "resident_kb", "descriptors"],
        "samples": [list(sample) for sample in run.samples] if run else [],
    })  # fmt: skip
    return all_kept(promises)


def judge(run: Run | None, invokes: int, reason: str = "") -> list[Promise]:
    """What the samples say: the first is taken after the first thousandth, the last at the end."""
    growth = leaked = None
    if run is not None and run.samples:
        first, last = run.samples[0], run.samples[-1]
        growth, leaked = last[1] - first[1], last[2] - first[2]
    return [
        Promise(
            what=f"growth of resident memory over {invokes} invokes",
            measured=growth,
            most=GROWTH_KB,
            unit=" KiB",
            reason=reason,
        ),
        Promise(what="descriptors opened and left open", measured=leaked, most=0, reason=reason),
    ]
