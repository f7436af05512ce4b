"""Whether memory and open descriptors stay the same over a million invokes."""

from __future__ import annotations

from ci.bench.clients import MeasuredRuntime
from ci.bench.figures import COLUMNS, FigureTarget, all_met
from ci.bench.server import Load, MeasuredRun
from ci.bench.setup import NotMeasured, open_setup, save
from ci.core.console import Console

INVOKES = 1_000_000
SAMPLES = 1000
GROWTH_KB = 1024  # the target
_BASE_TIMEOUT_S = 60
_LEAST_INVOKES_PER_S = 2000


def measure(invokes: int, subject: MeasuredRuntime) -> bool:
    """Measure, print the table, write `dist/bench/soak.json`; returns whether every target is met."""
    console = Console()
    run, reason = None, ""
    with open_setup(subject, only_own=True) as setup:
        console.say(f"{invokes} invokes, one after the other")
        load = Load(
            invokes=invokes, samples=min(SAMPLES, invokes), timeout=_BASE_TIMEOUT_S + invokes // _LEAST_INVOKES_PER_S
        )
        try:
            run = setup.measure(setup.clients["runtime"].command, load)
        except NotMeasured as error:
            reason = str(error)
            console.say(f"not measured: {reason}")
        facts = setup.facts()
    targets = judge(run, invokes, reason)
    console.table("Targets", COLUMNS, [target.row() for target in targets])
    save("soak", {
        "command": f"nox -s bench -- soak --invokes {invokes}",
        "invokes": invokes,
        **facts,
        "targets": [target.data() for target in targets],
        "columns": ["answered", "resident_kb", "descriptors"],
        "samples": [list(sample) for sample in run.samples] if run else [],
    })  # fmt: skip
    return all_met(targets)


def judge(run: MeasuredRun | None, invokes: int, reason: str = "") -> list[FigureTarget]:
    """The targets, from the samples: the first is taken after a thousandth of the invokes, the last at the end."""
    growth = leaked = None
    if run is not None and run.samples:
        first, last = run.samples[0], run.samples[-1]
        growth, leaked = last[1] - first[1], last[2] - first[2]
    return [
        FigureTarget(
            what=f"growth of resident memory over {invokes} invokes",
            measured=growth,
            most=GROWTH_KB,
            unit=" KiB",
            reason=reason,
        ),
        FigureTarget(what="descriptors opened and left open", measured=leaked, most=0, reason=reason),
    ]
