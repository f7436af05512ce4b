"""A small release to verify: real packages, really signed, with stand-ins for what says how they were tested.

All its signatures carry the release's date, as those of a real one do.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ci.core.run import Runner
from ci.manifest.release import Release
from ci.pipeline.inputs import BaseImage, Crate, DebianPackage, Inputs, InstalledPackage, PythonPackage, UsedProgram
from ci.pipeline.jobs import Project
from ci.release import envelopes, statements
from ci.sboms import contents, cyclonedx, spdx
from ci.sboms.model import Publisher
from tests.keys import SigningKeys
from tests.support import ROOT

VERIFY = ROOT / "ci" / "release" / "consumer" / "verify.py"
COMMIT = "1f" * 20
KINDS = {"sdist": ("tar.gz", "whl"), "rpm": ("rpm",), "msys2": ("zst",), "formulae": ("rb",), "crates": ("crate",)}
UNLISTED = ("SHA256SUMS", "SHA256SUMS.asc")


@dataclass(frozen=True, kw_only=True)
class OwnerKeys:
    """Throw-away keys of one owner: `public` is the OpenPGP key, `attestations` the private Ed25519 key."""

    signing: SigningKeys
    fingerprint: str
    public: Path
    attestations: Path

    @property
    def attestations_public(self) -> Path:
        return self.attestations.with_suffix(".pub")

    def sign(self, release: Release, *paths: Path, end: str = ".sig") -> None:
        """Write a detached signature beside each file: armoured if its end is `.asc`."""
        gpg = self.signing.gpg(release.epoch)
        for path in paths:
            gpg.detach_sign(path, path.with_name(path.name + end), key=self.fingerprint, armour=end == ".asc")

    def sign_rpms(self, release: Release, *packages: Path) -> None:
        """Sign the headers of RPMs in place of whoever did before."""
        for package in packages:
            delete_signature(package)
            self.signing.gpg(release.epoch).sign_rpm(package, key=self.fingerprint)


def delete_signature(package: Path) -> None:
    """Delete the signature in an RPM."""
    subprocess.run(["rpmsign", "--delsign", str(package)], check=True, capture_output=True)


def keys_of(signing: SigningKeys) -> OwnerKeys:
    """The keys of the release."""
    pem = make_pem(signing.home.parent / "attestations.pem")
    return OwnerKeys(signing=signing, fingerprint=signing.fingerprint, public=signing.public, attestations=pem)


def keys_of_the_stranger(signing: SigningKeys) -> OwnerKeys:
    """The keys of somebody else."""
    pem = make_pem(signing.home.parent / "stranger.pem")
    return OwnerKeys(signing=signing, fingerprint=signing.stranger, public=signing.stranger_public, attestations=pem)


def make_pem(path: Path) -> Path:
    """Make an Ed25519 key out of the name of the file, the public one beside it: the same for all tests of a run."""
    private = bytes.fromhex("302e020100300506032b657004220420") + hashlib.sha256(path.name.encode()).digest()
    text = base64.b64encode(private).decode()
    path.write_text(f"-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
    subprocess.run(["openssl", "pkey", "-in", path, "-pubout", "-out", path.with_suffix(".pub")], check=True)
    return path


def make_set(folder: Path, built: Project, keys: OwnerKeys) -> None:
    """Make a set in a new folder from packages that were built."""
    folder.mkdir()
    release = built.release
    artefacts = []
    for kind, ends in KINDS.items():
        for path in sorted((built.dist / kind).iterdir()):
            if path.name.endswith(ends):
                shutil.copy(path, folder)
                artefacts.append((kind, path.name))
    keys.sign_rpms(release, *folder.glob("*.rpm"))
    keys.sign(release, *folder.glob("*.zst"))
    shutil.copy(VERIFY, folder)
    copy_public_keys(folder, keys)
    documents = write_sboms(folder, [name for _, name in artefacts], release)
    artefacts += [("sbom", name) for name in documents]
    _write_documents(folder, release, artefacts)
    _write_trees(folder, release, keys)
    seal(folder, release, keys)


def copy_public_keys(folder: Path, keys: OwnerKeys) -> None:
    """Put the public keys into a set."""
    shutil.copy(keys.public, folder / "packages.asc")
    shutil.copy(keys.attestations_public, folder / "attestations.pub")


def seal(folder: Path, release: Release, keys: OwnerKeys) -> None:
    """Write and sign the checksums and the statements anew, as only somebody with the keys can."""
    write_sums(folder, release, keys)
    write_statements(folder, release, keys)


def write_sums(folder: Path, release: Release, keys: OwnerKeys) -> None:
    """Write the checksums of all files, and their signature."""
    listed = [
        path for path in sorted(folder.iterdir())
        if path.is_file() and path.name not in UNLISTED and not path.name.endswith((".dsse.json", ".sigstore.json"))
    ]  # fmt: skip
    (folder / "SHA256SUMS").write_text("".join(f"{sha256_of(path)}  {path.name}\n" for path in listed))
    keys.sign(release, folder / "SHA256SUMS", end=".asc")


def write_statements(folder: Path, release: Release, keys: OwnerKeys) -> None:
    """Write the provenance and the statement of each gate."""
    key = envelopes.load_key(keys.attestations)
    envelopes.write(folder, statements.of_release(folder, release), key)


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_json(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")


def write_sboms(folder: Path, names: Sequence[str], release: Release) -> list[str]:
    """Write the SBOMs of artefacts; returns the names of the documents."""
    run, publisher, made = Runner(log=folder.with_suffix(".log")), Publisher.of(release), []
    for name in names:
        with tempfile.TemporaryDirectory() as scratch:
            found = contents.read(contents.OpenedArtifact(path=folder / name, folder=Path(scratch), run=run))
        for form, write in (("spdx", spdx.write), ("cdx", cyclonedx.write)):
            (folder / f"{name}.{form}.json").write_bytes(write(found, publisher))
            made.append(f"{name}.{form}.json")
    return made


def _write_documents(folder: Path, release: Release, artefacts: Sequence[tuple[str, str]]) -> None:
    """Stand-ins for the results of a release: in this one, all is well."""
    version = str(release.version)
    entries = [
        {
            "kind": {"formulae": "formula", "crates": "crate"}.get(kind, kind),
            "name": name,
            "path": f"{kind}/{name}",
            "status": "verified",
            "tool": "",
            "size": (folder / name).stat().st_size,
            "sha256": sha256_of(folder / name),
        }
        for kind, name in artefacts
    ]
    again = [
        {"path": one["path"], "stage": False, "verdict": "same", "sha256": {"dist": one["sha256"]}} for one in entries
    ]
    about = {"format": 1, "name": release.name, "version": version, "commit": COMMIT, "verdict": "same"}
    again_name = "reproducibility.json"
    write_json(folder / again_name, {**about, "varied": [], "not_varied": [], "artifacts": again})
    gate = {"title": "a stand-in", "artifacts": [], "reason": "", "untried": [], "notes": []}
    artifacts = {
        "format": 1,
        "name": release.name,
        "version": version,
        "source_date_epoch": release.epoch,
        "source": {"revision": release.version.tag, "commit": COMMIT, "modified": False},
        "not_tried": [],
        "allowed_missing": [],
        "stand_in_bases": [],
        "artifacts": entries,
        "quick": False,
        "gates": [
            {**gate, "gate": "install", "name": "install-rpm-bookworm", "status": "passed"},
            {**gate, "gate": "install", "name": "install-rpm-sid", "status": "not run", "reason": "no root here"},
            {**gate, "gate": "consistency", "name": "consistency", "status": "passed"},
        ],
        "proofs": [{"file": again_name, "sha256": sha256_of(folder / again_name), "verdict": "same"}],
        "waivers": [],
    }
    write_json(folder / "artifacts.json", artifacts)
    (folder / "inputs.json").write_bytes(inputs_of(release).document())


def inputs_of(release: Release) -> Inputs:
    """A few inputs, one of each kind."""
    return Inputs(
        name=release.name,
        version=str(release.version),
        commit=COMMIT,
        modified=False,
        python="3.11.2",
        zlib="1.2.13",
        tools=(UsedProgram(name="rpmbuild", version="4.18.0", sha256="a1" * 32),),
        python_packages=(PythonPackage(name="flit_core", version="3.12.0", sha256=("b1" * 32, "b2" * 32)),),
        crates=(Crate(name="serde_json", version="1.0.1", sha256="c1" * 32),),
        bases=(
            BaseImage(
                flavour="ubi",
                architecture="amd64",
                reference="registry.example:5000/ubi10/ubi-minimal:10.2@sha256:" + "d1" * 32,
                digest="sha256:" + "d1" * 32,
            ),
        ),
        debian=(DebianPackage(name="libstdc++6", version="14.2.0-19+b1", root="amd64", sha256="e1" * 32, size=1),),
        installed=(InstalledPackage(flavour="ubi", architecture="amd64", name="python3", version="3.12.9-1.el10"),),
    )


def _write_trees(folder: Path, release: Release, keys: OwnerKeys) -> None:
    """Stand-ins for the package repositories, with the signatures that they have."""
    for tree, pattern, index, end in (
        ("yum", "*.rpm", "repodata/repomd.xml", ".asc"),
        ("pacman", "*.zst*", "ucrt64/faas-runtime.db.tar.gz", ".sig"),
    ):
        place = folder / tree / index
        place.parent.mkdir(parents=True)
        place.write_text("a stand-in for an index\n")
        keys.sign(release, place, end=end)
        for path in (one for one in folder.glob(pattern) if one.suffix in (".rpm", ".zst", ".sig")):
            shutil.copy(path, folder / tree)
    write_tree_sums(folder)


def write_tree_sums(folder: Path) -> None:
    files = (path for tree in ("yum", "pacman") for path in (folder / tree).rglob("*") if path.is_file())
    lines = {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}
    text = "".join(f"{sha256}  {path}\n" for path, sha256 in sorted(lines.items()))
    (folder / "repositories.sha256").write_text(text)


def verify(
    release: Path | str,
    *keys: Path,
    env: Mapping[str, str] | None = None,
    python: str = sys.executable,
    options: Sequence[str] = (),
) -> subprocess.CompletedProcess[str]:
    """Run verify.py, as a user of the release would, without the environment of the tests."""
    words = [word for key in keys for word in ("--key", str(key))]
    argv = [python, "-B", str(VERIFY), *words, *options, str(release)]
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", **(env or {})}
    return subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120, check=False)


def payload_of(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """The statement in an envelope."""
    found: dict[str, Any] = json.loads(base64.b64decode(envelope["payload"]))
    return found
