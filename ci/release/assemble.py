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

from ci.core import tree_record
from ci.core.errors import UnavailableError, VerificationError
from ci.core.files import fresh_folder, sha256_of, write_atomically
from ci.core.openpgp import Gpg
from ci.core.page_names import safe_names
from ci.core.run import Runner
from ci.pipeline import inputs, report
from ci.pipeline.jobs import Project
from ci.release import envelopes, package_signatures, pacman, statements, trees, yum
from ci.release.envelopes import PrivateKey
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
    attestations: PrivateKey


@dataclass(frozen=True, kw_only=True)
class Assembly:
    """A set that is being put together in `folder`. `document` is the `artifacts.json` of the finished `dist/`.

    `packages` are the copies of the artefacts, each with its kind. `previous` is the folder with the trees of the
    release before this one; None starts new trees.
    """

    project: Project
    document: Mapping[str, Any]
    signers: Signers
    allow_missing: Sequence[str]
    previous: Path | None
    run: Runner
    folder: Path
    packages: Mapping[Path, str]


def begin(
    project: Project,
    document: Mapping[str, Any],
    signers: Signers,
    *,
    allow_missing: Sequence[str],
    previous: Path | None,
    run: Runner,
) -> Assembly:
    """An empty folder for the set of a finished `dist/`. What fills it is in the order of `ci.commands.releasing`."""
    folder = fresh_folder(project.dist / ".state" / "work" / FOLDER)
    artifacts = list(_artifacts(project.dist, document))
    names = safe_names(path.name for _, path in artifacts)
    return Assembly(
        project=project,
        document=document,
        signers=signers,
        allow_missing=allow_missing,
        previous=previous,
        run=run,
        folder=folder,
        packages={folder / names[path.name]: kind for kind, path in artifacts},
    )


def verify(project: Project, folder: Path, run: Runner, *, is_published: bool = False) -> str:
    """Let the verifier of this checkout check a set, with the keys that the manifest lists; returns what it printed.

    The key of a set that is published may have expired since. What it finds wrong raises `CommandFailed`.
    """
    keys = project.release.keys
    files = [*(key.file for key in keys.packages), *(key.ed25519 for key in keys.attestations)]
    words = [word for file in files for word in ("--key", project.root / file)]
    options = ("--expired-key",) if is_published else ()
    return run.output(sys.executable, "-I", _CONSUMER, *words, *options, folder)


def verify_set(made: Assembly) -> None:
    """Let the verifier check the set before anybody has it."""
    verify(made.project, made.folder, made.run)


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


def copy_artifacts(made: Assembly) -> None:
    """Copy the artefacts under the names of the release page."""
    sources = (path for _, path in _artifacts(made.project.dist, made.document))
    for copy, source in zip(made.packages, sources, strict=True):
        shutil.copyfile(source, copy)


def sign_packages(made: Assembly) -> None:
    """Put a signature beside each MSYS2 package. RPMs carry theirs, from when they were built."""
    of_pacman = [path for path, kind in made.packages.items() if kind == "msys2"]
    package_signatures.sign_pacman(of_pacman, made.signers.gpg, made.folder, key=made.signers.package_key)


def add_records(made: Assembly) -> None:
    """Add what was recorded of the build and its proofs, the public keys, and the program that verifies."""
    root, keys = made.project.root, made.project.release.keys
    proofs = (one["file"] for one in made.document["proofs"])
    for name in dict.fromkeys((*_RECORDS, *proofs)):
        source = made.project.dist / name
        if not source.is_file():
            raise UnavailableError(f"dist/{name} is missing", hint="make the release again: nox -s release")
        shutil.copyfile(source, made.folder / name)
    (made.folder / trees.KEYS).write_bytes(b"".join((root / key.file).read_bytes() for key in keys.packages))
    shutil.copyfile(root / keys.attestations[0].ed25519, made.folder / ATTESTATIONS)
    shutil.copyfile(_CONSUMER, made.folder / VERIFIER)


def make_trees(made: Assembly) -> None:
    """Make both trees, and the list of their files."""
    scratch = fresh_folder(made.folder.with_name("release-scratch"))
    release, folder, previous = made.project.release, made.folder, made.previous
    making = Making(
        release=release,
        gpg=made.signers.gpg,
        key=made.signers.package_key,
        public_keys=folder / trees.KEYS,
        url=release.targets.repositories.url,
        run=made.run,
        scratch=scratch,
    )
    by_kind: dict[str, list[Path]] = {}
    for path, kind in made.packages.items():
        by_kind.setdefault(kind, []).append(path)
    rpms = [path for kind in ("rpm", "rpm-devel") for path in by_kind.get(kind, ())]
    yum.make(folder / "yum", rpms, previous and previous / "yum", making)
    pacman.make(folder / "pacman", by_kind.get("msys2", []), previous and previous / "pacman", making)
    (folder / tree_record.LISTING).write_bytes(tree_record.repositories(folder))
    shutil.rmtree(scratch)


def write_sums(made: Assembly) -> None:
    """Write the checksums of all files that are there."""
    names = sorted(path.name for path in made.folder.iterdir() if path.is_file())
    lines = (f"{sha256_of(made.folder / name)}  {name}\n" for name in names)
    write_atomically(made.folder / SUMS, "".join(lines).encode())


def write_statements(made: Assembly) -> None:
    """Sign the provenance, and the verdict of each gate, about all files of the checksums."""
    stated = statements.of_release(made.folder, made.project.release, made.allow_missing)
    envelopes.write(made.folder, stated, made.signers.attestations)


def sign_sums(made: Assembly) -> None:
    """Sign the checksums."""
    signers = made.signers
    signers.gpg.detach_sign(made.folder / SUMS, made.folder / SIGNATURE, key=signers.package_key, armour=True)


def put_in_place(made: Assembly) -> None:
    """Let the finished folder take the place of the old one."""
    target = made.project.dist / FOLDER
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    made.folder.rename(target)
    shutil.rmtree(old, ignore_errors=True)
