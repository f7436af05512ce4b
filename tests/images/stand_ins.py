"""Stand-ins for the base images, which no test can pull: Debian roots that answer to the commands of the real ones.

They are not UBI and not Alpine. They prove that the Containerfiles run, that what comes out is what the verification
wants, and that it does so twice; not that Red Hat's or Alpine's packages of today fit.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

# The host's own suite: its archive is the one that is certainly set up.
_SUITE = "bookworm"

# dnf takes the part of microdnf, on Debian's Python. rpm knows nothing of that one, hence an empty package that says
# it is there.
_UBI_PACKAGES = "base-files,bash,coreutils,dash,dnf,findutils,libc-bin,python3,rpm,sed"
_STUB_SPEC = """\
Name: python3
Version: 3.11
Release: 1
Summary: Stand-in that says that Debian's Python is there
License: MIT
BuildArch: noarch
Provides: /bin/sh
Provides: /usr/bin/python3
Provides: coreutils
%description
A stand-in for tests.
%files
"""
_REPOSITORY = """\
[stand-in]
name=stand-in
baseurl=file:///srv/repository
gpgcheck=0
"""
_MICRODNF = """\
#!/bin/sh
exec dnf "$@"
"""

# Debian's glibc and Python take the part of Alpine's musl and Python; `apk add` has nothing left to do.
_ALPINE_PACKAGES = "base-files,coreutils,dash,findutils,libc-bin,libgcc-s1,python3"
_APK = """\
#!/bin/sh
[ "$1" = add ] || exit 1
ln -sf x86_64-linux-gnu/libgcc_s.so.1 /usr/lib/libgcc_s.so.1
"""


def ubi(folder: Path) -> None:
    """Make the build context of the stand-in for UBI minimal."""
    extra = folder / "extra"
    repository = extra / "srv" / "repository"
    repository.mkdir(parents=True)
    spec = folder / "python3.spec"
    spec.write_text(_STUB_SPEC)
    _run("rpmbuild", "-bb", "--nodeps", "-D", f"_topdir {folder}", "-D", f"_rpmdir {repository}", spec)
    _run("createrepo_c", "--quiet", repository)
    _write(extra / "etc/yum.repos.d/stand-in.repo", _REPOSITORY)
    _write(extra / "usr/bin/microdnf", _MICRODNF, 0o755)
    _write(extra / "etc/rpm/macros", "%_dbpath /usr/lib/sysimage/rpm\n")  # Debian's is in the user's home
    _root(folder, _UBI_PACKAGES)


def alpine(folder: Path) -> None:
    """Make the build context of the stand-in for Alpine."""
    _write(folder / "extra/usr/sbin/apk", _APK, 0o755)
    _root(folder, _ALPINE_PACKAGES)


def store(engine: str, folder: Path, name: str) -> str:
    """Build a stand-in in an engine's storage, and return its reference, which tells what it is."""
    reference = f"localhost/faas-runtime-tests/{name}-stand-in:{os.getpid()}"
    (folder / "Containerfile").write_text('FROM scratch\nADD root.tar /\nCOPY extra/ /\nCMD ["/bin/sh"]\n')
    isolation = () if engine == "docker" else ("--isolation=chroot",)
    _run(engine, "build", *isolation, "--file", folder / "Containerfile", "--tag", reference, folder)
    return reference


def _root(folder: Path, packages: str) -> None:
    make_root(folder / "root.tar", packages)


def make_root(target: Path, packages: str, suite: str = _SUITE) -> None:
    """Make a tarball of a Debian root with some packages and what they need."""
    _run(
        "mmdebstrap",
        "--quiet",
        "--variant=extract",  # no program of the root runs, so this takes seconds
        f"--include={packages}",
        "--skip=output/dev",
        suite,
        target,
    )


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def _run(*command: str | Path) -> None:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


def remove(engine: str, reference: str) -> None:
    """Remove a stand-in from an engine's storage, if it is still there."""
    subprocess.run([engine, "rmi", reference], capture_output=True, check=False)
