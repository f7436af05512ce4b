"""Reads bodies of the type multipart/form-data (RFC 7578), and refuses what browsers and tools never send."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_TYPE = re.compile(r'multipart/form-data; ?boundary="?([A-Za-z0-9\'()+_,./:=? -]{1,70})"?', re.IGNORECASE)
_DISPOSITION = re.compile(r'form-data; name="([^"\r\n]*)"(?:; filename="([^"\r\n]*)")?', re.IGNORECASE)


@dataclass(kw_only=True)
class Form:
    """A form that was sent: `fields` in order, and `files` with name of the field, name of the file, and content."""

    fields: list[tuple[str, str]] = field(default_factory=list)
    files: list[tuple[str, str, bytes]] = field(default_factory=list)

    def values(self, name: str) -> list[str]:
        """All values of a field."""
        return [value for key, value in self.fields if key == name]


def parse(media_type: str, body: bytes) -> Form:
    """The form in a body; `ValueError` says what is wrong with it."""
    found = _TYPE.fullmatch(media_type)
    if found is None:
        raise ValueError(f"{media_type!a} is no multipart/form-data")
    first, *parts = (b"\r\n" + body).split(b"\r\n--" + found[1].encode())
    if first or not parts or parts.pop() not in (b"--", b"--\r\n"):
        raise ValueError("the form does not begin and end with its boundary")
    form = Form()
    for part in parts:
        head, blank, content = part.partition(b"\r\n\r\n")
        headers = dict(line.partition(": ")[::2] for line in head.decode().split("\r\n")[1:])
        name = _DISPOSITION.fullmatch(headers.get("Content-Disposition", ""))
        if not head.startswith(b"\r\n") or not blank or name is None:
            raise ValueError("a part of the form has no name")
        if name[2] is None:
            form.fields.append((name[1], content.decode()))
        else:
            form.files.append((name[1], name[2], content))
    return form
