"""The header fields of a message."""


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
