"""The source tarball, from which everything else is built, and the wheel; `build` makes both with flit_core.

The wheel then gets an SBOM of its files.

They are built from a copy of the files that ship: `runtime/`, with the recipes for function authors inside its package,
and beside the recipes the crate that the one for Rust uses. In the repository the recipes are below `recipes/`, where
cookiecutter looks for them in a clone.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ci.core import compression, rust_crate
from ci.core.checkout import is_checkout, require_own_files, tracked
from ci.core.errors import DriftError, VerificationError
from ci.core.files import linked_folders, sha256_of, tree_files
from ci.core.run import Runner
from ci.manifest import dist_paths
from ci.pipeline.jobs import Job, Output, Project, Workspace

PACKAGE = "faas_runtime/"
RECIPES = f"{PACKAGE}recipes"
DIGEST = f"{PACKAGE}payload.sha256"
PROGRAMS = ("bin/faas-runtime",)
# From folders of the repository to their places in the source tarball.
_PLACES = {
    "runtime": "",
    rust_crate.FOLDER: f"{RECIPES}/{rust_crate.NAME}/",
    "recipes/c-function": f"{RECIPES}/c-function/",
    "recipes/rust-function": f"{RECIPES}/rust-function/",
}
_NO_GIT = "this is not a git checkout: all files in runtime/ and in the two recipes were taken"


@dataclass(frozen=True, kw_only=True)
class SourceFiles:
    """The files that ship: from the path in the source tarball to the file of the repository.

    `note` says which these are if git does not know them.
    """

    files: Mapping[str, Path]
    note: str = ""


def probe(project: Project) -> SourceFiles:
    """List the files that ship, which git knows."""
    return SourceFiles(files=sources(project.root), note=_note(project.root))


def jobs(project: Project) -> tuple[Job, ...]:
    """One job: the wheel is built from the unpacked source tarball, as a user of the tarball would."""
    release = project.release
    found = project.fact(SourceFiles)
    files = found.files
    return (
        Job(
            id="sdist",
            builder="sdist",
            outputs=(
                Output(kind="sdist", path=dist_paths.sdist(release)),
                Output(kind="wheel", path=dist_paths.wheel(release)),
            ),
            build=partial(_build, files=files),
            libraries=("build", "flit_core", "deflate", "cyclonedx-python-lib", "packageurl-python"),
            inputs=tuple(files.values()),
            values={
                "epoch": str(release.epoch),
                "version": str(release.version),
                "files": "\n".join(files),
                "publisher": f"{release.vendor} {release.home}",
                "note": found.note,
            },
        ),
    )


def hash_of_checkout(project: Project) -> str:
    """The sha256 of the source tarball that a checkout gives; it does not depend on the hash in the manifest.

    The tarball is made in a folder of its own: `dist/` stays as it is.
    """
    with tempfile.TemporaryDirectory(prefix="faas-runtime-sdist-") as scratch:
        folder, out = Path(scratch, "work"), Path(scratch, "out")
        folder.mkdir()
        out.mkdir()
        run = Runner(log=Path(scratch, "log"), env={"SOURCE_DATE_EPOCH": str(project.release.epoch)})
        _build(Workspace(project=project, job="sdist", folder=folder, out=out, run=run), files=sources(project.root))
        return sha256_of(out / project.release.sdist_name)


def sources(root: Path) -> dict[str, Path]:
    """From the path of each file in the source tarball to the file of the repository; sorted.

    Raises `VerificationError` if a symbolic link among them leads to anything else than one of them, if a file is gone
    or has an unusual name, or if a file is executable that no package ships so.

    In a git checkout these are the files that git tracks, with their present contents; other files do not ship.
    Elsewhere, for instance in an unpacked archive of the repository, all files are taken except what tools leave
    behind.
    """
    found = {
        place + file.relative_to(root / folder).as_posix(): file
        for folder, place in _PLACES.items()
        for file in _listed(root, folder)
        if _ships(root, folder, file)
    }
    _require_names(found)
    require_own_files(root, found.values())
    _require_presence(found)
    _require_modes(found)
    return dict(sorted(found.items()))


def _ships(root: Path, folder: str, file: Path) -> bool:
    """Of the crate, only what is published ships, and only beside the recipes."""
    crate = root / rust_crate.FOLDER
    if folder == rust_crate.FOLDER:
        return rust_crate.is_published(file.relative_to(crate).as_posix())
    return not file.is_relative_to(crate)


def _require_names(files: Mapping[str, Path]) -> None:
    """Raise `VerificationError` if a name contains a character that an archive or a package may change."""
    # The last one stands for bytes that are not UTF-8.
    odd = [file for path, file in files.items() if not path.isprintable() or "\ufffd" in path]
    if odd:
        raise VerificationError(
            "\n".join(f"{str(file)!a}: the name contains a control character or is not UTF-8" for file in odd),
            hint="rename the file",
        )


def _require_presence(files: Mapping[str, Path]) -> None:
    """Raise `VerificationError` if a file that ships is gone: the source tarball would not be what git has."""
    faults = [
        f"{file}: git tracks this file, but it is {'not a file' if file.exists() else 'deleted'}"
        for file in files.values()
        if not file.is_file()
    ]
    if faults:
        raise VerificationError("\n".join(faults), hint="restore it with git restore, or delete it with git rm")


def digest_of(files: Mapping[str, bytes]) -> bytes:
    """The content of the file DIGEST: the SHA-256 of a list of the package's other files, in the form of sha256sum.

    Every artefact ships it. Byte code that is not beside its source says by it what it was compiled from.
    """
    listed = sorted(path for path in files if path.startswith(PACKAGE) and path != DIGEST)
    lines = "".join(f"{hashlib.sha256(files[path]).hexdigest()}  {path}\n" for path in listed)
    return f"{hashlib.sha256(lines.encode()).hexdigest()}\n".encode()


def _require_modes(files: Mapping[str, Path]) -> None:
    """Raise `VerificationError` if a file is executable that no package ships so."""
    runnable = [file for path, file in files.items() if path not in PROGRAMS and file.stat().st_mode & 0o111]
    if runnable:
        raise VerificationError(
            "\n".join(
                f"{file}: is executable; of all that ships only {', '.join(PROGRAMS)} may be" for file in runnable
            ),
            hint="take the permission away with chmod -x, and say in the text how to start the file",
        )


def _listed(root: Path, folder: str) -> list[Path]:
    """The files below a folder, and the symbolic links to folders."""
    if is_checkout(root):
        return tracked(root, folder)
    return [*tree_files(root / folder), *linked_folders(root / folder)]


def _build(work: Workspace, *, files: Mapping[str, Path]) -> str:
    staged = work.folder / "runtime"
    for path, file in files.items():
        (staged / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, staged / path)
    (staged / DIGEST).write_bytes(digest_of({path: file.read_bytes() for path, file in files.items()}))
    work.run(sys.executable, "-m", "build", "--no-isolation", "--outdir", work.out, staged, cwd=work.folder)
    if not (work.out / work.release.sdist_name).exists():
        made = ", ".join(sorted(path.name for path in work.out.glob("*.tar.gz")))
        raise DriftError(
            f"runtime/pyproject.toml makes {made}, but release.yaml says {work.release.sdist_name}",
            hint="run: nox -s bake",
        )
    _compress_anew(work.out / work.release.sdist_name)
    _add_sbom(work)
    return _note(work.project.root)


def _compress_anew(sdist: Path) -> None:
    """Make the bytes of the tarball independent of the zlib of the host, with which flit compresses."""
    import gzip  # only a build needs it

    sdist.write_bytes(compression.gzip(gzip.decompress(sdist.read_bytes()), compression.SMALL))


def _add_sbom(work: Workspace) -> None:
    from ci.sboms import wheel  # and a large library, which only a build needs
    from ci.sboms.model import Publisher

    made = work.out / Path(dist_paths.wheel(work.release)).name
    wheel.add(made, work.release.name, Publisher.of(work.release))


def _note(root: Path) -> str:
    return "" if is_checkout(root) else _NO_GIT
