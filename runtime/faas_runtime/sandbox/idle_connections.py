"""The connections of execution environments that wait for an invocation."""

from .environment import ExecutionEnvironment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .invocation import PendingInvocation
    from .runtime_api import RuntimeConnection


class IdleConnections:
    """Those of the newest generation, in the order in which they began to wait."""

    def __init__(self) -> None:
        self._connections: list[RuntimeConnection] = []

    def add(self, connection: "RuntimeConnection") -> None:
        """A connection waits."""
        self._connections.append(connection)

    def discard(self, connection: "RuntimeConnection") -> None:
        """A connection waits no more, if it did."""
        if connection in self._connections:
            self._connections.remove(connection)

    def discard_all_of(self, environment: ExecutionEnvironment) -> None:
        """An environment has ended, with its connections."""
        self._connections = [each for each in self._connections if each.handler is not environment]

    def run(self, invocation: "PendingInvocation") -> bool:
        """Run an invocation in an environment that waits; returns whether there was one."""
        while self._connections:
            connection = self._connections.pop()  # the one that was used last: its memory is warm, and others may sleep
            environment = environment_of(connection)
            if connection.is_waiting and environment.is_active:
                environment.run(connection, invocation)
                return True
        return False

    def clear(self) -> None:
        """Give none of them an invocation any more."""
        self._connections.clear()

    def end_all(self) -> None:
        """End the environments that wait."""
        connections, self._connections = self._connections, []
        for connection in connections:
            environment_of(connection).end_if_idle()


def environment_of(connection: "RuntimeConnection") -> ExecutionEnvironment:
    """The environment that a connection belongs to."""
    environment = connection.handler
    assert isinstance(environment, ExecutionEnvironment)
    return environment
