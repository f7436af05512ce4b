"""The source tarball, from which everything else is built, and the wheel; both by flit_core through `build`."""

from __future__ import annotations

import sys

from ci.errors import DriftError
from ci.jobs import Job, Output, Project, Workspace


def jobs(project: Project) -> tuple[Job, ...]:
    """One job: the wheel is built from the unpacked source tarball, as any user of it would."""
    release = project.release
    wheel = release.sdist_name.removesuffix(".tar.gz") + "-py3-none-any.whl"
    return (
        Job(
            id="sdist",
            builder="sdist",
            outputs=(
                Output(kind="sdist", path=f"sdist/{release.sdist_name}"),
                Output(kind="wheel", path=f"sdist/{wheel}"),
            ),
            build=_build,
            libraries=("build", "flit_core"),
            inputs=(project.root / "runtime",),
            values={"epoch": str(release.epoch), "version": str(release.version)},
        ),
    )


def _build(work: Workspace) -> None:
    runtime = work.project.root / "runtime"
    work.run(sys.executable, "-m", "build", "--no-isolation", "--outdir", work.out, runtime, cwd=work.folder)
    if not (work.out / work.release.sdist_name).exists():
        made = ", ".join(sorted(path.name for path in work.out.glob("*.tar.gz")))
        raise DriftError(
            f"runtime/pyproject.toml makes {made}, but release.yaml says {work.release.sdist_name}",
            hint="run: nox -s bake",
        )
