"""Asks the system which descriptors are ready."""

import selectors

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Poller(Protocol):
        """The methods of `select.epoll` that the event loop uses."""

        def register(self, descriptor: int, events: int) -> None:
            """Begin to watch a descriptor."""

        def modify(self, descriptor: int, events: int) -> None:
            """Watch a descriptor for other events."""

        def unregister(self, descriptor: int) -> None:
            """No longer watch a descriptor."""

        def poll(self, seconds: "float | None") -> "list[tuple[int, int]]":
            """The descriptors that are ready, with their events; waits for the first one, but no longer than this."""

        def close(self) -> None:
            """Release what the system holds."""


# The numbers of epoll. A closed or broken connection has other events: then it can be read, and written.
READ, WRITE = 1, 4


class SelectorPoller:
    """The same for systems without epoll."""

    def __init__(self, selector: "selectors.BaseSelector") -> None:
        self._selector = selector

    def register(self, descriptor: int, events: int) -> None:
        """Begin to watch a descriptor."""
        self._selector.register(descriptor, _to_selector(events))

    def modify(self, descriptor: int, events: int) -> None:
        """Watch a descriptor for other events."""
        self._selector.modify(descriptor, _to_selector(events))

    def unregister(self, descriptor: int) -> None:
        """No longer watch a descriptor."""
        self._selector.unregister(descriptor)

    def poll(self, seconds: "float | None") -> "list[tuple[int, int]]":
        """The descriptors that are ready, with their events."""
        return [
            (key.fd, READ * bool(events & selectors.EVENT_READ) | WRITE * bool(events & selectors.EVENT_WRITE))
            for key, events in self._selector.select(seconds)
        ]

    def close(self) -> None:
        """Release what the system holds."""
        self._selector.close()


def _to_selector(events: int) -> int:
    return selectors.EVENT_READ * bool(events & READ) | selectors.EVENT_WRITE * bool(events & WRITE)


def create_poller() -> "Poller":
    """The best poller of this system."""
    try:
        from select import epoll
    except ImportError:
        return SelectorPoller(selectors.DefaultSelector())
    return epoll()
