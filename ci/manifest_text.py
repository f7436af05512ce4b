"""Where a fault is, and which characters may stand in a text that a person writes for a release.

Printable characters are legal in free text, however odd: baking escapes them. What cannot be seen, or would
end the line that it is written to, is refused here, before anything reads it.
"""

from __future__ import annotations

import dataclasses
import unicodedata

from ci.errors import ManifestError

# Stands for a character that was already reported, so that its value is not reported again.
REPORTED = "\ufffd"

_UNSEEN = {
    "Cc": "a control character",
    "Cf": "an invisible or direction-changing character",
    "Cs": "half a surrogate pair",
    "Co": "a private-use character",
    "Zl": "a line separator",
    "Zp": "a paragraph separator",
}
_LAST_SHOWN = 60


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that is wrong, and where; the changelog has no columns, an unreadable file no lines."""

    file: str
    line: int = 0
    column: int = 0
    key: str = ""
    text: str

    def __str__(self) -> str:
        """Return the line that a person reads and an editor can jump to."""
        place = ":".join([self.file, *(str(number) for number in (self.line, self.column) if number)])
        return f"{place}: {self.key}: {self.text}" if self.key else f"{place}: {self.text}"


def raise_for(faults: list[Fault]) -> None:
    """Raise one error for all faults, in the order of the files as they were met and of the positions."""
    if faults:
        files = list(dict.fromkeys(fault.file for fault in faults))
        ordered = sorted(faults, key=lambda fault: (files.index(fault.file), fault.line, fault.column))
        raise ManifestError("\n".join(dict.fromkeys(str(fault) for fault in ordered)))


def decode(content: bytes, file: str) -> tuple[str, list[Fault]]:
    """Return the text with each character that may not stand in a file replaced, and a fault for each.

    Positions in the text are positions in the file; a byte order mark is no part of either.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line, column = _position(content[: error.start].decode())
        return "", [
            Fault(
                file=file,
                line=line,
                column=column,
                text=f"byte 0x{content[error.start]:02x} is not UTF-8; UTF-8",
            )
        ]
    faults = []
    if text.startswith("\ufeff"):
        faults.append(Fault(file=file, line=1, column=1, text="a byte order mark; plain UTF-8 without one"))
        text = text[1:]
    chars = list(text)
    line, start = 1, 0
    for index, char in enumerate(text):
        wrong = _unfit_in_file(char, text[index + 1 : index + 2])
        if wrong:
            faults.append(Fault(file=file, line=line, column=index - start + 1, text=wrong))
            # A tab still separates; anything else may be part of a value, which is then not judged further.
            chars[index] = " " if char in "\t\r" else REPORTED
        if char == "\n":
            line, start = line + 1, index + 1
    return "".join(chars), faults


def _position(before: str) -> tuple[int, int]:
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _unfit_in_file(char: str, following: str) -> str | None:
    if char == "\n" or (char == "\r" and following == "\n"):
        return None
    if char == "\t":
        return "a tab; spaces"
    if char == REPORTED:
        return "the replacement character U+FFFD, left by a wrong decoding; the character that was meant"
    return unseen(char)


def unseen(char: str) -> str | None:
    """Say what is wrong with a character that a reader cannot see; None where it is seen."""
    kind = _UNSEEN.get(unicodedata.category(char))
    if kind is None and (ord(char) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(char) <= 0xFDEF):
        kind = "a code point that is no character"
    return f"{kind}, U+{ord(char):04X}; remove it" if kind else None


def text_fault(text: str) -> str | None:
    """Say what is wrong with a value that has to be one line of visible characters; None where nothing is."""
    for char in text:
        if char == "\n":
            return "holds a line break; one line (a long one goes below `>-`, which folds it)"
        wrong = unseen(char)
        if wrong:
            return f"holds {wrong}"
    if text.strip() != text:
        return "begins or ends with a space; the text without it"
    if text.startswith("-"):
        return "begins with a dash, which a tool may take for an option; another first character"
    return None


def shown(value: object) -> str:
    """Spell a value for a message: text in quotes, its unseen characters escaped, cut where it is long."""
    if not isinstance(value, str):
        return str(value)
    cut = value if len(value) <= _LAST_SHOWN else value[: _LAST_SHOWN - 3] + "..."
    return '"' + "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in cut) + '"'
