"""`nox -s keys`: it shows the keys of the manifest, and puts another one there only if clients would accept it."""

from __future__ import annotations

import argparse
import datetime as dt
import pwd
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from ci.commands.keys import gnupg_home
from ci.core import cargo_registry
from ci.core.console import Console
from ci.core.errors import PreflightError, ReleaseError, UnavailableError, UsageError
from ci.core.run import Runner
from ci.manifest.reader import load
from ci.prove import program_folders
from ci.release import keys
from tests.keys import SigningKeys, generate, signing_keys
from tests.packages.support import checkout_of
from tests.release import signing
from tests.support import copy_checkout, run_ci

TODAY = dt.date(2026, 11, 24)


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A checkout without keys, and a gpg home with two."""

    checkout: Path
    openpgp: SigningKeys
    folder: Path

    def rotate(self, new: str, *, switch: bool = False, home: Path | None = None) -> None:
        run = Runner(log=self.folder / "log")
        keys.rotate(self.checkout, Console(), new, home or self.openpgp.home, TODAY, run, switch=switch)

    def show(self) -> None:
        keys.show(self.checkout, Console(), self.openpgp.home, TODAY, Runner(log=self.folder / "log"))

    @property
    def listed(self) -> list[str]:
        return [key.openpgp for key in load(self.checkout / "release.yaml").keys.packages]

    @property
    def statements(self) -> list[str]:
        return [key.ed25519 for key in load(self.checkout / "release.yaml").keys.attestations]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with signing_keys(tmp_path / "openpgp") as openpgp:
        yield Desk(checkout=checkout_of(tmp_path / "checkout"), openpgp=openpgp, folder=tmp_path)


def test_the_first_key_signs_the_next_is_announced_and_then_switched_to(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = desk.openpgp.fingerprint, desk.openpgp.stranger
    desk.rotate(old)
    assert desk.listed == [old]
    assert f"{old} signs from now on" in capsys.readouterr().err
    spaced = " ".join(re.findall("....", new.lower()))  # as gpg shows it
    desk.rotate(spaced)
    assert desk.listed == [old, new]
    assert f"{new} is announced, and signs nothing yet" in capsys.readouterr().err
    desk.rotate(new, switch=True)
    assert desk.listed == [new, old]
    assert "warning" not in capsys.readouterr().err
    public = load(desk.checkout / "release.yaml").keys.packages
    assert [key.file for key in public] == [
        f"ci/keys/packages-2026-{new[-8:].lower()}.asc",
        "ci/keys/packages-2026.asc",
    ]
    assert {str(key.until) for key in public} == {"2028-12-31"}
    files = list((desk.checkout / "ci" / "keys").iterdir())
    assert all(b"PRIVATE" not in file.read_bytes() for file in files)
    desk.rotate(new, switch=True)  # again: nothing more happens
    assert desk.listed == [new, old]
    assert sorted((desk.checkout / "ci" / "keys").iterdir()) == sorted(files)


def test_a_switch_to_a_key_that_nobody_knows_is_a_warning(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.rotate(desk.openpgp.fingerprint)
    desk.rotate(desk.openpgp.stranger, switch=True)
    assert desk.listed == [desk.openpgp.stranger, desk.openpgp.fingerprint]
    assert "was not announced: clients that know only the old key refuse" in capsys.readouterr().err


def test_a_file_names_a_key_whose_private_half_is_elsewhere(desk: Desk) -> None:
    home = desk.folder / "empty"
    home.mkdir(mode=0o700)
    desk.rotate(str(desk.openpgp.public), home=home)
    assert desk.listed == [desk.openpgp.fingerprint]
    by_file = (desk.checkout / "ci" / "keys" / "packages-2026.asc").read_bytes()
    desk.rotate(desk.openpgp.fingerprint)
    assert (desk.checkout / "ci" / "keys" / "packages-2026.asc").read_bytes() == by_file


def test_a_key_for_statements(desk: Desk) -> None:
    _, first = signing.attestation_key(desk.folder / "first")
    _, second = signing.attestation_key(desk.folder / "second")
    desk.rotate(str(first))
    desk.rotate(str(second))
    assert len(desk.statements) == 2
    assert desk.statements[0] == "ci/keys/attestations-2026.pub"
    assert (desk.checkout / desk.statements[1]).read_bytes() == second.read_bytes()
    desk.rotate(str(second), switch=True)
    assert (desk.checkout / desk.statements[0]).read_bytes() == second.read_bytes()
    assert desk.listed == []


def refused(desk: Desk, new: str, kind: type[ReleaseError], text: str) -> None:
    before = (desk.checkout / "release.yaml").read_bytes()
    with pytest.raises(kind, match=text) as raised:
        desk.rotate(new)
    assert raised.value.hint or "what to do" in str(raised.value)
    assert (desk.checkout / "release.yaml").read_bytes() == before
    assert not (desk.checkout / "ci" / "keys").exists()


def test_a_key_that_clients_would_refuse_is_not_listed(desk: Desk) -> None:
    run = Runner(log=desk.folder / "log")
    short = generate(desk.openpgp.home, run, "short", "rsa2048", "sign")
    over = generate(desk.openpgp.home, run, "over", "ed25519", "sign", "2026-11-24")
    refused(desk, short, PreflightError, "is RSA with 2048 bits")
    refused(desk, over, PreflightError, "is EdDSA(?s:.*)expired on 2026-11-24")  # both faults at once


def test_what_is_no_key_is_not_listed(desk: Desk) -> None:
    refused(desk, "F" * 40, UnavailableError, "there is no key F{40}")
    refused(desk, "nothing.asc", UsageError, "neither a fingerprint nor a file")
    both = desk.folder / "both.asc"
    both.write_text(desk.openpgp.public.read_text() + desk.openpgp.stranger_public.read_text())
    refused(desk, str(both), PreflightError, "has 2 keys")
    private, _ = signing.attestation_key(desk.folder / "statements")
    refused(desk, str(private), PreflightError, "holds a private key")
    _, rsa = signing.attestation_key(desk.folder / "rsa", "rsa")
    refused(desk, str(rsa), PreflightError, "another key than Ed25519")


def test_the_table_says_what_is_wrong(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.show()
    assert "lists no key; docs/keys.md says how to make the first ones" in capsys.readouterr().err
    _, statements = signing.attestation_key(desk.folder / "first")
    for new in (desk.openpgp.fingerprint, desk.openpgp.stranger, str(statements)):
        desk.rotate(new)
    shutil.copyfile(desk.openpgp.public, desk.checkout / load(desk.checkout / "release.yaml").keys.packages[1].file)
    capsys.readouterr()
    desk.show()
    printed = capsys.readouterr()
    rows = [re.split(r"  +", line.strip()) for line in printed.out.splitlines()[2:]]
    assert rows[0][:3] == ["packages", "signs", desk.openpgp.fingerprint]
    assert rows[0][3:7] == ["RSA 4096", "2026-01-01", "2029-01-01, 769 days", "here"]
    assert rows[0][-1] == "in order"
    assert rows[1][-1].startswith(f"holds the key {desk.openpgp.fingerprint}, and not {desk.openpgp.stranger}")
    assert rows[2][:2] == ["attestations", "signs"]
    assert rows[2][3:6] == ["Ed25519", "-", "never"]
    assert "what to do: export the right one" in printed.err


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As in a container that runs as a number for which /etc/passwd has no line."""

    def nobody(number: int) -> NoReturn:
        raise KeyError(number)

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    for name in ("HOME", "GNUPGHOME", "CARGO_HOME", "RUSTUP_HOME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="GNUPGHOME: this user has no home folder") as raised:
        gnupg_home(argparse.Namespace(gnupg_home=None))
    assert raised.value.hint == "set HOME, or GNUPGHOME, or name the folder with --gnupg-home"
    with pytest.raises(UsageError, match="CARGO_HOME: this user has no home folder") as raised:
        list(cargo_registry.caches())
    assert raised.value.hint == "set HOME, or CARGO_HOME"
    assert program_folders.variables() == {}
    assert gnupg_home(argparse.Namespace(gnupg_home=tmp_path)) == tmp_path
    monkeypatch.setenv("GNUPGHOME", str(tmp_path / "of-gpg"))
    assert gnupg_home(argparse.Namespace(gnupg_home=None)) == tmp_path / "of-gpg"
    monkeypatch.delenv("GNUPGHOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert gnupg_home(argparse.Namespace(gnupg_home=None)) == tmp_path / ".gnupg"


def test_the_command(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path / "checkout")
    _, public = signing.attestation_key(tmp_path / "keys")
    done = run_ci(checkout, "keys", "--gnupg-home", str(tmp_path / "none"), "--rotate", str(public))
    assert done.returncode == 0, done.stderr
    assert "attestations  signs" in done.stdout
    done = run_ci(checkout, "keys", "--switch")
    assert (done.returncode, "--rotate" in done.stderr) == (2, True)
    done = run_ci(checkout, "keys", "--rotate", str(tmp_path / "keys" / "attestations.pem"))
    assert done.returncode == 19
    assert "holds a private key" in done.stderr
