"""The header fields of a message (RFC 9110, section 5)."""

import re

NAME_CHARACTERS = r"!#$%&'*+.^_`|~0-9A-Za-z-"
"""The characters of a token, such as a method or a field's name, for the brackets of a regular expression."""
TOKEN = re.compile(f"[{NAME_CHARACTERS}]+")
FORBIDDEN_IN_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # a tab is allowed


class HeaderFields:
    """Names and values as they were sent, decoded as Latin-1; and the same to look values up."""

    __slots__ = ("_by_name", "memo", "pairs")

    def __init__(self, pairs: "list[tuple[str, str]]") -> None:
        """Whoever has the object must not change the list."""
        self.pairs = pairs
        self.memo: object = None
        """What a reader has found in them: requests with the same fields have the same object."""
        self._by_name: dict[str, list[str]] = {}
        for name, value in pairs:
            self._by_name.setdefault(name.lower(), []).append(value)

    def __contains__(self, name: str) -> bool:
        """Whether there is a field with this name, which is in lower case."""
        return name in self._by_name

    def first(self, name: str) -> "str | None":
        """The first value of a name, which is in lower case; None if there is none."""
        found = self._by_name.get(name)
        return found[0] if found else None

    def all(self, name: str) -> "list[str]":
        """All values of a name, which is in lower case, in the order in which they were sent."""
        return self._by_name.get(name, [])
