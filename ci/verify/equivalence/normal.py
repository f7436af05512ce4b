"""The fields that may differ between two artefacts whose runtime is the same. Nothing else may.

`ALWAYS` are replaced in every record, so records of one group are compared byte for byte after that. `ACROSS` are
replaced besides where two records come from different Pythons or C libraries. Both say why.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Field:
    """What is replaced by what, in logs, headers and documents, and the reason."""

    pattern: re.Pattern[str]
    replacement: str
    reason: str


ALWAYS: tuple[Field, ...] = (
    Field(
        pattern=re.compile(r"0x[0-9a-f]{6,16}\b"),
        replacement="ADDRESS",
        reason="the kernel places threads and memory at random",
    ),
    Field(
        pattern=re.compile(r"^Thread ADDRESS[^\n]*:\n(?:  [^\n]*\n)*\n?", re.MULTILINE),
        replacement="",
        reason="where the other threads are when the function crashes depends on the load of the machine",
    ),
    Field(
        pattern=re.compile(r"^(thread '.*') \(\d+\) panicked", re.MULTILINE),
        replacement=r"\1 panicked",
        reason="Rust prints the number that the kernel has given to the thread",
    ),
    Field(
        pattern=re.compile(
            r'^  File "[^"\n]*/(?:bin/faas-runtime|runtime/bootstrap)", line \d+ in <module>\n', re.MULTILINE
        ),
        replacement="",
        reason="pip writes a launcher of its own, and images call it bootstrap",
    ),
    Field(
        pattern=re.compile(r"127\.0\.0\.1:\d+"),
        replacement="127.0.0.1:PORT",
        reason="each stand-in of the Runtime API listens on a port of its own",
    ),
    Field(
        pattern=re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"),
        replacement="TIME",
        reason="a message in JSON has the time at which it was written",
    ),
    Field(
        pattern=re.compile(r"\b\d+(\.\d+)? m?s after"),
        replacement="DURATION after",
        reason="how late a deadline is noticed depends on the load of the machine",
    ),
)

ACROSS: tuple[Field, ...] = (
    Field(
        pattern=re.compile(r'^  File "PAYLOAD/.*\n|^  File "<frozen .*\n', re.MULTILINE),
        replacement="",
        reason="a Python starts its main module through frames of its own",
    ),
    Field(
        pattern=re.compile(r"^(Current thread ADDRESS)[^\n]*( \(most recent call first\):)", re.MULTILINE),
        replacement=r"\1\2",
        reason="Python 3.14 adds the thread's name",
    ),
    Field(
        pattern=re.compile(r"\n*^Current thread's C stack trace[^\n]*\n(?:  [^\n]*\n)*", re.MULTILINE),
        replacement="\n",
        reason="Python 3.14 prints the frames of C as well",
    ),
    Field(
        pattern=re.compile(r"\n*^Extension modules: .*\n", re.MULTILINE),
        replacement="\n",
        reason="which modules of Python are extensions depends on how it was built",
    ),
    Field(
        pattern=re.compile(r'^"content-length": "\d+",?\n', re.MULTILINE),
        replacement="",
        reason="an error document with other words has another length; of responses, the bytes are compared anyway",
    ),
    Field(
        pattern=re.compile(r"cannot be loaded: .*?(?=\. )"),
        replacement="cannot be loaded: REASON",
        reason="the C library words why it cannot load a file",
    ),
)


def places(text: str, known: Mapping[str, str]) -> str:
    """The text with the folders of one installation replaced by names, the longest first.

    The reason: each artefact puts the runtime into another folder, and messages and stacks name it. Request ids need
    no such thing: the events have ids of their own.
    """
    for path in sorted(known, key=len, reverse=True):
        text = text.replace(path, known[path])
    return text


def always(text: str) -> str:
    """The text without what always differs."""
    return _replaced(text, ALWAYS)


def across(text: str) -> str:
    """The text without what differs between Pythons and C libraries either; a JSON document in one form."""
    text = _replaced(text, ACROSS)
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return json.dumps(document, sort_keys=True)


def _replaced(text: str, fields: tuple[Field, ...]) -> str:
    for field in fields:
        text = field.pattern.sub(field.replacement, text)
    return text
