"""Reads lists that somebody sent as text, such as `SHA256SUMS`: what is no text raises an error."""

from __future__ import annotations

from pathlib import Path

from ci.core.errors import VerificationError
from ci.core.state import read_regular

_LARGEST_BYTES = 16_000_000


def read_lines(path: Path, hint: str) -> list[str]:
    """The lines of a list in a file; `VerificationError` with `hint` if it is no file, too large, or no text."""
    try:
        data = read_regular(path, _LARGEST_BYTES)
    except OSError as error:
        raise VerificationError(f"{path}: it cannot be read: {error.strerror or error}", hint=hint) from None
    return lines_of(data, str(path), hint)


def lines_of(data: bytes, where: str, hint: str) -> list[str]:
    """The lines of a list by its bytes; `VerificationError` with `hint` if they are no text."""
    try:
        return data.decode().splitlines()
    except UnicodeDecodeError as error:
        raise VerificationError(f"{where}: it is no text: byte {error.start + 1} is not UTF-8", hint=hint) from None
