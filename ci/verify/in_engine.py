"""An image in the storage of a container engine: what its user finds there, and that nothing stays afterwards.

The verification of an image has looked into the archive, and has let a container answer at Lambda's API and at its own
port. This looks at what an engine makes of the archive, from inside one container, with one start.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import stat
import tarfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ci.core.errors import VerificationError
from ci.core.tars import FileTree
from ci.images import bases, engines, oci
from ci.images.engines import Engine
from ci.images.oci import Image
from ci.pipeline.jobs import Verdict
from ci.verify import container
from ci.verify.check import EVENT, BuiltFunction, Check, expected_answer

_SCRIPT = Path(__file__).parent / "look_in_image.py"
_TASK = "/var/task"
_LAUNCHER = "/usr/bin/faas-runtime"
# What engines put into a container, beside the file systems of the kernel; they add its user to the accounts.
_OF_ENGINES = {
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/etc/mtab",
    "/etc/passwd",
    "/etc/group",
    "/.dockerenv",
}
_NOT_LOOKED_AT = ("dev", "proc", "sys", "run", "tmp", "var/tmp", "var/task")

# From a word to what was found about it, for each line of the script that begins with this word.
Seen = Mapping[str, list[tuple[Any, ...]]]


def install(check: Check) -> Verdict:
    """Store an image, look at it from inside a container, and remove it. A fault raises `VerificationError`."""
    flavour, architecture = check.variant.flavour, check.variant.architecture
    if missing := bases.emulation_missing(architecture):
        return Verdict(not_run=missing)
    image = engines.temporary(check.project.release.name, "verify", f"install-{flavour}-{architecture}")
    name = engines.container_of(image)
    seen: dict[str, list[tuple[Any, ...]]] = {}
    engine = container.engine_that_runs(check, image, name, partial(_look, check, image, name, seen))
    if isinstance(engine, str):
        return Verdict(not_run=engine)
    try:
        require_user(check, seen)
        require_entries(check, seen, oci.read_archive(check.path)[0])
        require_works(check, seen)
    finally:
        engine.end(check.run, name)
        engine.remove(check.run, image)
    require_removed(check, engine, image, name)
    started = f"by {engine.name}, {'which root has started' if os.geteuid() == 0 else 'without root'}"
    if not check.functions:
        return Verdict(not_run="no function that it could run was built here", notes=(started,))
    return Verdict(untried=("its root is not read-only",) if engine.name == "buildah" else (), notes=(started,))


def _look(check: Check, image: str, name: str, seen: dict[str, list[tuple[Any, ...]]], engine: Engine) -> str:
    """Fill `seen` with what the script prints in a container of the image."""
    task = check.folder / "task"
    task.mkdir(exist_ok=True)
    shutil.copyfile(_SCRIPT, task / _SCRIPT.name)
    (task / "event.json").write_bytes(EVENT)
    libraries = [_add(task, function) for function in check.functions]
    for path in (task, *task.rglob("*")):
        path.chmod(0o755)
    words = ("-IS", f"{_TASK}/{_SCRIPT.name}", _LAUNCHER, f"{_TASK}/event.json", *libraries)
    try:
        engine.prepare(check.run, image, name)
        printed = check.run.output(
            *engine.start_command(
                image, *words, name=name, network="none", mounts={task: _TASK}, entrypoint="/usr/bin/python3"
            )
        )
    finally:
        engine.end(check.run, name)
    for line in printed.splitlines():
        word, *found = ast.literal_eval(line)
        seen.setdefault(word, []).append(tuple(found))
    return ""


def _add(task: Path, function: BuiltFunction) -> str:
    folder = task / function.language
    folder.mkdir(exist_ok=True)
    shutil.copyfile(function.library, folder / function.library.name)
    return f"{_TASK}/{function.language}/{function.library.name}"


def require_user(check: Check, seen: Seen) -> None:
    """The container's user is the declared one, in no group but its own, and without a capability."""
    user = check.project.release.images.user
    ((found, group, groups),) = seen["user"]
    check.require_equal((found, group), (user, user), "user and group in the container")
    check.require_equal(sorted(set(groups) - {user}), [], "further groups in the container")
    (capabilities,) = seen["capabilities"]
    check.require_equal({int(one, 16) for one in capabilities}, {0}, "capabilities in the container")


def require_entries(check: Check, seen: Seen, image: Image) -> None:
    """Each file has the mode, the owner, the size and the target that the archive declares; the user may write none."""
    tree = oci.merged(image)
    closed = tuple(f"{folder}/" for (folder,) in seen.get("closed", ()))
    found = {path: values for path, *values in seen["entry"] if path not in _OF_ENGINES}
    expected = {f"/{path}": path for path in tree if f"/{path}" not in _OF_ENGINES and not _apart(path)}
    visible = {path for path in expected if not path.startswith(closed)} if closed else set(expected)
    check.require_same_set(set(found), visible, "files in the container")
    check.require_equal(
        {path: _described(*values[:4]) for path, values in found.items()},
        {path: _declared(tree, expected[path]) for path in visible},
        "files in the container",
    )
    # Where an engine has no read-only root, a base has folders such as /var/lock; ours are in the uppermost layer.
    public = {f"/{path}" for path, entry in tree.items() if entry.mode & 0o002} - {
        f"/{path}" for path in oci.added_by(image)
    }
    writable = sorted(path for path, (*_, writable) in found.items() if writable and path not in public)
    check.require_equal(writable, [], "files that the container's user may write")


def _apart(path: str) -> bool:
    return any(path == one or path.startswith(f"{one}/") for one in _NOT_LOOKED_AT)


def _described(mode: int, owner: tuple[int, int], link: str, size: int) -> str:
    kind = {stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}.get(stat.S_IFMT(mode), "file")
    more = {"folder": "", "link": f" to {link}", "file": f" of {size} bytes"}[kind]
    permissions = "" if kind == "link" else f" {stat.S_IMODE(mode):04o}"
    return f"{kind}{permissions} {owner[0]}:{owner[1]}{more}"


def _declared(tree: FileTree, path: str) -> str:
    entry = tree[path]
    if entry.kind == tarfile.LNKTYPE:
        entry = tree[entry.target]
    kinds = {tarfile.DIRTYPE: stat.S_IFDIR, tarfile.SYMTYPE: stat.S_IFLNK}
    mode = kinds.get(entry.kind, stat.S_IFREG) | entry.mode
    return _described(mode, (entry.uid, entry.gid), entry.target, len(entry.data))


def require_works(check: Check, seen: Seen) -> None:
    """The command says its version, accepts each function, and the emulator in the image lets each answer an event."""
    release = check.project.release
    version = (0, f"{release.name} {release.version}\n".encode(), b"")
    check.require_equal(seen["version"], [version], "what --version does")
    for function, checked, answered in zip(check.functions, seen.get("check", ()), seen.get("answer", ()), strict=True):
        code, said, complaint = checked[1:]
        if code:
            raise VerificationError(
                f"{check.output.path}: check of the {function.language} function ends with {code} in the container\n"
                f"{(said + complaint).decode(errors='replace')}"
            )
        _require_answer(check, function, *answered[1:])


def _require_answer(check: Check, function: BuiltFunction, code: int, answer: bytes, log: bytes) -> None:
    try:
        request = json.loads(answer)["request_id"]
    except (ValueError, KeyError, TypeError):
        shown = (answer + log).decode(errors="replace")
        raise VerificationError(
            f"{check.output.path}: no answer of the {function.language} function in the container, exit code {code}\n"
            f"{shown[-2000:]}"
        ) from None
    expected = expected_answer(function, request)
    check.require_equal((code, answer.rstrip(b"\n")), (0, expected), f"answer of the {function.language} function")


def require_removed(check: Check, engine: Engine, image: str, name: str) -> None:
    """Neither the container nor the image's name is in the engine's storage any more."""
    left = [image] if engine.stored(check.run, image) else []
    check.require_equal(left + engine.containers(check.run, name), [], "what is left after the removal")
