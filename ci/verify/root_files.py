"""What the files of a root that brings its own Python must be: the payload with byte code of it, and whole programs."""

from __future__ import annotations

import _imp
import hashlib
import posixpath
import re
import tarfile

from ci.core import elf
from ci.core.tars import FileTree
from ci.verify.check import Check
from ci.verify.payload import is_byte_code, modules_of, payload_of, require_same_payload, require_start_file, shipped

PAYLOAD = "usr/lib/faas-runtime/"
LAUNCHER = f"{PAYLOAD}bin/faas-runtime"
_BYTE_CODE = re.compile(rf"{re.escape(PAYLOAD)}(?P<folder>.+/)__pycache__/(?P<module>\w+)\.cpython-\d+\.pyc")


def require_compiled_payload(check: Check, tree: FileTree, *, recipes: bool) -> None:
    """The payload's files and modes, and byte code of exactly these sources.

    A root without `recipes` is one that can compile nothing, and so has no use for them.
    """
    inside = {name: entry for name, entry in tree.items() if f"{name}/".startswith(PAYLOAD)}
    others = {name for name, entry in inside.items() if entry.kind not in (tarfile.REGTYPE, tarfile.DIRTYPE)}
    check.require_equal(sorted(others), [], "neither files nor folders in the payload")
    files = {name: entry for name, entry in inside.items() if entry.kind == tarfile.REGTYPE}
    sources = {name: entry for name, entry in files.items() if not is_byte_code(name.removeprefix(PAYLOAD))}
    require_same_payload(
        check,
        {name.removeprefix(PAYLOAD): hashlib.sha256(entry.data).hexdigest() for name, entry in sources.items()},
        recipes=recipes,
    )
    check.require_equal(tree[LAUNCHER].mode, 0o755, "mode of the launcher")
    runnable = {name for name, entry in files.items() if name != LAUNCHER and entry.mode != 0o644}
    check.require_equal(sorted(runnable), [], "payload files whose mode is not 0644")
    byte_code = {name: entry.data for name, entry in files.items() if name not in sources}
    require_start_file(check, {name.removeprefix(PAYLOAD): data for name, data in byte_code.items()})
    _require_byte_code(check, tree, byte_code)


def _require_byte_code(check: Check, tree: FileTree, byte_code: dict[str, bytes]) -> None:
    compiled = {
        f"{found['folder']}{found['module']}.py": data
        for name, data in byte_code.items()
        if (found := _BYTE_CODE.fullmatch(name))
    }
    check.require_same_set(set(compiled), modules_of(payload_of(check)), "modules with byte code")
    for module, data in compiled.items():
        check.require(len(data) > 16, f"the byte code of {module} is whole")
        # Bytes 4 to 8 say that a hash of the source follows, and not its time, which no image keeps.
        check.require(data[4] & 1 == 1, f"the byte code of {module} has its source's hash")
        # The hash depends on the byte code's own magic number; importlib only knows that of this Python.
        magic = int.from_bytes(data[:4], "little")
        source = _imp.source_hash(magic, tree[f"{PAYLOAD}{module}"].data)
        check.require_equal(data[8:16], source, f"source that the byte code of {module} is of")


def require_launcher_links(check: Check, tree: FileTree, *names: str) -> None:
    """Each of these paths is a link to the launcher."""
    for name in names:
        check.require(name in tree and tree[name].kind == tarfile.SYMTYPE, f"{name} is a symbolic link")
        target = posixpath.normpath(posixpath.join(posixpath.dirname(name), tree[name].target))
        check.require_equal(target, LAUNCHER, f"where {name} leads")


def require_whole_programs(check: Check, tree: FileTree, architecture: str) -> None:
    """Every ELF file is for the architecture, and each library that it names is there."""
    names = {posixpath.basename(name) for name in tree}
    for name, entry in tree.items():
        program = elf.parse(entry.data)
        if program is None:
            continue
        check.require_equal(program.machine, architecture, f"architecture of {name}")
        check.require_equal(
            sorted(set(program.needed) - names), [], f"libraries that {name} needs and that are missing"
        )


def require_licence(check: Check, tree: FileTree) -> None:
    """The licence of the source tarball is there."""
    check.require("licenses/faas-runtime/LICENSE" in tree, "/licenses has the licence")
    licence = tree["licenses/faas-runtime/LICENSE"].data
    check.require(licence == shipped(check).get("LICENSE"), "the licence is that of the source tarball")
