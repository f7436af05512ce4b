"""The queue of invocations that wait for an execution environment. It has a limit."""

from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .invocation import PendingInvocation

LIMIT = 10_000
SIZE_LIMIT = 512 << 20  # bytes of all queued events
QUEUE_FULL = "too many invocations are waiting"


class InvocationQueue:
    """Invocations, in the order in which they arrived."""

    def __init__(self) -> None:
        self._invocations: deque[PendingInvocation] = deque()
        self._size = 0

    def __len__(self) -> int:
        return len(self._invocations)

    def __iter__(self) -> "Iterator[PendingInvocation]":
        return iter(self._invocations)

    @property
    def is_full(self) -> bool:
        """Whether nothing more should be added."""
        return len(self._invocations) >= LIMIT or self._size >= SIZE_LIMIT

    @property
    def first(self) -> "PendingInvocation":
        """The invocation that has waited longest; the queue must not be empty."""
        return self._invocations[0]

    def append(self, invocation: "PendingInvocation") -> None:
        """Add an invocation at the end."""
        self._invocations.append(invocation)
        self._size += len(invocation.payload)

    def pop_first(self) -> "PendingInvocation":
        """Remove and return the invocation that has waited longest."""
        invocation = self._invocations.popleft()
        self._size -= len(invocation.payload)
        return invocation
