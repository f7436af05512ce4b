"""The source tarball, from which everything else is built, and the wheel; both by flit_core through `build`.

They are built from a copy of what ships: `runtime/`, with the recipes for function authors in its package. The
repository has those once, below `recipes/`, where cookiecutter looks for them in a clone.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from ci.errors import DriftError
from ci.files import tree_files
from ci.jobs import Job, Output, Project, Workspace
from ci.run import Runner

RECIPES = "faas_runtime/recipes"
# From folders of the repository to where they lie in the source tarball.
_PLACES = {
    "runtime": "",
    "recipes/c-function": f"{RECIPES}/c-function/",
    "recipes/rust-function": f"{RECIPES}/rust-function/",
}
_NO_GIT = "no git checkout: all that lies in runtime/ and in the two recipes was taken"


def jobs(project: Project) -> tuple[Job, ...]:
    """One job: the wheel is built from the unpacked source tarball, as any user of it would."""
    release = project.release
    wheel = release.sdist_name.removesuffix(".tar.gz") + "-py3-none-any.whl"
    files = sources(project.root)
    return (
        Job(
            id="sdist",
            builder="sdist",
            outputs=(
                Output(kind="sdist", path=f"sdist/{release.sdist_name}"),
                Output(kind="wheel", path=f"sdist/{wheel}"),
            ),
            build=partial(_build, files=files),
            libraries=("build", "flit_core"),
            inputs=tuple(files.values()),
            values={"epoch": str(release.epoch), "version": str(release.version), "files": "\n".join(files)},
        ),
    )


def sources(root: Path) -> dict[str, Path]:
    """From the path of each file in the source tarball to the file of the repository that it is; sorted.

    In a git checkout these are the files that git tracks, as they are now: what somebody keeps beside them does not
    ship. Elsewhere, as in an unpacked archive of the repository, all files are taken but what tools leave behind.
    """
    found = {}
    for folder, place in _PLACES.items():
        for file in _tracked(root, folder) if _is_checkout(root) else tree_files(root / folder):
            if file.is_file():  # git also names what was removed since
                found[place + file.relative_to(root / folder).as_posix()] = file
    return dict(sorted(found.items()))


def _is_checkout(root: Path) -> bool:
    return (root / ".git").exists()  # a file in a work tree beside the repository's own


def _tracked(root: Path, folder: str) -> list[Path]:
    # Git runs what a repository's settings name, and refuses one of another user: this checkout's own code is running.
    settings = ("-c", f"safe.directory={root.resolve()}", "-c", "core.fsmonitor=false")
    with tempfile.TemporaryDirectory(prefix="faas-runtime-git-") as scratch:
        run = Runner(log=Path(scratch, "git.log"))
        listed = run.output("git", *settings, "-C", root.resolve(), "ls-files", "-z", "--", folder)
    return [root / name for name in listed.split("\0") if name]


def _build(work: Workspace, *, files: Mapping[str, Path]) -> str:
    staged = work.folder / "runtime"
    for path, file in files.items():
        (staged / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, staged / path)
    work.run(sys.executable, "-m", "build", "--no-isolation", "--outdir", work.out, staged, cwd=work.folder)
    if not (work.out / work.release.sdist_name).exists():
        made = ", ".join(sorted(path.name for path in work.out.glob("*.tar.gz")))
        raise DriftError(
            f"runtime/pyproject.toml makes {made}, but release.yaml says {work.release.sdist_name}",
            hint="run: nox -s bake",
        )
    return "" if _is_checkout(work.project.root) else _NO_GIT
