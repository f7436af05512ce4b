"""Folders at a constant path, for tools that write the path of their folder into the files that they make.

rpmbuild writes it into the source package's header, makepkg into `.BUILDINFO`. Without a constant path, another
checkout or another user would build the same release with other bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from ci.core.children import Children
from ci.core.errors import BusyError, HostError
from ci.core.files import fresh_folder
from ci.core.lock import wait_for_lock
from ci.core.run import Runner

BASE = Path("/var/tmp/faas-runtime-build")  # noqa: S108 (private and checked to be: see _own_base)
_WAIT_SECONDS = 300
# What some tool does not take as a part of a name.
_SPECIAL = frozenset("[]{}()<>'\",%\\$`*?;&|!#^~")


@contextlib.contextmanager
def build_dir(job: str, run: Runner) -> Iterator[tuple[Path, Runner]]:
    """Yield the constant folder of a job, empty and for this process alone, and the runner to use in it.

    If another checkout builds the same job, wait for it. Programs that the runner starts hold the lock too, so that
    those of a killed run end before the next run empties the folder. If the job fails, the folder is kept, so that
    the failure can be examined.
    """
    _own_base()
    descriptor = os.open(BASE / f"{job}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        _acquire(descriptor, job, run.children)
        folder = fresh_folder(BASE / job)
        folder.chmod(0o755)
        yield folder, replace(run, keep_open=(*run.keep_open, descriptor))
        shutil.rmtree(folder)
    finally:
        os.close(descriptor)


def plain_path(root: Path) -> Path:
    """The checkout by a path that every tool takes as it is: its own, or that of a symbolic link to it.

    rpm and makepkg expand patterns in paths, buildah splits them at commas, rpm drops quotes, rust-lld decodes `%2F`.
    Raises `HostError` for a path that not even Python's own environments can have.
    """
    if os.pathsep in str(root) or not str(root).isprintable():
        raise HostError(
            f"{str(root)!r}: no environment can be made at a path with {os.pathsep!r} or a control character",
            hint="move the checkout to another path",
        )
    if not _SPECIAL.intersection(str(root)):
        return root
    _own_base()
    link = BASE / f"checkout-{hashlib.sha256(os.fsencode(root)).hexdigest()[:16]}"
    if not (link.is_symlink() and link.readlink() == root):
        made = link.with_name(f"{link.name}.{os.getpid()}")
        made.unlink(missing_ok=True)
        made.symlink_to(root)
        made.replace(link)
    return link


def _own_base() -> None:
    """Make the parent of these folders, and check that nobody else can write to it: /var/tmp is open to all."""
    try:
        with contextlib.suppress(FileExistsError):  # whatever it is, it is examined below
            BASE.mkdir(mode=0o755)
        found = BASE.lstat()
    except OSError as error:
        raise HostError(
            f"{BASE}: cannot be made: {error.strerror}", hint=f"let this user write to {BASE.parent}"
        ) from error
    if not stat.S_ISDIR(found.st_mode):
        raise HostError(f"{BASE} is not a folder", hint="remove it, if it is yours to remove")
    if found.st_uid != os.geteuid():
        raise HostError(
            f"{BASE} belongs to user {found.st_uid}, not to {os.geteuid()}; packages are built there, at the same path "
            "for everyone, so that their bytes are the same",
            hint="build as that user, or have the folder removed",
        )
    if found.st_mode & 0o022:
        raise HostError(f"{BASE} can be written by others", hint=f"chmod go-w {BASE}")


def _acquire(descriptor: int, job: str, children: Children) -> None:
    def check(is_late: bool) -> None:
        if children.ended:
            raise BusyError(f"interrupted while waiting for another build of {job}")
        if is_late:
            raise BusyError(
                f"another build of {job} has been running in {BASE / job} for {_WAIT_SECONDS} seconds",
                hint="wait for it to end, then run the same command again",
            )

    wait_for_lock(descriptor, _WAIT_SECONDS, check)
