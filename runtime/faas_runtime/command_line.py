"""Helpers that the commands and the emulator share."""

import errno
import io
import os
import sys

from .errors import UsageError


def open_closed_output() -> None:
    """Let Python write to standard output and standard error also where the parent has closed them.

    Their descriptors lead nowhere by now. Without a file for standard error, `print` would take standard output.
    """
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def accept_all_characters() -> None:
    """Let standard output write characters that its encoding lacks as escapes.

    File names may hold any character, and the encoding of a pipe on Windows has few of them. Elsewhere,
    `surrogateescape` writes a name unchanged.
    """
    if isinstance(sys.stdout, io.TextIOWrapper) and (sys.platform == "win32" or sys.stdout.errors == "strict"):
        sys.stdout.reconfigure(errors="backslashreplace")


def print_text(text: str) -> None:
    """Print lines. If nobody reads all of them, as with `| head`, that is not an error, and the command goes on.

    Raises UsageError if they cannot be written for another reason, such as a full disk.
    """
    try:
        print(text, flush=True)
    except OSError as error:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # for what follows, and for what Python writes when it ends
        os.close(nowhere)
        if error.errno not in (errno.EPIPE, errno.EINVAL):  # EINVAL: what Windows says for a pipe that nobody reads
            raise UsageError(f"standard output cannot be written: {error.strerror}") from error


def has_folder(name: str) -> bool:
    """Whether a name has a folder. On Windows, either slash ends one; which one is `os.sep` depends on the Python."""
    return os.sep in name or (os.altsep is not None and os.altsep in name)


def current_folder() -> str:
    """The path of the current folder; raises UsageError if it was removed."""
    try:
        return os.getcwd()
    except OSError as error:
        raise UsageError(f"the current folder cannot be determined: {error}. Change to a folder that exists") from error
