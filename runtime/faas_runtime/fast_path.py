"""The usual invocation, from the event to the receipt of the response, in one function.

`serving.serve` calls `client.next`, `caller.call`, `client.respond` and `caller.release`. One function does the same
here, for an event whose head fits a template and a response that is short and has no fields of its own. Anything
unusual is left to those methods, at a point where they can continue.

Between two events, the processor's caches are used for other things. So what counts is how much of the interpreter, its
objects and the C library an invocation touches. Therefore few kinds of operations are used, and most are calls of
foreign functions with prepared arguments, as the call of the function itself is one.

The request for the next event leaves together with the response (pipelining, RFC 9112, section 9.3.2). That is allowed
where a request that gets lost does no harm: `next` may be sent again, a response never. It is done only over a
connection that has stayed open from one invocation to the next, and no more once a server has closed it instead.
"""

from _ctypes import _SimpleCData, sizeof
from time import monotonic

from . import abi
from .caller import LAST_CALL_NUMBER
from .errors import Stopped
from .head_template import RECEIPT_SIZE, SHAPES, HeadTemplate, UsualReceipt
from .invocation import TEXT_HEADERS
from .io_vectors import memmove, scatter
from .serving import finish
from .usual_response import UsualResponse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket as Socket
    from collections.abc import Callable

    from .caller import Caller
    from .client import RuntimeApiClient
    from .environment import Settings
    from .invocation import Invocation

    MessageCall = Callable[[int, object, int], int]
    """`recvmsg` or `sendmsg`: descriptor, message and flags. Returns bytes, 0 for the end of the connection, or -1."""

_TEMPLATE_LIMIT = 8  # heads of different lengths whose templates are kept
# Servers close idle connections, but none does so this soon. After a longer call, the connection is checked first.
_SURELY_OPEN_S = 0.0002


class _Long(_SimpleCData):  # type: ignore[type-arg]
    """`int64_t`. Setting its value touches less than setting an item of a memoryview."""

    _type_ = "q"


class FastPath:
    """One poller: the client that it takes invocations from, and the caller of the native function."""

    def __init__(self, client: "RuntimeApiClient", caller: "Caller", settings: "Settings") -> None:
        self._client = client
        self._caller = caller
        self._settings = settings
        self._templates: dict[int, HeadTemplate] = {}
        """By the size of the head."""
        self._template: HeadTemplate | None = None
        """The one that the request points into."""
        self._usual_receipt = UsualReceipt()
        self._recvmsg: MessageCall | None = abi.c_function("recvmsg")
        self._sendmsg: MessageCall | None = abi.c_function("sendmsg")
        self._response = UsualResponse(caller, client.response_head, client.connection.next_request)

    def serve(self) -> None:
        """Take invocations until the process is asked to end."""
        client, caller = self._client, self._caller
        try:
            while True:
                invocation = client.next()
                template = self._learn_template()
                client.last_receipt = None
                finish(client, caller, invocation, caller.call)
                if template is not None and client.connection.is_kept_open:
                    if client.last_receipt is not None:
                        self._usual_receipt.learn(client.connection.reader.buffer, client.last_receipt)
                    self._run(invocation, template)
        except Stopped:
            return

    def _learn_template(self) -> "HeadTemplate | None":
        """The template of the head that was parsed last; None if such heads have to be parsed each time."""
        client, templates = self._client, self._templates
        assert client.last_event is not None
        template = HeadTemplate.of(client.connection.reader.buffer, *client.last_event)
        if template is not None:
            if len(templates) >= _TEMPLATE_LIMIT:
                templates.clear()
            templates[template.size] = template
        return template

    def _fitting_template(self, template: HeadTemplate, received: int) -> "HeadTemplate | None":
        """The template that fits a head that was received into the places of this one, with its Date and length.

        If there is none, this returns None, and the head is in the buffer as it came.
        """
        if received >= template.size and template.follow_date_and_length():
            return template
        buffer = self._client.connection.reader.buffer
        template.join(buffer, received)
        fitting = self._templates.get(buffer.find(b"\r\n\r\n", 0, received) + 4)
        if fitting is None:
            return None
        scatter(buffer, fitting.pieces)
        return fitting if fitting.follow_date_and_length() else None

    def _use(self, invocation: "Invocation", template: HeadTemplate) -> None:
        """Let the request point to the values that change, in the template's places, and to copies of the others."""
        buffer, words = self._client.connection.reader.buffer, invocation.memory.words
        for header in TEXT_HEADERS:
            invocation.set_text(header.field, template.values.get(header.field))
        texts = abi.address_of(template.texts)
        for index, start in template.pointers:
            words[index] = texts + start
        words[abi.PAYLOAD] = abi.address_of(buffer) + template.size
        words[abi.PAYLOAD_LEN] = template.payload_size
        invocation.buffer = buffer
        invocation.payload_start = template.size
        start, size = template.request_id
        invocation.set_request_id(memoryview(template.texts)[start : start + size])
        self._client.invocation_id_field = b""
        self._template = template
        template.use_buffer(buffer)
        self._response.follow(template)

    def _run(self, invocation: "Invocation", template: HeadTemplate) -> None:
        """Take invocations over the connection as long as it lasts and their heads fit a template."""
        # Local variables: an attribute or a global one takes longer, and touches more.
        client, caller, connection = self._client, self._caller, self._client.connection
        socket, reader = connection.socket, connection.reader
        assert socket is not None
        receive, send, descriptor = self._system_calls(socket)
        send_all, receive_bytes, usual_receipt, clock = socket.sendall, socket.recv, self._usual_receipt.text, monotonic
        next_request = connection.next_request
        pipelined_request = next_request if self._settings.pipelining else b""
        receipt_size = self._receipt_size()
        words, request = invocation.memory.words, invocation.memory.argument
        deadline = _Long.from_buffer(invocation.memory.data, abi.DEADLINE * sizeof(_Long))
        response_bytes, blank, response = caller.bytes, caller.blank, caller.argument
        call, data, call_number = caller.function_call, caller.data, caller.last_call_number
        shapes, payload_len_index, stream_index = SHAPES, abi.PAYLOAD_LEN, abi.STREAM
        to_int, surely_open_s = int, _SURELY_OPEN_S
        usual, differs, (found, known, compared_size) = self._response, self._response.differs, self._response.compared
        self._use(invocation, template)
        set_trace, trace_to, trace_from, trace_size = caller.trace_copy(template)
        buffer, expected_size = reader.buffer, template.size + template.payload_size
        sent_behind = b""  # behind the last response: the request for the next event, or nothing
        while True:  # CPython 3.11 does not specialise a loop that tests its condition at its end
            if connection.socket is not socket:
                return
            if reader.buffer is not buffer:  # it grew with a long receipt
                buffer = reader.buffer
                self._use(invocation, template)
            # Ask for an event. What can be prepared for it is prepared before it comes.
            client.is_busy = False
            reader.count = received = 0
            response_bytes[:] = blank
            call_number = words[stream_index] = call_number + 1 if call_number < LAST_CALL_NUMBER else 1
            caller.last_call_number = call_number
            if not sent_behind:
                if client.is_stopping:
                    return
                try:
                    send_all(next_request)
                except OSError:
                    break

            # Receive its head into the places of a template. A head that fits none is left to `client.next`.
            received = receive(descriptor, template.message, 0)
            if received <= 0:
                received = self._receive_and_scatter()
            reader.count = received
            if received != expected_size or template.fixed != template.expected:
                fitting = self._fitting_template(template, received)
                if fitting is None:
                    break
                if fitting is not template:
                    template = fitting
                    self._use(invocation, template)
                    set_trace, trace_to, trace_from, trace_size = caller.trace_copy(template)
                words[payload_len_index] = template.payload_size
                expected_size = template.size + template.payload_size
            if template.texts.translate(shapes) != template.shape or not template.deadline.isdigit():
                template.join(buffer, received)
                break

            # Receive the rest, and fill in the request.
            if received != expected_size:
                client.receive_rest(received, expected_size)
                if connection.socket is not socket:
                    descriptor = -1  # another file may get the number of the closed socket
                if reader.buffer is not buffer:
                    buffer = reader.buffer
                    self._use(invocation, template)
            deadline.value = to_int(template.deadline, 10)  # with a base, it does not look for methods of other types
            client.received_at = received_at = clock()
            client.is_busy = True
            wake = client.wake
            if wake is not None:
                wake()
            if template.invocation_id is not None:
                client.invocation_id_field = template.invocation_id_field()
            if set_trace is not None:
                set_trace(trace_to, trace_from, trace_size)

            # Call the function.
            caller.call_number = call_number
            status = call(request, response)
            caller.call_number = 0

            # Copy the response, unless it is an unusual one, or the connection was closed during a long call.
            if (
                status
                or caller.has_written
                or (clock() - received_at > surely_open_s and not connection.is_open())
                or ((differs(found, known, compared_size) or not data) and not usual.learn(template))
            ):
                sent_behind = b""
                self._finish(invocation, status)
                continue
            memmove(usual.place, data, usual.size)

            # Let the function free its memory before anything is sent: the platform may freeze the process then.
            release = usual.release
            if release is not None:
                release(response)

            # Send the response, and behind it the request for the next event.
            sent_behind = b"" if client.is_stopping else pipelined_request
            sent = send(descriptor, usual.message_with_request if sent_behind else usual.message, 0)
            if sent < 0:  # nothing of it has left, so the response may be sent again
                sent_behind = b""
                self._send_copy(invocation, usual.copied())
                continue

            # Read the receipt, and nothing of an event behind it.
            try:
                if sent < usual.total + len(sent_behind):
                    send_all((usual.gather() + sent_behind)[sent:])
                receipt = receive_bytes(receipt_size)
            except OSError:
                receipt = b""
            if receipt != usual_receipt:
                received = self._finish_with_receipt(invocation, receipt, is_pipelined=bool(sent_behind))
                usual_receipt, receipt_size = self._usual_receipt.text, self._receipt_size()
                if received:
                    break
        if sent_behind and not received:
            self._settings.pipelining = False
        client.expect_event(received)

    def _system_calls(self, socket: "Socket") -> "tuple[MessageCall, MessageCall, int]":
        """How to receive and to send several pieces, and over which descriptor."""
        if self._recvmsg is not None and self._sendmsg is not None:
            return self._recvmsg, self._sendmsg, socket.fileno()
        return (lambda *_: self._receive_and_scatter()), (lambda _, message, __: self._gather_and_send(message)), -1

    def _receive_and_scatter(self) -> int:
        """Receive into the buffer first: where there is no `recvmsg`, and after it failed or was interrupted."""
        connection, template = self._client.connection, self._template
        buffer = connection.reader.buffer
        assert connection.socket is not None
        assert template is not None
        try:
            received = connection.socket.recv_into(buffer)
        except OSError:
            return 0
        scatter(buffer, template.pieces)
        return received

    def _gather_and_send(self, message: object) -> int:
        """Send what the message has where there is no `sendmsg`; returns -1 for a failure."""
        connection, usual = self._client.connection, self._response
        behind = connection.next_request if message is usual.message_with_request else b""
        try:
            return connection.socket.send(usual.gather() + behind) if connection.socket is not None else -1
        except OSError:
            return -1

    def _receipt_size(self) -> int:
        """How many bytes to receive for a receipt. Without pipelining, any further byte shows that it is unusual."""
        usual = self._usual_receipt.text
        return len(usual) if self._settings.pipelining and len(usual) > 1 else RECEIPT_SIZE

    def _finish(self, invocation: "Invocation", status: int) -> None:
        """Continue after a call in the general way."""
        caller = self._caller
        finish(self._client, caller, invocation, lambda _: caller.result(status))

    def _send_copy(self, invocation: "Invocation", copy: bytes) -> None:
        """Continue after the release in the general way."""
        self._caller.words[abi.RELEASE] = 0
        finish(self._client, self._caller, invocation, lambda _: (copy, None))

    def _finish_with_receipt(self, invocation: "Invocation", receipt: bytes, *, is_pipelined: bool) -> int:
        """Read in the general way what the Runtime API sends after a response, which begins like this.

        Returns how many bytes of the next event came behind it; they are in the buffer.
        """
        if self._usual_receipt.follow_date(receipt):
            return 0
        client, caller = self._client, self._caller
        connection = client.connection
        reader = connection.reader
        reader.buffer[: len(receipt)] = receipt
        caller.words[abi.RELEASE] = 0  # the function has freed its memory already
        finish(client, caller, invocation, lambda _: self._parse_receipt(len(receipt), is_pipelined=is_pipelined))
        if connection.socket is None:  # and a request that was sent behind the response is lost
            self._settings.pipelining = self._settings.pipelining and not is_pipelined
            return 0
        return reader.count

    def _parse_receipt(self, received: int, *, is_pipelined: bool) -> None:
        client, connection = self._client, self._client.connection
        response = connection.read_response(b"", received, is_followed=is_pipelined)
        reader = connection.reader
        self._usual_receipt.learn(reader.buffer, response)
        client.check_outcome(client.response_path, response)
        behind = bytes(reader.view[response.end : reader.count])
        reader.buffer[: len(behind)] = behind
        reader.count = len(behind)
