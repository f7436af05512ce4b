"""The source distribution and the wheel: their content, which depends on the sources only."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from ci.core.files import unpack
from tests.runtime.support import PYTHON, RUNTIME, VERSION

pytest.importorskip("flit_core.buildapi")

EPOCH = "1790000000"
PACKAGE = RUNTIME / "faas_runtime"
FILES = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*") if path.suffix in (".py", ".json", ".txt")}
BUILD = """
import sys
from flit_core import buildapi
buildapi.build_sdist(sys.argv[1])
buildapi.build_wheel(sys.argv[1])
"""


def build(folder: Path, mode: int, time: int) -> Path:
    """Build both from a copy of the runtime whose files have this mode and this time."""
    copy = folder / "runtime"
    shutil.copytree(RUNTIME, copy, ignore=shutil.ignore_patterns("__pycache__", "crate", "dist"))
    for path in copy.rglob("*"):
        os.utime(path, (time, time))
        path.chmod(path.stat().st_mode & mode)
    output = folder / "output"
    output.mkdir()
    environment = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH}
    subprocess.run([sys.executable, "-c", BUILD, str(output)], cwd=copy, env=environment, check=True)
    return output


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("first"), 0o777, 1_000_000_000)


@pytest.fixture(scope="module")
def sdist(output: Path) -> Path:
    (path,) = output.glob("*.tar.gz")
    return path


def test_modes_and_times_of_the_sources_do_not_matter(output: Path, tmp_path: Path) -> None:
    other = build(tmp_path, 0o700, 1_500_000_000)
    names = sorted(path.name for path in output.iterdir())
    assert len(names) == 2
    assert sorted(path.name for path in other.iterdir()) == names
    for name in names:
        assert (output / name).read_bytes() == (other / name).read_bytes(), name


def test_sdist_holds_exactly(sdist: Path) -> None:
    top = sdist.name.removesuffix(".tar.gz")
    others = ["LICENSE", "PKG-INFO", "README.md", "bin/faas-runtime", "include/faas.h", "man/faas-runtime.1"]
    expected = {f"{top}/{name}" for name in [*others, "pyproject.toml"]}
    with tarfile.open(sdist) as tar:
        modes = {member.name: member.mode for member in tar}
    assert set(modes) == expected | {f"{top}/faas_runtime/{name}" for name in FILES}
    executable = {name for name, mode in modes.items() if mode & 0o111}
    assert executable == {f"{top}/bin/faas-runtime"}
    assert modes[f"{top}/bin/faas-runtime"] == 0o755


def test_wheel_holds_exactly(output: Path) -> None:
    (wheel,) = output.glob("*.whl")
    info = f"{wheel.name.removesuffix('-py3-none-any.whl')}.dist-info"
    others = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    expected = {f"{info}/{name}" for name in others} | {f"faas_runtime/{name}" for name in FILES}
    with zipfile.ZipFile(wheel) as archive:
        assert set(archive.namelist()) == expected


def test_sdist_runs_where_it_is_unpacked(sdist: Path, tmp_path: Path) -> None:
    unpack(sdist, tmp_path)
    launcher = tmp_path / sdist.name.removesuffix(".tar.gz") / "bin" / "faas-runtime"
    done = subprocess.run([*PYTHON, str(launcher), "--version"], capture_output=True, text=True)
    assert done.stdout == f"faas-runtime {VERSION}\n"
