"""Compares RPMs where nobody has the private key: header and payload, and not the signature."""

from __future__ import annotations

from pathlib import Path

from ci.core.errors import VerificationError
from ci.core.rpm_file import signed_parts
from ci.prove.explain import first_difference


def difference(first: Path, second: Path) -> str:
    """Where two RPMs begin to differ, without regard to their signatures; empty if header and payload are the same.

    A file that is not an RPM raises `VerificationError`.
    """
    try:
        if signed_parts(first) == signed_parts(second):
            return ""
    except ValueError as error:
        raise VerificationError(str(error)) from error
    return first_difference(first, second)
