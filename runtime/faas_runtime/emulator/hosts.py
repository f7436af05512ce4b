"""Which names a request may be for, where only this machine is listened to.

A web page reaches this machine's ports too, and if the name that it came from suddenly stands for 127.0.0.1 (DNS
rebinding), the browser lets it read the answers. The header Host still has that name, and no page can change it.
"""

import ipaddress
import re

from .cors import ANY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_PORT = re.compile(r":[0-9]*$")


class Hosts:
    """Knows the names that are this machine's for certain, and those that the person has named."""

    def __init__(self, host: str, addresses: "Iterable[str]", origins: "Iterable[str]") -> None:
        """`host` is what is listened at, `addresses` what it stands for, `origins` those of --cors."""
        self._is_any = ANY in origins or not all(map(_is_loopback, addresses))
        self._names = {host.lower().rstrip("."), *(_name(origin.partition("://")[2]) for origin in origins)}

    def refusal(self, value: "str | None") -> str:
        """Why a request with this header Host is not taken; nothing: it is."""
        if self._is_any or not value:  # no browser leaves it out
            return ""
        name = _name(value)
        if name in self._names or name == "localhost" or name.endswith(".localhost") or _is_address(name):
            return ""
        return (
            f"{name[:100]!r} may be a name that a web page has made up for this machine; ask for localhost or an IP "
            f"address, or allow it: --cors http://{name[:100]}, or --host '*' to serve the network"
        )


def _name(authority: str) -> str:
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
