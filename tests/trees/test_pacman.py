"""The pacman trees: the same bytes twice, on top of the tree before it, and what pacman refuses of it."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from ci.core import tree_record
from ci.core.errors import CommandFailed, VerificationError
from ci.core.run import Runner
from ci.manifest.release import Release
from ci.release import pacman
from tests.support import program
from tests.trees.packages import Key, making, msys2, released

ENVIRONMENT = "ucrt64"
PACKAGE = "mingw-w64-ucrt-x86_64-faas-runtime"
CONFIG = """\
[options]
Architecture = auto
SigLevel = Required DatabaseRequired

[faas-runtime]
Server = file://{}
"""


@pytest.fixture(scope="session")
def trusting(tmp_path_factory: pytest.TempPathFactory, key: Key, stranger: Key) -> Path:
    """The keyring of a client that trusts the key, and knows the stranger's without trusting it."""
    home = tmp_path_factory.mktemp("keyring")
    command = [program("pacman-key"), "--gpgdir", str(home)]
    for words in (
        ["--init"],
        ["--add", str(key.public)],
        ["--lsign-key", key.fingerprint],
        ["--add", str(stranger.public)],
    ):
        subprocess.run([*command, *words], check=True, capture_output=True)
    return home


def install(run: Runner, client: Path, tree: Path, trusting: Path) -> None:
    """Install the package into an empty root; nothing of this machine's own pacman is read."""
    for name in ("root", "database", "cache"):
        (client / name).mkdir(parents=True)
    (client / "pacman.conf").write_text(CONFIG.format(tree / ENVIRONMENT))
    run(
        *("pacman", "--config", client / "pacman.conf", "--root", client / "root", "--dbpath", client / "database"),
        *(
            "--cachedir",
            client / "cache",
            "--gpgdir",
            trusting,
            "--hookdir",
            client,
            "--logfile",
            client / "pacman.log",
        ),
        *("--noconfirm", "-Sy", PACKAGE),
    )


def refusal(run: Runner, client: Path, tree: Path, trusting: Path) -> str:
    with pytest.raises(CommandFailed):
        install(run, client, tree, trusting)
    assert not (client / "root" / "version").exists()
    return run.log.read_text()


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory, release: Release, key: Key) -> Path:
    """The tree of an earlier version, which was the first."""
    folder = tmp_path_factory.mktemp("older")
    run, before = Runner(log=folder / "log"), released(release, "0.1.0rc1", -30)
    package = msys2(folder / "build", before, run, key)
    pacman.make(folder / "pacman", [package], None, making(key, before, folder / "scratch", folder, run))
    return folder / "pacman"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory, release: Release, key: Key) -> Path:
    folder = tmp_path_factory.mktemp("package")
    return msys2(folder / "build", release, Runner(log=folder / "log"), key)


@pytest.fixture
def tree(tmp_path: Path, release: Release, key: Key, package: Path, older: Path, run: Runner) -> Path:
    """The tree of this version on top of the older one."""
    made = tmp_path / "pacman"
    pacman.make(made, [package], older, making(key, release, tmp_path / "scratch", tmp_path, run))
    return made


def test_pacman_installs_the_newest_and_the_older_stays(
    tree: Path, tmp_path: Path, trusting: Path, run: Runner
) -> None:
    install(run, tmp_path / "client", tree, trusting)
    assert (tmp_path / "client" / "root" / "version").read_text() == "0.1.0-1\n"
    older = tree / ENVIRONMENT / f"{PACKAGE}-0.1.0rc1-1-any.pkg.tar.zst"
    assert older.exists()
    assert older.with_name(f"{older.name}.sig").exists()
    with tarfile.open(tree / ENVIRONMENT / "faas-runtime.db") as database:
        assert {member.name.partition("/")[0] for member in database} == {f"{PACKAGE}-0.1.0-1"}


def test_an_older_version_does_not_replace_a_newer_one(
    tmp_path: Path, release: Release, key: Key, tree: Path, run: Runner
) -> None:
    late = released(release, "0.0.9.post1", 3)
    made = tmp_path / "late"
    package = msys2(tmp_path / "build", late, run, key)
    pacman.make(made, [package], tree, making(key, late, tmp_path / "scratch", tmp_path, run))
    with tarfile.open(made / ENVIRONMENT / "faas-runtime.db") as database:
        assert {member.name.partition("/")[0] for member in database} == {f"{PACKAGE}-0.1.0-1"}


@pytest.mark.parametrize("kind", ["db", "package"])
def test_pacman_refuses_what_was_changed(tree: Path, tmp_path: Path, trusting: Path, kind: str, run: Runner) -> None:
    changed = tree / ENVIRONMENT / ("faas-runtime.db" if kind == "db" else f"{PACKAGE}-0.1.0-1-any.pkg.tar.zst")
    data = bytearray(changed.read_bytes())
    data[len(data) // 2] ^= 1
    changed.write_bytes(data)
    said = refusal(run, tmp_path / "client", tree, trusting)
    assert ("database" if kind == "db" else "invalid or corrupted package") in said


def test_a_package_that_our_key_has_not_signed_is_refused(
    tree: Path, tmp_path: Path, release: Release, key: Key, stranger: Key, trusting: Path, run: Runner
) -> None:
    foreign = msys2(tmp_path / "foreign", release, run, stranger)
    settings = making(key, release, tmp_path / "scratch", tmp_path, run)
    with pytest.raises(VerificationError, match=r"no key of packages\.asc has signed it"):
        pacman.require_signed([foreign], settings)
    for path in (foreign, foreign.with_name(f"{foreign.name}.sig")):
        shutil.copyfile(path, tree / ENVIRONMENT / path.name)
    pacman.index(tree / ENVIRONMENT, [tree / ENVIRONMENT / foreign.name], settings)  # the databases are right
    assert "unknown trust" in refusal(run, tmp_path / "client", tree, trusting)


def test_a_package_without_a_signature_is_refused(
    tree: Path, tmp_path: Path, release: Release, key: Key, package: Path, trusting: Path, run: Runner
) -> None:
    plain = Path(shutil.copyfile(package, tmp_path / package.name))
    settings = making(key, release, tmp_path / "scratch", tmp_path, run)
    with pytest.raises(VerificationError, match=r"\.sig is missing beside it"):
        pacman.make(tmp_path / "other", [plain], None, settings)
    place = tree / ENVIRONMENT / package.name
    place.with_name(f"{place.name}.sig").unlink()
    pacman.index(tree / ENVIRONMENT, [place], settings)
    assert f"{package.name}.sig" in refusal(run, tmp_path / "client", tree, trusting)


def test_the_same_tree_is_made_twice(
    tree: Path, tmp_path: Path, release: Release, key: Key, package: Path, older: Path, run: Runner
) -> None:
    copy = Path(shutil.copytree(older, tmp_path / "elsewhere", copy_function=shutil.copyfile))  # with other times
    pacman.make(tmp_path / "again", [package], copy, making(key, release, tmp_path / "scratch", tmp_path, run))
    assert tree_record.listing(tmp_path / "again") == tree_record.listing(tree)


def test_it_is_the_tree_after_the_older_one(tree: Path, older: Path) -> None:
    assert tree_record.read_record(tree)["previous"] == tree_record.hash_of(older)
    assert "previous" not in tree_record.read_record(older)


def test_a_withdrawn_version_is_not_offered_and_its_files_stay(
    tree: Path, tmp_path: Path, release: Release, key: Key, trusting: Path, run: Runner
) -> None:
    settings = making(key, release, tmp_path / "scratch", tmp_path, run)
    without = tmp_path / "without"
    assert pacman.withdraw(without, tree, release.version, settings)
    install(run, tmp_path / "client", without, trusting)
    assert (tmp_path / "client" / "root" / "version").read_text() == "0.1.0rc1-1\n"
    assert {path.name for path in tree.glob("*/*.zst")} == {path.name for path in without.glob("*/*.zst")}
    assert tree_record.read_record(without)["version"] == "0.1.0rc1"  # what it offers, not what was withdrawn
    assert not pacman.withdraw(tmp_path / "again", without, release.version, settings)


def test_the_only_version_is_withdrawn(older: Path, tmp_path: Path, release: Release, key: Key, run: Runner) -> None:
    settings = making(key, release, tmp_path / "scratch", tmp_path, run)
    only = released(release, "0.1.0rc1").version
    assert pacman.withdraw(tmp_path / "without", older, only, settings)
    assert tree_record.read_record(tmp_path / "without")["version"] == str(only)  # there is no other
    with tarfile.open(tmp_path / "without" / ENVIRONMENT / "faas-runtime.db") as database:
        assert not [member for member in database if member.isfile()]
