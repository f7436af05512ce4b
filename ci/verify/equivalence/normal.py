"""The fields that may differ between two artefacts whose runtime is the same. Nothing else may.

`ALWAYS` are replaced in every record, so records of one group are compared byte for byte after that. `ACROSS` are
replaced besides where two records come from different Pythons or C libraries. Both say why. Request ids are in neither:
the events have ids of their own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Known:
    """What one artefact and one answer say of themselves.

    `places` are names for the folders of the installation. `length` is the length of an error document, where the text
    is the header that has it, and empty elsewhere.
    """

    places: Mapping[str, str] = field(default_factory=dict)
    length: str = ""


NOTHING = Known()


@dataclass(frozen=True, kw_only=True)
class Field:
    """What is replaced by what, in logs, headers and documents, and the reason.

    `pattern` may be a function from what is known to the pattern, and `replacement` one from what was found and what is
    known to the text that is there instead. A pattern of None finds nothing.
    """

    pattern: re.Pattern[str] | Callable[[Known], re.Pattern[str] | None]
    replacement: str | Callable[[re.Match[str], Known], str]
    reason: str

    def replaced(self, text: str, known: Known) -> str:
        """The text without this field."""
        pattern = self.pattern(known) if callable(self.pattern) else self.pattern
        new = self.replacement
        if pattern is None:
            return text
        return pattern.sub(new if isinstance(new, str) else lambda found: new(found, known), text)


def _places(known: Known) -> re.Pattern[str] | None:
    """The folders of an installation, the longest first: one may lie in another."""
    paths = sorted(known.places, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, paths))) if paths else None


def _length(known: Known) -> re.Pattern[str] | None:
    return re.compile(rf"^{known.length}$") if known.length else None


def _in_one_form(found: re.Match[str], _: Known) -> str:
    try:
        document: Any = json.loads(found[0])
    except (ValueError, RecursionError):
        return found[0]
    return json.dumps(document, sort_keys=True)


ALWAYS: tuple[Field, ...] = (
    Field(
        pattern=_places,
        replacement=lambda found, known: known.places[found[0]],
        reason="each artefact puts the runtime into another folder, and messages and stacks name it",
    ),
    Field(
        pattern=_length,
        replacement="LENGTH",
        reason="an error document may name such a folder or have other words, and then has another length",
    ),
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
        pattern=re.compile(r"cannot be loaded: .*?(?=\. )"),
        replacement="cannot be loaded: REASON",
        reason="the C library words why it cannot load a file",
    ),
    Field(
        pattern=re.compile(r"\A.+\Z", re.DOTALL),
        replacement=_in_one_form,
        reason="a document in JSON means the same whatever the order of its keys and the spaces in it",
    ),
)


def always(text: str, known: Known = NOTHING) -> str:
    """The text without what always differs."""
    return _replaced(text, ALWAYS, known)


def across(text: str) -> str:
    """The text without what differs between Pythons and C libraries either."""
    return _replaced(text, ACROSS, NOTHING)


def _replaced(text: str, fields: tuple[Field, ...], known: Known) -> str:
    for one in fields:
        text = one.replaced(text, known)
    return text
