"""How long invocations took, as a small table."""

COLUMNS = ("count", "failures", "min ms", "p50 ms", "p90 ms", "p99 ms", "max ms")
_LABEL_WIDTH, _CELL_WIDTH = 16, 10


class Latencies:
    """The latency of the first invocation, which includes the init, and those of all others."""

    def __init__(self) -> None:
        self._latencies: list[tuple[float, bool]] = []

    def add(self, seconds: float, *, is_response: bool) -> None:
        """Add an invocation, in the order in which they were made; `is_response`: whether the function answered."""
        self._latencies.append((seconds, is_response))

    def table(self, first: str = "first, with init") -> str:
        """A line with the names of the columns, one for the first invocation, and one for the others if any.

        `first` is the label of the first invocation.
        """
        lines = [" " * _LABEL_WIDTH + "".join(name.rjust(_CELL_WIDTH) for name in COLUMNS)]
        for label, latencies in ((first, self._latencies[:1]), ("others", self._latencies[1:])):
            if latencies:
                cells = "".join(cell.rjust(_CELL_WIDTH) for cell in _cells(latencies))
                lines.append(label.ljust(_LABEL_WIDTH) + cells)
        return "\n".join(lines) + "\n"


def _cells(latencies: "list[tuple[float, bool]]") -> "list[str]":
    seconds = sorted(latency for latency, _ in latencies)
    milliseconds = [percentile(seconds, percent) * 1000 for percent in (0, 50, 90, 99, 100)]
    failures = sum(not is_response for _, is_response in latencies)
    return [str(len(latencies)), str(failures), *(f"{value:.2f}" for value in milliseconds)]


def percentile(ordered: "list[float]", percent: int) -> float:
    """The smallest value that this percentage of all values does not exceed (nearest rank)."""
    return ordered[max(0, -(-percent * len(ordered) // 100) - 1)]
