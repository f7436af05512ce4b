"""Signatures beside the packages of pacman: NAME.sig, detached and in binary, as pacman and repo-add expect them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ci.core.openpgp import Gpg

SUFFIX = ".sig"


def sign_pacman(packages: Iterable[Path], gpg: Gpg, out: Path, *, key: str) -> list[Path]:
    """Write a signature of each package to the folder `out`, and return their paths.

    Each is written whole or not at all. Two runs give the same bytes.
    """
    made = []
    for package in packages:
        signature = out / f"{package.name}{SUFFIX}"
        gpg.detach_sign(package, signature, key=key, armour=False)
        made.append(signature)
    return made
