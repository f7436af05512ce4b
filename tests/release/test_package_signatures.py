"""Signatures beside packages, as pacman itself judges them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ci.core.errors import CommandFailed
from ci.core.run import Runner
from ci.release.package_signatures import sign_pacman
from ci.verify.in_pacman import python_stub
from tests.keys import SigningKeys, keys

__all__ = ["keys"]

CONFIG = """\
[options]
Architecture = auto
SigLevel = Required TrustedOnly
LocalFileSigLevel = Required TrustedOnly
"""


@pytest.fixture(scope="module")
def trusting(keys: SigningKeys, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key ring of pacman that trusts the first key alone, as `pacman-key --add` and `--lsign-key` make one."""
    home = tmp_path_factory.mktemp("ring")
    home.chmod(0o700)
    (home / "pubring.gpg").touch()  # in this form
    run = Runner(log=keys.log)
    gpg = ("gpg", "--homedir", home, "--batch", "--no-autostart")
    run(*gpg, "--import", keys.public)
    run(*gpg, "--import-ownertrust", stdin=f"{keys.fingerprint}:6:\n".encode())
    return home


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return python_stub(tmp_path / "packages", "ucrt64", "3.14.0", "/usr/bin/python3")


@pytest.fixture
def install(trusting: Path, tmp_path: Path) -> Callable[[Path], None]:
    """Install a package into an empty root, as a user does who demands signatures."""
    root = tmp_path / "root"
    (root / "var").mkdir(parents=True)
    (tmp_path / "pacman.conf").write_text(CONFIG)
    places = ("--config", tmp_path / "pacman.conf", "--root", root, "--dbpath", root / "var", "--gpgdir", trusting)
    run = Runner(log=tmp_path / "log")

    def install(package: Path) -> None:
        run("pacman", *places, "--cachedir", root / "cache", "--noconfirm", "--nodeps", "-U", package)

    return install


def test_pacman_accepts_a_signature_and_two_are_identical(
    keys: SigningKeys, package: Path, tmp_path: Path, install: Callable[[Path], None]
) -> None:
    (signature,) = sign_pacman([package], keys.gpg(), package.parent, key=keys.fingerprint)
    assert signature == package.with_name(f"{package.name}.sig")
    (again,) = sign_pacman([package], keys.gpg(), tmp_path, key=keys.fingerprint)
    assert again.read_bytes() == signature.read_bytes()
    install(package)


def _no_signature(keys: SigningKeys, package: Path, signature: Path) -> None:
    signature.unlink()


def _of_another_package(keys: SigningKeys, package: Path, signature: Path) -> None:
    other = python_stub(package.parent / "other", "ucrt64", "3.15.0", "/usr/bin/python3")
    shutil.copyfile(sign_pacman([other], keys.gpg(), other.parent, key=keys.fingerprint)[0], signature)


def _by_a_stranger(keys: SigningKeys, package: Path, signature: Path) -> None:
    sign_pacman([package], keys.gpg(), package.parent, key=keys.stranger)


def _changed_package(keys: SigningKeys, package: Path, signature: Path) -> None:
    package.write_bytes(package.read_bytes() + b"\0")


@pytest.mark.parametrize("tamper", [_no_signature, _of_another_package, _by_a_stranger, _changed_package])
def test_pacman_refuses_what_we_did_not_sign(
    keys: SigningKeys,
    package: Path,
    install: Callable[[Path], None],
    tamper: Callable[[SigningKeys, Path, Path], None],
) -> None:
    (signature,) = sign_pacman([package], keys.gpg(), package.parent, key=keys.fingerprint)
    tamper(keys, package, signature)
    with pytest.raises(CommandFailed, match=r"signature|required key"):
        install(package)
