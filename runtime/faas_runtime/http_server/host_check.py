"""Checks the header Host of requests to a server that listens on the loopback address only.

Web pages reach the ports of this machine too. If the name of a page's site suddenly resolves to 127.0.0.1 (DNS
rebinding), the browser lets the page read the responses. The header Host still has that name, and no page can change
it.
"""

import ipaddress
import re

from .cors import ANY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_PORT = re.compile(r":[0-9]*$")


class HostCheck:
    """Knows the names that belong to this machine for certain, and those that were allowed."""

    def __init__(self, host: str, addresses: "Iterable[str]", origins: "Iterable[str]") -> None:
        """`host` is what the server listens on, `addresses` what it resolves to, `origins` the allowed ones of CORS."""
        self._allows_any = ANY in origins or not all(map(_is_loopback, addresses))
        self._last_accepted: str | None = None
        self._names = {host.lower().rstrip("."), *(_host_name(origin.partition("://")[2]) for origin in origins)}

    def refused_name(self, value: "str | None") -> str:
        """The name in the header Host if requests for it have to be refused; empty if the request is fine."""
        if self._allows_any or not value or value == self._last_accepted:  # every browser sends the header
            return ""
        name = _host_name(value)
        if name in self._names or name == "localhost" or name.endswith(".localhost") or _is_address(name):
            self._last_accepted = value
            return ""
        return name


def _host_name(authority: str) -> str:
    """The host of HOST:PORT, in lower case."""
    return _PORT.sub("", authority.lower()).rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name[1:-1] if name.startswith("[") and name.endswith("]") else name)
    except ValueError:
        return False
    return True


def _is_loopback(address: str) -> bool:
    return _is_address(address) and ipaddress.ip_address(address).is_loopback
