"""What the parsers of all commands are made of."""

from __future__ import annotations

import argparse
from typing import Any

from ci.core.errors import UsageError

PROG = "python -m ci"


class CommandLine(argparse.ArgumentParser):
    """A parser whose faults are `UsageError`; it takes no option by a part of its name. Subparsers are the same."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings, allow_abbrev=False)

    def error(self, message: str) -> None:  # type: ignore[override]
        """Raise the fault, with the session whose help says more."""
        session = self.prog.removeprefix(PROG).strip()
        raise UsageError(message, hint=f"see: nox -s {session} -- --help" if session else "see: nox -l")


class Once(argparse.Action):
    """Stores a value. A second one is refused, as it would replace the first without a word."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        """Store the value, unless the option has one already."""
        if getattr(namespace, self.dest) is not None:
            raise argparse.ArgumentError(self, "given more than once; give it once")
        setattr(namespace, self.dest, values)


class OncePerFlavour(argparse.Action):
    """Collects pairs of a flavour and a reference. A second reference for a flavour is refused."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        """Store the pair."""
        flavour, reference = values
        bases = getattr(namespace, self.dest)
        if flavour in bases:
            raise argparse.ArgumentError(self, f"{flavour} is given more than once; give one base for each flavour")
        setattr(namespace, self.dest, {**bases, flavour: reference})


def add_once(parser: argparse.ArgumentParser, option: str, metavar: str, text: str, kind: Any = str) -> None:
    """Add an option with one value, which may be given once; `text` is its help."""
    parser.add_argument(option, action=Once, type=kind, metavar=metavar, help=text)


# What `ArgumentParser.add_subparsers` returns, which has no public name.
Subparsers = argparse._SubParsersAction
