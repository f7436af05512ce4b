"""The MSYS2 packages, one for each environment; makepkg makes them from the rendered PKGBUILD and the source tarball.

They are built on Linux, with settings that replace those of `makepkg-mingw`. The packages contain no machine code, so
the bytes do not depend on the system that makepkg runs on.
"""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ci.bake.quoting import shell
from ci.core.build_dir import build_dir
from ci.core.errors import VerificationError
from ci.core.tools import Tool
from ci.manifest import dist_paths
from ci.manifest.msys2 import ENVIRONMENTS
from ci.manifest.release import Release
from ci.pipeline.jobs import Job, Output, Project, Variant, Workspace

# makepkg refuses to run as root. This user owns no files, and nobody can log in as it.
_USER = 65534


@dataclass(frozen=True, kw_only=True)
class MakepkgUser:
    """The tools that change the user makepkg runs as; none where that is this user."""

    tools: tuple[str, ...] = ()


def probe(project: Project) -> MakepkgUser:
    """Ask who builds here."""
    return MakepkgUser(tools=unprivileged()[:1])


def jobs(project: Project) -> tuple[Job, ...]:
    """One job for each environment of the manifest."""
    release = project.release
    tools = ("makepkg", "fakeroot", "bsdtar", "zstd", "gzip", *project.fact(MakepkgUser).tools)
    return tuple(
        Job(
            id=f"msys2-{environment}",
            builder="msys2",
            outputs=(Output(kind="msys2", path=dist_paths.msys2(release, environment)),),
            build=partial(_build, environment=environment),
            variant=Variant(environment=environment),
            tools=tuple(Tool(name=name) for name in tools),
            values={"epoch": str(release.epoch), "maintainer": release.maintainer},
            after=("sdist", "baked"),
        )
        for environment in release.msys2.environments
    )


def unprivileged() -> tuple[str, ...]:
    """Return what to put before a command that must not run as root; nothing if this process is not root."""
    if os.geteuid() != 0:
        return ()
    return ("setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups", "--no-new-privs")


def environment_variables(release: Release, environment: str, home: Path) -> dict[str, str]:
    """Return the variables of an MSYS2 shell of that environment that the PKGBUILD reads."""
    chosen = ENVIRONMENTS[environment]
    return {
        "HOME": str(home),  # the user that makepkg runs as may not enter the caller's
        "MSYSTEM": environment.upper(),
        "MINGW_PREFIX": f"/{environment}",
        "MINGW_PACKAGE_PREFIX": chosen.package_prefix,
        "MINGW_CHOST": f"{chosen.machine}-w64-mingw32",
        "SOURCE_DATE_EPOCH": str(release.epoch),
    }


def prepare(release: Release, environment: str, pkgbuild: Path, folder: Path) -> Path:
    """Put the PKGBUILD and the folders that makepkg needs into the folder of a build; return its configuration."""
    for name in ("start", "build", "sources", "packages"):
        (folder / name).mkdir(parents=True)
    shutil.copyfile(pkgbuild, folder / "start" / "PKGBUILD")
    return _write_config(release, environment, folder)


def _write_config(release: Release, environment: str, folder: Path) -> Path:
    """Write the `makepkg.conf` of a build: those of MSYS2's own settings that change the package."""
    machine = ENVIRONMENTS[environment].machine
    prefix = f"{environment}/"
    settings = {
        "CARCH": machine,
        "CHOST": f"{machine}-w64-mingw32",
        "PACKAGER": release.maintainer,
        "BUILDDIR": str(folder / "build"),
        "SRCDEST": str(folder / "sources"),
        "PKGDEST": str(folder / "packages"),
        "PKGEXT": ".pkg.tar.zst",
        "SRCEXT": ".src.tar.zst",
    }
    arrays = {
        "BUILDENV": "!distcc !color !ccache check !sign",
        "OPTIONS": "!strip docs !libtool staticlibs emptydirs zipman purge !debug !lto",
        "INTEGRITY_CHECK": "sha256",
        "MAN_DIRS": f"{prefix}share/man",
        "DOC_DIRS": f"{prefix}share/doc",
        "PURGE_TARGETS": "",
        # The tarball of this build is in SRCDEST. A download would give another one.
        "DLAGENTS": "https::/bin/false",
        # More threads would give other bytes on other machines.
        "COMPRESSZST": "zstd -c -z -q -19 --threads=1 -",
    }
    lines = [f"{name}={shell(value)}" for name, value in settings.items()]
    lines += [f"{name}=({' '.join(shell(word) for word in value.split())})" for name, value in arrays.items()]
    config = folder / "makepkg.conf"
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return config


def _build(work: Workspace, *, environment: str) -> None:
    release = work.release
    with build_dir(work.job, work.run) as (folder, run):
        config = prepare(release, environment, work.project.rendered / "msys2" / "PKGBUILD", folder)
        sdist = work.project.sdist
        shutil.copyfile(sdist, folder / "sources" / sdist.name)
        give_to_user(folder)
        run(
            *unprivileged(),
            "makepkg",
            "--config",
            config,
            "--nodeps",
            "--cleanbuild",
            "--noconfirm",
            cwd=folder / "start",
            env=environment_variables(release, environment, folder),
        )
        name = Path(dist_paths.msys2(release, environment)).name
        copy_from_user(folder / "packages" / name, work.out / name)


def give_to_user(folder: Path) -> None:
    """If makepkg runs as the unprivileged user, make that user the owner of a folder and of everything in it.

    A folder changes its owner after its contents: from then on that user may replace them.
    """
    if unprivileged():
        for parent, folders, files in os.walk(folder, topdown=False):
            for name in (*folders, *files):
                os.chown(Path(parent, name), _USER, _USER, follow_symlinks=False)
        os.chown(folder, _USER, _USER, follow_symlinks=False)


def copy_from_user(package: Path, target: Path) -> None:
    """Copy a file of the unprivileged user. Links are refused: they could lead to a file that only root may read."""
    try:
        descriptor = os.open(package, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # a FIFO would block
    except OSError as error:
        raise VerificationError(f"{package}: makepkg made no file that can be read: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as source:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise VerificationError(f"{package}: makepkg made something that is not a file")
        with target.open("wb") as copy:
            shutil.copyfileobj(source, copy)
