"""Where a fault is, and which characters the texts of a release may contain.

Free text may contain every printable character: the rendering escapes them. Characters that are invisible, or that
would end a line, are refused here, before anything else reads the text.
"""

from __future__ import annotations

import dataclasses
import unicodedata

from ci.core.errors import ManifestError

# Replaces a character that was reported, so that its value is not reported again.
REPORTED = "\ufffd"

# Of the manifest and of the changelog: reading takes seconds for each megabyte.
LARGEST_BYTES = 1_000_000

_INVISIBLE = {
    "Cc": "a control character",
    "Cf": "an invisible or direction-changing character",
    "Cs": "half a surrogate pair",
    "Co": "a private-use character",
    "Zl": "a line separator",
    "Zp": "a paragraph separator",
}
_SHOWN_CHARACTERS = 60


@dataclasses.dataclass(frozen=True, kw_only=True)
class ManifestFault:
    """One thing that is wrong, and where. Some faults have no column, and those of unreadable files no line."""

    file: str
    line: int = 0
    column: int = 0
    key: str = ""
    text: str

    def __str__(self) -> str:
        """The line for people; an editor can go to its position."""
        place = ":".join([self.file, *(str(number) for number in (self.line, self.column) if number)])
        return f"{place}: {self.key}: {self.text}" if self.key else f"{place}: {self.text}"


def raise_for(faults: list[ManifestFault]) -> None:
    """Raise one `ManifestError` for all faults, in the order of the files and of the positions."""
    if faults:
        files = list(dict.fromkeys(fault.file for fault in faults))
        ordered = sorted(faults, key=lambda fault: (files.index(fault.file), fault.line, fault.column))
        raise ManifestError("\n".join(dict.fromkeys(str(fault) for fault in ordered)))


def decode(content: bytes, file: str) -> tuple[str, list[ManifestFault]]:
    """Return the text, with each forbidden character replaced, and a fault for each of them.

    Positions in the text are those in the file, without the byte order mark if there is one.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line, column = _position(content[: error.start].decode())
        return "", [
            ManifestFault(
                file=file,
                line=line,
                column=column,
                text=f"byte 0x{content[error.start]:02x} is not UTF-8; save the file as UTF-8",
            )
        ]
    if all(line.isprintable() for line in text.split("\n")) and REPORTED not in text:
        return text, []  # no character is refused that can be printed; going through them takes long
    faults = []
    if text.startswith("\ufeff"):
        faults.append(
            ManifestFault(file=file, line=1, column=1, text="a byte order mark; save the file as UTF-8 without one")
        )
        text = text[1:]
    chars = list(text)
    line, start = 1, 0
    for index, char in enumerate(text):
        wrong = _fault_in_file(char, text[index + 1 : index + 2])
        if wrong:
            faults.append(ManifestFault(file=file, line=line, column=index - start + 1, text=wrong))
            # A tab still separates words. Any other character may belong to a value, which is then not checked further.
            chars[index] = " " if char in "\t\r" else REPORTED
        if char == "\n":
            line, start = line + 1, index + 1
    return "".join(chars), faults


def _position(before: str) -> tuple[int, int]:
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _fault_in_file(char: str, following: str) -> str | None:
    if char == "\n" or (char == "\r" and following == "\n"):
        return None
    if char == "\t":
        return "a tab; use spaces"
    if char == REPORTED:
        return "the replacement character U+FFFD, the result of a wrong decoding; write the original character"
    return invisible_fault(char)


def invisible_fault(char: str) -> str | None:
    """What is wrong with a character that a reader cannot see; None if it is visible."""
    kind = _INVISIBLE.get(unicodedata.category(char))
    if kind is None and (ord(char) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(char) <= 0xFDEF):
        kind = "a code point that is not a character"
    return f"{kind}, U+{ord(char):04X}; remove it" if kind else None


def text_fault(text: str) -> str | None:
    """What is wrong with a value that must be one line of visible characters; None if nothing is."""
    for char in text if not text.isprintable() else "":
        if char == "\n":
            return "contains a line break; write one line (a long one below `>-`, which folds it)"
        wrong = invisible_fault(char)
        if wrong:
            return f"contains {wrong}"
    if text.strip() != text:
        return "begins or ends with a space; remove it"
    if text.startswith("-"):
        return "begins with a dash, which a tool may read as an option; begin with another character"
    return None


def shown(value: object) -> str:
    """A value for a message: text in quotes, with invisible characters escaped, and shortened if it is long."""
    if not isinstance(value, str):
        return str(value)
    cut = value if len(value) <= _SHOWN_CHARACTERS else value[: _SHOWN_CHARACTERS - 3] + "..."
    return '"' + "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in cut) + '"'
