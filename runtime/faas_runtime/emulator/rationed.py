"""Lines that clients cause: some of them are written, the others are counted, so that nobody can flood the log."""

import asyncio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

EACH_SECOND = 10


class Rationed:
    """Lets the first lines of each second through, and tells at its end how many others there were."""

    def __init__(self, say: "Callable[[str], None]", what: str) -> None:
        """`what` names that which the others would have told, such as `requests were refused`."""
        self._say = say
        self._what = what
        self._count = 0
        self._is_counting = False

    def say(self, message: str) -> None:
        """Write a line, or count it; to be called while an event loop runs."""
        if not self._is_counting:
            self._is_counting = True
            asyncio.get_running_loop().call_later(1.0, self._over)
        self._count += 1
        if self._count <= EACH_SECOND:
            self._say(message)

    def _over(self) -> None:
        left_out = self._count - EACH_SECOND
        self._count = 0
        self._is_counting = False
        if left_out > 0:
            self._say(f"{left_out} more {self._what}")
