"""How long something is waited for: one timer, which is seldom set anew although its due time often moves."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class Patience:
    """Calls `ended` when what has to happen did not happen in time."""

    def __init__(self, loop: "asyncio.AbstractEventLoop", ended: "Callable[[], None]") -> None:
        self._loop = loop
        self._ended = ended
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def within(self, seconds: float) -> None:
        """From now on, it has to happen within so many seconds; a timer that is due earlier will look again."""
        self._due = self._loop.time() + seconds
        if self._timer is None:
            self._timer = self._loop.call_at(self._due, self._look)
        elif self._timer.when() > self._due:
            self._timer.cancel()
            self._timer = self._loop.call_at(self._due, self._look)

    def at_most(self, seconds: float) -> None:
        """It has to happen within so many seconds, or earlier if that was said before."""
        if self._due > self._loop.time() + seconds:
            self.within(seconds)

    def end(self) -> None:
        """It need not happen any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._loop.time() < self._due:
            self._timer = self._loop.call_at(self._due, self._look)
        else:
            self._ended()
