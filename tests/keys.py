"""Throw-away keys. Their creation lies before every release, because signatures carry the release's date."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from ci.core.openpgp import Gpg, end_agent, throw_away_home
from ci.core.run import Runner
from ci.pipeline.jobs import Signing
from tests.cache import kept, key_of

PASSPHRASE = "correct-horse-battery-of-tests"
CREATED = "20260101T000000"
EPOCH = 1795392000  # 2026-11-23
_USERS = ("packages", "stranger")
_RECIPE = ("rsa4096", "sign", "2029-01-01")
# GnuPG would choose a count for which unlocking a key takes a tenth of a second or more, at each signature.
_AGENT = "s2k-count 65536\n"


@dataclass(frozen=True, kw_only=True)
class SigningKeys:
    """A home folder of GnuPG with two keys of the same passphrase, which is in a file; the second is a stranger's.

    `public` has the public half of the first, `stranger_public` that of the other.
    """

    home: Path
    passphrase: Path
    fingerprint: str
    stranger: str
    public: Path
    stranger_public: Path
    log: Path

    @property
    def signing(self) -> Signing:
        return Signing(openpgp=self.fingerprint, gnupg_home=self.home, passphrase=self.passphrase)

    def gpg(self, epoch: int = EPOCH) -> Gpg:
        return Gpg(home=self.home, passphrase=self.passphrase, epoch=epoch, run=Runner(log=self.log))


@contextmanager
def signing_keys(folder: Path) -> Iterator[SigningKeys]:
    """The keys, in a new folder of the test. Agents that gpg starts for it are ended after the block."""
    made = kept("keys", key_of(PASSPHRASE, CREATED, *_RECIPE, _AGENT), _generate)
    shutil.copytree(made, folder, ignore=shutil.ignore_patterns("S.*", "*.lock"))
    fingerprint, stranger = (folder / "fingerprints").read_text().split()
    found = SigningKeys(
        home=folder / "gnupg",
        passphrase=folder / "passphrase",
        fingerprint=fingerprint,
        stranger=stranger,
        public=folder / "packages.asc",
        stranger_public=folder / "stranger.asc",
        log=folder / "log",
    )
    try:
        yield found
    finally:
        end_agent(found.home, Runner(log=found.log))


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SigningKeys]:
    """The keys, for the modules that import this; each of them has its own."""
    with signing_keys(tmp_path_factory.mktemp("keys") / "keys") as found:
        yield found


def _generate(folder: Path) -> None:
    folder.mkdir()
    (folder / "passphrase").write_text(f"{PASSPHRASE}\n")
    run = Runner(log=folder / "log")
    fingerprints = []
    with throw_away_home() as home:
        (home / "gpg-agent.conf").write_text(_AGENT)
        try:
            gpg = Gpg(home=home, epoch=EPOCH, run=run)
            for user in _USERS:
                fingerprints.append(generate(home, run, user))
                (folder / f"{user}.asc").write_bytes(gpg.export(fingerprints[-1]))
        finally:
            end_agent(home, run)
        shutil.copytree(home, folder / "gnupg", ignore=shutil.ignore_patterns("S.*", "*.lock"))
    (folder / "gnupg").chmod(0o700)
    (folder / "fingerprints").write_text(" ".join(fingerprints))
    (folder / "log").unlink()


def generate(
    home: Path, run: Runner, user: str, *recipe: str, created: str = CREATED, options: tuple[str, ...] = ()
) -> str:
    """Make a key with `PASSPHRASE`; `recipe` is algorithm, usage and expiry. Return its fingerprint."""
    locked = ("--batch", "--no-tty", "--pinentry-mode", "loopback", "--passphrase-fd", "0")
    command = ("gpg", "--homedir", str(home), *locked, "--faked-system-time", created, "--status-fd", "1", *options)
    words = (*recipe, *_RECIPE[len(recipe) :])
    printed = run.output(
        *command, "--quick-generate-key", f"{user} <{user}@example.org>", *words, stdin=f"{PASSPHRASE}\n".encode()
    )
    return next(line.split()[3] for line in printed.splitlines() if "KEY_CREATED" in line)
