"""Which addresses the emulator listens on, and what it says about them."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.emulator.support import INVOKE, Emulator, read_until
from tests.support import not_there


def responses(host: str, port: int) -> bool:
    """Whether an invocation at the address is answered."""
    request = f"POST {INVOKE} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{{}}".encode()
    try:
        with socket.create_connection((host, port), 10) as connection:
            connection.sendall(request)
            return read_until(connection, b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    except OSError:
        return False


@pytest.fixture(autouse=True)
def ipv6() -> None:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError:
        not_there("IPv6", optional=True)


@pytest.mark.parametrize(
    ("host", "ipv4", "ipv6", "said"),
    [
        ("*", True, True, "on all addresses, port"),
        ("::", True, True, "on all addresses, port"),
        ("[::]", True, True, "on all addresses, port"),
        ("0.0.0.0", True, False, "on all IPv4 addresses, port"),
        ("::1", False, True, "at http://[::1]:"),
        ("[::1]", False, True, "at http://[::1]:"),
        ("127.0.0.1", True, False, "at http://127.0.0.1:"),
        ("0:0:0:0:0:0:0:0", True, True, "on all addresses, port"),
    ],
)
def test_it_listens_where_it_says(emulated: Path, host: str, ipv4: bool, ipv6: bool, said: str) -> None:
    with Emulator(f"{emulated}.echo", "--host", host) as emulator:
        assert said in emulator.err
        assert (responses("127.0.0.1", emulator.port), responses("::1", emulator.port)) == (ipv4, ipv6)
        assert emulator.end() == 0


@pytest.mark.parametrize("host", ["*", "::"])
def test_the_address_of_a_client_is_as_it_is(emulated: Path, host: str) -> None:
    with Emulator(f"{emulated}.echo", "--host", host) as emulator:
        found = emulator.request("GET", "/").json
        assert found["requestContext"]["http"]["sourceIp"] == "127.0.0.1"


def test_the_variable_of_the_images_takes_brackets(emulated: Path) -> None:
    with Emulator(f"{emulated}.echo", environment={"FAAS_RUNTIME_LISTEN": "[::1]:0"}) as emulator:
        assert responses("::1", emulator.port)
        assert emulator.end() == 0
