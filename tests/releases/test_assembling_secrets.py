"""A passphrase, a private OpenPGP key and the private key of the statements are seen nowhere while a set is made."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from ci.core.masking import Masks
from ci.pipeline.jobs import Project
from tests import leaks
from tests.keys import PASSPHRASE
from tests.release.fixtures_of_sets import finished, keys, signing
from tests.release.sets import OwnerKeys, write_json
from tests.releases.assembling_program import ATTESTATIONS, PACKAGES
from tests.support import ROOT

pytestmark = pytest.mark.long
__all__ = ["finished", "keys", "signing"]

_HEAD_BYTES = 16  # of the form of the private key, before the key itself


@dataclass(frozen=True, kw_only=True)
class Made:
    """What came of it."""

    code: int
    printed: str
    dist: Path


def secrets(keys: OwnerKeys) -> dict[str, str]:
    """Every secret as a text, by its name."""
    pem = keys.attestations.read_text().splitlines()[1]
    seed = base64.b64decode(pem)[_HEAD_BYTES:]
    return {
        "passphrase": PASSPHRASE,
        "OpenPGP key": leaks.private_key_text(keys.signing.home),
        "attestation key": pem,
        "its seed": seed.hex(),
        "its seed in base64": base64.b64encode(seed).decode(),
    }


def seed_in(path: Path, keys: OwnerKeys) -> bool:
    """Whether a file has the seed of the attestation key as it is."""
    seed = base64.b64decode(keys.attestations.read_text().splitlines()[1])[_HEAD_BYTES:]
    return seed in path.read_bytes()


def prepare(folder: Path, finished: Path, keys: OwnerKeys, built: Project) -> Path:
    """A checkout whose `dist/` is finished: with the artefacts of the small set, and its documents."""
    checkout = folder / "checkout"
    dist = checkout / "dist"
    for name in ("release.yaml", "CHANGELOG.md"):
        checkout.mkdir(exist_ok=True)
        shutil.copy(built.root / name, checkout)
    for path, source in ((PACKAGES, keys.public), (ATTESTATIONS, keys.attestations_public)):
        (checkout / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, checkout / path)
    for one in json.loads((finished / "artifacts.json").read_bytes())["artifacts"]:
        (dist / one["path"]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(finished / one["name"], dist / one["path"])
    for name in ("artifacts.json", "inputs.json", "reproducibility.json"):
        shutil.copy(finished / name, dist)
    write_json(dist / "consistency.json", {"format": 1, "facts": []})
    return checkout


def assemble(folder: Path, checkout: Path, keys: OwnerKeys, env: Mapping[str, str]) -> Made:
    """Make the set in a process of its own, look at all processes meanwhile, and at every file afterwards."""
    dist, temporary = checkout / "dist", folder / "tmp"
    temporary.mkdir()
    words = (checkout, dist, keys.signing.home, keys.signing.passphrase, keys.fingerprint, keys.attestations)
    masks = leaks.masks_of(secrets(keys))
    with leaks.Processes(masks) as processes:
        environment = {**os.environ, "TMPDIR": str(temporary), **env}
        command = (sys.executable, "-m", "tests.releases.assembling_program", *map(str, words))
        child = processes.start(*command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        printed, _ = child.communicate()
    assert "gpg" in processes.seen, "the test did not look often enough"
    require_nothing_found(masks, printed, processes, dist, temporary)
    assert [path for path in dist.rglob("*") if path.is_file() and seed_in(path, keys)] == []
    return Made(code=child.returncode, printed=printed, dist=dist)


def require_nothing_found(masks: Masks, printed: str, processes: leaks.Processes, *folders: Path) -> None:
    assert not masks.found_in(printed), printed
    assert not processes.found
    assert not leaks.in_files(masks, *folders)


@pytest.mark.parametrize("planted", ["files", "files and variables"])
def test_no_secret_is_in_a_set_its_logs_or_its_bundle(
    built: Project, finished: Path, keys: OwnerKeys, tmp_path: Path, planted: str
) -> None:
    """As CI has them: each in a file, or in a variable as well."""
    variables = {"PACKAGES_PASSPHRASE": PASSPHRASE, "ATTESTATIONS_KEY": keys.attestations.read_text()}
    env = variables if planted == "files and variables" else {}
    made = assemble(tmp_path, prepare(tmp_path, finished, keys, built), keys, env)
    assert made.code == 0, made.printed
    names = {path.name for path in (made.dist / "release").iterdir()}
    assert {"SHA256SUMS.asc", "provenance.dsse.json", "provenance.sigstore.json", "yum", "pacman"} <= names
    assert (made.dist / "logs" / "release.log").stat().st_size
    assert list(made.dist.glob("*-bundle.tar"))


def test_a_key_that_cannot_be_read_is_not_shown(
    built: Project, finished: Path, keys: OwnerKeys, tmp_path: Path
) -> None:
    """A line of it that somebody has added is the mistake; the key itself is below that."""
    broken = tmp_path / "broken.pem"
    broken.write_text(keys.attestations.read_text().replace("\n", "\nnot a line of base64\n", 1))
    made = assemble_without_gpg(tmp_path, prepare(tmp_path, finished, keys, built), keys, broken)
    assert made.code == 2, made.printed
    assert "not a private key in PEM form" in made.printed


def assemble_without_gpg(folder: Path, checkout: Path, keys: OwnerKeys, pem: Path) -> Made:
    """Try it with a key that is refused before gpg is started."""
    words = (checkout, checkout / "dist", keys.signing.home, keys.signing.passphrase, keys.fingerprint, pem)
    command = (sys.executable, "-m", "tests.releases.assembling_program", *map(str, words))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    masks = leaks.masks_of(secrets(keys))
    printed = done.stdout + done.stderr
    assert not masks.found_in(printed), printed
    assert not leaks.in_files(masks, checkout)
    return Made(code=done.returncode, printed=printed, dist=checkout / "dist")
