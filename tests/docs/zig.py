"""Zig's compiler for a reader of the pages: its results for the same files and the same command are kept.

The example in Zig takes a minute of processor time to compile, and neither it nor the compiler changes often.
"""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from tests.cache import kept, key_of

_SOURCES = {".c", ".h", ".zig"}


def main(arguments: list[str]) -> int:
    """Run a command of Zig in the current folder, or restore its output and its files from an earlier run."""
    folder = Path.cwd()
    sources = sorted(path for path in folder.iterdir() if path.suffix in _SOURCES)
    names = (path.name for path in sources)
    made_by = (importlib.metadata.version("ziglang"), _processor(), *arguments)
    try:
        result = kept(f"zig-{arguments[0]}", key_of(*made_by, *names, *sources), lambda part: _run(arguments, part))
    except subprocess.CalledProcessError as error:
        return error.returncode
    shutil.copytree(result / "files", folder, dirs_exist_ok=True)
    sys.stdout.buffer.write((result / "printed").read_bytes())
    return 0


def _processor() -> str:
    """What the result depends on: without a target, the compiler compiles for the processor of this machine."""
    flags = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith(("flags", "Features"))]
    return f"{platform.machine()} {flags[:1]}"


def _run(arguments: list[str], target: Path) -> None:
    before = _files()
    command = [sys.executable, "-m", "ziglang", *arguments]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    (target / "files").mkdir(parents=True)
    (target / "printed").write_bytes(printed)
    for path, changed_at in _files().items():
        if before.get(path) != changed_at:
            shutil.copy2(path, target / "files" / path.name)


def _files() -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in Path.cwd().iterdir() if path.is_file()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
