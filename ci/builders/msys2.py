"""The MSYS2 packages, by makepkg from the baked PKGBUILD and the source tarball, one for each environment.

Built on Linux, with settings that stand in for those of `makepkg-mingw`: the packages hold no machine code, so the
bytes do not depend on where makepkg runs.
"""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ci.errors import VerificationError
from ci.fixed import fixed_folder
from ci.jobs import Job, Output, Project, Workspace
from ci.quoting import shell
from ci.release import Release
from ci.tools import Tool

# makepkg refuses to run as root; this user owns nothing and nobody logs in as it.
_USER = 65534


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What MSYS2 calls an environment: a prefix, a name for packages, and a machine."""

    package_prefix: str
    machine: str


ENVIRONMENTS = {
    "ucrt64": Environment(package_prefix="mingw-w64-ucrt-x86_64", machine="x86_64"),
    "clang64": Environment(package_prefix="mingw-w64-clang-x86_64", machine="x86_64"),
    "clangarm64": Environment(package_prefix="mingw-w64-clang-aarch64", machine="aarch64"),
}


def jobs(project: Project) -> tuple[Job, ...]:
    """One job for each environment of the manifest."""
    release = project.release
    tools = ("makepkg", "fakeroot", "bsdtar", "zstd", "gzip") + (("setpriv",) if unprivileged() else ())
    return tuple(
        Job(
            id=f"msys2-{environment}",
            builder="msys2",
            outputs=(Output(kind="msys2", path=f"msys2/{package_name(release, environment)}"),),
            build=partial(_build, environment=environment),
            tools=tuple(Tool(name=name) for name in tools),
            values={"epoch": str(release.epoch), "maintainer": release.maintainer},
            after=("sdist", "baked"),
        )
        for environment in release.msys2.environments
    )


def package_name(release: Release, environment: str) -> str:
    """Return the file name of an environment's package."""
    version = f"{release.version.pacman}-{release.msys2.release}"
    return f"{ENVIRONMENTS[environment].package_prefix}-{release.name}-{version}-any.pkg.tar.zst"


def unprivileged() -> tuple[str, ...]:
    """Return the words before a command that must not run as root; none where this process is not root."""
    if os.geteuid() != 0:
        return ()
    return ("setpriv", f"--reuid={_USER}", f"--regid={_USER}", "--clear-groups", "--no-new-privs")


def environment_variables(release: Release, environment: str, home: Path) -> dict[str, str]:
    """Return what an MSYS2 shell of that environment exports, as far as the PKGBUILD reads it."""
    chosen = ENVIRONMENTS[environment]
    return {
        "HOME": str(home),  # the caller's is closed to the user that makepkg runs as
        "MSYSTEM": environment.upper(),
        "MINGW_PREFIX": f"/{environment}",
        "MINGW_PACKAGE_PREFIX": chosen.package_prefix,
        "MINGW_CHOST": f"{chosen.machine}-w64-mingw32",
        "SOURCE_DATE_EPOCH": str(release.epoch),
    }


def prepare(release: Release, environment: str, pkgbuild: Path, folder: Path) -> Path:
    """Fill the folder of a build with the PKGBUILD and the folders that makepkg wants; return its configuration."""
    for name in ("start", "build", "sources", "packages"):
        (folder / name).mkdir(parents=True)
    shutil.copyfile(pkgbuild, folder / "start" / "PKGBUILD")
    return _write_config(release, environment, folder)


def _write_config(release: Release, environment: str, folder: Path) -> Path:
    """Write the `makepkg.conf` of a build: MSYS2's own settings, where they reach the package."""
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
        # The release's tarball is in SRCDEST: a download would be of another one.
        "DLAGENTS": "https::/bin/false",
        # More threads would give other bytes on other machines.
        "COMPRESSZST": "zstd -c -z -q -19 --threads=1 -",
    }
    lines = [f"{name}={shell(value)}" for name, value in settings.items()]
    lines += [f"{name}=({' '.join(shell(word) for word in value.split())})" for name, value in arrays.items()]
    config = folder / "makepkg.conf"
    config.write_text("\n".join(lines) + "\n")
    return config


def _build(work: Workspace, *, environment: str) -> None:
    release = work.release
    with fixed_folder(work.job, work.run) as (folder, run):
        config = prepare(release, environment, work.baked / "msys2" / "PKGBUILD", folder)
        sdist = work.built(f"sdist/{release.sdist_name}")
        shutil.copyfile(sdist, folder / "sources" / sdist.name)
        hand_over(folder)
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
        name = package_name(release, environment)
        take_back(folder / "packages" / name, work.out / name)


def hand_over(folder: Path) -> None:
    """Make the unprivileged user own a folder and all in it, where makepkg runs as that user.

    A folder comes after what is in it: once it is handed over, that user may put something else in there.
    """
    if unprivileged():
        for parent, folders, files in os.walk(folder, topdown=False):
            for name in (*folders, *files):
                os.chown(Path(parent, name), _USER, _USER, follow_symlinks=False)
        os.chown(folder, _USER, _USER, follow_symlinks=False)


def take_back(package: Path, target: Path) -> None:
    """Copy what the unprivileged user has made; a link could name a file that only this process may read."""
    try:
        descriptor = os.open(package, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)  # a FIFO would block
    except OSError as error:
        raise VerificationError(f"{package}: makepkg left no file that can be read: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as source:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise VerificationError(f"{package}: makepkg left something that is not a file")
        with target.open("wb") as copy:
            shutil.copyfileobj(source, copy)
