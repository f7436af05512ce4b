"""The RPMs and the source RPM, by rpmbuild from the baked spec and the source tarball.

They carry no dist tag: one noarch package serves every distribution, and a tag would name the one it was built on.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ci.errors import ManifestError
from ci.fixed import fixed_folder
from ci.jobs import Job, Output, Project, Workspace
from ci.quoting import spec_definition
from ci.release import Release
from ci.tools import Tool

_FAKEROOT = Tool(name="fakeroot")


def jobs(project: Project) -> tuple[Job, ...]:
    """One job: rpmbuild makes all packages in one go."""
    release = project.release
    version = f"{release.version.rpm}-{release.rpm.release}"
    return (
        Job(
            id="rpm",
            builder="rpm",
            outputs=(
                Output(kind="rpm", path=f"rpm/{release.name}-{version}.noarch.rpm"),
                Output(kind="rpm-devel", path=f"rpm/{release.name}-devel-{version}.noarch.rpm"),
                Output(kind="srpm", path=f"rpm/{release.name}-{version}.src.rpm"),
            ),
            build=_build,
            tools=(Tool(name="rpmbuild", minimum="4.16"), Tool(name="gzip"), *((_FAKEROOT,) if _is_user() else ())),
            values={"epoch": str(release.epoch), "vendor": release.vendor, "maintainer": release.maintainer},
            after=("sdist", "baked"),
        ),
    )


def _is_user() -> bool:
    return os.geteuid() != 0


def _build(work: Workspace) -> None:
    release = work.release
    with fixed_folder("rpm", work.run) as (topdir, run):
        for name in ("BUILD", "BUILDROOT", "RPMS", "SOURCES", "SPECS", "SRPMS", "tmp"):
            (topdir / name).mkdir()
        _place(work.built(f"sdist/{release.sdist_name}"), topdir / "SOURCES", release.epoch)
        spec_file = _place(work.baked / "specs" / f"{release.name}.spec", topdir / "SPECS", release.epoch)
        run(
            # The source package records who owns its files.
            *(("fakeroot", "--") if _is_user() else ()),
            "rpmbuild",
            "-ba",
            *definitions(release, topdir),
            spec_file,
            cwd=topdir,
            # HOME: a user's own ~/.rpmmacros must not reach the packages.
            env={"SOURCE_DATE_EPOCH": str(release.epoch), "HOME": str(topdir)},
        )
        for built in topdir.glob("*RPMS/**/*.rpm"):
            shutil.copyfile(built, work.out / built.name)


def definitions(release: Release, topdir: Path) -> list[str]:
    """Return the options of rpmbuild that make its packages independent of the host, the clock and the distribution."""
    try:
        people = {"vendor": spec_definition(release.vendor), "packager": spec_definition(release.maintainer)}
    except ValueError as error:
        raise ManifestError(f"release.yaml: {error}", hint="word it differently") from error
    values = {
        **people,
        "_topdir": str(topdir),
        "_tmppath": str(topdir / "tmp"),
        "dist": "%{nil}",
        "_buildhost": "reproducible",
        "use_source_date_epoch_as_buildtime": "1",
        # One switch up to rpm 4.19, another from 4.20 on; each ignores the other's.
        "clamp_mtime_to_source_date_epoch": "1",
        "build_mtime_policy": "clamp_to_source_date_epoch",
        # What EL 9 can read, whatever the host's rpm makes by default.
        "_rpmformat": "4",
        "_binary_payload": "w19.zstdio",
        "_source_payload": "w19.zstdio",
        "_vendor": "redhat",
    }
    return [word for name, value in values.items() for word in ("-D", f"{name} {value}")]


def _place(file: Path, folder: Path, epoch: int) -> Path:
    """Copy a source to where rpmbuild looks for it; the source package records its time and mode."""
    placed = folder / file.name
    shutil.copyfile(file, placed)
    placed.chmod(0o644)
    os.utime(placed, (epoch, epoch))
    return placed
