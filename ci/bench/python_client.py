"""The bare client in Python: the least that a runtime in Python does when it calls the function through ctypes.

It loads a function by the rules of faas.h and serves it over one connection with three system calls an invoke. It
checks nothing of what it receives, and knows only next and response: each head has to be like the first one, and each
event as long. `bare_python.py` measures it.
"""

import gc
from _ctypes import CFuncPtr, _Pointer, _SimpleCData, addressof, byref, dlopen, dlsym
from _socket import IPPROTO_TCP, TCP_NODELAY, socket
from posix import environ

WORD = 8  # bytes of a pointer
REQUEST_SIZE, RESPONSE_SIZE = 17 * WORD, 9 * WORD  # `faas_request` and `faas_response`
PAYLOAD, PAYLOAD_LEN, REQUEST_ID = 1, 2, 3  # words of the request
DATA, RELEASE = 1, 7  # words of the response
PATH = b"/2018-06-01/runtime/invocation/"
NEXT = b"GET " + PATH + b"next HTTP/1.1\r\nHost: localhost\r\n\r\n"
HEAD = b"/response HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
ID_HEADER, ID_SIZE = b"Lambda-Runtime-Aws-Request-Id: ", 36


class BareChar(_SimpleCData):  # type: ignore[type-arg]
    """`char`."""

    _type_ = "c"


class BarePointer(_Pointer):  # type: ignore[type-arg]
    """`const char *`."""

    _type_ = BareChar


class BareFunction(CFuncPtr):
    """A function that returns a number."""

    _flags_ = 1  # the C calling convention


def main() -> None:
    """Serve until the Runtime API closes the connection, which ends the process by an error."""
    gc.disable()
    library = dlopen(environ[b"LAMBDA_TASK_ROOT"].decode() + "/libecho.so", 2)
    handle = BareFunction(dlsym(library, "handle"))
    host, port = environ[b"AWS_LAMBDA_RUNTIME_API"].decode().split(":")
    peer = socket()
    peer.connect((host, int(port)))
    peer.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
    request, response, event = bytearray(REQUEST_SIZE), bytearray(RESPONSE_SIZE), bytearray(4096)
    request[0], response[0] = REQUEST_SIZE, RESPONSE_SIZE
    words, blank = memoryview(request).cast("N"), bytes(response)  # type: ignore[call-overload]
    arguments = byref(BareChar.from_buffer(request)), byref(BareChar.from_buffer(response))
    data = BarePointer.from_buffer(response, DATA * WORD)

    peer.sendall(NEXT)
    received = peer.recv_into(event)
    body = event.index(b"\r\n\r\n") + 4
    start = event.index(ID_HEADER) + len(ID_HEADER)
    end, size = start + ID_SIZE, received - body
    address = addressof(BareChar.from_buffer(event))
    words[PAYLOAD], words[PAYLOAD_LEN], words[REQUEST_ID] = address + body, size, address + start
    before, head = b"POST " + PATH, HEAD % size
    handle(*arguments)
    copy: bytes = data[0:size]  # type: ignore[assignment]
    peer.send(b"".join((before, event[start:end], head, copy)))
    release = BareFunction(memoryview(response).cast("N")[RELEASE])  # type: ignore[call-overload]
    release(arguments[1])
    response[:] = blank
    receipt_size = len(peer.recv(4096))
    peer.send(NEXT)
    peer.recv_into(event)

    call, first, second, join = handle, *arguments, b"".join
    send, receive, receive_into = peer.send, peer.recv, peer.recv_into
    while True:
        call(first, second)
        copy = data[0:size]  # type: ignore[assignment]
        release(second)
        send(join((before, event[start:end], head, copy, NEXT)))
        response[:] = blank
        receive(receipt_size)
        receive_into(event)


if __name__ == "__main__":
    main()
