"""What the preflight says of keys: each fault is planted in a real key, its file, or where its private half is."""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ci.core.console import Console
from ci.core.faults import Fault, hard
from ci.core.openpgp import Gpg, end_agent
from ci.core.run import Runner
from ci.release import keys, preflight_keys
from ci.release.preflight_keys import PrivateKeys
from tests.keys import EPOCH, PASSPHRASE, SigningKeys, generate, signing_keys
from tests.packages.support import open_project
from tests.release import signing
from tests.release.signing import SignedCheckout, git, signed

__all__ = ["signed"]

TODAY = dt.date(2026, 11, 24)
FILE = "ci/keys/packages-2026.asc"
STATEMENTS = "ci/keys/attestations-2026.pub"
LATER = "20260301T000000"


@dataclass(kw_only=True)
class Bench:
    """A checkout and a gpg home to spoil."""

    checkout: Path
    openpgp: SigningKeys
    private: PrivateKeys
    folder: Path
    today: dt.date = TODAY

    def gpg(self, *words: str, stdin: bytes | None = None, time: str = LATER) -> None:
        command = ["gpg", "--homedir", str(self.openpgp.home), "--batch", "--no-tty", "--faked-system-time", f"{time}!"]
        unlock = ["--pinentry-mode", "loopback", "--passphrase-file", str(self.openpgp.passphrase)]
        done = subprocess.run([*command, *unlock, *words], input=stdin, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr

    def list_instead(self, fingerprint: str) -> None:
        """List another key as the one that signs."""
        file = self.checkout / FILE
        file.write_bytes(Gpg(home=self.openpgp.home, epoch=EPOCH, run=self.run).export(fingerprint))
        manifest = self.checkout / "release.yaml"
        manifest.write_text(manifest.read_text().replace(self.openpgp.fingerprint, fingerprint))

    @property
    def run(self) -> Runner:
        return Runner(log=self.folder / "log")

    def faults(self) -> list[Fault]:
        project = open_project(self.checkout, self.folder / "dist")
        return list(preflight_keys.faults(project, self.private, self.today, self.run))


@pytest.fixture
def bench(signed: SignedCheckout, tmp_path: Path) -> Iterator[Bench]:
    with signing_keys(tmp_path / "openpgp") as openpgp:
        private = replace(signed.private, gnupg_home=openpgp.home, passphrase=openpgp.passphrase)
        yield Bench(checkout=signed.copy(tmp_path / "checkout"), openpgp=openpgp, private=private, folder=tmp_path)


def test_keys_that_are_in_order(bench: Bench) -> None:
    assert bench.faults() == []
    assert not has_agent(bench.openpgp.home)  # it would keep the passphrase


def has_agent(home: Path) -> bool:
    command = ["gpg-connect-agent", "--no-autostart", "--homedir", str(home), "GETINFO pid", "/bye"]
    return b"OK" in subprocess.run(command, check=True, capture_output=True).stdout


def test_an_agent_of_the_user_stays(bench: Bench) -> None:
    subprocess.run(["gpg-connect-agent", "--homedir", str(bench.openpgp.home), "/bye"], check=True)
    assert has_agent(bench.openpgp.home)
    assert bench.faults() == []
    assert has_agent(bench.openpgp.home)


Change = Callable[[Bench], None]


def no_keys(bench: Bench) -> None:
    manifest = bench.checkout / "release.yaml"
    head, _, tail = manifest.read_text().partition("keys:\n")
    rest = tail[tail.index("\n\n") :]
    manifest.write_text(f"{head}keys: {{packages: [], attestations: []}}{rest}")


def other_key_in_the_file(bench: Bench) -> None:
    shutil.copyfile(bench.openpgp.stranger_public, bench.checkout / FILE)


def two_keys_in_the_file(bench: Bench) -> None:
    both = [path.read_text() for path in (bench.openpgp.public, bench.openpgp.stranger_public)]
    (bench.checkout / FILE).write_text("".join(both))


def no_key_in_the_file(bench: Bench) -> None:
    (bench.checkout / FILE).write_text(
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----\n"
    )


def private_half_in_the_file(bench: Bench) -> None:
    bench.gpg(
        "--armor", "--output", str(bench.checkout / FILE), "--yes", "--export-secret-keys", bench.openpgp.fingerprint
    )


def not_committed(bench: Bench) -> None:
    git(bench.checkout, "rm", "--cached", "--quiet", FILE)


def short_rsa(bench: Bench) -> None:
    bench.list_instead(generate(bench.openpgp.home, bench.run, "short", "rsa2048", "sign"))


def ed25519(bench: Bench) -> None:
    bench.list_instead(generate(bench.openpgp.home, bench.run, "ed", "ed25519", "sign"))


def too_young(bench: Bench) -> None:
    bench.list_instead(generate(bench.openpgp.home, bench.run, "late", "ed25519", "sign", created="20261123T000000"))


def sha1(bench: Bench) -> None:
    stranger = bench.openpgp.stranger
    bench.gpg("--allow-weak-digest-algos", "--cert-digest-algo", "SHA1", "--quick-set-expire", stranger, "3y")
    bench.list_instead(stranger)


def sub_key(bench: Bench) -> None:
    stranger = bench.openpgp.stranger
    bench.gpg("--quick-add-key", stranger, "ed25519", "sign")
    bench.list_instead(stranger)
    bench.gpg("--armor", "--output", str(bench.checkout / FILE), "--yes", "--export", stranger)


def revoked(bench: Bench) -> None:
    stranger = bench.openpgp.stranger
    revocation = (bench.openpgp.home / "openpgp-revocs.d" / f"{stranger}.rev").read_text()
    bench.gpg("--import", stdin=revocation.replace(":-----BEGIN", "-----BEGIN").encode())
    bench.list_instead(stranger)


def expired(bench: Bench) -> None:
    bench.today = dt.date(2029, 1, 1)


def soon(bench: Bench) -> None:
    bench.today = dt.date(2028, 12, 1)


def long_before(bench: Bench) -> None:
    bench.today = dt.date(2028, 10, 2)  # 90 days before the last on which it is to sign


def past_its_last_day(bench: Bench) -> None:
    manifest = bench.checkout / "release.yaml"
    manifest.write_text(manifest.read_text().replace('until: "2028-12-31"', 'until: "2026-11-23"'))


def no_home(bench: Bench) -> None:
    bench.private = replace(bench.private, gnupg_home=bench.folder / "none")


def another_home(bench: Bench) -> None:
    home = bench.folder / "empty"
    home.mkdir(mode=0o700)
    bench.private = replace(bench.private, gnupg_home=home)


def public_half_alone(bench: Bench) -> None:
    another_home(bench)
    command = ["gpg", "--homedir", str(bench.private.gnupg_home), "--batch", "--import", str(bench.openpgp.public)]
    subprocess.run(command, check=True, capture_output=True)


def wrong_passphrase(bench: Bench) -> None:
    end_agent(bench.openpgp.home, bench.run)
    (bench.folder / "wrong").write_text("quite another passphrase\n")
    bench.private = replace(bench.private, passphrase=bench.folder / "wrong")


def no_passphrase(bench: Bench) -> None:
    bench.private = replace(bench.private, passphrase=bench.folder / "none")


def no_private_half(bench: Bench) -> None:
    bench.private = replace(bench.private, attestation=None)


def strangers_private_half(bench: Bench) -> None:
    private, _ = signing.attestation_key(bench.folder / "stranger")
    bench.private = replace(bench.private, attestation=private)


def private_half_of_rsa(bench: Bench) -> None:
    private, _ = signing.attestation_key(bench.folder / "stranger", "rsa")
    bench.private = replace(bench.private, attestation=private)


def locked_private_half(bench: Bench) -> None:
    locked = bench.folder / "locked.pem"
    key = str(bench.private.attestation)
    signing.openssl("pkey", "-in", key, "-aes256", "-passout", "pass:tests-tests", "-out", str(locked))
    bench.private = replace(bench.private, attestation=locked)


def public_half_of_rsa(bench: Bench) -> None:
    _, public = signing.attestation_key(bench.folder / "stranger", "rsa")
    shutil.copyfile(public, bench.checkout / STATEMENTS)


def private_half_committed(bench: Bench) -> None:
    assert bench.private.attestation
    shutil.copyfile(bench.private.attestation, bench.checkout / STATEMENTS)


FAULTS: tuple[tuple[Change, str, str, str], ...] = (
    (no_keys, "keys.packages", "there is no key to sign with", "nox -s keys -- --rotate NEW"),
    (no_keys, "keys.attestations", "there is no key to sign with", "Ed25519"),
    (other_key_in_the_file, FILE, "holds the key ", "gpg --armor --export"),
    (two_keys_in_the_file, FILE, "has 2 keys", "export the public key again"),
    (no_key_in_the_file, FILE, "has no OpenPGP key", "export the public key again"),
    (private_half_in_the_file, FILE, "holds a private key", "counts as stolen"),
    (not_committed, FILE, "is not committed", f"git add {FILE}"),
    (short_rsa, FILE, "is RSA with 2048 bits; EL 9", "make another key"),
    (ed25519, FILE, "is EdDSA ed25519 with 255 bits; EL 9", "make another key"),
    (too_young, FILE, "was created at 2026-11-23 00:00 UTC", "later date"),
    (sha1, FILE, "its self-signature uses SHA1", "sign it again with SHA-512"),
    (sub_key, FILE, "has sub-keys (1)", "make another key"),
    (revoked, FILE, "is revoked", "--switch"),
    (expired, FILE, "expired on 2029-01-01", "--switch"),
    (past_its_last_day, FILE, "was to sign until 2026-11-23", "--switch"),
    (no_home, "gpg's home ", "has no key ", "--gnupg-home"),
    (another_home, "gpg's home ", "has no key ", "gpg --import"),
    (public_half_alone, "gpg's home ", "has only the public half of key ", "gpg --import"),
    (wrong_passphrase, "gpg's home ", "cannot sign: gpg: signing failed: Bad passphrase", "--passphrase-file"),
    (no_passphrase, "gpg's home ", "the passphrase cannot be read: No such file", "--passphrase-file"),
    (no_private_half, "--attestation-key", "is not given", "--attestation-key FILE"),
    (strangers_private_half, "--attestation-key", f"is not the private half of {STATEMENTS}", "openssl pkey"),
    (private_half_of_rsa, "--attestation-key", "holds another key than Ed25519", "openssl genpkey"),
    (locked_private_half, "--attestation-key", "is locked by a passphrase", "unlock it"),
    (public_half_of_rsa, STATEMENTS, "has another key than Ed25519", "openssl pkey"),
    (private_half_committed, STATEMENTS, "holds a private key", "counts as stolen"),
)  # fmt: skip


@pytest.mark.parametrize(("change", "where", "what", "todo"), FAULTS)
def test_a_fault_of_a_key(bench: Bench, change: Change, where: str, what: str, todo: str) -> None:
    change(bench)
    found = hard(bench.faults())
    fitting = [fault for fault in found if where in fault.where and what in fault.what]
    assert fitting, found
    assert todo in fitting[0].advice
    assert all(PASSPHRASE not in str(fault) and "PRIVATE KEY-" not in str(fault) for fault in found)


def test_a_weak_self_signature_is_repaired_as_the_advice_says(bench: Bench) -> None:
    sha1(bench)
    stranger = bench.openpgp.stranger
    bench.gpg("--cert-digest-algo", "SHA512", "--quick-set-expire", stranger, "3y", time="20260401T000000")
    keys.rotate(bench.checkout, Console(), stranger, bench.openpgp.home, TODAY, bench.run)
    assert bench.faults() == []


def test_a_key_that_ends_soon_is_a_warning(bench: Bench) -> None:
    soon(bench)
    (fault,) = bench.faults()
    assert fault.warning
    assert fault.what == "is to sign until 2028-12-31, in 30 days"
    assert "announce it: nox -s keys -- --rotate NEW" in fault.advice
    long_before(bench)
    assert bench.faults() == []
    bench.today += dt.timedelta(days=1)
    assert [fault.warning for fault in bench.faults()] == [True]
