"""A small checkout at the signed tag of a release that can be made, with throw-away keys."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ci.bake.render import bake
from ci.commands.running import jobs_of, probe
from ci.core.console import Console
from ci.core.files import sha256_of
from ci.core.run import Runner
from ci.kinds import SDIST
from ci.manifest.editing import write_source_sha256
from ci.manifest.reader import load
from ci.pipeline.jobs import Job, Project
from ci.release import keys
from ci.release.preflight_keys import PrivateKeys
from tests.keys import EPOCH, SigningKeys, signing_keys
from tests.packages.support import build, checkout_of, open_project

TAG = "v0.1.0"


@dataclass(frozen=True, kw_only=True)
class SignedCheckout:
    """A checkout at its signed tag, and the private keys of its release. Copies of the checkout work as well."""

    checkout: Path
    openpgp: SigningKeys
    attestation: Path

    @property
    def private(self) -> PrivateKeys:
        return PrivateKeys(
            gnupg_home=self.openpgp.home, passphrase=self.openpgp.passphrase, attestation=self.attestation
        )

    def copy(self, target: Path) -> Path:
        """Another checkout of the same, to plant a fault in."""
        return Path(shutil.copytree(self.checkout, target, symlinks=True))


def attestation_key(folder: Path, algorithm: str = "ed25519") -> tuple[Path, Path]:
    """Make a key for statements; returns the files of the private and of the public half."""
    folder.mkdir(exist_ok=True)
    private, public = folder / "attestations.pem", folder / "attestations.pub"
    openssl("genpkey", "-algorithm", algorithm, "-out", str(private))
    openssl("pkey", "-in", str(private), "-pubout", "-out", str(public))
    return private, public


def openssl(*words: str) -> None:
    """Run openssl."""
    subprocess.run(["openssl", *words], check=True, capture_output=True)


def git(root: Path, *words: str, stdin: bytes | None = None) -> str:
    """Run git without the settings of whoever runs the tests."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    own = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    settings = ("-c", "user.name=Tests", "-c", "user.email=tests@example.invalid")
    command = ["git", *settings, *words]
    done = subprocess.run(command, cwd=root, check=True, capture_output=True, input=stdin, env={**clean, **own})
    return done.stdout.decode().strip()


def tag(root: Path, openpgp: SigningKeys, key: str, name: str = TAG) -> None:
    """Make or move an annotated tag that a key has signed, as git itself would write it."""
    commit = git(root, "rev-parse", "HEAD")
    text = f"object {commit}\ntype commit\ntag {name}\ntagger Tests <tests@example.invalid> {EPOCH} +0000\n\n{name}\n"
    plain, signature = root.with_name("tag"), root.with_name("tag.asc")
    plain.write_text(text)
    openpgp.gpg().detach_sign(plain, signature, key=key, armour=True)
    made = git(root, "hash-object", "-t", "tag", "-w", "--stdin", stdin=text.encode() + signature.read_bytes())
    git(root, "update-ref", f"refs/tags/{name}", made)


def commit(root: Path) -> None:
    """Commit everything that there is."""
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "a change")


def with_sdist(project: Project) -> tuple[Project, Job]:
    """The project with what the job that builds the source tarball has to know, and that job."""
    project = probe(project, [SDIST])
    (job,) = jobs_of(project, [SDIST])
    return project, job


def make(folder: Path, openpgp: SigningKeys) -> SignedCheckout:
    """A checkout with everything that a release needs, and its keys."""
    checkout = checkout_of(folder / "checkout")
    run = Runner(log=folder / "log")
    private, public = attestation_key(folder / "keys")
    console, today = Console(), load(checkout / "release.yaml").date
    keys.rotate(checkout, console, openpgp.fingerprint, openpgp.home, today, run)
    keys.rotate(checkout, console, str(public), openpgp.home, today, run)
    bake(checkout, load(checkout / "release.yaml"), checkout)
    git(checkout, "init", "--quiet", "--initial-branch", "main")
    commit(checkout)  # only what git tracks ships
    project = build(open_project(checkout, folder / "dist"), "sdist")
    write_source_sha256(checkout / "release.yaml", sha256_of(project.sdist))
    bake(checkout, load(checkout / "release.yaml"), checkout)
    commit(checkout)
    tag(checkout, openpgp, openpgp.fingerprint)
    return SignedCheckout(checkout=checkout, openpgp=openpgp, attestation=private)


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SignedCheckout]:
    """A checkout that can be released."""
    folder = tmp_path_factory.mktemp("signed")
    with signing_keys(folder / "openpgp") as openpgp:
        yield make(folder, openpgp)
