"""`ci/bootstrap` and the noxfile: what a person types first."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT, copy_checkout

BOOTSTRAP = ROOT / "ci" / "bootstrap"
# What the script itself is made of; everything else counts as missing.
POSIX = ["sh", "cat", "dirname", "id", "sort", "tr", "printf", "cmp", "rm", "cp", "sed"]


@pytest.fixture
def bare_path(tmp_path: Path) -> Path:
    """A search path with a shell's basics, a Python, and no package manager."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in POSIX:
        (folder / name).symlink_to(shutil.which(name) or name)
    (folder / "python3").symlink_to(sys.executable)
    return folder


def stand_in_manager(folder: Path, name: str, calls: Path) -> None:
    """A stand-in for a package manager, which notes its arguments and installs nothing."""
    (folder / name).write_text(f'#!/bin/sh\necho "$0 $*" >> "{calls}"\n')
    (folder / name).chmod(0o755)


def bootstrap(path: Path, *arguments: str, script: Path = BOOTSTRAP) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(path), "HOME": str(path)}
    return subprocess.run([script, *arguments], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("manager", "command", "some"),
    [
        ("apt-get", "apt-get install -y --no-install-recommends", ["rpm", "makepkg", "musl-tools", "libarchive-tools"]),
        ("dnf", "dnf install -y --setopt=install_weak_deps=False", ["rpm-build", "ShellCheck", "rubygem-rubocop"]),
        ("pacman", "pacman -S --needed --noconfirm", ["rpm-tools", "buildah"]),
        ("brew", "brew install", ["rpm", "shellcheck", "skopeo"]),
    ],
)
def test_print_shows_the_command_and_runs_nothing(
    bare_path: Path, tmp_path: Path, manager: str, command: str, some: list[str]
) -> None:
    stand_in_manager(bare_path, manager, tmp_path / "calls")
    done = bootstrap(bare_path, "--print")
    assert done.returncode == 0, done.stderr
    shown = done.stdout.removeprefix("sudo ")
    assert shown.startswith(command)
    packages = shown.removeprefix(command).split()
    assert set(some) <= set(packages)
    assert "-" not in packages
    assert len(packages) == len(set(packages))
    assert not (tmp_path / "calls").exists()


def test_print_says_so_where_nothing_is_missing() -> None:
    done = bootstrap(Path(os.environ["PATH"]), "--print")
    assert (done.returncode, done.stdout) == (0, "")
    assert "nothing to install" in done.stderr


def test_it_installs_what_is_missing_and_no_more(bare_path: Path, tmp_path: Path) -> None:
    for directory in os.environ["PATH"].split(os.pathsep):
        for program in Path(directory).iterdir() if Path(directory).is_dir() else ():
            if program.name not in ("rpmbuild", "sudo", "apt-get") and not (bare_path / program.name).exists():
                (bare_path / program.name).symlink_to(program)
    stand_in_manager(bare_path, "apt-get", tmp_path / "calls")
    (bare_path / "sudo").write_text('#!/bin/sh\nexec "$@"\n')
    (bare_path / "sudo").chmod(0o755)
    checkout = copy_checkout(tmp_path / "checkout")
    (checkout / ".venv").mkdir()
    shutil.copy(checkout / "ci" / "requirements" / "nox.txt", checkout / ".venv" / ".requirements")
    done = bootstrap(bare_path, script=checkout / "ci" / "bootstrap")
    assert done.returncode == 0, done.stderr
    installed = (tmp_path / "calls").read_text().splitlines()
    assert installed[-1].endswith("install -qy --no-install-recommends rpm")


def test_an_old_python_is_told(bare_path: Path) -> None:
    (bare_path / "python3").unlink()
    (bare_path / "python3").write_text("#!/bin/sh\nexit 1\n")
    (bare_path / "python3").chmod(0o755)
    done = bootstrap(bare_path, "snapshot")
    assert done.returncode == 12
    assert "Python 3.11 or later is needed" in done.stderr


def test_the_script_is_sound() -> None:
    subprocess.run(["shellcheck", "--shell=sh", "--severity=style", BOOTSTRAP], check=True)


def test_nox_ends_with_the_exit_code_of_what_it_ran(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path / "checkout")
    own = Path(sys.executable).parent.parent
    environment = checkout / ".nox" / "release"  # this test's own environment, passed off as the session's
    environment.mkdir(parents=True)
    for part in ("bin", "lib", "pyvenv.cfg"):
        (environment / part).symlink_to(own / part)
    pinned = (checkout / "ci" / "requirements" / "release.txt").read_bytes()
    (environment / ".requirements").write_text(hashlib.sha256(pinned + sys.version.encode()).hexdigest())
    manifest = checkout / "release.yaml"
    manifest.write_text(manifest.read_text().replace("summary:", "sumary:"))
    done = subprocess.run(
        [sys.executable, "-m", "nox", "-s", "plan"], cwd=checkout, capture_output=True, text=True, check=False
    )
    assert done.returncode == 10, done.stderr
    assert 'did you mean "summary"' in done.stderr
