"""The arguments of the commands that cut, make, carry and repeat releases."""

from __future__ import annotations

import argparse
import datetime as dt
from pathlib import Path

from ci.command_line.actions import CommandLine, Subparsers, add_once
from ci.command_line.building import add_engine_and_bases, add_previous
from ci.release import next_version


def add(subparsers: Subparsers[CommandLine]) -> None:
    """Add the parsers of these commands."""
    pin = subparsers.add_parser("pin", help="write what the tags of the base images mean now into release.yaml")
    pin.add_argument("--dry-run", action="store_true", help="show the changes, and write nothing")
    _add_bump(subparsers.add_parser("bump", help="make the commit and the tag of the next version"))
    _add_release(subparsers.add_parser("release", help="make the signed set of the tag that is checked out"))
    _add_rehearse(subparsers.add_parser("rehearse", help="go the whole way from bump to installs, in a copy"))
    _add_keys(subparsers.add_parser("keys", help="show the keys of releases, or announce another one"))
    _add_carrying(subparsers)


def _add_bump(parser: argparse.ArgumentParser) -> None:
    _add_words(parser)
    parser.add_argument("--dry-run", action="store_true", help="show the diff, and change nothing")
    add_once(parser, "--date", "DATE", "the date of the release, such as 2026-11-23 (default: today in UTC)", _day)
    add_gnupg_home(parser)
    add_passphrase(parser)


def _add_release(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preflight", action="store_true", help="only say what keeps the release from being made")
    _add_allow_missing(parser)
    add_gnupg_home(parser)
    add_passphrase(parser)
    _add_attestation_key(parser)
    text = "the folder with the trees yum/ and pacman/ of the release before, which this one adds to"
    add_once(parser, "--previous-trees", "DIR", text, Path)
    add_engine_and_bases(parser)
    add_previous(parser)


def _add_rehearse(parser: argparse.ArgumentParser) -> None:
    _add_words(parser)
    _add_allow_missing(parser)


def _add_words(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs="+", metavar="VERSION", help=next_version.FORM)


def _add_allow_missing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--allow-missing",
        action="append",
        default=[],
        metavar="KIND_OR_FLAVOUR",
        help="release without this kind of artefact, or this flavour of the images; may be given more than once",
    )


def _add_keys(parser: argparse.ArgumentParser) -> None:
    add_gnupg_home(parser)
    text = "announce a key: a fingerprint, or a file with a public key; its public half goes to ci/keys/"
    add_once(parser, "--rotate", "NEW", text)
    parser.add_argument("--switch", action="store_true", help="with --rotate: sign with that key from now on")


def add_gnupg_home(parser: argparse.ArgumentParser) -> None:
    """Add the option for the home folder of gpg."""
    text = "the home folder of gpg with the private keys (default: GNUPGHOME, or ~/.gnupg)"
    add_once(parser, "--gnupg-home", "DIR", text, Path)


def add_passphrase(parser: argparse.ArgumentParser) -> None:
    """Add the option for the passphrase of the package key."""
    text = "a file with the passphrase of that key; without it, gpg's agent asks for one"
    add_once(parser, "--passphrase-file", "FILE", text, Path)


def _add_attestation_key(parser: argparse.ArgumentParser) -> None:
    add_once(parser, "--attestation-key", "FILE", "the private key for statements, Ed25519 in a PEM file", Path)


def _add_carrying(subparsers: Subparsers[CommandLine]) -> None:
    """The commands for machines without a network, and for those who build a release again."""
    inputs = subparsers.add_parser("inputs", help="say which inputs of the build are in dist/inputs/")
    inputs.add_argument("--fetch", action="store_true", help="bring those that are not there")
    bundle = subparsers.add_parser("bundle", help="pack dist/release and dist/inputs into one archive")
    bundle.add_argument(
        "--unpack", nargs=2, type=Path, metavar=("FILE", "DIR"), help="unpack an archive into a new folder instead"
    )
    rebuild = subparsers.add_parser("rebuild", help="build a release again, and compare it with the published bytes")
    rebuild.add_argument(
        "release",
        metavar="VERSION_OR_DIR",
        help="the folder of a set, such as an unpacked bundle, or the version of the one in dist/release",
    )
    _add_attestation_key(rebuild)


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date; expected one such as 2026-11-23") from None
