"""A Debian root in which programs run apart from this machine, and what they leave in it.

A program gets mounts, processes, a host name and, unless it must answer events, a network of its own. It is killed
when the program that started it ends, even by SIGKILL, and its mounts end with it.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ci.core.program_environment import Argument
from ci.core.run import Runner
from ci.pipeline.jobs import Job, Output, Project, Variant, Verdict, Workspace
from ci.verify import roots
from ci.verify.check import BuiltFunction, Check, built_function, can_run, check_of

NOBODY = 65534
_APART = ("unshare", "--fork", "--kill-child", "--pid", "--mount", "--uts", "--ipc")
_ENTER = Path(__file__).parent / "enter_root.sh"
_GLIBC = re.compile(rb"GLIBC_(\d+)\.(\d+)")
_DEVICES = {"null": (1, 3), "zero": (1, 5), "urandom": (1, 9)}
# Where each distribution for rpm has folders that no package of ours owns.
_FOLDERS = ("dev", "proc", "srv", "tmp", "usr/share/doc", "usr/share/licenses", "usr/share/man/man1", "usr/include")
# What belongs to the tools that work in the root, and to the kernel.
_NOT_COMPARED = ("dev", "proc", "srv", "sys", "tmp", "run", "var/cache", "var/log", "var/lib", "etc/pacman.d")


@dataclass(frozen=True, kw_only=True)
class RootEntry:
    """A file, folder or link of a root. `content` is the target of a link, or size and time of change of a file."""

    mode: int
    owner: tuple[int, int]
    content: str

    @property
    def permissions(self) -> int:
        """The permissions, with the set-id bits."""
        return stat.S_IMODE(self.mode)


@dataclass(frozen=True, kw_only=True)
class Root:
    """An unpacked root. `python` is the path of its interpreter, which has a version in its name.

    With `network`, its programs reach whatever this machine reaches.
    """

    folder: Path
    run: Runner
    suite: roots.Suite
    python: str
    network: bool = False

    def command(self, *argv: Argument, loopback: bool = False, user: int = 0) -> tuple[Argument, ...]:
        """The command that runs a program in the root, which can reach this machine's addresses only if it must."""
        own = ("setpriv", "--pdeathsig", "KILL", *_APART, *(() if loopback or self.network else ("--net",)))
        return (*own, "sh", _ENTER, self.folder, str(user), *argv)

    def __call__(self, *argv: Argument, user: int = 0, stdin: bytes | None = None) -> None:
        """Run a program in the root to its end; a non-zero exit raises `CommandFailed`."""
        self.run(*self.command(*argv, user=user), env=self.environment(), stdin=stdin)

    def output(self, *argv: Argument, user: int = 0, stdin: bytes | None = None) -> str:
        """Run a program in the root, and return what it printed to standard output."""
        return self.run.output(*self.command(*argv, user=user), env=self.environment(), stdin=stdin)

    def environment(self, variables: Mapping[str, str] | None = None) -> dict[str, str]:
        """The environment of a program in the root, whose search path is not this machine's."""
        own = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/srv", "TMPDIR": "/tmp"}  # noqa: S108
        return {**own, **(variables or {})}

    def entries(self) -> dict[str, RootEntry]:
        """Every file, folder and link by its path without the first slash, except those of tools and the kernel."""
        found: dict[str, RootEntry] = {}
        for parent, folders, files in os.walk(self.folder):
            inside = Path(parent).relative_to(self.folder)
            folders[:] = [name for name in folders if not _is_of_tools(inside / name)]
            for name in (*folders, *files):
                found[str(inside / name)] = _entry(Path(parent, name))
        return found


def _is_of_tools(folder: Path) -> bool:
    # A distribution's Python brings the byte code of its own library; in a root that was only unpacked it is made late.
    own_byte_code = folder.name == "__pycache__" and folder.parts[:2] == ("usr", "lib") and "python" in folder.parts[2]
    return own_byte_code or str(folder) in _NOT_COMPARED


def job(
    project: Project,
    builds: Sequence[Job],
    build: Job,
    suite: roots.Suite,
    outputs: tuple[Output, ...],
    work: Callable[..., Verdict],
    *,
    gate: str,
    subject: str,
    title: str,
    after: tuple[str, ...] = (),
) -> Job:
    """The job of a gate that installs what `build` has made into the root of a suite.

    `work` is called with the workspace and, by name, the suite, the outputs, and the jobs of the functions that run on
    this host. `subject` is the middle of the job's id. `after` are jobs that it comes after besides those of what it
    installs.
    """
    functions = [one for one in builds if can_run(Variant(), one)]
    before = (build.id, "sdist", *after, roots.job_of(suite.name), *(one.id for one in functions))
    return Job(
        id=f"{gate}-{subject}-{suite.name}",
        builder=gate,
        variant=Variant(suite=suite.name),
        outputs=(),
        build=partial(work, suite=suite, outputs=outputs, functions=functions),
        inputs=(project.root / "ci" / "verify",),
        after=tuple(dict.fromkeys(before)),
        unpacks=roots.BYTES,
        gate=gate,
        title=title,
        artifacts=tuple(output.path for output in outputs),
    )


def check_in(work: Workspace, root: Root, output: Output, functions: Sequence[Job]) -> tuple[Check, tuple[str, ...]]:
    """The check of an artefact with the functions that run in the root, and notes on those that do not."""
    usable, notes = runs_here(root, [built_function(work, one) for one in functions])
    return check_of(work, output, usable), notes


def runs_here(root: Root, functions: Sequence[BuiltFunction]) -> tuple[tuple[BuiltFunction, ...], tuple[str, ...]]:
    """The functions that the root's libc can load, and a note on each of the others, which this machine has built."""
    (libc,) = root.folder.glob("lib/*-linux-gnu/libc.so.6")
    has = _newest_glibc(libc)
    needs = {function.language: _newest_glibc(function.library) for function in functions}
    usable = tuple(function for function in functions if needs[function.language] <= has)
    notes = (
        f"the {language} function was not tried: it needs glibc {needed[0]}.{needed[1]} of this machine"
        for language, needed in needs.items()
        if needed > has
    )
    return usable, tuple(notes)


def _newest_glibc(library: Path) -> tuple[int, int]:
    """The newest version of glibc's symbols that a library names."""
    found = _GLIBC.findall(library.read_bytes())
    return max((int(major), int(minor)) for major, minor in found)


def _entry(path: Path) -> RootEntry:
    status = path.lstat()
    content = ""
    if stat.S_ISLNK(status.st_mode):
        content = str(path.readlink())
    elif stat.S_ISREG(status.st_mode):
        content = f"{status.st_size} bytes of {status.st_mtime_ns}"
    return RootEntry(mode=status.st_mode, owner=(status.st_uid, status.st_gid), content=content)


def unpack(work: Workspace, suite: roots.Suite, name: str = "root") -> Root:
    """Unpack the root of a suite into the job's folder, without the name `python3`: packages have to bring that."""
    folder = work.folder / name
    folder.mkdir()
    work.run("tar", "-xf", work.built(roots.path_of(suite.name)), "-C", folder, "--exclude=./dev/*")
    for alias in ("bin", "lib", "lib64", "sbin"):  # the suites after bookworm leave these to a package's script
        if not (folder / alias).exists():
            (folder / alias).symlink_to(f"usr/{alias}")
    if not (folder / "bin" / "sh").exists():
        (folder / "bin" / "sh").symlink_to("dash")
    for path in _FOLDERS:
        (folder / path).mkdir(parents=True, exist_ok=True)
    (folder / "tmp").chmod(0o1777)
    for device, numbers in _DEVICES.items():
        with contextlib.suppress(PermissionError):  # some containers forbid it; then it is a file
            os.mknod(folder / "dev" / device, stat.S_IFCHR | 0o666, os.makedev(*numbers))
        (folder / "dev" / device).touch()
        (folder / "dev" / device).chmod(0o666)
    for file, line in (("passwd", "root:x:0:0:root:/root:/bin/sh\n"), ("group", "root:x:0:\n")):
        (folder / "etc" / file).write_text(line)
    (folder / "etc" / "hosts").write_text("127.0.0.1 localhost\n")
    link = folder / "usr" / "bin" / "python3"
    python = f"/usr/bin/{link.readlink()}"
    link.unlink()
    return Root(folder=folder, run=work.run, suite=suite, python=python)
