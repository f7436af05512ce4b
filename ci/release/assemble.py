"""Puts a release together in `dist/release/`: the files of the release page, signed, and the trees of the repositories.

    artefacts and SBOMs, each MSYS2 package with a signature beside it
    the records of the build and of its proofs: artifacts.json, the proofs that it names, inputs.json, report.html
    the public keys, and verify.py, which checks all of it
    repositories.sha256     what is in yum/ and pacman/
    SHA256SUMS              all files above, and SHA256SUMS.asc, its signature
    *.dsse.json             statements about all files of SHA256SUMS, and the same as Sigstore bundles

Nothing in it depends on the clock: the same commit, inputs, keys and proofs give the same bytes. The folder is made
beside the old one and takes its place when it is complete.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ci.core.errors import UnavailableError, VerificationError
from ci.core.files import fresh_folder, sha256_of, write_atomically
from ci.core.openpgp import Gpg
from ci.core.run import Runner
from ci.pipeline import inputs, report
from ci.pipeline.jobs import Project
from ci.release import envelopes, package_signatures, pacman, statements, trees, yum
from ci.release.envelopes import AttestationKey
from ci.release.names import safe_names
from ci.release.trees import Making

FOLDER = "release"
SUMS = "SHA256SUMS"
SIGNATURE = "SHA256SUMS.asc"
VERIFIER = "verify.py"
ATTESTATIONS = "attestations.pub"
_CONSUMER = Path(__file__).parent / "consumer" / VERIFIER
_RECORDS = ("artifacts.json", inputs.NAME, "reproducibility.json", "consistency.json", report.PAGE)
_STATUSES = (report.Status.VERIFIED, report.Status.NOT_RUN)


@dataclass(frozen=True, kw_only=True)
class Signers:
    """The private keys of a release: `package_key` is a fingerprint, `attestations` signs statements."""

    gpg: Gpg
    package_key: str
    attestations: AttestationKey


def assemble(
    project: Project,
    document: Mapping[str, Any],
    signers: Signers,
    *,
    allow_missing: Sequence[str],
    previous: Path | None,
    run: Runner,
) -> Path:
    """Make the set from a finished `dist/`, let it be verified, and return its folder. `document` is `artifacts.json`.

    `previous` is the folder with the trees of the release before this one; None starts new trees.
    """
    dist = project.dist
    folder = fresh_folder(dist / ".state" / "work" / FOLDER)
    artifacts = list(_artifacts(dist, document))
    packages = _copy(artifacts, folder)
    _sign_packages(project, packages, signers, folder)
    _add_records(project, document, folder)
    _make_trees(project, packages, signers, previous, folder, run)
    _write_sums(folder)
    signers.gpg.detach_sign(folder / SUMS, folder / SIGNATURE, key=signers.package_key, armour=True)
    envelopes.write(folder, statements.of_release(folder, project.release, allow_missing), signers.attestations)
    verify(project, folder, run)
    return _replace(dist / FOLDER, folder)


def verify(project: Project, folder: Path, run: Runner) -> str:
    """Let the verifier of this checkout check a set, with the keys that the manifest lists; returns what it printed.

    What it finds wrong raises `CommandFailed`.
    """
    keys = project.release.keys
    files = [*(key.file for key in keys.packages), *(key.ed25519 for key in keys.attestations)]
    words = [word for file in files for word in ("--key", project.root / file)]
    return run.output(sys.executable, "-I", _CONSUMER, *words, folder)


def _artifacts(dist: Path, document: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
    """Kind and file of each artefact that was verified; its bytes are those that were."""
    for entry in document["artifacts"]:
        if entry["status"] not in _STATUSES:
            continue
        path = dist / entry["path"]
        if not path.is_file() or sha256_of(path) != entry["sha256"]:
            raise VerificationError(
                f"{entry['path']}: its bytes are not those that were verified",
                hint="make the release again: nox -s release",
            )
        yield entry["kind"], path


def _copy(artifacts: Sequence[tuple[str, Path]], folder: Path) -> dict[Path, str]:
    """Copy the artefacts under the names of the release page; returns each copy with its kind."""
    names = safe_names(path.name for _, path in artifacts)
    copies = {}
    for kind, path in artifacts:
        copy = folder / names[path.name]
        shutil.copyfile(path, copy)
        copies[copy] = kind
    return copies


def _sign_packages(project: Project, packages: Mapping[Path, str], signers: Signers, folder: Path) -> None:
    """Put a signature beside each MSYS2 package. RPMs carry theirs, from when they were built."""
    of_pacman = [path for path, kind in packages.items() if kind == "msys2"]
    package_signatures.sign_pacman(of_pacman, signers.gpg, folder, key=signers.package_key)


def _add_records(project: Project, document: Mapping[str, Any], folder: Path) -> None:
    """Add what was recorded of the build and its proofs, the public keys, and the program that verifies."""
    for name in dict.fromkeys((*_RECORDS, *(one["file"] for one in document["proofs"]))):
        source = project.dist / name
        if not source.is_file():
            raise UnavailableError(f"dist/{name} is missing", hint="make the release again: nox -s release")
        shutil.copyfile(source, folder / name)
    keys = project.release.keys
    armoured = b"".join((project.root / key.file).read_bytes() for key in keys.packages)
    (folder / trees.KEYS).write_bytes(armoured)
    shutil.copyfile(project.root / keys.attestations[0].ed25519, folder / ATTESTATIONS)
    shutil.copyfile(_CONSUMER, folder / VERIFIER)


def _make_trees(
    project: Project,
    packages: Mapping[Path, str],
    signers: Signers,
    previous: Path | None,
    folder: Path,
    run: Runner,
) -> None:
    """Make both trees, and the list of their files."""
    scratch = fresh_folder(folder.with_name("release-scratch"))
    making = Making(
        release=project.release,
        gpg=signers.gpg,
        key=signers.package_key,
        public_keys=folder / trees.KEYS,
        url=project.release.targets.repositories,
        run=run,
        scratch=scratch,
    )
    by_kind: dict[str, list[Path]] = {}
    for path, kind in packages.items():
        by_kind.setdefault(kind, []).append(path)
    rpms = [path for kind in ("rpm", "rpm-devel") for path in by_kind.get(kind, ())]
    yum.make(folder / "yum", rpms, previous and previous / "yum", making)
    pacman.make(folder / "pacman", by_kind.get("msys2", []), previous and previous / "pacman", making)
    (folder / trees.LISTING).write_bytes(trees.repositories(folder))
    shutil.rmtree(scratch)


def _write_sums(folder: Path) -> None:
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    write_atomically(folder / SUMS, "".join(f"{sha256_of(folder / name)}  {name}\n" for name in names).encode())


def _replace(target: Path, made: Path) -> Path:
    """Let a finished folder take the place of the old one."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    made.rename(target)
    shutil.rmtree(old, ignore_errors=True)
    return target
