"""What child processes report to whoever has started them."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class ProcessOwner:
    """Has started a child process. The event loop calls these methods."""

    def process_started(self, started: "Any") -> None:
        """The process is started: `started` is a `PosixProcess` or a `WindowsProcess`."""
        raise NotImplementedError

    def pipe_data_received(self, descriptor: int, data: bytes) -> None:
        """The process has written something to its descriptor 1 or 2."""
        raise NotImplementedError

    def pipe_closed(self, descriptor: int) -> None:
        """All processes that had this pipe have closed it."""
        raise NotImplementedError

    def process_exited(self) -> None:
        """The process has exited; its pipes may still hold data."""
        raise NotImplementedError
