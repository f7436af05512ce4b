"""The line of invocations that wait for a free environment, which has an end."""

from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .invocation import Invocation

LIMIT = 10_000
FULL = "too many invocations are waiting"
SIZE_LIMIT = 512 << 20  # bytes of all their events


class Waiting:
    """Invocations, in the order in which they came."""

    def __init__(self) -> None:
        self._invocations: deque[Invocation] = deque()
        self._size = 0

    def __len__(self) -> int:
        return len(self._invocations)

    def __iter__(self) -> "Iterator[Invocation]":
        return iter(self._invocations)

    @property
    def is_full(self) -> bool:
        """Whether no other one should join."""
        return len(self._invocations) >= LIMIT or self._size >= SIZE_LIMIT

    @property
    def first(self) -> "Invocation":
        """The one that waits longest; there has to be one."""
        return self._invocations[0]

    def append(self, invocation: "Invocation") -> None:
        """Let one join."""
        self._invocations.append(invocation)
        self._size += len(invocation.payload)

    def take(self) -> "Invocation":
        """Take the first one out."""
        invocation = self._invocations.popleft()
        self._size -= len(invocation.payload)
        return invocation
