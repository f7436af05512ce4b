"""The usual invocation, from the event to the platform's receipt, in one piece.

What `loop.serve` does by calling `client.next`, `caller.call`, `client.respond` and `caller.release` is done here by
one function, for an event whose head looks like one that was parsed before and an answer that is short and nothing but
data. Calls between methods, and attributes of objects, would otherwise take a quarter of the time. Whatever is unusual
is left to those methods, at a point where they can go on.
"""

from time import monotonic

from . import abi
from .caller import COPIED_SIZE, LAST_TURN
from .client import JSON, TEXTS
from .errors import Stopped
from .layout import SHAPES, Layout
from .loop import finish

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .caller import Caller
    from .client import RuntimeApi
    from .invocation import Invocation

_LAYOUTS = 8  # heads of different lengths whose layouts are remembered
# Servers close connections that idle, but none so soon. After a longer call, one system call looks whether it did.
_SURELY_OPEN_S = 0.0002
_RECEIPT_SIZE = 470  # bytes; with an object's head, this is what Python allocates for next to nothing


class FastPath:
    """One poller: the client that it takes invocations from, and the caller of the native function."""

    def __init__(self, client: "RuntimeApi", caller: "Caller") -> None:
        self._client = client
        self._caller = caller
        self._layouts: dict[int, Layout] = {}
        self._accepted = b"-"
        """What the Runtime API answers to an outcome that it takes, whole."""

    def serve(self) -> None:
        """Take invocations until the process is asked to end."""
        client, caller = self._client, self._caller
        try:
            while True:
                invocation = client.next()
                layout = self._learn()
                finish(client, caller, invocation, caller.call)
                if layout is not None and client.connection.is_proven:
                    self._point(invocation, layout)
                    self._run(invocation, layout)
        except Stopped:
            return

    def _learn(self) -> "Layout | None":
        """The layout of the head that was parsed last, unless it is of an unusual kind."""
        client, layouts = self._client, self._layouts
        assert client.parsed is not None
        layout = Layout.of(client.connection.reader.buffer, *client.parsed)
        if layout is not None:
            if len(layouts) >= _LAYOUTS:
                layouts.clear()
            layouts[layout.size] = layout
        return layout

    def _other_layout(self, received: int) -> "Layout | None":
        """The layout of the head that was received, if it is another one that has been seen before."""
        buffer = self._client.connection.reader.buffer
        layout = self._layouts.get(buffer.find(b"\r\n\r\n", 0, received) + 4)
        return layout if layout is not None and layout.unpack(buffer)[::2] == layout.texts else None

    def _point(self, invocation: "Invocation", layout: Layout) -> None:
        """Let the request point to where the values lie in the buffer."""
        buffer, words = self._client.connection.reader.buffer, invocation.memory.words
        base = abi.address_of(buffer)
        for name in TEXTS.values():
            invocation.keep(name, layout.values.get(name))
        for place, start in layout.pointers:
            words[place] = base + start
        words[abi.PAYLOAD] = base + layout.size
        invocation.buffer = buffer
        invocation.payload_at = layout.size
        self._client.echo = b""

    def _run(self, invocation: "Invocation", layout: Layout) -> None:
        """Take invocations over the connection as long as it lasts and they look as the layouts say."""
        client, caller, connection = self._client, self._caller, self._client.connection
        socket, reader = connection.socket, connection.reader
        assert socket is not None
        send, send_all, receive, clock = socket.send, socket.sendall, socket.recv_into, monotonic
        receive_bytes = socket.recv
        next_request, response, accepted = connection.next_request, client.response + b"%b", self._accepted
        words, longs, request = invocation.memory.words, invocation.memory.longs, invocation.memory.argument
        answered, whole, blank, memory = caller.words, caller.bytes, caller.blank, caller.argument
        call, data_at, releaser, released_by = caller.function_call, caller.data, caller.releaser, caller.released_by
        buffer, size = reader.buffer, layout.size
        unpack, texts, live, shape = layout.unpack, layout.texts, layout.live, layout.shape
        payload_len, deadline_at, stream = abi.PAYLOAD_LEN, abi.DEADLINE, abi.STREAM
        content_type, length_at, data_word, release_at = abi.CONTENT_TYPE, abi.LEN, abi.DATA, abi.RELEASE
        turn, traced = caller.turns, caller.trace_place(layout.trace_size)
        while connection.socket is socket:
            client.is_busy = False
            reader.count = 0
            if client.is_stopping:
                return
            try:
                send_all(next_request)
                reader.count = received = receive(buffer)
            except OSError:
                received = 0
            parts = unpack(buffer)
            if received < size or parts[::2] != texts:
                other = self._other_layout(received)
                if other is None:
                    break
                layout, parts = other, other.unpack(buffer)
                unpack, texts, live, shape, size = layout.unpack, layout.texts, layout.live, layout.shape, layout.size
                traced = caller.trace_place(layout.trace_size)
                self._point(invocation, layout)
            request_id, deadline, length, trace_id, invocation_id = live(parts)
            # What was learnt about the values has to hold for these, too.
            if (
                (request_id + trace_id + invocation_id).translate(SHAPES) != shape
                or not deadline.isdigit()
                or not length.isdigit()
            ):
                break
            payload = int(length)
            if received != size + payload:
                client.complete(received, size + payload)
                if reader.buffer is not buffer:
                    buffer = reader.buffer
                    self._point(invocation, layout)
            for end in layout.ends:
                buffer[end] = 0
            invocation.request_id = request_id
            invocation.trace_id = trace_id or None
            words[payload_len] = payload
            longs[deadline_at] = int(deadline)
            client.received_at = received_at = clock()
            client.is_busy = True
            wake = client.wake
            if wake is not None:
                wake()
            fields = JSON
            if invocation_id:
                client.echo = b"Lambda-Runtime-Invocation-Id: %b\r\n" % invocation_id
                fields += client.echo
            if traced is not None:
                traced[:] = trace_id
            whole[:] = blank
            turn = caller.turns = caller.turn = words[stream] = turn % LAST_TURN + 1
            status = call(request, memory)
            caller.turn = 0
            answer_length = answered[length_at]
            if (
                status
                or caller.has_written
                or answered[content_type]
                or answer_length > COPIED_SIZE
                or not answered[data_word]
                or clock() - received_at > _SURELY_OPEN_S
            ):
                self._finish(invocation, status)
                continue
            outgoing = response % (request_id, fields, answer_length, data_at[0:answer_length])
            try:
                sent = send(outgoing)
            except OSError:  # nothing of it has left, so it may go out again
                self._finish(invocation, status)
                continue
            try:
                if sent < len(outgoing):
                    send_all(outgoing[sent:])
                receipt = receive_bytes(_RECEIPT_SIZE)
            except OSError:
                receipt = b""
            if receipt != accepted:
                accepted = self._receipt(invocation, receipt)
            elif releaser is not None and answered[release_at] == released_by:
                releaser(memory)
            else:
                caller.release()
                releaser, released_by = caller.releaser, caller.released_by
        else:
            return
        client.asked(received)

    def _finish(self, invocation: "Invocation", status: int) -> None:
        """Go on after a call in the general way."""
        caller = self._caller
        finish(self._client, caller, invocation, lambda _: caller.result(status))

    def _receipt(self, invocation: "Invocation", receipt: bytes) -> bytes:
        """Read what the Runtime API says to an answer, which begins like that; returns what it says usually."""
        self._client.connection.reader.buffer[: len(receipt)] = receipt
        finish(self._client, self._caller, invocation, lambda _: self._read_receipt(len(receipt)))
        return self._accepted

    def _read_receipt(self, received: int) -> None:
        client, connection = self._client, self._client.connection
        answer = connection.finish(b"", received)
        if answer.status == 202 and connection.socket is not None and received == answer.body_end:
            self._accepted = bytes(connection.reader.view[:received])
        client.check(client.path, answer)
