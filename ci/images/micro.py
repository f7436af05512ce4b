"""The root file system of the `micro` flavour: the files of a Debian suite that the runtime needs, and no others.

No program of the target runs. The Python of the host's architecture finds out which modules the runtime imports; the
files for other architectures have the same names. The root also has what belongs to these files: the shared libraries
that they name, the control data of their packages for scanners, and their licences.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import tarfile
from pathlib import Path

from ci.core import elf, tars
from ci.core.architectures import named
from ci.core.errors import ReleaseError
from ci.core.run import Runner
from ci.core.tars import FileTree
from ci.images.debian_root import DebianRoot

PAYLOAD = "usr/lib/faas-runtime"

# The libraries that a function linked against glibc may need, in addition to those of Python: the other parts of glibc
# (empty since 2.34, but needed by libraries that were linked before), and the unwinder of every Rust library. libmvec
# (1 MB, for vectorised libm calls) and libstdc++ (2.5 MB, C++ can link it statically) are not among them.
_FOR_FUNCTIONS = (
    *("libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libresolv.so.2", "libutil.so.1"),
    "libgcc_s.so.1",
)

# What functions read without saying so, and do without in silence: names of services and protocols, for
# `getaddrinfo(host, "https")`, and time zones, without which TZ=Europe/Berlin means UTC.
_DATA = ("etc/protocols", "etc/services")
_ZONES = "usr/share/zoneinfo"
# A link to the zone of the machine, which an image has not; and tables of the zones of each country, from which people
# choose. Functions read everything else: the zones themselves and, with C++'s <chrono>, the rules and leap seconds.
_LEFT_OUT = re.compile(rf"{_ZONES}/(localtime|[^/]+\.tab)")

# The copyright files of the packages name the licences of this folder, and leave out their texts.
_LICENCES = "usr/share/common-licenses"

# The certificates of the authorities in one file, where Debian's maintainer script would put it; no such script runs
# here. The other names are where libraries look that were built for Alpine, for Debian's OpenSSL, or on Lambda's own
# Amazon Linux.
_CA_PACKAGE = "ca-certificates"
_CA_BUNDLE = "etc/ssl/certs/ca-certificates.crt"
_CA_LINKS = ("etc/ssl/cert.pem", "usr/lib/ssl/cert.pem", "etc/pki/tls/cert.pem", "etc/pki/tls/certs/ca-bundle.crt")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Interpreter:
    """The suite's Python for the host's architecture: its files are in `root`, and it runs there without chroot."""

    debian: DebianRoot
    root: Path
    version: str
    run: Runner

    def write_files(self) -> None:
        """Write the files that the interpreter needs: itself, its library, the shared libraries."""
        places = ("usr/bin/python", "usr/lib/python", self.debian.libraries)
        for name, entry in self.debian.tree.items():
            if not name.startswith(places):
                continue
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if entry.kind == tarfile.SYMTYPE:
                path.symlink_to(entry.target)
            elif entry.kind == tarfile.REGTYPE:
                path.write_bytes(entry.data)
                path.chmod(entry.mode)

    def output(self, *arguments: str | Path) -> str:
        """Run Python with these arguments; returns its standard output."""
        program = elf.parse(self.debian.tree[f"usr/bin/python{self.version}"].data)
        assert program is not None
        loader = self.root / list(self.debian.follow(program.interpreter))[-1]
        return self.run.output(
            loader,
            "--library-path",
            self.root / self.debian.libraries,
            self.root / f"usr/bin/python{self.version}",
            *("-S", "-s", "-P", "-B"),
            *arguments,
            env={"PYTHONHOME": str(self.root / "usr"), "PYTHONHASHSEED": "0"},
        )

    def carried(self, package: Path, carry: Path, target: Path) -> FileTree:
        """The files of this Python that the package needs, as `carry.py` finds out."""
        names = self.output(carry, package).split()
        self.output("-X", "no_debug_ranges", carry, self.root, target, *names)
        return _read_folder(target)

    def compiled(self, package: Path, place: str) -> FileTree:
        """The byte code of the package, which is going to be at `place` and not change there.

        Like that of the standard library, it has no docstrings and no positions within lines.
        """
        options = ("--invalidation-mode", "unchecked-hash", "-s", package, "-p", f"/{place}")
        self.output("-X", "no_debug_ranges", "-m", "compileall", "-q", "-o", "2", *options, package)
        self.output("-OO", "-X", "no_debug_ranges", package / "start_file.py")
        files = {name.replace(".opt-2.pyc", ".pyc"): entry for name, entry in _read_folder(package).items()}
        return {f"{place}/{name}": entry for name, entry in files.items() if _is_byte_code(name)}


def _is_byte_code(name: str) -> bool:
    return Path(name).parent.name == "__pycache__"


def _read_folder(folder: Path) -> FileTree:
    found: FileTree = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = tars.link(str(path.readlink()))
        elif path.is_file():
            # The mode does not depend on the umask of this process.
            found[name] = tars.file(path.read_bytes(), 0o755 if os.access(path, os.X_OK) else 0o644)
    return found


def root_tree(native_files: FileTree, native: DebianRoot, debian: DebianRoot, *, python: str, user: int) -> FileTree:
    """The root of one architecture without the runtime; `native_files` are the result of `carried`, for the host."""
    own_triplet, triplet = named(native.architecture).triplet, named(debian.architecture).triplet
    tree: FileTree = {}
    for name, entry in native_files.items():
        if name.startswith(native.libraries):
            continue  # in each architecture, the libraries that the files name are added below
        if name.endswith(".pyc"):
            tree[name] = entry
        else:
            tree.update(debian.follow(name.replace(own_triplet, triplet)))
    _add_libraries(tree, debian)
    _add_data(tree, debian)
    _add_packages(tree, debian)
    tree.update(debian.follow("etc/os-release"))
    # The launcher begins with `#!/usr/bin/python3`: a link in the package python3, whose other files are useless here.
    tree["usr/bin/python3"] = tars.link(f"python{python}")
    tree.update(_system_files(user))
    return tars.with_parents(tree)


def _add_libraries(tree: FileTree, debian: DebianRoot) -> None:
    """Add the libraries that the ELF files in the tree name, and those that these name in turn."""
    pending = [entry.data for entry in tree.values()]
    wanted = list(_FOR_FUNCTIONS)
    while pending or wanted:
        for data in pending:
            if program := elf.parse(data):
                wanted += program.needed
                if program.interpreter:
                    tree.update(debian.follow(program.interpreter))
        found = [debian.follow(f"{debian.libraries}/{name}") for name in dict.fromkeys(wanted)]
        new = {name: entry for files in found for name, entry in files.items() if name not in tree}
        tree.update(new)
        pending, wanted = [entry.data for entry in new.values()], []


def _add_data(tree: FileTree, debian: DebianRoot) -> None:
    """Add what functions read by themselves: services, time zones, the certificates of the authorities."""
    for name in _DATA:
        tree.update(debian.follow(name))
    zones = {name: entry for name, entry in debian.tree.items() if name.startswith(f"{_ZONES}/")}
    if not zones:
        raise ReleaseError(f"the Debian root for {debian.architecture} has no {_ZONES}")
    kept = (name for name, entry in zones.items() if entry.kind != tarfile.DIRTYPE and not _LEFT_OUT.fullmatch(name))
    tree.update({name: zones[name] for name in kept})
    tree[_CA_BUNDLE] = tars.file(_ca_bundle(debian))
    tree.update({name: tars.link(os.path.relpath(_CA_BUNDLE, Path(name).parent)) for name in _CA_LINKS})


def _ca_bundle(debian: DebianRoot) -> bytes:
    """All certificates of the package, one after another, as its maintainer script puts them together."""
    package = debian.package(_CA_PACKAGE)
    certificates = sorted(name for name in package.files if re.match(r"usr/share/ca-certificates/.+\.crt$", name))
    if not certificates:
        raise ReleaseError(f"Debian's {_CA_PACKAGE} {package.version} holds no certificate")
    return b"".join(debian.tree[name].data.rstrip(b"\n") + b"\n" for name in certificates)


def _add_packages(tree: FileTree, debian: DebianRoot) -> None:
    """Add what scanners read of every package that a file in the tree comes from: control data, files, licence."""
    owned = _owned(tree, debian)
    known: dict[bytes, str] = {}
    for package in debian.packages:
        if package.name not in owned and package.name != "base-files":
            continue
        status = f"var/lib/dpkg/status.d/{package.name}"
        tree[status] = tars.file(package.control.encode())
        tree[f"{status}.md5sums"] = tars.file(_md5sums(tree, owned.get(package.name, [])))
        for name, entry in debian.follow(f"usr/share/doc/{package.name}/copyright").items():
            first = known.setdefault(entry.data, name) if entry.data else name
            # The packages of one source have the same text.
            tree[name] = entry if first == name else tars.link(os.path.relpath(first, Path(name).parent))
    for text in known:
        for name in re.findall(rf"/{_LICENCES}/[\w.+-]*\w", text.decode(errors="replace")):
            tree.update(tars.follow(debian.tree, name))


def _owned(tree: FileTree, debian: DebianRoot) -> dict[str, list[str]]:
    """From the names of the packages to the files in the tree that come from them; every file is of one."""
    owner = {name: package.name for package in debian.packages for name in package.files}
    owner[_CA_BUNDLE] = _CA_PACKAGE
    owned: dict[str, list[str]] = {}
    lost = []
    for name, entry in sorted(tree.items()):
        if entry.kind != tarfile.REGTYPE:
            continue
        source = re.sub(r"\.pyc$", ".py", name)
        if source in owner:
            owned.setdefault(owner[source], []).append(name)
        else:
            lost.append(source)
    if lost:
        raise ReleaseError(f"no Debian package owns {', '.join(lost)}")
    return owned


def _md5sums(tree: FileTree, names: list[str]) -> bytes:
    """The files of a package in the form of dpkg's own lists."""
    sums = (hashlib.md5(tree[name].data, usedforsecurity=False).hexdigest() for name in names)
    return "".join(f"{md5}  {name}\n" for md5, name in zip(sums, names, strict=True)).encode()


def _system_files(user: int) -> FileTree:
    """The files of a root that are in no package: accounts, name resolution, mount points."""
    passwd = f"root:x:0:0:root:/:/sbin/nologin\nfaas:x:{user}:{user}:function:/var/task:/sbin/nologin\n"
    return {
        "etc/passwd": tars.file(passwd.encode()),
        "etc/group": tars.file(f"root:x:0:\nfaas:x:{user}:\n".encode()),
        "etc/nsswitch.conf": tars.file(b"passwd: files\ngroup: files\nhosts: files dns\n"),
        "licenses/debian": tars.link("../usr/share/doc"),
        "tmp": tars.folder(0o1777),
        **{name: tars.folder() for name in ("dev", "proc", "run", "sys", "var/task")},
    }


def runtime_tree(source: Path, byte_code: FileTree) -> FileTree:
    """The payload from the unpacked source tarball, without its recipes, and the paths that start it."""
    payload = _read_folder(source)
    package = {name: entry for name, entry in payload.items() if name.startswith("faas_runtime/")}
    tree = {
        **{f"{PAYLOAD}/{name}": entry for name, entry in package.items() if not _is_byte_code(name)},
        **byte_code,
        f"{PAYLOAD}/bin/faas-runtime": payload["bin/faas-runtime"],
        "usr/bin/faas-runtime": tars.link(f"../../{PAYLOAD}/bin/faas-runtime"),
        "var/runtime/bootstrap": tars.link(f"../../{PAYLOAD}/bin/faas-runtime"),
        "licenses/faas-runtime/LICENSE": payload["LICENSE"],
    }
    return tars.with_parents(tree)
