"""The command line behind the Nox sessions: `python -m ci COMMAND`. The only place that prints an error and exits."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from ci import commands
from ci.console import Console
from ci.errors import HostError, ReleaseError, UsageError

ROOT = Path(__file__).resolve().parent.parent
SESSIONS = ("sdist", "rpm", "msys2", "brew", "images")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code (README, "Exit codes")."""
    os.umask(0o022)  # modes in artefacts do not depend on whose shell this is
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup leaves it
            signal.signal(number, _interrupt)
    console = Console()
    try:
        chosen = _parser().parse_args(arguments)
        commands.COMMANDS[chosen.command](ROOT, console, chosen)
    except ReleaseError as error:
        return _report(console, error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nobody reads on: nothing more to say
        return 141
    except OSError as error:
        return _report(console, HostError(str(error), hint="mend that and run the same command again"))
    except KeyboardInterrupt:
        console.end()
        print("interrupted; what was finished stays, the same command goes on from there", file=sys.stderr)
        return 130
    return 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_IGN)  # a terminal that goes away and nox may both send it
    raise KeyboardInterrupt


def _report(console: Console, error: ReleaseError) -> int:
    console.end()
    print(f"error: {error}", file=sys.stderr)
    if error.hint:
        print(f"what to do: {error.hint}", file=sys.stderr)
    return error.exit_code


_PROG = "python -m ci"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        session = self.prog.removeprefix(_PROG).strip()
        raise UsageError(message, hint=f"see: nox -s {session} -- --help" if session else "see: nox -l")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog=_PROG, description=__doc__)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    subparsers.add_parser("bake", help="render recipes/packages with the values of release.yaml")
    subparsers.add_parser("check", help="check the manifest, the baked tree, and the baked files' own rules")
    plan = subparsers.add_parser("plan", help="show what a snapshot would do")
    plan.add_argument("--json", action="store_true", help="as JSON on standard output")
    _add_image_options(plan)
    for session in SESSIONS:
        builder = subparsers.add_parser(session, help=f"build what belongs to {session}, and what that needs")
        if session == "images":
            _add_image_options(builder)
    snapshot = subparsers.add_parser("snapshot", help="build everything, open it again and make it answer")
    _add_image_options(snapshot)
    subparsers.add_parser("source-hash", help="write the source tarball's sha256 into release.yaml, and bake")
    return parser


def _add_image_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--engine",
        choices=("auto", "buildah", "podman", "docker"),
        default="auto",
        help="the container engine; auto takes the first of the others that works",
    )
    parser.add_argument(
        "--flavour",
        action="append",
        choices=("ubi", "alpine", "micro"),
        default=[],
        metavar="NAME",
        help="build this image only: ubi, alpine or micro; may be given more than once",
    )
    parser.add_argument(
        "--base",
        action="append",
        type=_base,
        default=[],
        metavar="FLAVOUR=REF",
        help="build a flavour on another base image than the manifest's",
    )


def _base(text: str) -> tuple[str, str]:
    flavour, equals, reference = text.partition("=")
    if not equals or not reference or reference.startswith("-") or flavour not in ("ubi", "alpine"):
        raise argparse.ArgumentTypeError(f"{text!r}: expected ubi=REF or alpine=REF")
    return flavour, reference


if __name__ == "__main__":
    sys.exit(main())
