"""What a server says, for instance in the body of a refusal, in one short line for people."""

from __future__ import annotations

import html
import json
import re
from typing import Any

from ci.core.masking import PROCESS

_LONGEST = 200
_TITLE = re.compile(rb"<title[^>]*>(.{0,1000}?)</title", re.IGNORECASE | re.DOTALL)


def said(body: bytes) -> str:
    """The first words that explain a refusal; empty if there are none. Secrets in them are masked.

    They are the messages or details of a JSON document (also of the first of its `errors`), the title of a page in
    HTML, or the beginning of a plain text. What a terminal would take for a command is replaced.
    """
    text = _of_document(body)
    if text is None and b"<" in body[:_LONGEST]:
        title = _TITLE.search(body[:20_000])
        text = html.unescape(title[1].decode(errors="replace")) if title else ""
    if text is None:
        text = body[: 20 * _LONGEST].decode(errors="replace")
    return plain(text)


def plain(text: str) -> str:
    """The beginning of a text that somebody sent, in one line that is safe to print. Secrets in it are masked."""
    words = PROCESS.mask("".join(char if char.isprintable() else " " for char in text))
    return " ".join(words.split())[:_LONGEST]


def _of_document(body: bytes) -> str | None:
    """What a JSON document says; None if it is none."""
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return ""
    errors = document.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else document
    if not isinstance(first, dict):
        first = {"message": first}
    texts = (one.get(key) for one in (document, first) for key in ("message", "detail"))
    messages = [text for text in texts if isinstance(text, str)]
    return ": ".join(dict.fromkeys(messages)) or str(first.get("code") or "")
