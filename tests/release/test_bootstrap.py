"""`ci/bootstrap` and the noxfile: what a person types first."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT, copy_checkout, search_path
from tests.waiting import wait_until

BOOTSTRAP = ROOT / "ci" / "bootstrap"
# What the script itself is made of; everything else counts as missing.
POSIX = ["sh", "cat", "dirname", "id", "sort", "tr", "printf", "rm", "sed"]


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


def link_environment(target: Path) -> None:
    """This test's own environment, passed off as another one."""
    target.mkdir(parents=True)
    for part in ("bin", "lib", "pyvenv.cfg"):
        (target / part).symlink_to(Path(sys.prefix) / part)


def pass_off_environment(checkout: Path) -> None:
    """Let `ci/bootstrap` find a `.venv` that it need not make."""
    link_environment(checkout / ".venv")
    version = f"Python {'.'.join(map(str, sys.version_info[:3]))}"
    pinned = (checkout / "ci" / "requirements" / "nox.txt").read_text()
    (checkout / ".venv" / ".requirements").write_text(f"{checkout}\n{version}\n{pinned}")


def pass_off_session(checkout: Path) -> None:
    """Let the noxfile find an environment of the release sessions that it need not make."""
    link_environment(checkout / ".nox" / "release")
    pinned = (checkout / "ci" / "requirements" / "release.txt").read_bytes()
    wanted = hashlib.sha256(pinned + sys.version.encode()).hexdigest()
    (checkout / ".nox" / "release" / ".requirements").write_text(wanted)


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
    search_path(bare_path, without=["rpmbuild", "sudo", "apt-get"])
    stand_in_manager(bare_path, "apt-get", tmp_path / "calls")
    (bare_path / "sudo").write_text('#!/bin/sh\nexec "$@"\n')
    (bare_path / "sudo").chmod(0o755)
    checkout = copy_checkout(tmp_path / "checkout")
    pass_off_environment(checkout)
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
    assert "Python 3.11 or later is not on PATH" in done.stderr


def test_the_script_is_sound() -> None:
    subprocess.run(["shellcheck", "--shell=sh", "--severity=style", BOOTSTRAP], check=True)


def test_nox_ends_with_the_exit_code_of_what_it_ran(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path / "checkout")
    pass_off_session(checkout)
    manifest = checkout / "release.yaml"
    manifest.write_text(manifest.read_text().replace("summary:", "sumary:"))
    done = subprocess.run(
        [sys.executable, "-m", "nox", "-s", "plan"], cwd=checkout, capture_output=True, text=True, check=False
    )
    assert done.returncode == 10, done.stderr
    assert 'did you mean "summary"' in done.stderr


STAND_IN_PYTHON = """#!/bin/sh
case "$1 ${2-}" in
    "-I "*/ci/make_environment.py) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && echo made >>"${0%/*}/made" ;;
    "-m nox") echo "$@" ;;
    "-V ") echo Python 3.11.2 ;;
esac
"""


def test_the_environment_is_made_again_where_it_no_longer_fits(bare_path: Path, tmp_path: Path) -> None:
    for name in ("mkdir", "cp"):
        (bare_path / name).symlink_to(shutil.which(name) or name)
    python, made = bare_path / "python3", bare_path / "made"
    python.unlink()
    python.write_text(STAND_IN_PYTHON)
    python.chmod(0o755)
    checkout = copy_checkout(tmp_path / "checkout")

    def makes_anew(checkout: Path) -> bool:
        made.unlink(missing_ok=True)
        done = bootstrap(bare_path, "plan", "--", "--json", script=checkout / "ci" / "bootstrap")
        assert done.stdout == f"-m nox -f {checkout}/noxfile.py -s plan -- --json\n", done.stderr
        return made.exists()

    assert makes_anew(checkout)
    assert not makes_anew(checkout)
    moved = checkout.rename(tmp_path / "moved")
    assert makes_anew(moved)
    inside = moved / ".venv" / "bin" / "python"
    inside.write_text(inside.read_text().replace("3.11.2", "3.12.0"))
    assert makes_anew(moved)
    inside.unlink()
    assert makes_anew(moved)
    with (moved / "ci" / "requirements" / "nox.txt").open("a") as pinned:
        pinned.write("# another one\n")
    assert makes_anew(moved)
    assert not makes_anew(moved)


def test_a_search_path_takes_links_that_lead_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "dangling").symlink_to("nowhere")
        (tmp_path / name / "left-out").touch()
    monkeypatch.setenv("PATH", f"{tmp_path}/first{os.pathsep}{tmp_path}/absent{os.pathsep}{tmp_path}/second")
    folder = search_path(tmp_path / "bin", without=["left-out"])
    assert [path.name for path in folder.iterdir()] == ["dangling"]
    assert (folder / "dangling").readlink() == tmp_path / "first" / "dangling"


STAND_IN_CI = """
import signal, sys, time
from pathlib import Path

def end(number, frame):
    time.sleep(0.5)
    Path("ended").write_text(signal.Signals(number).name)
    sys.exit(130)

for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, end if "handles" in sys.argv else signal.SIG_DFL)
Path("begun").touch()
signal.pause()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("handles", [True, False])
def test_nox_hands_signals_on_and_waits(tmp_path: Path, number: signal.Signals, handles: bool) -> None:
    checkout = copy_checkout(tmp_path / "checkout")
    pass_off_session(checkout)
    (checkout / "ci" / "__main__.py").write_text(STAND_IN_CI)
    argv = [sys.executable, "-m", "nox", "-s", "snapshot", "--", *(["handles"] if handles else [])]
    with subprocess.Popen(argv, cwd=checkout, start_new_session=True) as nox:
        wait_until((checkout / "begun").exists, "nox has not started the program")
        nox.send_signal(number)
        code = nox.wait(20)
    assert code == (130 if handles else 128 + number)
    assert not handles or (checkout / "ended").read_text() == number.name


def test_making_an_environment_can_be_interrupted(tmp_path: Path) -> None:
    script = ROOT / "ci" / "make_environment.py"
    argv = [sys.executable, "-I", str(script), str(tmp_path / "made"), str(ROOT / "ci" / "requirements" / "nox.txt")]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as making:
        assert making.stderr is not None
        assert making.stderr.readline().startswith("making ")
        making.send_signal(signal.SIGINT)
        said = making.stderr.read()
    assert making.returncode == 130
    assert "Traceback" not in said
