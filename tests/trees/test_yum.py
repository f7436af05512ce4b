"""The yum tree: the same bytes twice, on top of the tree before it, and what dnf refuses of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ci.core import tree_record
from ci.core.errors import CommandFailed, UsageError, VerificationError
from ci.core.run import Runner
from ci.manifest.release import Release
from ci.release import yum
from tests.trees.packages import Key, making, released, rpm


def dnf(run: Runner, folder: Path, tree: Path, *words: str) -> str:
    """Run dnf on an empty root, with the repository's own file of settings."""
    (folder / "root").mkdir(parents=True, exist_ok=True)
    settings = (f"reposdir={tree}", f"cachedir={folder / 'cache'}", f"logdir={folder}", f"persistdir={folder}")
    options = [f"--setopt={setting}" for setting in settings]
    return run.output("dnf", "-y", f"--installroot={folder / 'root'}", "--releasever=1", *options, *words)


def refusal(run: Runner, folder: Path, tree: Path) -> str:
    with pytest.raises(CommandFailed):
        dnf(run, folder, tree, "install", "faas-runtime")
    return run.log.read_text()


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory, release: Release, key: Key) -> Path:
    """The tree of an earlier version, which was the first."""
    folder = tmp_path_factory.mktemp("older")
    run, before = Runner(log=folder / "log"), released(release, "0.0.9", -30)
    package = rpm(folder / "build", before, run, key)
    yum.make(folder / "yum", [package], None, making(key, before, folder / "scratch", folder, run))
    return folder / "yum"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory, release: Release, key: Key) -> Path:
    folder = tmp_path_factory.mktemp("package")
    return rpm(folder / "build", release, Runner(log=folder / "log"), key)


@pytest.fixture
def tree(tmp_path: Path, release: Release, key: Key, package: Path, older: Path, run: Runner) -> Path:
    """The tree of this version on top of the older one."""
    made = tmp_path / "yum"
    yum.make(made, [package], older, making(key, release, tmp_path / "scratch", tmp_path, run))
    return made


def test_dnf_installs_both_versions(tree: Path, tmp_path: Path, run: Runner) -> None:
    dnf(run, tmp_path / "client", tree, "install", "faas-runtime-0.0.9")
    dnf(run, tmp_path / "client", tree, "upgrade")
    assert (tmp_path / "client" / "root" / "srv" / "version").read_text() == "0.1.0\n"


def test_dnf_refuses_changed_metadata(tree: Path, tmp_path: Path, run: Runner) -> None:
    index = tree / "repodata" / "repomd.xml"
    index.write_text(index.read_text().replace("</repomd>", " </repomd>"))
    assert "repomd.xml GPG signature verification error" in refusal(run, tmp_path / "client", tree)


@pytest.mark.parametrize(("fault", "said"), [("unsigned", "is not signed"), ("foreign", "Public key for")])
def test_a_package_that_our_key_has_not_signed_is_refused(
    tree: Path, tmp_path: Path, release: Release, key: Key, stranger: Key, run: Runner, fault: str, said: str
) -> None:
    foreign = rpm(tmp_path / fault, release, run, stranger if fault == "foreign" else None)
    with pytest.raises(VerificationError, match=r"no key of packages\.asc has signed it"):
        yum.require_signed([foreign], key.public, run)
    shutil.copyfile(foreign, tree / foreign.name)
    yum.index(tree, making(key, release, tmp_path / "scratch", tmp_path, run))  # the metadata is right
    assert said in refusal(run, tmp_path / "client", tree)


def test_a_damaged_package_is_refused(tree: Path, tmp_path: Path, key: Key, package: Path, run: Runner) -> None:
    damaged = tmp_path / package.name
    data = bytearray(package.read_bytes())
    data[-40] ^= 1
    damaged.write_bytes(data)
    with pytest.raises(VerificationError, match=package.name):
        yum.require_signed([damaged], key.public, run)
    shutil.copyfile(damaged, tree / package.name)
    assert "has incorrect checksum" in refusal(run, tmp_path / "client", tree)


def test_the_same_tree_is_made_twice(
    tree: Path, tmp_path: Path, release: Release, key: Key, package: Path, older: Path, run: Runner
) -> None:
    copy = Path(shutil.copytree(older, tmp_path / "elsewhere", copy_function=shutil.copyfile))  # with other times
    yum.make(tmp_path / "again", [package], copy, making(key, release, tmp_path / "scratch", tmp_path, run))
    assert tree_record.listing(tmp_path / "again") == tree_record.listing(tree)


def test_the_tree_names_the_one_before_it(tree: Path, older: Path, release: Release) -> None:
    first, record = (json.loads((one / "tree.json").read_bytes()) for one in (older, tree))
    assert first["previous"] is None
    assert record == {
        "format": 1,
        "version": str(release.version),
        "previous": first["listing"],
        "listing": tree_record.hash_of(tree),
    }


def test_what_the_index_before_names_stays(tree: Path, older: Path) -> None:
    metadata = {path.name for path in (older / "repodata").glob("*.xml.gz")}
    assert metadata < {path.name for path in (tree / "repodata").iterdir()}
    assert len(list((tree / "repodata").glob("*.gz"))) == 2 * len(metadata)


def test_a_published_name_keeps_its_bytes(
    tmp_path: Path, release: Release, key: Key, stranger: Key, tree: Path, run: Runner
) -> None:
    other = rpm(tmp_path / "other", release, run, stranger)
    with pytest.raises(VerificationError, match="has it with other bytes"):
        yum.make(tmp_path / "next", [other], tree, making(key, release, tmp_path / "scratch", tmp_path, run))


def test_only_a_complete_previous_tree_is_accepted(
    tmp_path: Path, release: Release, key: Key, package: Path, older: Path, run: Runner
) -> None:
    copy = Path(shutil.copytree(older, tmp_path / "copy"))
    settings = making(key, release, tmp_path / "scratch", tmp_path, run)
    next(copy.glob("*.rpm")).unlink()
    with pytest.raises(VerificationError, match="its files are not those"):
        yum.make(tmp_path / "yum", [package], copy, settings)
    (copy / "tree.json").unlink()
    with pytest.raises(UsageError, match=r"has no tree\.json"):
        yum.make(tmp_path / "yum", [package], copy, settings)


def offered(tree: Path, made: Path) -> Path:
    """Put a tree in the place of another one, at the address that clients know."""
    shutil.rmtree(tree)
    return made.rename(tree)


def test_a_withdrawn_version_is_not_offered_and_its_files_stay(
    tree: Path, tmp_path: Path, release: Release, key: Key, run: Runner
) -> None:
    settings = making(key, release, tmp_path / "scratch", tmp_path, run)
    before, packages = tree_record.hash_of(tree), {path.name for path in tree.glob("*.rpm")}
    assert yum.withdraw(tmp_path / "made", tree, release.version, settings)
    without = offered(tree, tmp_path / "made")
    with pytest.raises(CommandFailed):
        dnf(run, tmp_path / "client", without, "install", "faas-runtime-0.1.0")
    dnf(run, tmp_path / "client", without, "install", "faas-runtime")
    assert (tmp_path / "client" / "root" / "srv" / "version").read_text() == "0.0.9\n"
    assert {path.name for path in without.glob("*.rpm")} == packages
    record = tree_record.read_record(without)
    assert (record["version"], record["previous"]) == ("0.0.9", before)  # what it offers, not what was withdrawn
    assert not yum.withdraw(tmp_path / "again", without, release.version, settings)
    assert not (tmp_path / "again").exists()


def test_what_was_withdrawn_stays_so_in_later_trees(
    tree: Path, tmp_path: Path, release: Release, key: Key, run: Runner
) -> None:
    without, later = tmp_path / "without", released(release, "0.2.0", 1)
    yum.withdraw(without, tree, release.version, making(key, release, tmp_path / "scratch", tmp_path, run))
    package = rpm(tmp_path / "later", later, run, key)
    yum.make(tmp_path / "made", [package], without, making(key, later, tmp_path / "scratch", tmp_path, run))
    found = offered(tree, tmp_path / "made")
    listed = dnf(run, tmp_path / "client", found, "repoquery", "--qf", "%{version}", "faas-runtime")
    assert set(listed.split()) & {"0.0.9", "0.1.0", "0.2.0"} == {"0.0.9", "0.2.0"}


def test_a_candidate_is_withdrawn_whatever_its_file_is_called(
    older: Path, tmp_path: Path, release: Release, key: Key, run: Runner
) -> None:
    candidate = released(release, "0.1.0rc1")
    built = rpm(tmp_path / "build", candidate, run, key)
    named = built.rename(built.with_name(built.name.replace("~", ".")))  # as the page of a release has it
    settings = making(key, candidate, tmp_path / "scratch", tmp_path, run)
    yum.make(tmp_path / "yum", [named], older, settings)
    assert yum.offered(tmp_path / "yum", candidate.version, settings) == {named.name}
    assert yum.withdraw(tmp_path / "without", tmp_path / "yum", candidate.version, settings)
    assert tree_record.withdrawn(tmp_path / "without") == {named.name}
    assert tree_record.read_record(tmp_path / "without")["version"] == "0.0.9"
