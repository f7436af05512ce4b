"""The usual invocation, from the event to the receipt of the response, in one function.

`serving.serve` calls `client.next`, `caller.call`, `client.respond` and `caller.release`. One function does the same
here, for an event whose head fits a template and a response that is short and has no fields of its own. Calls between
methods, and attributes of objects, would otherwise take a quarter of the time. Anything unusual is left to those
methods, at a point where they can continue.

The request for the next event leaves together with the response (pipelining, RFC 9112, section 9.3.2). That is allowed
where a request that gets lost does no harm: `next` may be sent again, a response never. It is done only over a
connection that has stayed open from one invocation to the next, and no more once a server has closed it instead.
"""

from _struct import Struct
from time import monotonic

from . import abi
from .caller import COPIED_SIZE, LAST_CALL_NUMBER
from .client import JSON
from .errors import Stopped
from .head_template import RECEIPT_SIZE, SHAPES, HeadTemplate, UsualReceipt
from .invocation import TEXT_HEADERS
from .serving import finish

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .caller import Caller
    from .client import RuntimeApiClient
    from .environment import Settings
    from .invocation import Invocation

_TEMPLATE_LIMIT = 8  # heads of different lengths whose templates are kept
# Servers close idle connections, but none does so this soon. After a longer call, the connection is checked first.
_SURELY_OPEN_S = 0.0002


def _read_words(*indexes: int) -> "Callable[[bytearray], tuple[int, ...]]":
    """Reads some words of a structure, in the order of their indexes, which is faster than one by one."""
    form, end = "@", 0
    for index in indexes:
        form += f"{(index - end) * abi.WORD}xN"
        end = index + 1
    return Struct(form).unpack_from


_unpack_response = _read_words(abi.DATA, abi.LEN, abi.CONTENT_TYPE, abi.RELEASE)
"""Reads these fields of a response."""


class FastPath:
    """One poller: the client that it takes invocations from, and the caller of the native function."""

    def __init__(self, client: "RuntimeApiClient", caller: "Caller", settings: "Settings") -> None:
        self._client = client
        self._caller = caller
        self._settings = settings
        self._templates: dict[int, HeadTemplate] = {}
        """By the size of the head."""
        self._usual_receipt = UsualReceipt()

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
                    self._point_into_buffer(invocation, template)
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

    def _other_template(self, received: int) -> "HeadTemplate | None":
        """The template that fits the head that was received, if there is one."""
        buffer = self._client.connection.reader.buffer
        template = self._templates.get(buffer.find(b"\r\n\r\n", 0, received) + 4)
        if template is None or (template.unpack_fixed(buffer) != template.fixed and not template.follow_date(buffer)):
            return None
        return template

    def _point_into_buffer(self, invocation: "Invocation", template: HeadTemplate) -> None:
        """Let the request point to the values that change, in the buffer, and to copies of the others."""
        buffer, words = self._client.connection.reader.buffer, invocation.memory.words
        base = abi.address_of(buffer)
        for header in TEXT_HEADERS:
            invocation.set_text(header.field, template.values.get(header.field))
        for index, start in template.pointers:
            words[index] = base + start
        words[abi.PAYLOAD] = base + template.size
        invocation.buffer = buffer
        invocation.payload_start = template.size
        self._client.invocation_id_field = b""

    def _run(self, invocation: "Invocation", template: HeadTemplate) -> None:
        """Take invocations over the connection as long as it lasts and their heads fit a template."""
        # Local variables: an attribute takes longer.
        client, caller, connection = self._client, self._caller, self._client.connection
        socket, reader = connection.socket, connection.reader
        assert socket is not None
        send, send_all, receive, clock = socket.send, socket.sendall, socket.recv_into, monotonic
        receive_bytes, usual_receipt = socket.recv, self._usual_receipt.text
        next_request = connection.next_request
        response_start, response_fields = client.response_head.split(b"%b", 1)
        known_len, known_fields, middle = -1, b"", b""
        pipelined_request = next_request if self._settings.pipelining else b""
        receipt_size = self._receipt_size()
        words, longs, request = invocation.memory.words, invocation.memory.longs, invocation.memory.argument
        response_bytes, blank, response = caller.bytes, caller.blank, caller.argument
        unpack_response, response_data = _unpack_response, caller.response_data
        call, data = caller.function_call, caller.data
        release, known_release_address = caller.release_function, caller.release_address
        buffer, size = reader.buffer, template.size
        unpack_fixed, fixed, unpack_values = template.unpack_fixed, template.fixed, template.unpack_values
        read, shape = template.read, template.shape
        payload_len_index, deadline_index, stream_index = abi.PAYLOAD_LEN, abi.DEADLINE, abi.STREAM
        call_number, trace_slot = caller.last_call_number, caller.trace_slot(template.trace_size)
        sent_behind = b""  # behind the last response: the request for the next event, or nothing
        while connection.socket is socket:
            # Ask for an event. What can be prepared for it is prepared before it comes.
            client.is_busy = False
            reader.count = 0
            response_bytes[:] = blank
            call_number = words[stream_index] = call_number + 1 if call_number < LAST_CALL_NUMBER else 1
            try:
                if not sent_behind:
                    if client.is_stopping:
                        return
                    send_all(next_request)
                reader.count = received = receive(buffer)
            except OSError:
                received = 0

            # Take its head apart. A head that fits no template is left to `client.next`.
            if received < size or unpack_fixed(buffer) != fixed:
                other = self._other_template(received)
                if other is None:
                    break
                if other is not template:
                    template = other
                    unpack_fixed, unpack_values = template.unpack_fixed, template.unpack_values
                    read, shape, size = template.read, template.shape, template.size
                    trace_slot = caller.trace_slot(template.trace_size)
                    self._point_into_buffer(invocation, template)
                fixed = template.fixed
            request_id, deadline, length, trace_id, invocation_id = read(unpack_values(buffer))
            if (
                (request_id + trace_id + invocation_id).translate(SHAPES) != shape
                or not deadline.isdigit()
                or not length.isdigit()
            ):
                break

            # Receive the rest, and fill in the request.
            payload_len = int(length, 10)  # with a base, `int` does not look for methods of other types first
            if received != size + payload_len:
                client.receive_rest(received, size + payload_len)
                if reader.buffer is not buffer:
                    buffer = reader.buffer
                    self._point_into_buffer(invocation, template)
            for end in template.value_ends:
                buffer[end] = 0
            invocation.request_id = request_id
            words[payload_len_index] = payload_len
            longs[deadline_index] = int(deadline, 10)
            client.received_at = received_at = clock()
            client.is_busy = True
            wake = client.wake
            if wake is not None:
                wake()
            fields = JSON
            if invocation_id:
                client.invocation_id_field = b"Lambda-Runtime-Invocation-Id: %b\r\n" % invocation_id
                fields += client.invocation_id_field
            if trace_slot is not None:
                trace_slot[:] = trace_id

            # Call the function.
            caller.last_call_number = caller.call_number = call_number
            status = call(request, response)
            caller.call_number = 0

            # Copy the response, unless it is an unusual one, or the connection was closed during a long call.
            address, response_len, content_type, release_address = unpack_response(response_data)
            if (
                status
                or caller.has_written
                or content_type
                or response_len > COPIED_SIZE
                or not address
                or (clock() - received_at > _SURELY_OPEN_S and not connection.is_open())
            ):
                sent_behind = b""
                self._finish(invocation, status)
                continue
            copy: bytes = data[0:response_len]  # type: ignore[assignment]

            # Let the function free its memory before anything is sent: the platform may freeze the process then.
            if release_address:
                if release_address != known_release_address:
                    known_release_address, release = release_address, caller.release_at(release_address)
                release(response)

            # Send the response, and behind it the request for the next event.
            sent_behind = b"" if client.is_stopping else pipelined_request
            if response_len != known_len or fields is not known_fields:
                known_len, known_fields, middle = response_len, fields, response_fields % (fields, response_len)
            outgoing = b"".join((response_start, request_id, middle, copy, sent_behind))
            try:
                sent = send(outgoing)
            except OSError:  # nothing of it has left, so the response may be sent again
                sent_behind = b""
                self._send_copy(invocation, copy)
                continue

            # Read the receipt, and nothing of an event behind it.
            try:
                if sent < len(outgoing):
                    send_all(outgoing[sent:])
                receipt = receive_bytes(receipt_size)
            except OSError:
                receipt = b""
            if receipt != usual_receipt:
                received = self._finish_with_receipt(invocation, receipt, is_pipelined=bool(sent_behind))
                usual_receipt, receipt_size = self._usual_receipt.text, self._receipt_size()
                if received:
                    break
        else:
            return
        if sent_behind and not received:
            self._settings.pipelining = False
        client.expect_event(received)

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
