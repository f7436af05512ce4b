"""What an installed artefact must be and do in a root, whatever has installed it."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ci.core.errors import CommandFailed, VerificationError
from ci.verify.check import BuiltFunction, Check, MakeCommand, require_answers
from ci.verify.in_root import NOBODY, Root, RootEntry
from ci.verify.payload import is_byte_code, modules_of, payload_of, require_start_file

_TASK = "var/task"
_MODES = {0o644, 0o755}
_HEADER = b"#include <faas.h>\nuint32_t faas_abi_version(void) { return FAAS_ABI_VERSION; }\n"


@dataclass(frozen=True, kw_only=True)
class InstalledPaths:
    """Where an artefact has put its parts, as paths in the root; one that is empty is not part of it."""

    command: str
    payload: str
    manual: str = ""
    include: str = ""


@contextmanager
def refusing(artifact: str, suite: str) -> Iterator[None]:
    """Whatever program fails in the block, the artefact is at fault: it must install and run in that root."""
    try:
        yield
    except CommandFailed as error:
        raise VerificationError(f"{artifact}: it does not install and run in Debian {suite}\n{error}") from error


def require_files(
    check: Check, before: Mapping[str, RootEntry], after: Mapping[str, RootEntry], owned: set[str]
) -> None:
    """Compare the files of a root before and after an installation.

    Nothing that was there may have changed. What is new must belong to a package, or lie in the payload's folder, where
    the packages compile byte code; it belongs to root, only root may write it, and it has no set-id bit.
    """
    new = set(after) - set(before)
    changed = {path: after[path] for path in set(before) & set(after) if before[path] != after[path]}
    check.require_equal(sorted(changed), [], "files that the installation has changed")
    check.require_equal(sorted(set(before) - set(after)), [], "files that the installation has removed")
    check.require_equal(sorted(owned - set(after)), [], "files of the package that are not installed")
    strays = {path for path in new - owned if "lib/faas-runtime" not in path}
    check.require_equal(sorted(strays), [], "files that belong to no package")
    entries = {path: after[path] for path in new}
    links = {path for path, entry in entries.items() if stat.S_ISLNK(entry.mode)}
    odd = {f"{path} {entry.permissions:04o}" for path, entry in entries.items() if entry.permissions not in _MODES}
    check.require_equal(sorted(one for one in odd if one.partition(" ")[0] not in links), [], "modes of files")
    strangers = {f"{path} {entry.owner}" for path, entry in entries.items() if entry.owner != (0, 0)}
    check.require_equal(sorted(strangers), [], "files that do not belong to root")


def require_removed(check: Check, before: Mapping[str, RootEntry], after: Mapping[str, RootEntry]) -> None:
    """After a removal, the root is as it was before the installation."""
    check.require_equal(sorted(set(after) - set(before)), [], "files that are left after the removal")
    check.require_equal(sorted(set(before) - set(after)), [], "files of others that are gone after the removal")
    changed = {path for path in before if before[path] != after[path]}
    check.require_equal(sorted(changed), [], "files that the removal has changed")


def require_nothing_said(check: Check, faults: Sequence[str]) -> None:
    """The package manager goes on after some faults, but says so in the job's log."""
    lines = check.run.log.read_text(encoding="utf-8", errors="replace").splitlines()
    said = [line.strip() for line in lines if any(fault in line for fault in faults)]
    check.require_equal(said, [], "what the package manager said")


def require_byte_code(check: Check, root: Root, payload: str) -> None:
    """Each module has byte code for the Python of the root, which that Python accepts."""
    folder = root.folder / payload.lstrip("/")
    tag = PurePosixPath(root.python).name.replace("python", "cpython-").replace(".", "")
    expected = {
        str(PurePosixPath(module).parent / "__pycache__" / f"{PurePosixPath(module).stem}.{tag}.pyc")
        for module in modules_of(payload_of(check))
    }
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*.pyc")}
    check.require_same_set(found, expected, "byte code")
    for path in sorted(found):
        flags = int.from_bytes((folder / path).read_bytes()[4:8], "little")
        check.require_equal(flags, 3, f"flags of {path}, which say that it is checked by its source's hash")
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    require_start_file(check, {name: path.read_bytes() for name, path in files.items() if is_byte_code(name)})


def require_works(check: Check, root: Root, places: InstalledPaths) -> None:
    """The command says its version, checks a library and answers events, as a user who owns nothing; what is written is
    readable, and the header compiles.
    """
    release = check.project.release
    said = root.output(places.command, "--version", user=NOBODY)
    check.require_equal(said, f"{release.name} {release.version}\n", "the output of --version")
    for function in check.functions:
        task = root.folder / _TASK / function.language
        task.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(function.library, task / function.library.name)
        library = f"/{_TASK}/{function.language}/{function.library.name}"
        _require(check, f"check of the {function.language} function", root, places.command, "check", library)
    require_answers(check, launched(root, places.command))
    shutil.rmtree(root.folder / _TASK)
    if places.manual:
        require_manual(check, root, places.manual)
    if places.include:
        compiler = ("tcc", "-Wall", "-Werror", "-I", places.include, "-c", "-o", "/tmp/faas.o", "-")  # noqa: S108
        _require(check, f"compilation of {places.include}/faas.h", root, *compiler, stdin=_HEADER)


def launched(root: Root, *argv: str) -> MakeCommand:
    """The command of a launcher in a root, for functions that were copied to the root's task folder."""

    def command(
        variables: Mapping[str, str], function: BuiltFunction
    ) -> tuple[Sequence[str | Path], Mapping[str, str]]:
        inside = {**variables, "LAMBDA_TASK_ROOT": f"/{_TASK}/{function.language}"}
        return root.command(*argv, loopback=True, user=NOBODY), root.environment(inside)

    return command


def require_manual(check: Check, root: Root, path: str) -> None:
    """The manual page is rendered without a warning, and it is the command's own."""
    name = check.project.release.name.upper()
    try:
        text = root.output("mandoc", "-T", "utf8", "-W", "warning,stop", path, user=NOBODY)
    except CommandFailed as error:
        raise VerificationError(f"{check.output.path}: the manual page {path} is not rendered\n{error}") from error
    check.require(f"{name}(1)" in text, f"the manual page {path} is that of {name}(1)")


def _require(check: Check, what: str, root: Root, *argv: str, stdin: bytes | None = None) -> None:
    try:
        root(*argv, user=NOBODY, stdin=stdin)
    except CommandFailed as error:
        raise VerificationError(f"{check.output.path}: {what} failed in Debian {root.suite.name}\n{error}") from error
