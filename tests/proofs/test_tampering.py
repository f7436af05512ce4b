"""Everything that could be changed in a finished release, one at a time: `verify.py` finds it, and others do, too."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from ci.manifest.release import Release
from ci.release import envelopes
from tests.release.fixtures_of_sets import (
    _tools_of_the_environment,
    built,
    finished,
    keys,
    release,
    release_set,
    signing,
    stranger,
)
from tests.release.sets import OwnerKeys, verify
from tests.release.tampering import TAMPERINGS, Tampering

__all__ = [
    "_tools_of_the_environment", "built", "finished", "keys", "release", "release_set", "signing", "stranger",
]  # fmt: skip

pytestmark = pytest.mark.long


@pytest.fixture
def tampering(release_set: Path, release: Release, keys: OwnerKeys, stranger: OwnerKeys) -> Tampering:
    return Tampering(folder=release_set, release=release, keys=keys, stranger=stranger)


@pytest.mark.parametrize("name", TAMPERINGS)
def test_verify_finds_it(name: str, tampering: Tampering, keys: OwnerKeys) -> None:
    change, expected = TAMPERINGS[name]
    change(tampering)
    done = verify(tampering.folder, keys.public)
    assert (done.returncode, expected in done.stderr) == (1, True), done.stderr
    assert "Traceback" not in done.stderr


RPM, PACMAN, SUMS = "*.noarch.rpm", "*.pkg.tar.zst", "SHA256SUMS"


@pytest.mark.parametrize(
    "name",
    ["a byte of an RPM", "a byte of an RPM's header", "an RPM without a signature", "an RPM by another key",
     "a changed RPM"],
)  # fmt: skip
def test_rpm_finds_it(name: str, tampering: Tampering, keys: OwnerKeys, tmp_path: Path) -> None:
    """It has to say "signatures OK": an RPM without one has the exit code 0."""
    words = ["rpmkeys", "--dbpath", str(tmp_path / "db")]
    subprocess.run([*words, "--import", str(keys.public)], check=True)

    def signed() -> bool:
        package = str(tampering.path(RPM))
        done = subprocess.run([*words, "--checksig", package], capture_output=True, text=True, check=False)
        return done.returncode == 0 and "signatures OK" in done.stdout

    assert signed()
    TAMPERINGS[name][0](tampering)
    assert not signed()


@pytest.mark.parametrize(
    "name",
    ["a byte of a pacman package", "a byte of a pacman signature", "a pacman package by another key",
     "swapped signatures", "a changed pacman package", "a pacman package without a signature"],
)  # fmt: skip
def test_pacman_finds_it(name: str, tampering: Tampering, keys: OwnerKeys, tmp_path: Path) -> None:
    """`SigLevel = Required`, with a cache and a keyring of its own."""
    root = StrictPacman(tmp_path / "root", keys)
    package = tampering.path(PACMAN)
    assert root.accepts(package)
    TAMPERINGS[name][0](tampering)
    assert not root.accepts(package)


class StrictPacman:
    """An empty root in which pacman installs signed packages alone."""

    def __init__(self, root: Path, keys: OwnerKeys) -> None:
        self.root = root
        for folder in ("db", "cache", "gpg"):
            (root / folder).mkdir(parents=True)
        settings = "[options]\nArchitecture = any\nSigLevel = Required\nLocalFileSigLevel = Required\n"
        places = {"RootDir": ".", "DBPath": "db", "CacheDir": "cache", "GPGDir": "gpg", "LogFile": "log"}
        settings += "".join(f"{name} = {root / place}\n" for name, place in places.items())
        (root / "pacman.conf").write_text(settings)
        for words in (("--init",), ("--add", str(keys.public)), ("--lsign-key", keys.fingerprint)):
            self._key(*words)

    def _key(self, *words: str) -> None:
        command = ("pacman-key", "--config", str(self.root / "pacman.conf"), "--gpgdir", str(self.root / "gpg"))
        subprocess.run([*command, *words], check=True, capture_output=True)

    def accepts(self, package: Path) -> bool:
        """Whether it would install the package, without what that needs."""
        words = ("--upgrade", "--noconfirm", "--nodeps", "--nodeps", "--noscriptlet", "--dbonly")
        command = ("pacman", "--config", str(self.root / "pacman.conf"), *words, str(package))
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    "name",
    ["a byte of the checksums", "a byte of the signature", "no signature of the checksums",
     "checksums that a stranger has signed", "everything by a stranger"],
)  # fmt: skip
def test_gpg_finds_it(name: str, tampering: Tampering, keys: OwnerKeys, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o700)
    words = ["gpg", "--homedir", str(tmp_path / "home"), "--batch", "--no-autostart"]
    subprocess.run([*words, "--import", str(keys.public)], check=True, capture_output=True)

    def signed() -> bool:
        command = [*words, "--verify", "SHA256SUMS.asc", "SHA256SUMS"]
        return subprocess.run(command, cwd=tampering.folder, capture_output=True, check=False).returncode == 0

    assert signed()
    TAMPERINGS[name][0](tampering)
    assert not signed()


LISTED = [name for name in TAMPERINGS if name.startswith("a byte of a") and name != "a byte of a bundle"]


@pytest.mark.parametrize("name", [*LISTED, "a removed file"])
def test_sha256sum_finds_it(name: str, tampering: Tampering) -> None:
    def right() -> bool:
        sums = [SUMS, "repositories.sha256"]
        command = ["sha256sum", "--check", "--quiet", "--strict", *sums]
        return subprocess.run(command, cwd=tampering.folder, capture_output=True, check=False).returncode == 0

    assert right()
    TAMPERINGS[name][0](tampering)
    assert not right()


@pytest.mark.parametrize(
    ("name", "statement"),
    [("a byte of the provenance", "provenance"), ("a statement by another key", "gate-verify"),
     ("a statement by another key under our id", "gate-verify"), ("a truncated envelope", "gate-install"),
     ("another payloadType", "provenance"), ("no signature in an envelope", "provenance")],
)  # fmt: skip
def test_another_verifier_of_envelopes_finds_it(
    name: str, statement: str, tampering: Tampering, keys: OwnerKeys
) -> None:
    key = envelopes.load_key(keys.attestations)
    public = SSlibKey.from_crypto(load_pem_public_key(key.public), keyid=key.keyid)

    def signed() -> bool:
        try:
            document = json.loads((tampering.folder / f"{statement}.dsse.json").read_bytes())
            Envelope.from_dict(document).verify([public], 1)
        except (VerificationError, ValueError, KeyError):
            return False
        return True

    assert signed()
    TAMPERINGS[name][0](tampering)
    assert not signed()
