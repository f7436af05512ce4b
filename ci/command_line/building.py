"""The arguments of the commands that build, prove and compare."""

from __future__ import annotations

import argparse
from pathlib import Path

from ci import kinds
from ci.command_line.actions import CommandLine, Once, OncePerFlavour, Subparsers, add_once
from ci.manifest.image_reference import is_reference
from ci.manifest.release import FLAVOURS


def add(subparsers: Subparsers[CommandLine]) -> None:
    """Add the parsers of these commands."""
    subparsers.add_parser("bake", help="render recipes/packages with the values of release.yaml")
    subparsers.add_parser("check", help="check the manifest and the rendered files")
    plan = subparsers.add_parser("plan", help="show what a snapshot would do")
    plan.add_argument("--json", action="store_true", help="as JSON on standard output")
    add_image_options(plan)
    for session, summary in kinds.sessions().items():
        builder = subparsers.add_parser(session, help=summary[:1].lower() + summary[1:].removesuffix("."))
        if any(kind.options for kind in kinds.kinds_of(session)):
            add_image_options(builder)
    snapshot = subparsers.add_parser("snapshot", help="build and verify everything, and write the report")
    add_image_options(snapshot)
    snapshot.add_argument("--quick", action="store_true", help="leave out the gates, which take most of the time")
    _add_locked(snapshot)
    add_previous(snapshot)
    everything = subparsers.add_parser("build", help="build everything and verify nothing; `reproduce` runs it")
    add_image_options(everything)
    _add_locked(everything)
    subparsers.add_parser("reproduce", help="build this commit twice from clean clones, and compare with dist/")
    verify = subparsers.add_parser("verify", help="verify what is in dist/ as it is, and let it go through all gates")
    add_previous(verify)
    verify.add_argument(
        "--signatures",
        action="store_true",
        help="verify the signed set in dist/release instead, as its users do, with the keys of release.yaml",
    )
    text = "download this version from its public addresses instead, verify it, and install it from each place"
    add_once(verify, "--published", "VERSION", text)
    compare = subparsers.add_parser("compare", help="say what changed in each artefact since a previous release")
    compare.add_argument(
        "previous",
        metavar="REF_OR_DIST",
        help="a folder with its artefacts, such as another checkout's dist/, or a git revision, which is built first",
    )
    subparsers.add_parser("source-hash", help="write the source tarball's sha256 into release.yaml, and render")


def add_image_options(parser: argparse.ArgumentParser) -> None:
    """Add what chooses images, their engine and their bases."""
    add_engine_and_bases(parser)
    parser.add_argument(
        "--flavour",
        action="append",
        choices=FLAVOURS,
        default=[],
        metavar="NAME",
        help=f"build this image only: {', '.join(FLAVOURS)}; may be given more than once",
    )


def add_engine_and_bases(parser: argparse.ArgumentParser) -> None:
    """Add what chooses the engine for images, and their bases."""
    parser.add_argument(
        "--engine",
        action=Once,
        choices=("auto", "buildah", "podman", "docker"),
        help="the container engine; auto, the default, is the first of the others that works",
    )
    parser.add_argument(
        "--base",
        action=OncePerFlavour,
        type=_base,
        default={},
        metavar="FLAVOUR=REF",
        help="build a flavour on another base image than the manifest's",
    )


def _add_locked(parser: argparse.ArgumentParser) -> None:
    text = "take exactly the inputs that this inputs.json of another build names, or fail"
    add_once(parser, "--locked", "FILE", text, Path)
    text = "put the signatures of the RPMs in this folder on those that are built, instead of none"
    add_once(parser, "--signatures", "FOLDER", text, Path)


def add_previous(parser: argparse.ArgumentParser) -> None:
    """Add what chooses the version that upgrades begin with."""
    text = (
        "let upgrades begin with this version: a git revision, or a folder such as another checkout's dist/; "
        "otherwise the newest tag of an older version"
    )
    add_once(parser, "--previous", "REF_OR_DIST", text)


def _base(text: str) -> tuple[str, str]:
    flavour, equals, reference = text.partition("=")
    if not equals or flavour not in ("ubi", "alpine"):
        raise argparse.ArgumentTypeError(f"{text!r}: expected ubi=REF or alpine=REF")
    if not is_reference(reference):
        expected = "HOST/PATH:TAG, such as docker.io/library/alpine:3.24"
        raise argparse.ArgumentTypeError(f"{reference!r} is not the name of an image; expected {expected}")
    return flavour, reference
