"""What the tests under wine share: wine stands in for Windows, and is not Windows.

It is known to differ: Ctrl-Break does not reach another process, a library that is loaded can be overwritten and
removed, shutdown() does not wake who waits in recv(), and a Python that Microsoft's compiler made does not start with a
regular file as its standard input or output. What hangs on these is not tested here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.glue.support import STRICT, call
from tests.support import program
from tests.waiting import TIMEOUT_S
from tests.windows import windows_python

HERE = Path(__file__).resolve().parent
FUNCTIONS = HERE / "functions"
ACCESS_VIOLATION = 0xC0000005
MISSING = 12  # as everywhere in this tooling: an outside program is missing
TO_INSTALL = "apt-get install wine wine64 gcc-mingw-w64-x86-64-win32"

# Output goes through pipes, as wine's Python wants it; the shell's place, and process id, is wine's in the end.
_SCRIPT = """\
#!/bin/bash
export WINEPREFIX='{prefix}' HOME='{prefix}' WINEDEBUG=-all WINEDLLOVERRIDES='mscoree=d;mshtml=d;winedbg.exe=d'
exec '{wine}' "$@" > >(exec cat) 2> >(exec cat >&2)
"""

# Runs a Python and tells its whole exit code: outside of wine, only the last byte of it is left.
_TELL = (
    "import subprocess, sys; code = subprocess.run([sys.executable, *sys.argv[1:]]).returncode; "
    "print(f'exit code {code:#x}', file=sys.stderr)"
)


def require_programs() -> None:
    """End the session when something is missing without which it could only say that nothing was run."""
    missing = [name for name in ("wine", windows_python.COMPILER) if shutil.which(name) is None]
    if missing:
        pytest.exit(f"{' and '.join(missing)} cannot be found; on Debian: {TO_INSTALL}", returncode=MISSING)


def windows_path(path: Path) -> str:
    """A path as a program under wine names it."""
    return "Z:" + str(path).replace("/", "\\")


def compile_dll(source: Path, output: Path, *options: str | Path, libraries: tuple[str | Path, ...] = ()) -> Path:
    """Compile a C file as strictly as the other tests do."""
    call(program(windows_python.COMPILER), "-std=c99", *STRICT, *options, "-shared", "-o", output, source, *libraries)
    return output


class Wine:
    """A wine with nothing in it but a Python and the runtime, as MSYS2's package has it."""

    def __init__(self, folder: Path, python: Path, package: Path) -> None:
        """The folder's name may have spaces."""
        self._prefix = folder / "wine"
        self._prefix.mkdir()
        self._script = folder / "run"
        self._script.write_text(_SCRIPT.format(prefix=self._prefix, wine=program("wine")))
        self._script.chmod(0o755)
        call(program("bsdtar"), "-xf", package, "-C", folder)
        self.root = folder / "ucrt64"
        shutil.copytree(python, self.root / "bin", dirs_exist_ok=True)
        launcher = self.root / "lib" / "faas-runtime" / "bin" / "faas-runtime"
        self.python = (str(self._script), windows_path(self.root / "bin" / "python.exe"), "-IS", "-X", "utf8")
        self.launcher = (*self.python, windows_path(launcher))
        self.telling = (*self.python, "-c", _TELL, *self.launcher[2:])
        """The launcher; in the end, its whole exit code is told on standard error."""

    def run(
        self, *command: str, stdin: str = "", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command of Windows to its end."""
        return subprocess.run(
            [str(self._script), *command],
            input=stdin, env={**os.environ, **(env or {})},
            capture_output=True, text=True, check=False, timeout=TIMEOUT_S,
        )  # fmt: skip

    def runtime(
        self, *arguments: str, stdin: str = "", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run `faas-runtime` with arguments to its end."""
        return self.run(*self.launcher[1:], *arguments, stdin=stdin, env=env)

    def end(self) -> None:
        """End what still runs in this wine, and in no other."""
        env = {**os.environ, "WINEPREFIX": str(self._prefix)}
        for option in ("-k", "-w"):
            subprocess.run([program("wineserver"), option], env=env, check=False, timeout=TIMEOUT_S)
