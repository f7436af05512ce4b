"""The functions of a running `serve`, found by their names."""

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..sandbox.pool import Pool
    from .built_pool import BuiltPool
    from .options import FunctionOptions

CLASSIC_NAME = "function"
"""The name in the well-known path of AWS's emulator. It stands for the default function."""
_IPV4 = re.compile(r"\d+\.\d+\.\d+\.\d+(:|$)")


class ServedFunction:
    """A function, and the pool that runs it."""

    __slots__ = ("options", "pool")

    def __init__(self, options: "FunctionOptions", pool: "Pool | BuiltPool") -> None:
        self.options = options
        self.pool = pool


class ServedFunctions:
    """All functions. The first one is the default."""

    def __init__(self, functions: "list[ServedFunction]") -> None:
        self.default = functions[0]
        self._functions = functions
        self._by_name = {each.options.name: each for each in functions if each.options.name}
        self._by_label = {name.lower(): each for name, each in self._by_name.items()}

    def __iter__(self) -> "Iterator[ServedFunction]":
        return iter(self._functions)

    @property
    def names(self) -> "list[str]":
        """Their names; none if every name is a name of the only one."""
        return list(self._by_name)

    def by_name(self, name: str) -> "ServedFunction | None":
        """The function that is invoked by this name."""
        if not self._by_name or name == CLASSIC_NAME:
            return self.default
        return self._by_name.get(name)

    def by_host(self, host: "str | None") -> ServedFunction:
        """The function for an HTTP request: that of NAME.localhost, for instance, or else the default.

        An IP address names none, although a function may be named 127.
        """
        if len(self._functions) == 1 or not host or host.startswith("[") or _IPV4.match(host):
            return self.default
        label, dot, _ = host.partition(".")
        return self._by_label.get(label.lower(), self.default) if dot else self.default
