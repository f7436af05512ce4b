"""The facts as the manifest states them, by their names in the table."""

from __future__ import annotations

import datetime as dt

from ci.core.files import sha256_of
from ci.manifest.dist_paths import CRATE
from ci.manifest.release import Release
from ci.pipeline.jobs import Project

SOURCE = "sha256 of the source tarball"
COMMITTED = "sha256 of the source tarball, as committed"
PAYLOAD = "payload file "
NOT_PUBLISHED = "not published"
LAUNCHER = "lib/faas-runtime/bin/faas-runtime"

Facts = dict[str, str]


def of_manifest(project: Project) -> Facts:
    """Every fact whose value follows from the manifest alone."""
    release = project.release
    version = release.version
    return {
        "name": release.name,
        "version": str(version),
        "version as RPM spells it": f"{version.rpm}-{release.rpm.release}",
        "version as pacman spells it": f"{version.pacman}-{release.msys2.release}",
        "version as Homebrew spells it": version.homebrew,
        "version as images spell it": version.oci,
        "name of the crate": CRATE,
        "version as cargo spells it": version.cargo,
        "date": release.date.isoformat(),
        "licence": release.license,
        "summary": release.summary,
        "home page": release.home,
        "documentation": release.documentation,
        "vendor": release.vendor,
        "maintainer": release.maintainer,
        "oldest Python": release.python,
        "Python of the formula": release.homebrew.python,
        "Python of micro": release.images.micro.python,
        "URL of the source tarball": release.source.url,
        "command": "faas-runtime",
        "entry point of the wheel": "faas_runtime.__main__:main",
        "launcher": LAUNCHER,
        "entry point of images": "/var/runtime/bootstrap",
        "platforms": ", ".join(release.images.platforms),
        **_dependencies(release),
    }


def _dependencies(release: Release) -> Facts:
    """What each package needs besides a Python."""
    return {
        "dependencies of the wheel": "",
        "dependencies of the RPM": "/bin/sh, /usr/bin/python3, coreutils",
        "dependencies of the -devel RPM": f"{release.name} = {release.version.rpm}",
        "dependencies of the MSYS2 packages": "",
        "dependencies of the formula": "",
        "dependencies of the crate": "serde ^1, serde_json ^1",
    }


def of_source(project: Project) -> Facts:
    """The hashes of the source tarball and of the PKGBUILD of this build, and what committed files have to say."""
    found = sha256_of(project.sdist)
    return {
        SOURCE: found,
        COMMITTED: found if project.release.is_published else NOT_PUBLISHED,
        "sha256 of the PKGBUILD": sha256_of(project.rendered / "msys2" / "PKGBUILD"),
    }


def day(seconds: str) -> str:
    """The day of a time in seconds since 1970."""
    return dt.datetime.fromtimestamp(int(seconds), dt.UTC).date().isoformat()
