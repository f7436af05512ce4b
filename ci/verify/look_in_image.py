"""Prints what the user of a container sees and may do there. A container's own Python runs it.

python3 -IS look_in_image.py LAUNCHER EVENT LIBRARY...

Each line is a Python literal: a word for what it is about, then what was found. An image contains no other program for
this, and of the standard library it has only what the runtime imports.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

# Each container has its own: kernel's file systems, what is mounted for this look, and what is always writable.
_NOT_LOOKED_AT = ("/dev", "/proc", "/sys", "/run", "/tmp", "/var/tmp", "/var/task")  # noqa: S108


def main(launcher: str, event: str, *libraries: str) -> None:
    """Print all lines."""
    _say("user", os.getuid(), os.getgid(), sorted(os.getgroups()))
    with open("/proc/self/status") as status:  # noqa: PTH123 (an image may have no pathlib)
        _say("capabilities", *(line.split()[1] for line in status if line.startswith(("CapEff:", "CapPrm:"))))
    for path in _entries("/"):
        status_of = os.lstat(path)
        link = os.readlink(path) if os.path.islink(path) else ""  # noqa: PTH114, PTH115
        owner = (status_of.st_uid, status_of.st_gid)
        writable = not link and os.access(path, os.W_OK)
        _say("entry", path, status_of.st_mode, owner, link, status_of.st_size, writable)
    _say("version", *_run(launcher, "--version"))
    for library in libraries:
        _say("check", library, *_run(launcher, "check", library))
        _say("answer", library, *_run(launcher, "invoke", library, "--event", event))


def _say(*values: object) -> None:
    print(values)


def _entries(folder: str) -> Iterator[str]:
    """Every path below a folder; what the user may not list is left out."""
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208
    except PermissionError:
        _say("closed", folder)
        return
    for name in names:
        path = f"{folder.rstrip('/')}/{name}"
        if path not in _NOT_LOOKED_AT:
            yield path
            if os.path.isdir(path) and not os.path.islink(path):  # noqa: PTH112, PTH114
                yield from _entries(path)


def _run(*argv: str) -> tuple[int, bytes, bytes]:
    """Run a program: its exit code, and what it printed to standard output and standard error."""
    pipes = [os.pipe(), os.pipe()]
    child = os.fork()
    if not child:
        for number, (_, end) in enumerate(pipes, start=1):
            os.dup2(end, number)
        os.execv(argv[0], argv)  # noqa: S606
    printed = []
    for end, other in pipes:
        os.close(other)
        with open(end, "rb") as file:  # noqa: PTH123
            printed.append(file.read())
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code, printed[0], printed[1]


if __name__ == "__main__":
    main(*sys.argv[1:])
