"""One keep-alive connection to the Runtime API.

It uses the module `_socket`: the standard `socket`, a wrapper around it, takes longer to import than all the rest of
the runtime. Proxies are not supported, as the Runtime API is always local.
"""

import _socket

from ._version import __version__
from .errors import ConnectionLost, RuntimeApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .environment import Endpoint
    from .http_reader import ReceivedResponse, ResponseReader

PATH = "/2018-06-01/runtime"
CONNECT_TIMEOUT_S = 1.0
JOINED_SIZE = 65536  # bytes; up to here, copying the body behind its head costs less than a second system call
HAS_SENDMSG = hasattr(_socket.socket, "sendmsg")  # not on Windows
# Windows has no such flag; there, the socket itself is made non-blocking for the time of the call.
DO_NOT_WAIT: int = getattr(_socket, "MSG_DONTWAIT", 0)


class RuntimeApiConnection:
    """Sends requests and reads the responses, connecting when needed.

    A server may close an idle connection at any time. A request that is `repeatable` is sent again when the connection
    turns out to be closed without a byte of a response. Any other is sent once: a server that closes without a response
    may have accepted it.
    """

    def __init__(self, endpoint: "Endpoint") -> None:
        self._endpoint = endpoint
        self.common_fields = f" HTTP/1.1\r\nHost: {endpoint.authority}\r\nUser-Agent: faas-runtime/{__version__}\r\n"
        """What follows the path in every request: the rest of the request line, and fields."""
        self.next_request = f"GET {PATH}/invocation/next{self.common_fields}\r\n".encode()
        self._reader: ResponseReader | None = None
        self.socket: _socket.socket | None = None
        self.is_kept_open = False
        """Whether the server has left the connection open after the response to an outcome."""
        self.is_stopping = False
        """Whether the process is to end, so that nothing is repeated any more."""

    @property
    def reader(self) -> "ResponseReader":
        """The reader, with a buffer that is kept from one connection to the next: it has grown with the payloads."""
        if self._reader is None:
            from .http_reader import ResponseReader

            self._reader = ResponseReader(self._receive)
        return self._reader

    @property
    def received(self) -> int:
        """How many bytes of the current response have come. For other threads, which must not make a reader."""
        return self._reader.count if self._reader is not None else 0

    def exchange(
        self, head: bytes, body: "bytes | memoryview" = b"", *, repeatable: bool = False
    ) -> "ReceivedResponse":
        """Send a request and read the response, without a limit of time."""
        if not repeatable and not self.is_open():
            self.close()
        is_new = self.send_request(head, body)
        return self.read_response(head, repeatable=repeatable and not is_new)

    def send_request(self, head: bytes, body: "bytes | memoryview" = b"") -> bool:
        """Send a request; returns whether that took a new connection.

        Raises `RuntimeApiError` if there is no connection. A failure to send shows when the response is read.
        """
        is_new = self.socket is None
        if is_new:
            self.open()
        assert self.socket is not None
        first, rest = (head + body, b"") if len(body) <= JOINED_SIZE else (head, body)
        try:
            # In one system call where possible: a server that is woken up by the head alone loses time.
            sent = self.socket.sendmsg((head, rest)) if rest and HAS_SENDMSG else self.socket.send(first)
        except OSError:
            if is_new:
                return True  # reading the response gives the reason
            self.close()  # nothing of the request has left, so even a POST may go out again
            return self.send_request(head, body)
        try:
            if sent < len(first):
                self.socket.sendall(first[sent:])
            if rest:
                self.socket.sendall(memoryview(rest)[max(0, sent - len(first)) :])
        except OSError:
            pass  # a server that refuses a large body responds, and closes before it has read all of it
        return is_new

    def read_response(
        self, head: bytes, received: int = 0, *, repeatable: bool = False, is_followed: bool = False
    ) -> "ReceivedResponse":
        """Read the response to a request that was sent; `received` bytes of it are in the buffer already.

        `is_followed`: another request was sent behind it, so the buffer may have a part of the next response too.
        """
        try:
            response = self.reader.read_response(received)
        except ConnectionLost as error:
            self.close()
            if not (repeatable and error.is_unanswered) or self.is_stopping:
                raise
            self.send_request(head)
            return self.read_response(head)
        except BaseException:
            self.close()
            raise
        # The connection is kept if the server does, and has sent nothing behind the response that nobody asked for.
        if not response.keep_alive or (self.reader.count > response.end and not is_followed):
            self.close()
        return response

    def is_open(self) -> bool:
        """Whether there is a connection that its peer has not closed, and over which nothing unexpected has come."""
        if self.socket is None:
            return False
        try:
            if not DO_NOT_WAIT:
                self.socket.setblocking(False)
            self.socket.recv(1, _socket.MSG_PEEK | DO_NOT_WAIT)
        except BlockingIOError:
            if not DO_NOT_WAIT:
                self.socket.setblocking(True)
            return True
        except OSError:
            pass  # reset by the peer
        return False

    def close(self) -> None:
        """Close the connection; the next exchange opens another one."""
        closed, self.socket = self.socket, None
        self.is_kept_open = False
        if closed is not None:
            try:
                closed.close()
            except OSError:
                pass  # the function has closed it, with all descriptors that are not its own

    def open(self) -> None:
        """Connect to the first address of the host that accepts. Raises `RuntimeApiError` if none does."""
        self.close()
        endpoint = self._endpoint
        failure: OSError | None = None
        try:
            if endpoint.host.replace(".", "").isdigit():  # an IPv4 address, which needs no resolver
                self.socket = _connect(_socket.AF_INET, _socket.SOCK_STREAM, 0, (endpoint.host, endpoint.port))
                return
            # bytes, as the host name of a str would be encoded as IDNA, which imports all of Unicode
            found = _socket.getaddrinfo(endpoint.host.encode(), endpoint.port, 0, _socket.SOCK_STREAM)
        except OSError as error:
            raise self._unreachable(error) from error
        for family, kind, protocol, _, socket_address in found:
            try:
                self.socket = _connect(family, kind, protocol, socket_address)
            except OSError as error:
                failure = failure or error
                continue
            return
        raise self._unreachable(failure) from failure

    def _receive(self, place: memoryview) -> int:
        assert self.socket is not None
        return self.socket.recv_into(place)

    def _unreachable(self, error: "OSError | None") -> RuntimeApiError:
        return RuntimeApiError(
            f"no connection to the Runtime API at {self._endpoint.authority}: {error}. "
            "Check that it is running and that AWS_LAMBDA_RUNTIME_API names it"
        )


def _connect(family: int, kind: int, protocol: int, address: "tuple[object, ...]") -> "_socket.socket":
    connected = _socket.socket(family, kind, protocol)
    try:
        connected.settimeout(CONNECT_TIMEOUT_S)
        connected.connect(address)
        connected.settimeout(None)  # the platform may freeze the process for hours while it waits
        connected.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
    except BaseException:
        connected.close()
        raise
    return connected
