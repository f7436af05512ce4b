"""Stand-ins for the base images, which no test can pull: Debian's packages, answering to the commands of the real ones.

They are not UBI and not Alpine, though the latter's has musl and a Python for it, as Alpine has. They prove that the
Containerfiles run, that what comes out is what the verification wants, and that it does so twice; not that Red Hat's or
Alpine's packages of today fit.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests import debian
from tests.glue.support import MACHINE, call
from tests.matrix import musl_python
from tests.support import program

# The host's own suite: its archive is the one that is certainly set up.
_SUITE = "bookworm"

# dnf takes the part of microdnf, on Debian's Python. rpm knows nothing of that one, hence an empty package that says
# it is there.
_UBI_PACKAGES = ("base-files", "bash", "coreutils", "dash", "dnf", "findutils", "libc-bin", "python3", "rpm", "sed")
_STUB_SPEC = """\
Name: python3
Version: 3.11
Release: {release}
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
baseurl={mirror}
gpgcheck=0
"""
_MICRODNF = """\
#!/bin/sh
exec dnf "$@"
"""

# musl and a Python that is linked against it, both out of Debian's sources, with Alpine's names and places; Debian's
# busybox for Alpine's. `apk add` has nothing left to do.
_APK = """\
#!/bin/sh
[ "$1" = add ]
"""
# Alpine's busybox has this command, and Debian's has not.
_INSTALL = """\
#!/bin/sh
set -e
mode=0755
while getopts dDm: option; do
  case "$option" in
    d) folder=yes ;;
    D) parents=yes ;;
    m) mode="$OPTARG" ;;
    *) exit 1 ;;
  esac
done
shift "$((OPTIND - 1))"
if [ -n "$folder" ]; then
  mkdir -p "$1"
  exec chmod "$mode" "$1"
fi
[ -z "$parents" ] || mkdir -p "${2%/*}"
[ ! -d "$2" ] || set -- "$1" "${2%/}/${1##*/}"
cp "$1" "$2"
chmod "$mode" "$2"
"""
# What apk keeps of installed packages, cut down to some of the files.
_INSTALLED = f"""\
C:Q1
P:musl
V:1.2.5-r20
A:{MACHINE}
L:MIT
F:lib
R:ld-musl-{MACHINE}.so.1
a:0:0:755
Z:Q1

C:Q1
P:ca-certificates-bundle
V:20250911-r0
A:{MACHINE}
L:MPL-2.0 AND MIT
F:etc
F:etc/ssl
R:cert.pem
a:0:0:777
Z:Q1
F:etc/ssl/certs
R:ca-certificates.crt
Z:Q1

C:Q1
P:tzdata
V:2026c-r0
A:{MACHINE}
L:Public-Domain
F:usr/share/zoneinfo/Europe
R:Berlin
Z:Q1

C:Q1
P:busybox
V:1.37.0-r20
A:{MACHINE}
L:GPL-2.0-only
F:bin
R:busybox
a:0:0:755
Z:Q1

C:Q1
P:python3
V:3.12.12-r0
A:{MACHINE}
L:PSF-2.0
F:usr/lib/python3.12/http
R:client.py
Z:Q1
F:usr/lib/python3.12/idlelib
R:run.py
Z:Q1

"""
_OS_RELEASE = """\
NAME="stand-in for Alpine Linux, of musl, Python and busybox out of Debian"
ID=faas-runtime-stand-in
"""


def ubi(folder: Path, mirror: str = "") -> None:
    """Make the build context of the stand-in for UBI minimal.

    `mirror` is the address of the repository that it installs from; without one, it has a repository of its own.
    """
    extra = folder / "extra"
    if not mirror:
        ubi_mirror(extra / "srv" / "repository")
    _write(extra / "etc/yum.repos.d/stand-in.repo", _REPOSITORY.format(mirror=mirror or "file:///srv/repository"))
    _write(extra / "usr/bin/microdnf", _MICRODNF, 0o755)
    _write(extra / "etc/rpm/macros", "%_dbpath /usr/lib/sysimage/rpm\n")  # Debian's is in the user's home
    shutil.copy(debian.root("ubi", _SUITE, _UBI_PACKAGES), folder / "root.tar")


def ubi_mirror(folder: Path, release: int = 1) -> None:
    """Make a repository with one release of the stand-in's Python; an older repository there is replaced."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch:
        spec = Path(scratch, "python3.spec")
        spec.write_text(_STUB_SPEC.format(release=release))
        _run("rpmbuild", "-bb", "--nodeps", "-D", f"_topdir {scratch}", "-D", f"_rpmdir {folder}", spec)
    _run("createrepo_c", "--quiet", folder)


def alpine(folder: Path, *, merged: bool = False) -> None:
    """Make the build context of the stand-in for Alpine, on request with /bin, /lib and /sbin merged into /usr.

    Where its Python cannot be built, the test is not run.
    """
    root = folder / "root"
    root.mkdir()
    _run("tar", "-xf", musl_python.tarball(), "-C", root, "--exclude=./usr/share")
    _run("tar", "-xf", debian.root("busybox", _SUITE, ("busybox-static",)), "-C", root, "./bin/busybox")
    commands = subprocess.run([root / "bin/busybox", "--list"], capture_output=True, text=True, check=True).stdout
    for command in set(commands.split()) - {"busybox"}:
        (root / "bin" / command).symlink_to("busybox")
    _name_as_alpine_does(root)
    _write(root / "etc/os-release", _OS_RELEASE)
    add_apk(root / "sbin")
    _write(root / "usr/bin/install", _INSTALL, 0o755)
    unwinder(root / "usr/lib/libgcc_s.so.1", folder)
    _add_data(root)
    for name in ("dev", "proc", "run", "sys", "tmp"):
        (root / name).mkdir()
    if merged:
        for name in ("bin", "lib", "sbin"):
            shutil.copytree(root / name, root / "usr" / name, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(root / name)
            (root / name).symlink_to(f"usr/{name}")
    (folder / "extra").mkdir()
    _run("tar", "-cf", folder / "root.tar", "--owner=0", "--group=0", "--numeric-owner", "-C", root, ".")


def _add_data(root: Path) -> None:
    """What Alpine has of certificates, services and time zones, where it has them; the contents are Debian's."""
    data = debian.root("data", _SUITE, ("ca-certificates", "netbase", "tzdata"))
    wanted = ("./etc/services", "./etc/protocols", "./usr/share/zoneinfo", "./usr/share/ca-certificates")
    _run("tar", "-xf", data, "-C", root, *wanted)
    certificates = sorted((root / "usr/share/ca-certificates").rglob("*.crt"))
    _write(root / "etc/ssl/certs/ca-certificates.crt", "".join(path.read_text() for path in certificates))
    (root / "etc/ssl/cert.pem").symlink_to("certs/ca-certificates.crt")
    _write(root / "lib/apk/db/installed", _INSTALLED)


def _name_as_alpine_does(root: Path) -> None:
    """Alpine has musl in /lib, where functions ask for libc.musl-x86_64.so.1; Debian's musl-gcc says libc.so."""
    libraries = root / "lib"
    libraries.mkdir()
    loader = libraries / f"ld-musl-{MACHINE}.so.1"
    (root / "usr" / "lib" / loader.name).unlink()
    (root / "usr" / "lib" / f"{MACHINE}-linux-musl" / "libc.so").rename(loader)
    for name in (f"libc.musl-{MACHINE}.so.1", "libc.so"):
        (libraries / name).symlink_to(loader.name)
    programs = root / "usr" / "bin"
    versioned = f"python3.{musl_python.VERSION[1]}"
    (programs / "python3").rename(programs / versioned)
    (programs / "python3").symlink_to(versioned)


def unwinder(target: Path, folder: Path) -> None:
    """Make a libgcc_s.so.1 for musl of what gcc links into programs that are to have none."""
    source = Path(__file__).with_name("unwinder.c")
    exported = re.findall(r"^EXPORT\((\w+)\)", source.read_text(), re.MULTILINE)
    (folder / "hidden").write_text("".join(f"{name} hidden{name}\n" for name in exported))
    archive = Path(call(program("gcc"), "-print-libgcc-file-name").strip()).with_name("libgcc_eh.a")
    _run("objcopy", f"--redefine-syms={folder / 'hidden'}", archive, folder / "unwinder.a")
    table = "-Wl,--eh-frame-hdr"  # by which frames are found, and which musl-gcc leaves out
    whole = ("-Wl,--whole-archive", folder / "unwinder.a", "-Wl,--no-whole-archive")
    options = ("-O1", "-fPIC", "-Wall", "-Werror", "-shared", f"-Wl,-soname,{target.name}", table)
    call(program("musl-gcc"), "-o", target, source, *options, *whole)


def add_apk(folder: Path) -> None:
    """Add the stand-in for Alpine's package manager."""
    _write(folder / "apk", _APK, 0o755)


def store(engine: str, folder: Path, name: str) -> str:
    """Build a stand-in in an engine's storage, and return its reference, which tells what it is."""
    reference = f"localhost/faas-runtime-tests/{name}-stand-in:{os.getpid()}"
    (folder / "Containerfile").write_text('FROM scratch\nADD root.tar /\nCOPY extra/ /\nCMD ["/bin/sh"]\n')
    isolation = () if engine == "docker" else ("--isolation=chroot",)
    _run(engine, "build", *isolation, "--file", folder / "Containerfile", "--tag", reference, folder)
    return reference


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
