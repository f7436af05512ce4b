"""From the keys to a set that its users verify, by the commands of docs/releasing.md; twice, with the same bytes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.keys import SigningKeys
from tests.release.fixtures_of_sets import signing
from tests.release.sets import make_pem
from tests.support import ROOT, run_ci

pytestmark = pytest.mark.long
__all__ = ["signing"]

_IDENTITY = {
    "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org",
}  # fmt: skip
# No registry can be reached here, so the flavours on foreign bases are left out, on purpose.
_MISSING = ("--allow-missing", "ubi", "--allow-missing", "alpine", "--allow-missing", "image-index")


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True, env={**os.environ, **_IDENTITY})


def ci(checkout: Path, *words: str) -> str:
    done = run_ci(checkout, *words)
    assert done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory, signing: SigningKeys) -> Path:
    """A clone with keys in its manifest, and the tag of a next version."""
    checkout = tmp_path_factory.mktemp("tagged") / "checkout"
    git(ROOT, "clone", "--quiet", str(ROOT), str(checkout))
    for name, value in (("user.name", "a"), ("user.email", "a@example.org")):
        git(checkout, "config", name, value)
    public = make_pem(signing.home.parent / "release.pem").with_suffix(".pub")
    ci(checkout, "keys", "--gnupg-home", str(signing.home), "--rotate", signing.fingerprint)
    ci(checkout, "keys", "--gnupg-home", str(signing.home), "--rotate", str(public))
    git(checkout, "add", "release.yaml", "ci/keys")
    git(checkout, "commit", "--quiet", "--message", "Add keys")
    ci(checkout, "bump", "minor", *unlock(signing))
    return checkout


def unlock(signing: SigningKeys) -> tuple[str, ...]:
    return ("--gnupg-home", str(signing.home), "--passphrase-file", str(signing.passphrase))


def release(checkout: Path, signing: SigningKeys) -> Path:
    key = signing.home.parent / "release.pem"
    ci(checkout, "release", *unlock(signing), "--attestation-key", str(key), *_MISSING)
    return checkout / "dist" / "release"


def test_two_releases_of_a_tag_are_the_same_and_verify(tagged: Path, signing: SigningKeys, tmp_path: Path) -> None:
    first = release(tagged, signing)
    verify = [sys.executable, str(first / "verify.py"), "--key", str(signing.public)]
    checked = subprocess.run([*verify, str(first)], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr

    elsewhere = tmp_path / "another place" / "checkout"
    elsewhere.parent.mkdir()
    git(ROOT, "clone", "--quiet", str(tagged), str(elsewhere))
    second = release(elsewhere, signing)
    one, other = files_of(first), files_of(second)
    assert one.keys() == other.keys()
    assert [name for name in one if one[name] != other[name]] == []

    ci(tagged, "rebuild", str(first))
