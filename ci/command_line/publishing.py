"""The arguments of the commands that publish a release, let it go to everybody, and yank it."""

from __future__ import annotations

import argparse
from pathlib import Path

from ci.command_line.actions import CommandLine, Once, Subparsers, add_once
from ci.command_line.releasing import add_gnupg_home, add_passphrase

CHANNELS = ("testing", "stable")


def add(subparsers: Subparsers[CommandLine]) -> None:
    """Add the parsers of these commands."""
    publish = subparsers.add_parser("publish", help="take the signed set to the places that release.yaml names")
    _add_only(publish)
    publish.add_argument(
        "--dry-run", action="store_true", help="only show what is there, and each request it would make"
    )
    publish.add_argument(
        "--channel", action=Once, choices=CHANNELS, help="who gets it (default: testing for pre-releases, or stable)"
    )
    publish.add_argument(
        "--rehearse", action="store_true", help="publish to servers on this machine, and install from them"
    )
    _add_set(publish)
    promote = subparsers.add_parser("promote", help="let what was published to testing go to everybody")
    _add_version(promote)
    _add_only(promote)
    _add_set(promote)
    yank = subparsers.add_parser("yank", help="yank a published version, as far as each target allows")
    _add_version(yank)
    yank.add_argument("--reason", action=Once, required=True, metavar="TEXT", help="one line that users will read")
    add_once(yank, "--fixed-in", "VERSION", "the version that has the fix; an OpenVEX statement names it")
    yank.add_argument("--dry-run", action="store_true", help="only show what would be done at each target")
    add_once(yank, "--key", "FINGERPRINT", "the key that signs new metadata (default: the first one of release.yaml)")
    _add_only(yank)
    _add_set(yank)
    add_gnupg_home(yank)
    add_passphrase(yank)


def _add_only(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--only", action="append", default=[], metavar="TARGET", help="only this target; may be given more than once"
    )


def _add_set(parser: argparse.ArgumentParser) -> None:
    text = "the folder of the set, such as release/ of an unpacked bundle (default: dist/release)"
    add_once(parser, "--set", "DIR", text, Path)


def _add_version(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("version", metavar="VERSION", help="the version that the set must have")
