"""The root file system of the `micro` flavour: what the runtime needs of a Debian suite, and nothing else.

Nothing of the target runs. The host's own architecture tells which modules the runtime imports; the files of every
other architecture are looked up by the same names. What belongs to the carried files comes along: the shared
libraries that they name, their packages' control data for scanners, and their licences.
"""

from __future__ import annotations

import dataclasses
import os
import re
import tarfile
from pathlib import Path

from ci import elf, tars
from ci.debian_root import TRIPLETS, DebianRoot
from ci.errors import ReleaseError
from ci.run import Runner
from ci.tars import Tree

PAYLOAD = "usr/lib/faas-runtime"

# What a function that was linked against glibc may ask for, beside what Python itself needs: the other parts of
# glibc (empty since 2.34, but named by whatever was linked before), and the unwinder of every Rust library. Not
# among them: libmvec, 1 MB for vectorised libm calls, and libstdc++, 2.5 MB, which C++ links statically.
_FOR_FUNCTIONS = (
    *("libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libresolv.so.2", "libutil.so.1"),
    "libgcc_s.so.1",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Interpreter:
    """The host architecture's Python of the suite, laid out in `root` and started there without entering it."""

    debian: DebianRoot
    root: Path
    version: str
    run: Runner

    def lay_out(self) -> None:
        """Write what the interpreter needs for running: itself, its library, the shared libraries."""
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
        """Run Python with these arguments and return what it prints."""
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

    def carried(self, package: Path, carry: Path, target: Path) -> Tree:
        """What the package needs of this Python, as `carry.py` finds it out."""
        names = self.output(carry, package).split()
        self.output("-X", "no_debug_ranges", carry, self.root, target, *names)
        return _read_folder(target)

    def compiled(self, package: Path, place: str) -> Tree:
        """The package's byte code, for a package that will lie at `place` and never change there."""
        options = ("--invalidation-mode", "unchecked-hash", "-s", package, "-p", f"/{place}")
        self.output("-m", "compileall", "-q", *options, package)
        files = _read_folder(package).items()
        return {f"{place}/{name}": entry for name, entry in files if name.endswith(".pyc")}


def _read_folder(folder: Path) -> Tree:
    found: Tree = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = tars.link(str(path.readlink()))
        elif path.is_file():
            # The umask of whoever builds must not show.
            found[name] = tars.file(path.read_bytes(), 0o755 if os.access(path, os.X_OK) else 0o644)
    return found


def root_tree(native_files: Tree, native: DebianRoot, debian: DebianRoot, *, python: str, user: int) -> Tree:
    """The whole root of one architecture, the runtime aside; `native_files` is what `carried` gave for the host."""
    tree: Tree = {}
    for name, entry in native_files.items():
        if name.startswith(native.libraries):
            continue  # libraries follow from what names them, in each architecture
        if name.endswith(".pyc"):
            tree[name] = entry
        else:
            tree.update(debian.follow(name.replace(TRIPLETS[native.architecture], TRIPLETS[debian.architecture])))
    _add_libraries(tree, debian)
    _add_packages(tree, debian)
    tree.update(debian.follow("etc/os-release"))
    # The launcher's `#!/usr/bin/python3` is a link of the package python3, which holds nothing else of use here.
    tree["usr/bin/python3"] = tars.link(f"python{python}")
    tree.update(_system_files(user))
    return tars.with_parents(tree)


def _add_libraries(tree: Tree, debian: DebianRoot) -> None:
    """Add what the ELF files in the tree name, and what that names in turn."""
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


def _add_packages(tree: Tree, debian: DebianRoot) -> None:
    """Add control data and licence of every package that a file in the tree comes from."""
    sources = {re.sub(r"\.pyc$", ".py", name) for name, entry in tree.items() if entry.kind == tarfile.REGTYPE}
    owners = [package for package in debian.packages if package.files & sources]
    if lost := sources.difference(*(package.files for package in owners)):
        raise ReleaseError(f"no Debian package owns {', '.join(sorted(lost))}")
    known: dict[bytes, str] = {}
    for package in (*owners, *(package for package in debian.packages if package.name == "base-files")):
        tree[f"var/lib/dpkg/status.d/{package.name}"] = tars.file(package.control.encode())
        for name, entry in debian.follow(f"usr/share/doc/{package.name}/copyright").items():
            first = known.setdefault(entry.data, name) if entry.data else name
            # The packages of one source come with the same text.
            tree[name] = entry if first == name else tars.link(os.path.relpath(first, Path(name).parent))


def _system_files(user: int) -> Tree:
    """What a root has that no package brings: accounts, name resolution, mount points."""
    passwd = f"root:x:0:0:root:/:/sbin/nologin\nfaas:x:{user}:{user}:function:/var/task:/sbin/nologin\n"
    return {
        "etc/passwd": tars.file(passwd.encode()),
        "etc/group": tars.file(f"root:x:0:\nfaas:x:{user}:\n".encode()),
        "etc/nsswitch.conf": tars.file(b"passwd: files\ngroup: files\nhosts: files dns\n"),
        "licenses/debian": tars.link("../usr/share/doc"),
        "tmp": tars.folder(0o1777),
        **{name: tars.folder() for name in ("dev", "proc", "run", "sys", "var/task")},
    }


def runtime_tree(source: Path, byte_code: Tree) -> Tree:
    """The payload, out of the unpacked source tarball without its recipes, and the names that it is started by."""
    payload = _read_folder(source)
    package = {name: entry for name, entry in payload.items() if name.startswith("faas_runtime/")}
    tree = {
        **{f"{PAYLOAD}/{name}": entry for name, entry in package.items() if not name.endswith(".pyc")},
        **byte_code,
        f"{PAYLOAD}/bin/faas-runtime": payload["bin/faas-runtime"],
        "usr/bin/faas-runtime": tars.link(f"../../{PAYLOAD}/bin/faas-runtime"),
        "var/runtime/bootstrap": tars.link(f"../../{PAYLOAD}/bin/faas-runtime"),
        "licenses/faas-runtime/LICENSE": payload["LICENSE"],
    }
    return tars.with_parents(tree)
