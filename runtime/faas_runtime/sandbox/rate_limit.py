"""Limits the messages that clients can cause, so that no client can flood the log."""

from ..event_loop.loop import running_loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MESSAGES_PER_SECOND = 10


class RateLimit:
    """Lets the first messages of each second through; at the end of the second, it reports how many others came."""

    def __init__(self, print_message: "Callable[[str], None]", what: str) -> None:
        """`what` says what the others were about, for example `requests were refused`."""
        self._print_message = print_message
        self._what = what
        self._count = 0
        self._is_counting = False

    def print_message(self, message: str) -> None:
        """Print the message, or count it. An event loop must be running."""
        if not self._is_counting:
            self._is_counting = True
            running_loop().call_later(1.0, self._end_second)
        self._count += 1
        if self._count <= MESSAGES_PER_SECOND:
            self._print_message(message)

    def _end_second(self) -> None:
        suppressed = self._count - MESSAGES_PER_SECOND
        self._count = 0
        self._is_counting = False
        if suppressed > 0:
            self._print_message(f"{suppressed} more {self._what}")
