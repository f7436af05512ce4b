"""Small roots with a Python each, to run the runtime in: Debian's, and one with musl."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cache import CACHE, lock
from tests.glue.support import call, extract_debian
from tests.matrix import musl_python
from tests.runtime.support import RUNTIME
from tests.support import not_there, program

SUITES = {"bullseye": (3, 9), "trixie": (3, 13), "sid": (3, 14)}
"""The oldest Python that the runtime supports, one between, and the newest; sid's may be newer than this."""

MUSL = "musl"
PYTHONS = {**SUITES, MUSL: musl_python.VERSION}

PACKAGES = ("python3-minimal", "libpython3-stdlib")
HOME = "usr/lib/faas-runtime"
KEPT_S = 14 * 24 * 3600  # sid changes, slowly enough


@dataclass(frozen=True, kw_only=True)
class PythonRoot:
    """A root: its suite or `MUSL`, its folder, and the version that its Python should have."""

    suite: str
    path: Path
    python: tuple[int, int]

    @property
    def launcher(self) -> tuple[str, ...]:
        """The command that starts the runtime in it, as a package would have installed it."""
        return (program("chroot"), str(self.path), f"/{HOME}/bin/faas-runtime")

    def run(self, *command: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program of the root."""
        argv: Sequence[str] = (program("chroot"), str(self.path), *command)
        return subprocess.run(argv, env=dict(environment or {}), capture_output=True, text=True, check=False)


def unpack(suite: str, folder: Path) -> PythonRoot:
    """A root of the suite, or that with musl, in an empty folder, with the runtime in it."""
    if os.geteuid() != 0:
        not_there("a root user, for chroot,")
    tarball = musl_python.tarball() if suite == MUSL else _tarball(suite)
    call("tar", "-xf", tarball, "-C", folder, "--exclude=./dev/*", "--exclude=./usr/share/doc")
    for name in ("bin", "lib", "lib64", "sbin"):  # the suites after bullseye leave these to a package's script
        if not (folder / name).exists():
            (folder / name).symlink_to(f"usr/{name}")
    (folder / "dev").mkdir(exist_ok=True)
    with contextlib.suppress(PermissionError):  # a container may forbid it, and nothing here needs it
        os.mknod(folder / "dev" / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    (folder / "etc").mkdir(exist_ok=True)
    (folder / "etc" / "hosts").write_text("127.0.0.1 localhost\n")
    (folder / "etc" / "nsswitch.conf").write_text("hosts: files\n")
    for name in ("bin", "faas_runtime"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(RUNTIME / name, folder / HOME / name, ignore=ignored)
    (folder / "var" / "task").mkdir(parents=True)
    return PythonRoot(suite=suite, path=folder, python=PYTHONS[suite])


def _tarball(suite: str) -> Path:
    kept = CACHE / "roots" / f"{suite}.tar"
    kept.parent.mkdir(parents=True, exist_ok=True)
    with lock(f"root-{suite}"):
        if not kept.exists() or time.time() - kept.stat().st_mtime > KEPT_S:
            part = kept.with_suffix(".part")
            try:
                extract_debian(suite, part, PACKAGES, "--format=tar")
            except pytest.fail.Exception:
                if not kept.exists():
                    raise
                return kept  # what was made before does as well
            part.replace(kept)
    return kept
