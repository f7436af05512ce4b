"""Parsers of command lines: what they print, they print as the commands do."""

import argparse

from .command_line import print_text
from .errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


class HelpParser(argparse.ArgumentParser):
    """A parser whose help may be read in part, as with `| head`."""

    def print_help(self, file: "Any" = None) -> None:
        """Print the help; raises UsageError if standard output cannot be written."""
        print_text(self.format_help().rstrip("\n"))


class CommandParser(HelpParser):
    """A parser that leaves printing and exit codes of faults to `main`."""

    def error(self, message: str) -> "NoReturn":
        """Raise UsageError."""
        raise UsageError(f"{message}\n{self.format_usage().rstrip()}")
