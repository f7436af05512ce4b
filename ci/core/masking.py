"""Finds values that must stay secret in text, and writes `***` in their place.

A value is found as it is and in the forms that tools print it in: Base64, also within a longer encoded text such as
`Authorization: Basic`; quoted for a URL; escaped for JSON, HTML, a shell or as a Python literal; in hexadecimal.
Of a value with several lines, each line counts.

These are not found: a value in another form (Base32, hexadecimal with separators) or that was encoded twice, encrypted
or compressed, a part of a value (except at the end of a text, where a program may have been cut short), and lines of
fewer than `SHORTEST` characters on their own.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

MASK = b"***"

SHORTEST = 8
"""The fewest characters that a secret may have: a shorter one is found by chance everywhere, and can be guessed."""

_LINE_BREAKS = b"\r\n"
# Without those that stand for bytes which are not UTF-8 ("surrogateescape").
_HALVES = re.compile(r"[\ud800-\udc7f\udd00-\udfff]")
_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class Masks:
    """The values to mask in one process, with all their forms."""

    def __init__(self) -> None:
        self._names: dict[bytes, str] = {}
        self._wrapped_names: dict[bytes, str] = {}

    def __bool__(self) -> bool:
        return bool(self._names)

    def add(self, name: str, value: str, *users: str) -> None:
        """Mask a value from now on, under the name of its secret; with `users` for HTTP's basic authentication.

        Raises `ValueError` for a value that has no line of `SHORTEST` characters.
        """
        lines = [line for line in map(str.strip, value.splitlines()) if len(line) >= SHORTEST]
        if not lines:
            raise ValueError(f"a secret needs a line of at least {SHORTEST} characters")
        plain = [value.strip(), "\r\n".join(value.strip().splitlines()), *lines]
        forms = {form for line in plain for form in _forms(line)}
        wrapped = {form for line in (value, *plain) for form in _base64_forms(line)}
        wrapped |= {form for user in users for form in _whole_base64(f"{user}:{value.strip()}".encode())}
        # Replaced as a whole, since another thread may be reading them.
        self._names = {**dict.fromkeys(forms, name), **self._names}
        self._wrapped_names = {**dict.fromkeys(wrapped, name), **self._wrapped_names}

    def mask(self, text: str) -> str:
        """The text with every secret masked; whatever text it is, it does not fail."""
        if not self:
            return text
        return self.mask_bytes(_bytes_of(text)).decode(errors="surrogateescape")

    def mask_bytes(self, data: bytes) -> bytes:
        """The bytes with every secret masked."""
        stream = MaskedStream(self)
        return stream.feed(data) + stream.end()

    def found_in(self, text: str) -> str:
        """The name of a secret that the text contains; empty if it contains none."""
        data = _bytes_of(text)
        found = next((self._names[form] for form in self._names if form in data), "")
        joined = data.translate(None, _LINE_BREAKS)
        return found or next((self._wrapped_names[form] for form in self._wrapped_names if form in joined), "")

    def places(self, data: bytes) -> list[tuple[int, int]]:
        """Where secrets are in the data: start and end of each place, in order and without overlaps."""
        places = [place for form in self._names for place in _occurrences(form, data)]
        joined = data.translate(None, _LINE_BREAKS)
        wrapped = [place for form in self._wrapped_names for place in _occurrences(form, joined)]
        if wrapped:
            offsets = _offsets_without_line_breaks(data)
            places += [(offsets[start], offsets[end - 1] + 1) for start, end in wrapped]
        return _merged(places)

    def undecided_from(self, data: bytes) -> int:
        """From where on the data may turn out to be a secret when more is read; its length if nowhere."""
        start = min((_start_of_prefix(form, data) for form in self._names), default=len(data))
        joined = data.translate(None, _LINE_BREAKS)
        in_joined = min((_start_of_prefix(form, joined) for form in self._wrapped_names), default=len(joined))
        if in_joined == len(joined):
            return start
        return min(start, _offsets_without_line_breaks(data)[in_joined])


class MaskedStream:
    """Masks a stream that is read in pieces: a secret may begin in one piece and end in another."""

    def __init__(self, masks: Masks) -> None:
        self._masks = masks
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        """Take a piece; returns what can be written. An end that may be the beginning of a secret is kept back."""
        data = self._held + piece
        places = self._masks.places(data)
        limit = self._masks.undecided_from(data)
        for start, end in places:
            if start < limit < end:
                limit = start
        self._held = data[limit:]
        return _replaced(data[:limit], [place for place in places if place[1] <= limit])

    def end(self) -> bytes:
        """What was kept back. If it is the beginning of a secret, it is masked as well."""
        data, self._held = self._held, b""
        places = self._masks.places(data)
        start = self._masks.undecided_from(data)
        if len(data) - start >= SHORTEST:
            places = _merged([*places, (start, len(data))])
        return _replaced(data, places)


PROCESS = Masks()
"""The secrets of this process: what errors, the console and, by default, runners mask."""


def _bytes_of(text: str) -> bytes:
    """A text as bytes. Half a character, which JSON can hold and UTF-8 cannot, becomes its escape."""
    return _HALVES.sub(lambda half: f"\\u{ord(half[0]):04x}", text).encode(errors="surrogateescape")


def _forms(text: str) -> Iterator[bytes]:
    """A text as it is and as tools quote it, except in Base64."""
    data = text.encode(errors="surrogateescape")
    yield data
    for quoted in (quote(data, safe=""), quote(data), quote_plus(data)):
        yield quoted.encode()
        yield re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), quoted).encode()
    for escaped in (json.dumps(text), json.dumps(text, ensure_ascii=False)):
        inner = escaped[1:-1]
        yield inner.encode(errors="surrogateescape")
        yield inner.replace("/", "\\/").encode(errors="surrogateescape")
    yield text.encode("unicode_escape")
    yield repr(text)[1:-1].encode(errors="surrogateescape")
    yield ascii(text)[1:-1].encode()
    for apostrophe in ("&#x27;", "&#39;", "&apos;"):
        yield html.escape(text, quote=True).replace("&#x27;", apostrophe).encode(errors="surrogateescape")
    yield repr(data)[2:-1].encode()
    for quote_mark in ("'\\''", "'\"'\"'"):  # the two ways to write one within single quotes of a shell
        yield data.replace(b"'", quote_mark.encode())
    yield data.hex().encode()
    yield data.hex().upper().encode()


def _base64_forms(text: str) -> Iterator[bytes]:
    """A text in Base64, alone or within other data.

    Within other data, a text begins at any of the three positions of a group. The first and the last character can
    then depend on the other data too; these are left out, so that at most four bits of the text remain visible there.
    """
    data = text.encode(errors="surrogateescape")
    yield from _whole_base64(data)
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + data)
        first = -(-before * 8 // 6)
        last = (before + len(data)) * 8 // 6
        yield encoded[first:last]
        yield encoded[first:last].translate(_URL_SAFE)


def _whole_base64(data: bytes) -> Iterator[bytes]:
    encoded = base64.b64encode(data)
    for padded in (encoded, encoded.translate(_URL_SAFE)):
        yield padded
        yield padded.rstrip(b"=")


def _occurrences(form: bytes, data: bytes) -> Iterator[tuple[int, int]]:
    start = data.find(form)
    while start >= 0:
        yield start, start + len(form)
        start = data.find(form, start + 1)


def _start_of_prefix(form: bytes, data: bytes) -> int:
    """Where the longest end of the data begins that is a beginning of the form, but not all of it."""
    start = data.find(form[:1], max(0, len(data) - len(form) + 1))
    while start >= 0 and not form.startswith(data[start:]):
        start = data.find(form[:1], start + 1)
    return start if start >= 0 else len(data)


def _offsets_without_line_breaks(data: bytes) -> list[int]:
    return [offset for offset, byte in enumerate(data) if byte not in _LINE_BREAKS]


def _merged(places: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Places that overlap, as one; those that only touch stay apart."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(places):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _replaced(data: bytes, places: Iterable[tuple[int, int]]) -> bytes:
    pieces, position = [], 0
    for start, end in places:
        pieces += [data[position:start], MASK]
        position = end
    return b"".join([*pieces, data[position:]])
