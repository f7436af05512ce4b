"""Asks rpm whether a package is signed by a key of ours."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from ci.core.errors import CommandFailed, VerificationError
from ci.core.run import Runner

_NO_SETTINGS = {"HOME": "/nonexistent"}  # no user's own macros


def require_signature(package: Path, keys: Sequence[Path], run: Runner) -> None:
    """Raise `VerificationError` unless an RPM has a valid signature by a key in one of the files `keys`.

    rpm knows no other keys: its database is a throw-away one. It says "digests OK" of a package without a signature,
    and ends with 0, so the word "signatures" is demanded.
    """
    with tempfile.TemporaryDirectory(prefix="rpm-keys-") as scratch:
        rpm = ("rpm", "--dbpath", Path(scratch, "database"))
        try:
            for key in keys:
                run(*rpm, "--import", key.absolute(), env=_NO_SETTINGS)
            said = run.output(*rpm, "-K", package.absolute(), env=_NO_SETTINGS).strip()
        except CommandFailed as error:
            raise VerificationError(f"{package}: no valid signature by our key\n{error}") from error
    if not said.endswith(": digests signatures OK"):
        raise VerificationError(f"{package}: it has no signature: rpm says {said.rpartition(': ')[2]!r}")
