"""A copy of a checkout, with keys that are made for it: what is cut, signed and released there is lost with it.

The session `rehearse` and the measurements of a release use it.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ci.core.openpgp import end_agent, throw_away_home
from ci.core.run import Runner

_AGE = dt.timedelta(days=30)


@dataclass(frozen=True, kw_only=True)
class ThrowAwayKeys:
    """Throw-away keys: a home folder of GnuPG, whose key has no passphrase, and the file of an Ed25519 key."""

    home: Path
    fingerprint: str
    attestations: Path


@contextmanager
def signers(folder: Path, run: Runner) -> Iterator[ThrowAwayKeys]:
    """Make keys in a folder, and a home folder of GnuPG that is removed after the block, with its agent."""
    with throw_away_home() as home:
        try:
            yield _make(home, folder, run)
        finally:
            end_agent(home, run)


def _make(home: Path, folder: Path, run: Runner) -> ThrowAwayKeys:
    """Make keys that are older than the release, whose date all signatures carry."""
    attestations = folder / "attestations.pem"
    run("openssl", "genpkey", "-algorithm", "ed25519", "-out", attestations)
    run("openssl", "pkey", "-in", attestations, "-pubout", "-out", attestations.with_suffix(".pub"))
    created = dt.datetime.now(dt.UTC) - _AGE
    alone = ("--homedir", home, "--batch", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", "")
    clock = ("--faked-system-time", created.strftime("%Y%m%dT%H%M%S"), "--status-fd", "1")
    recipe = ("nobody <nobody@example.org>", "rsa4096", "sign", "2y")
    printed = run.output("gpg", *alone, *clock, "--quick-generate-key", *recipe)
    fingerprint = next(line.split()[3] for line in printed.splitlines() if "KEY_CREATED" in line)
    return ThrowAwayKeys(home=home, fingerprint=fingerprint, attestations=attestations)


def copy(origin: Path, target: Path, made: ThrowAwayKeys, run: Runner) -> Path:
    """Clone the last commit of a checkout, and let the keys sign there; returns the clone."""
    clone(origin, target, run)
    for name, value in (("user.name", "nobody"), ("user.email", "nobody@example.org"), ("commit.gpgsign", "false")):
        run("git", "-C", target, "config", name, value)
    for key in (made.fingerprint, str(made.attestations.with_suffix(".pub"))):
        words = ("keys", f"--gnupg-home={made.home}", "--rotate", key, "--switch")
        run(sys.executable, "-m", "ci", *words, cwd=target)
    run("git", "-C", target, "add", "release.yaml", "ci/keys")
    run("git", "-C", target, "commit", "--quiet", "--message", "Let throw-away keys sign")
    return target


def clone(origin: Path, target: Path, run: Runner) -> Path:
    """Clone the last commit of a checkout; returns the clone."""
    run("git", "-c", "safe.directory=*", "clone", "--quiet", "--no-hardlinks", origin, target)
    return target
