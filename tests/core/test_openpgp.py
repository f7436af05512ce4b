"""Keys, signatures and their verification, with GnuPG itself and throw-away keys."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from ci.core import openpgp
from ci.core.errors import CommandFailed, HostError, UnavailableError, VerificationError
from ci.core.key_list import parse
from ci.core.openpgp import Gpg
from ci.core.run import Runner
from tests.fixtures import run
from tests.keys import EPOCH, PASSPHRASE, SigningKeys, generate, keys, signing_keys

__all__ = ["keys", "run"]


@pytest.fixture
def signed(keys: SigningKeys, tmp_path: Path) -> tuple[Path, Path]:
    """A file and its signature."""
    file = tmp_path / "file"
    file.write_bytes(b"contents\n")
    keys.gpg().detach_sign(file, tmp_path / "file.asc", key=keys.fingerprint, armour=True)
    return file, tmp_path / "file.asc"


@pytest.mark.parametrize("armour", [True, False])
def test_two_signatures_are_identical_and_carry_the_time_given(
    keys: SigningKeys, run: Runner, tmp_path: Path, armour: bool
) -> None:
    file, first, second = (tmp_path / name for name in ("file", "first", "second"))
    file.write_bytes(b"contents\n")
    for out in (first, second):
        keys.gpg().detach_sign(file, out, key=keys.fingerprint, armour=armour)
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes().startswith(b"-----BEGIN PGP SIGNATURE-----") == armour
    packets = subprocess.run(["gpg", "--list-packets", first], capture_output=True, text=True, check=True).stdout
    assert f"created {EPOCH}" in packets
    assert "digest algo 10" in packets
    assert openpgp.verify(file, first, [keys.public], run=run, epoch=EPOCH) == keys.fingerprint


def test_settings_of_the_user_have_no_effect(keys: SigningKeys, signed: tuple[Path, Path], tmp_path: Path) -> None:
    settings = keys.home / "gpg.conf"
    settings.write_text(f"digest-algo SHA256\ncomment mine\nlocal-user {keys.stranger}\n")
    try:
        keys.gpg().detach_sign(signed[0], tmp_path / "again", key=keys.fingerprint, armour=True)
    finally:
        settings.unlink()
    assert (tmp_path / "again").read_bytes() == signed[1].read_bytes()


def test_the_path_of_temporary_files_may_be_long(
    keys: SigningKeys, run: Runner, signed: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / ("long " * 30)
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    assert openpgp.verify(*signed, [keys.public], run=run, epoch=EPOCH) == keys.fingerprint


def test_a_key_is_described(keys: SigningKeys, run: Runner) -> None:
    found = keys.gpg().describe(keys.fingerprint)
    assert found.fingerprint == keys.fingerprint
    assert (found.algorithm, found.bits, found.hashes) == ("RSA", 4096, ("SHA512",))
    assert (found.created, found.expires) == (1767225600, 1861963200)
    assert (found.signs, found.subkeys, found.revoked, found.secret) == (True, 0, False, True)
    assert found.users == ("packages <packages@example.org>",)
    assert openpgp.describe_file(keys.public, run) == (dataclasses.replace(found, secret=False),)


def test_an_unfit_key_is_described(tmp_path: Path, run: Runner) -> None:
    """Ed25519 with a self-signature by SHA-1, and with a sub-key for encryption."""
    with openpgp.throw_away_home() as home:
        try:
            options = ("--cert-digest-algo", "SHA1", "--allow-weak-key-signatures")
            key = generate(home, run, "weak", "future-default", "default", "never", options=options)
            found = Gpg(home=home, epoch=EPOCH, run=run).describe(key)
        finally:
            openpgp.end_agent(home, run)
    assert (found.algorithm, found.bits) == ("EdDSA ed25519", 255)
    assert (found.hashes, found.subkeys, found.expires) == (("SHA1",), 1, None)


def test_what_gpg_prints_of_old_and_revoked_keys() -> None:
    own, other = "C9A95B6385A8D2AB", "0000000000000000"
    text = f"""\
tru:o:1:1767225605:1:3:1:5
pub:r:1024:17:{own}:1000000000:::u:::sc::::::23::0:
fpr:::::::::AAAA:
uid:u::::1767225600::4A04::old <old@example.org>::::::::::0:
sig:::17:{own}:1000000000::::old:13x:::::2:
sig:::17:{own}:1100000000::::old:13x:::::8:
sig:::1:{other}:1200000000::::other:10x:::::2:
pub:-:256:19:{other}:1000000000:1000000001:::::e::::::::
"""
    first, second = parse(text)
    assert (first.algorithm, first.revoked, first.hashes, first.signs) == ("DSA", True, ("SHA256",), True)
    assert (second.algorithm, second.signs, second.hashes, second.expires) == ("ECDSA", False, (), 1000000001)


def test_a_key_that_can_sign_and_keys_that_cannot(keys: SigningKeys, run: Runner, tmp_path: Path) -> None:
    assert keys.gpg().why_unusable(keys.fingerprint) == ""
    before_its_creation = 1600000000
    reason = keys.gpg(epoch=before_its_creation).why_unusable(keys.fingerprint)
    assert re.search("Unusable secret key|Time conflict", reason)  # gpg 2.2 and 2.4
    wrong = tmp_path / "wrong"
    wrong.write_text("not-this-passphrase")
    with signing_keys(tmp_path / "other") as other:
        gpg = dataclasses.replace(other.gpg(), passphrase=wrong)
        assert "Bad passphrase" in gpg.why_unusable(other.fingerprint)
        with pytest.raises(CommandFailed) as failed:
            gpg.detach_sign(wrong, tmp_path / "out", key=other.fingerprint, armour=True)
    assert failed.value.hint
    assert not (tmp_path / "out").exists()


def test_a_missing_key_is_named(keys: SigningKeys) -> None:
    with pytest.raises(UnavailableError, match="there is no key AAAA"):
        keys.gpg().describe("A" * 40)
    with pytest.raises(HostError, match="not a fingerprint"):
        keys.gpg().describe("packages@example.org")


@pytest.mark.parametrize("text", ["", "short", "\n"])
def test_a_passphrase_must_be_one(keys: SigningKeys, tmp_path: Path, text: str) -> None:
    file = tmp_path / "passphrase"
    file.write_text(text)
    with pytest.raises(HostError):
        dataclasses.replace(keys.gpg(), passphrase=file).why_unusable(keys.fingerprint)


def test_tampering_is_noticed(keys: SigningKeys, run: Runner, signed: tuple[Path, Path], tmp_path: Path) -> None:
    file, signature = signed

    def is_refused(file: Path, signature: Path, *keys: Path) -> None:
        with pytest.raises(VerificationError, match=r"signature|OpenPGP"):
            openpgp.verify(file, signature, keys, run=run, epoch=EPOCH)

    other, theirs, twice = (tmp_path / name for name in ("other", "theirs", "twice"))
    other.write_bytes(b"contents\n\n")
    is_refused(other, signature, keys.public)
    is_refused(file, signature, keys.stranger_public)
    keys.gpg().detach_sign(file, theirs, key=keys.stranger, armour=True)
    is_refused(file, theirs, keys.public)
    assert openpgp.verify(file, theirs, [keys.public, keys.stranger_public], run=run, epoch=EPOCH) == keys.stranger
    twice.write_bytes(signature.read_bytes() + theirs.read_bytes())
    is_refused(file, twice, keys.public, keys.stranger_public)
    is_refused(file, twice, keys.public)
    is_refused(file, file, keys.public)
    other.write_bytes(b"")
    is_refused(file, other, keys.public)


def test_a_key_that_has_expired_since_it_signed_is_accepted(
    keys: SigningKeys, run: Runner, signed: tuple[Path, Path]
) -> None:
    after_expiry = 1900000000
    assert openpgp.verify(*signed, [keys.public], run=run, epoch=after_expiry) == keys.fingerprint


def test_a_key_that_has_expired_is_described(run: Runner, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(0o700)
    try:
        key = generate(home, run, "earlier", "rsa2048", "sign", "2025-06-01", created="20250101T000000")
        public = tmp_path / "packages.asc"
        public.write_bytes(openpgp.Gpg(home=home, epoch=0, run=run).export(key))
    finally:
        openpgp.end_agent(home, run)
    (found,) = openpgp.describe_file(public, run)
    assert found.fingerprint == key
    assert found.expires is not None
    assert found.expires < 1750000000


def test_a_signature_that_an_expired_key_made_is_refused(keys: SigningKeys, run: Runner, tmp_path: Path) -> None:
    """gpg signs with no expired key, so the signature is made by the same key with a longer life."""
    path, signature = tmp_path / "file", tmp_path / "file.sig"
    path.write_text("text")
    home = tmp_path / "home"
    shutil.copytree(keys.home, home, ignore=shutil.ignore_patterns("S.*", "*.lock"))
    unlocked = ("--batch", "--pinentry-mode", "loopback", "--passphrase-file", str(keys.passphrase))
    longer = ("--faked-system-time", "20270101T000000", "--quick-set-expire", keys.fingerprint, "10y")
    run("gpg", "--homedir", home, *unlocked, *longer)
    try:
        gpg = openpgp.Gpg(home=home, passphrase=keys.passphrase, epoch=1890000000, run=run)
        gpg.detach_sign(path, signature, key=keys.fingerprint, armour=False)
    finally:
        openpgp.end_agent(home, run)
    with pytest.raises(VerificationError, match="not exactly one valid signature"):
        openpgp.verify(path, signature, [keys.public], run=run, epoch=1890000001)


def test_the_export_holds_the_public_half_alone(keys: SigningKeys) -> None:
    exported = keys.gpg().export(keys.fingerprint)
    assert exported == keys.public.read_bytes()
    assert b"PRIVATE" not in exported


def test_an_agent_is_ended_unless_it_was_there(tmp_path: Path, run: Runner) -> None:
    def is_there(home: Path) -> bool:
        return "OK" in run.output("gpg-connect-agent", "--no-autostart", "--homedir", home, "GETINFO pid", "/bye")

    with signing_keys(tmp_path / "keys") as keys:
        with openpgp.agent_ended(keys.home, run):
            assert keys.gpg().why_unusable(keys.fingerprint) == ""
            assert is_there(keys.home)
        assert not is_there(keys.home)
        run("gpg-connect-agent", "--homedir", keys.home, "/bye")
        with openpgp.agent_ended(keys.home, run):
            pass
        assert is_there(keys.home)
    assert not is_there(keys.home)


def test_the_passphrase_is_in_no_log(keys: SigningKeys, signed: tuple[Path, Path]) -> None:
    assert keys.log.read_text()
    assert PASSPHRASE not in keys.log.read_text()
