"""A timeout whose deadline moves often.

It needs one timer, which is rarely replaced: a timer that fires before the deadline is set again.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..event_loop.loop import EventLoop, Timer


class Timeout:
    """Calls a function when the deadline has passed."""

    def __init__(self, loop: "EventLoop", on_timeout: "Callable[[], None]") -> None:
        self._loop = loop
        self._on_timeout = on_timeout
        self._timer: Timer | None = None
        self._deadline = 0.0

    def restart(self, seconds: float) -> None:
        """Set the deadline to this many seconds from now."""
        self._deadline = self._loop.time() + seconds
        if self._timer is None:
            self._timer = self._loop.call_at(self._deadline, self._check)
        elif self._timer.when > self._deadline:
            self._timer.cancel()
            self._timer = self._loop.call_at(self._deadline, self._check)

    def shorten(self, seconds: float) -> None:
        """Set the deadline to this many seconds from now, unless it is earlier already."""
        if self._deadline > self._loop.time() + seconds:
            self.restart(seconds)

    def cancel(self) -> None:
        """Remove the deadline."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        self._timer = None
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._check)
        else:
            self._on_timeout()
