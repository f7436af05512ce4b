"""Posts one event to a port of this machine and prints the whole response. A container's own Python runs it.

python3 -IS - PORT EVENT < client_in_image.py

An image contains no other client. Of the standard library it has only what the runtime imports.
"""

import _socket
import sys


def main(port: str, event: str) -> None:
    """Post the event, and print the head and the body of the response."""
    body = event.encode()
    head = f"POST /2015-03-31/functions/function/invocations HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}"
    connection = _socket.socket()
    connection.connect(("127.0.0.1", int(port)))
    connection.sendall(head.encode() + b"\r\nConnection: close\r\n\r\n" + body)
    while data := connection.recv(65536):
        sys.stdout.buffer.write(data)


if __name__ == "__main__":
    main(*sys.argv[1:])
