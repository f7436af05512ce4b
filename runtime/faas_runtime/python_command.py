"""How to start the Python that is running once more."""

import os
import sys

_ARGUMENTS = "/proc/self/cmdline"  # proc_pid_cmdline(5)


def python_command() -> "list[str]":
    """The words that start another process of this Python.

    The layer for Lambda starts Python through its own loader, with its own libraries: a system of another glibc cannot
    start that Python by itself. The words of the loader come first then.
    """
    try:
        with open(_ARGUMENTS, "rb") as file:
            words = [os.fsdecode(word) for word in file.read().split(b"\0")]
    except OSError:  # not on Linux
        words = [""]
    if os.path.basename(words[0]).startswith("ld-"):
        own = os.path.realpath(sys.executable)
        for number, word in enumerate(words):
            if os.path.realpath(word) == own:
                return [*words[:number], sys.executable]
    return [sys.executable]
