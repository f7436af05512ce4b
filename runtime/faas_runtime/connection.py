"""One keep-alive connection to the Runtime API.

It is made of the module `_socket`, of which the standard `socket` is a wrapper that takes longer to import
than all the rest of the runtime together. Proxies play no part: the Runtime API is local by nature.
"""

import _socket

from .errors import ConnectionLost, RuntimeApiError
from .framing import Reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .environment import Address
    from .framing import Answer

CONNECT_TIMEOUT_S = 1.0
JOINED_SIZE = 65536  # up to here, copying the body behind its head costs less than a second system call
# Windows has no such flag; there, the socket itself is switched for the moment.
DO_NOT_WAIT: int = getattr(_socket, "MSG_DONTWAIT", 0)


class Connection:
    """Sends requests and reads their answers, connecting when needed."""

    def __init__(self, address: "Address") -> None:
        self._address = address
        self._socket: _socket.socket | None = None
        self._reader: Reader | None = None

    def exchange(self, head: bytes, body: bytes = b"", *, repeatable: bool) -> "Answer":
        """Send a request and read its answer, without any limit of time.

        A server may close an idle connection at any moment. One that is found closed before the request is
        replaced. One that closes without an answer leaves open whether the request was taken: only a
        `repeatable` one is sent again.
        """
        reused = self._is_open()
        if not reused:
            self._open()
        try:
            return self._attempt(head, body)
        except ConnectionLost as error:
            if not (repeatable and reused and error.unanswered):
                raise
        self._open()
        return self._attempt(head, body)

    def close(self) -> None:
        """Close the connection; the next exchange opens another one."""
        if self._socket is not None:
            self._socket.close()
        self._socket = self._reader = None

    def _attempt(self, head: bytes, body: bytes) -> "Answer":
        assert self._socket is not None
        assert self._reader is not None
        broken = None
        try:
            if len(body) <= JOINED_SIZE:
                self._socket.sendall(head + body)
            else:
                self._socket.sendall(head)
                self._socket.sendall(body)
        except OSError as error:
            broken = error  # a server that refuses a large body answers, and closes before it has read it all
        try:
            answer = self._reader.answer()
        except BaseException:
            self.close()
            raise
        if broken or not answer.keep_alive or not self._reader.is_drained:
            self.close()
        return answer

    def _is_open(self) -> bool:
        """Whether there is a connection, neither closed by its peer nor filled with what nobody asked for."""
        if self._socket is None:
            return False
        try:
            if not DO_NOT_WAIT:
                self._socket.setblocking(False)
            self._socket.recv(1, _socket.MSG_PEEK | DO_NOT_WAIT)
        except BlockingIOError:
            if not DO_NOT_WAIT:
                self._socket.setblocking(True)
            return True
        except OSError:
            pass  # reset by the peer
        self.close()
        return False

    def _open(self) -> None:
        self.close()
        address = self._address
        failure: OSError | None = None
        try:
            # bytes, as the host name of a str would be encoded as IDNA, which imports all of Unicode
            found = _socket.getaddrinfo(address.host.encode(), address.port, 0, _socket.SOCK_STREAM)
        except OSError as error:
            raise self._unreachable(error) from error
        for family, kind, protocol, _, socket_address in found:
            try:
                self._socket = _connect(family, kind, protocol, socket_address)
            except OSError as error:
                failure = failure or error
                continue
            self._reader = Reader(self._socket.recv)
            return
        raise self._unreachable(failure) from failure

    def _unreachable(self, error: "OSError | None") -> RuntimeApiError:
        return RuntimeApiError(
            f"no connection to the Runtime API at {self._address.authority}: {error}. "
            "Check that it is running and that AWS_LAMBDA_RUNTIME_API names it"
        )


def _connect(family: int, kind: int, protocol: int, address: "tuple[object, ...]") -> "_socket.socket":
    connected = _socket.socket(family, kind, protocol)
    try:
        connected.settimeout(CONNECT_TIMEOUT_S)
        connected.connect(address)
        connected.settimeout(None)  # the process may be frozen for hours while it waits
        connected.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
    except BaseException:
        connected.close()
        raise
    return connected
