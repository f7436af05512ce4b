"""The arguments of each command. Only `ci.__main__` uses them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ci.command_line import building, publishing, releasing
from ci.command_line.actions import PROG, CommandLine
from ci.core.errors import UsageError


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The parsed arguments of one command, those of the process if None; raises `UsageError`."""
    chosen, unknown = parser().parse_known_args(arguments)
    if unknown:  # argparse would report these without the name of the session
        raise UsageError(f"unrecognized arguments: {' '.join(unknown)}", hint=f"see: nox -s {chosen.command} -- --help")
    return chosen


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    found = CommandLine(prog=PROG, description="The command line behind the Nox sessions.")
    subparsers = found.add_subparsers(dest="command", required=True, metavar="COMMAND")
    building.add(subparsers)
    releasing.add(subparsers)
    publishing.add(subparsers)
    return found
