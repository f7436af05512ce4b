"""Edits lists in the text of a Cargo.toml. Comments, order and line ends stay as they are.

It reads only as much of TOML as it needs. What it does not know, it does not touch: it raises `NotSafe`.
"""

import re


class NotSafe(Exception):
    """The text has a form that is not known here."""


class ManifestTable:
    """A table of a Cargo.toml: the text before it ends, and the places of the values of its keys."""

    def __init__(self, text: str, name: str) -> None:
        if '"""' in text or "'''" in text:
            raise NotSafe
        headers = list(re.finditer(rf"(?m)^[ \t]*\[[ \t]*{re.escape(name)}[ \t]*\][ \t]*(#[^\n]*)?(\r?\n|\Z)", text))
        if len(headers) != 1:
            raise NotSafe
        self.text = text
        self.start = headers[0].end()
        self.values = _values(text, self.start)

    def strings(self, key: str) -> "list[str]":
        """The strings of a list; none if the table has no such key."""
        return [value for _, _, value in _strings(self.text, *self.values[key])] if key in self.values else []

    def with_string(self, key: str, value: str) -> str:
        """The text with one more string in a list, which is made if the table has none."""
        if not re.fullmatch(r'[^"\\\x00-\x1f\x7f]+', value):
            raise NotSafe
        eol = "\r\n" if "\r\n" in self.text else "\n"
        if key in self.values:
            return _with_item(self.text, *self.values[key], f'"{value}"', eol)
        before = self.text[: self.start]
        gap = "" if before.endswith("\n") else eol
        return f'{before}{gap}{key} = ["{value}"]{eol}{self.text[self.start :]}'


def _values(text: str, at: int) -> "dict[str, tuple[int, int]]":
    """From the keys of a table to where their values begin and end."""
    found: dict[str, tuple[int, int]] = {}
    key = re.compile(
        r"[ \t]*((?:[A-Za-z0-9_-]+|\"[^\"\\\n]*\"|'[^'\n]*')(?:[ \t]*\.[ \t]*[A-Za-z0-9_-]+)*)[ \t]*=[ \t]*"
    )
    while True:
        at = _past_blank(text, at)
        if at == len(text) or text[at] == "[":
            return found
        match = key.match(text, at)
        if not match:
            raise NotSafe
        end = _end_of_value(text, match.end())
        name = match.group(1).strip("\"'")
        if name in found:
            raise NotSafe
        found[name] = (match.end(), end)
        at = end


def _past_blank(text: str, at: int) -> int:
    """The place after white space, line ends and comments."""
    blank = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*").match(text, at)
    return blank.end() if blank else at


def _end_of_value(text: str, at: int) -> int:
    """Where a value ends."""
    if at < len(text) and text[at] in "[{":
        return _end_of_brackets(text, at)
    value = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'|[A-Za-z0-9_.+:-]+").match(text, at)
    if not value:
        raise NotSafe
    return value.end()


def _end_of_brackets(text: str, at: int) -> int:
    depth = 0
    token = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'|#[^\n]*|[\[\]{}]|[^\"'#\[\]{}]+")
    while match := token.match(text, at):
        at = match.end()
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(match.group(), 0)
        if depth == 0:
            return at
    raise NotSafe


def _strings(text: str, start: int, end: int) -> "list[tuple[int, int, str]]":
    """The strings of a list: where each begins and ends, and its value."""
    if text[start] != "[":
        raise NotSafe
    found = []
    at = _past_blank(text, start + 1)
    string = re.compile(r"\"([^\"\\\n]*)\"|'([^'\n]*)'")
    while at < end - 1:
        match = string.match(text, at)
        if not match:
            raise NotSafe
        found.append((at, match.end(), match.group(1) or match.group(2) or ""))
        at = _past_blank(text, match.end())
        if at < end - 1 and text[at] != ",":
            raise NotSafe
        at = _past_blank(text, min(at + 1, end - 1))
    return found


def _with_item(text: str, start: int, end: int, item: str, eol: str) -> str:
    """The text with one more item in the list between two places."""
    items = _strings(text, start, end)
    if not items:
        return _into_empty(text, start, end, item, eol)
    first, last, _ = items[-1]
    following = _past_blank(text, last)
    has_comma = text[following] == ","
    if has_comma and "\n" in text[last:following]:
        raise NotSafe
    indent = text[text.rfind("\n", 0, first) + 1 : first]
    newline = text.find("\n", following if has_comma else last, end)
    if newline < 0 or indent.strip(" \t"):  # more than one item is on that line
        return f"{text[:last]}, {item}{text[last:]}"
    line = f"{text[last : newline + 1]}{indent}{item},{eol}"
    return f"{text[:last]}{'' if has_comma else ','}{line}{text[newline + 1 :]}"


def _into_empty(text: str, start: int, end: int, item: str, eol: str) -> str:
    inside = text[start + 1 : end - 1]
    if "\n" not in inside:
        return f"{text[: start + 1]}{item}{text[end - 1 :]}"
    closing = text.rfind("\n", 0, end - 1) + 1
    return f"{text[:closing]}    {item},{eol}{text[closing:]}"
