"""How long invocations took, in a small table."""

COLUMNS = ("count", "failures", "min ms", "p50 ms", "p90 ms", "p99 ms", "max ms")
_LABEL, _WIDTH = 16, 10


class Latencies:
    """The first invocation, whose time has the init in it, and all others."""

    def __init__(self) -> None:
        self._times: list[tuple[float, bool]] = []

    def add(self, seconds: float, *, is_answered: bool) -> None:
        """One more, in the order in which they were made."""
        self._times.append((seconds, is_answered))

    def table(self) -> str:
        """One line of names, then one for the first and one for the others, if there are any; times in ms."""
        lines = [" " * _LABEL + "".join(name.rjust(_WIDTH) for name in COLUMNS)]
        for label, times in (("first, with init", self._times[:1]), ("others", self._times[1:])):
            if times:
                lines.append(label.ljust(_LABEL) + "".join(cell.rjust(_WIDTH) for cell in _cells(times)))
        return "\n".join(lines) + "\n"


def _cells(times: "list[tuple[float, bool]]") -> "list[str]":
    seconds = sorted(time for time, _ in times)
    figures = [percentile(seconds, part) * 1000 for part in (0, 50, 90, 99, 100)]
    failures = sum(not is_answered for _, is_answered in times)
    return [str(len(times)), str(failures), *(f"{figure:.2f}" for figure in figures)]


def percentile(ordered: "list[float]", part: int) -> float:
    """The smallest value that so many percent of all do not exceed (nearest rank)."""
    return ordered[max(0, -(-part * len(ordered) // 100) - 1)]
