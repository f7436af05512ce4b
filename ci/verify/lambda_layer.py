"""A layer for Lambda: the entries of the zip file, the files of the image `micro`, and that its `bootstrap` answers."""

from __future__ import annotations

import datetime as dt
import json
import posixpath
import re
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path

from ci.core import tars, zips
from ci.core.architectures import named
from ci.core.tars import FileTree
from ci.images import bases, micro_layers
from ci.images.lambda_layer import BOOTSTRAP, DESCRIPTION, FOLDER, RUNTIME, aws_name
from ci.pipeline.jobs import Verdict
from ci.verify.check import Check, launcher, require_answers
from ci.verify.root_files import (
    require_compiled_payload,
    require_launcher_links,
    require_licence,
    require_whole_programs,
)

MOST_BYTES = 10_000_000
# What the layer takes from `micro`. Debian's lists of packages are shorter: they name only what is there.
_TAKEN = re.compile(
    r"usr/(?:bin/python3\.\d+|lib/(?:python3\.\d+|faas-runtime|[\w-]+-linux-gnu)/.+|lib/os-release|share/.+)"
    r"|etc/(?:ssl/certs/ca-certificates\.crt|os-release)|var/runtime/bootstrap|licenses/.+"
)
_LISTS = re.compile(r"var/lib/dpkg/status\.d/[\w.+-]+")
_LICENCE = re.compile(r"usr/share/doc/(?P<package>[^/]+)(?:/copyright)?")


def verify(check: Check) -> Verdict:
    """Verify one layer; a fault raises `VerificationError`."""
    tree = zips.read(check.path)
    _require_entries(check)
    size = check.path.stat().st_size
    check.require(size <= MOST_BYTES, f"it has at most {MOST_BYTES} bytes, and not {size}")
    require_files(check, tree)
    return _require_runs(check)


def require_files(check: Check, tree: FileTree) -> None:
    """The files of a layer are in their places, those of micro, and whole; a fault raises `VerificationError`."""
    _require_places(check, tree)
    root = {name.removeprefix(f"{FOLDER}/"): entry for name, entry in tree.items() if name != BOOTSTRAP}
    _require_files_of_micro(check, root)
    require_compiled_payload(check, root, recipes=False)
    require_launcher_links(check, root, "var/runtime/bootstrap")
    require_whole_programs(check, root, check.variant.architecture)
    require_licence(check, root)
    _require_description(check, root)


def _require_entries(check: Check) -> None:
    """One sorted entry for each file, whose bytes depend on nothing but the content."""
    with zipfile.ZipFile(check.path) as archive:
        members = archive.infolist()
    names = [member.filename for member in members]
    check.require_equal(names, sorted(set(names)), "order of the entries")
    time = dt.datetime.fromtimestamp(check.project.release.epoch, dt.UTC).timetuple()[:6]
    for member in members:
        mode = member.external_attr >> 16
        known = {stat.S_IFREG | 0o644, stat.S_IFREG | 0o755, stat.S_IFLNK | 0o777}
        check.require(mode in known, f"mode of {member.filename}, {mode:o}, is that of a file or link for everybody")
        check.require_equal(member.date_time, time, f"time of {member.filename}")
        check.require_equal(member.create_system, zips.UNIX, f"system of {member.filename}")
        check.require_equal((member.comment, member.extra), (b"", b""), f"other data of {member.filename}")


def _require_places(check: Check, tree: FileTree) -> None:
    """The start script at the top, everything else in the folder; links are relative and end at a file in there."""
    check.require(BOOTSTRAP in tree, f"it has {BOOTSTRAP}")
    check.require_equal(tree[BOOTSTRAP].mode, 0o755, f"mode of {BOOTSTRAP}")
    outside = [
        name
        for name in tree
        if name != BOOTSTRAP and (not name.startswith(f"{FOLDER}/") or posixpath.normpath(name) != name)
    ]
    check.require_equal(sorted(outside), [], f"entries outside of {FOLDER}")
    folders = tars.with_parents(dict(tree))
    for name, entry in tree.items():
        if entry.kind == tarfile.SYMTYPE:
            end = posixpath.normpath(posixpath.join(posixpath.dirname(name), entry.target))
            check.require(not entry.target.startswith("/"), f"the link {name} is relative")
            check.require(end.startswith(f"{FOLDER}/") and end in folders, f"the link {name} leads to what is there")


def _require_files_of_micro(check: Check, root: FileTree) -> None:
    """Every file is one of the image `micro`, byte for byte, and none of those that belong to a layer is missing."""
    paths = (micro_layers.root(check.variant.architecture), micro_layers.RUNTIME)
    micro = {name: entry for path in paths for name, entry in tars.read(check.project.dist / path).items()}
    micro = {name: entry for name, entry in micro.items() if entry.kind != tarfile.DIRTYPE}
    taken = {name for name in micro if _TAKEN.fullmatch(name)}
    lists = {name for name in root if _LISTS.fullmatch(name)}
    own = set(root) - lists - {DESCRIPTION}
    listed_packages = {posixpath.basename(name) for name in lists}
    # The licence of a package goes with the last of its files.
    gone = {
        name for name in taken - own if (found := _LICENCE.fullmatch(name)) and found["package"] not in listed_packages
    }
    check.require_same_set(own, taken - gone, "files of micro")
    check.require_equal(sorted(name for name in own if root[name] != micro[name]), [], "files that differ from micro's")
    for name in lists:
        lines = set(root[name].data.splitlines())
        check.require(lines <= set(micro[name].data.splitlines()), f"{name} says nothing else than micro's")
        if name.endswith(".md5sums"):
            listed = {line.decode().partition("  ")[2] for line in lines}
            check.require_equal(sorted(listed - own), [], f"files in {name} that the layer has not")


def _require_description(check: Check, root: FileTree) -> None:
    said = json.loads(root[DESCRIPTION].data)
    expected = {"runtime": RUNTIME, "architecture": aws_name(check.variant.architecture)}
    check.require_equal({key: said.get(key) for key in expected}, expected, DESCRIPTION)


def _require_runs(check: Check) -> Verdict:
    """Unpack it, as Lambda does, and have `bootstrap` answer, on a system of another glibc than its own."""
    folder = check.folder / "opt"
    folder.mkdir()
    check.run("bsdtar", "-xf", check.path, "-C", folder)
    architecture = named(check.variant.architecture)
    missing = bases.emulation_missing(architecture.name)
    if not missing:
        if not check.functions:
            return Verdict(not_run=f"no function for glibc/{architecture.machine} could be built here")
        require_answers(check, launcher(folder / BOOTSTRAP))
        return Verdict()
    emulator = shutil.which(f"qemu-{architecture.machine}-static")
    if emulator is None or not check.functions:
        return Verdict(not_run=missing)
    require_answers(check, launcher(emulator, *_program(folder / FOLDER, check)))
    return Verdict(untried=(f"answered under {Path(emulator).name}, not by its own {BOOTSTRAP}",))


def _program(root: Path, check: Check) -> tuple[str | Path, ...]:
    """What `bootstrap` starts. An emulator starts no shell scripts."""
    libraries = root / "usr" / "lib" / named(check.variant.architecture).triplet
    (loader,) = libraries.glob("ld-linux-*")
    python = root / "usr" / "bin" / f"python{check.project.release.images.micro.python}"
    return (loader, "--library-path", libraries, python, "-IS", "-X", "utf8", root / "var" / "runtime" / "bootstrap")
