"""The MSYS2 packages in a stand-in root: pacman's own hooks compile, clean up and leave nothing behind."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from ci.builders.msys2 import copy_from_user, give_to_user, jobs, probe
from ci.core.errors import CommandFailed, VerificationError
from ci.core.run import Runner
from ci.manifest import dist_paths
from ci.manifest.msys2 import ENVIRONMENTS
from ci.pipeline.jobs import Project, Verdict
from ci.verify import msys2 as verify_msys2
from ci.verify.check import BuiltFunction
from tests.packages.support import build, check_of, open_project

CODE = Path("ucrt64/lib/faas-runtime/faas_runtime")


def stand_in_python(folder: Path, version: str) -> Path:
    """A package that stands in for MSYS2's Python: the root's own interpreter under the environment's name."""
    path = folder / f"python-{version}.pkg.tar"
    name = f"{ENVIRONMENTS['ucrt64'].package_prefix}-python"
    info = f"pkgname = {name}\npkgver = {version}-1\narch = any\nsize = 0\nbuilddate = 1\n".encode()
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo(".PKGINFO")
        member.size = len(info)
        archive.addfile(member, io.BytesIO(info))
        for command in ("python", "python.exe"):
            link = tarfile.TarInfo(f"ucrt64/bin/{command}")
            link.type, link.linkname = tarfile.SYMTYPE, "/usr/bin/python3.11"
            archive.addfile(link)
    return path


def pacman(run: Runner, root: Path, *words: str | Path) -> None:
    config = root.parent / "pacman.conf"
    config.write_text("[options]\nArchitecture = auto\nSigLevel = Never\n")
    database = root / "var" / "lib" / "pacman"
    database.mkdir(parents=True, exist_ok=True)
    places = ("--config", config, "--root", root, "--dbpath", database, "--cachedir", root.parent / "cache")
    run("pacman", *places, "--noconfirm", *words)


def package(project: Project, environment: str = "ucrt64") -> Path:
    return project.dist / dist_paths.msys2(project.release, environment)


def require_compiled(root: Path) -> None:
    sources = [path for path in (root / CODE).rglob("*.py") if not path.is_relative_to(root / CODE / "recipes")]
    compiled = set((root / CODE).rglob("__pycache__/*"))
    for name in ("commands/main.py", "emulator/cli.py", "sandbox/pool.py", "http_server/messages.py"):
        assert root / CODE / name in sources
    start_file = root / CODE / "__pycache__" / "start.cpython-311"
    modules = {path.parent / "__pycache__" / f"{path.stem}.cpython-311.pyc" for path in sources}
    assert compiled == modules | {start_file}
    assert (root / CODE / "payload.sha256").read_bytes() in start_file.read_bytes()


@pytest.fixture
def root(stand_in_root: Path) -> Path:
    """A root without Debian's name for Python, where the MSYS2 packages' own is to be used."""
    return stand_in_root


def test_the_life_of_a_package(built: Project, older: Project, root: Path, tmp_path: Path, run: Runner) -> None:
    pacman(run, root, "-U", stand_in_python(tmp_path, "3.14.0"), package(older))
    require_compiled(root)
    version = run.output("chroot", root, "/ucrt64/bin/faas-runtime", "--version")
    assert version == f"faas-runtime {older.release.version}\n"

    pacman(run, root, "-U", package(built))
    require_compiled(root)
    for gone in ("gone.py", "emulator/gone.py", "past"):
        assert not (root / CODE / gone).exists()

    for folder in (CODE, CODE / "commands", CODE / "emulator"):
        (root / folder / "__pycache__" / "serving.cpython-310.pyc").touch()
    (root / CODE / "__pycache__" / "start.cpython-310").touch()
    pacman(run, root, "-U", stand_in_python(tmp_path, "3.15.0"))
    require_compiled(root)

    pacman(run, root, "-R", f"{ENVIRONMENTS['ucrt64'].package_prefix}-{built.release.name}")
    left = [path for path in (root / "ucrt64").rglob("*") if path.name not in ("python", "python.exe", "bin")]
    assert left == []
    assert "failed to execute" not in run.log.read_text()


def test_a_python_that_is_too_old_or_absent_is_refused(built: Project, root: Path, tmp_path: Path, run: Runner) -> None:
    for words in ((package(built),), (stand_in_python(tmp_path, "3.8.0"), package(built))):
        with pytest.raises(CommandFailed, match=r"python>=3\.9"):
            pacman(run, root, "-U", *words)


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_the_script_is_clean_and_hands_arguments_on(built: Project, tmp_path: Path, run: Runner, shell: str) -> None:
    run("bsdtar", "-xf", package(built), "-C", tmp_path)
    script = tmp_path / "ucrt64" / "bin" / "faas-runtime"
    run("shellcheck", "--norc", script)
    python = script.parent / "python"
    python.write_text("#!/bin/sh\nprintf '<%s>' \"$@\"\n")
    python.chmod(0o755)
    said = run.output(shell, script, "two words", "*")
    assert said == f"<-IS><-X><utf8><{script.parent}/../lib/faas-runtime/bin/faas-runtime><two words><*>"


@pytest.mark.parametrize("environment", sorted(ENVIRONMENTS))
def test_verification_accepts_what_was_built(
    built: Project, c_function: BuiltFunction, tmp_path: Path, environment: str
) -> None:
    path = package(built, environment)
    check = check_of(built, "msys2", path, tmp_path / "check", c_function, environment=environment)
    assert verify_msys2.verify(check) == Verdict(untried=("the .cmd was not started: no Windows here",))


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (CODE / "serving.py", "serving.py \\(SHA256 checksum mismatch"),
        (CODE / "more.py", "not expected .*more.py"),
        (Path("ucrt64/bin/faas-runtime.exe"), "not expected .*faas-runtime.exe"),
    ],
)
def test_verification_refuses_other_files(
    built: Project, c_function: BuiltFunction, tmp_path: Path, run: Runner, path: Path, said: str
) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    run("bsdtar", "-xpf", package(built), "-C", tree)
    (tree / path).write_text("spoilt")
    spoilt = tmp_path / "msys2" / package(built).name
    spoilt.parent.mkdir()
    names = sorted(one.name for one in tree.iterdir())
    run("bsdtar", "-caf", spoilt, "--uid", "0", "--gid", "0", "-C", tree, *names)
    with pytest.raises((CommandFailed, VerificationError), match=said):
        verify_msys2.verify(check_of(built, "msys2", spoilt, tmp_path / "check", c_function))


def test_there_is_a_job_for_each_environment_of_the_manifest(built: Project) -> None:
    found = jobs(built.with_facts(probe(built)))
    assert [job.id for job in found] == [f"msys2-{name}" for name in built.release.msys2.environments]


def test_without_a_function_nothing_passes(built: Project, tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match="there is no function that it could run"):
        verify_msys2.verify(check_of(built, "msys2", package(built), tmp_path / "check"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands anything over")
def test_what_is_handed_over_is_inside_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "folder"
    outside.mkdir()
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "file").touch()
    (folder / "a" / "link").symlink_to(outside)
    order: list[Path] = []
    real = os.chown

    def chown(path: Path, uid: int, gid: int, *, follow_symlinks: bool = True) -> None:
        order.append(Path(path))
        real(path, uid, gid, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(os, "chown", chown)
    give_to_user(folder)
    assert outside.stat().st_uid == 0
    assert set(order) == {folder, *folder.rglob("*")}
    assert {path.lstat().st_uid for path in order} == {65534}
    assert all(order.index(path) < order.index(path.parent) for path in order if path != folder)


def test_only_a_file_is_taken_back(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"package")
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "fifo")
    for name in ("link", "fifo", "absent"):
        with pytest.raises(VerificationError, match="makepkg made "):
            copy_from_user(tmp_path / name, tmp_path / "copy")
    copy_from_user(tmp_path / "file", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"package"


def test_makepkg_takes_no_other_tarball(built: Project, tmp_path: Path) -> None:
    dist = tmp_path / "dist"
    shutil.copytree(built.dist, dist, ignore=shutil.ignore_patterns(".state"))
    tarball = dist / "sdist" / built.release.sdist_name
    tarball.write_bytes(tarball.read_bytes() + b"\0")
    with pytest.raises(CommandFailed, match="did not pass the validity check"):
        build(open_project(built.root, dist), "msys2")
