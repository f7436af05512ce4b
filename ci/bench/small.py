"""Small events: one after the other, and with pauses between them, as real traffic has.

After a pause, much of what an invocation needs is no longer in the processor's caches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ci.bench.figures import Figure, FigureTarget, compare
from ci.bench.server import Load
from ci.bench.setup import Setup

LOADS = {
    0: Load(invokes=20_000, warmup=2_000),
    5: Load(invokes=120, warmup=500, pause=5),
    50: Load(invokes=40, warmup=500, pause=50),
}
"""By the pause in milliseconds before each event."""
PAUSES_MS = tuple(LOADS)
KINDS = {"processor": "processor time per invoke", "latency": "latency p50", "billed": "billed time p50"}


def figures() -> Iterable[Figure]:
    """The figures of all pauses."""
    for pause in PAUSES_MS:
        for kind, what in KINDS.items():
            yield Figure(key=key_of(kind, pause), what=f"{what}, {_events(pause)}", unit="µs")


def key_of(kind: str, pause: int) -> str:
    """The key of a figure."""
    return f"{kind} {pause} ms" if pause else kind


def measure(setup: Setup, figures: Mapping[str, Figure], pause: int) -> None:
    """Measure all clients with this pause once."""
    processor, latency, billed = (figures[key_of(kind, pause)] for kind in KINDS)
    for key, run in setup.measure_all(LOADS[pause], (processor, latency, billed)).items():
        processor.add(key, run.processor_us)
        latency.add(key, run.p50_us)
        billed.add(key, run.billed_us)


def targets(figures: Mapping[str, Figure]) -> list[FigureTarget]:
    """What the runtime promises."""
    processor, spaced = figures["processor"], figures[key_of("latency", 50)]
    return [
        compare(processor, "c", "processor time per invoke / bare C client", most=1.05),
        compare(processor, "together", "processor time per invoke / C client, three calls", most=1.45),
        compare(processor, "awslambdaric", "processor time per invoke / awslambdaric", below=0.25),
        compare(figures["billed"], "c", "billed time p50 / bare C client", most=1.0),
        compare(figures["latency"], "rust", "latency p50 / lambda_runtime (Rust)", below=1.0),
        compare(spaced, "c", "latency p50, 50 ms between events / bare C client", most=1.4),
        compare(spaced, "rust", "latency p50, 50 ms between events / lambda_runtime (Rust)", most=0.8),
    ]


def _events(pause: int) -> str:
    return f"{pause} ms between events" if pause else "100 bytes"
