"""Trees in the folder of a web server: one switch, on top of the tree before it, whatever happens in between."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO

import pytest

from ci.core.errors import BusyError, HostError, UsageError, VerificationError
from ci.core.faults import hard
from ci.core.lock import exclusive
from ci.core.page_names import safe
from ci.core.web import Web
from ci.manifest.versions import parse
from ci.publish.rehearse.static import static_server
from ci.publish.target import State
from ci.publish.tree_place import read_tree
from ci.publish.trees import Tree
from tests.publish.tree_sets import files_of, make_set, read_set, seal, snapshot, target, write_record
from tests.support import ROOT

PACKAGE = "faas-runtime-{}-1.noarch.rpm"


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return make_set(tmp_path / "first", "0.1.0")


@pytest.fixture
def second(tmp_path: Path, first: Path) -> Path:
    return make_set(tmp_path / "second", "0.2.0", first)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "web").mkdir()
    return tmp_path / "web"


@pytest.fixture
def published(first: Path, place: Path) -> Path:
    """The place with the first set."""
    target(first, place).publish()
    return place


def states(tree: Tree) -> list[State]:
    return [item.state for item in tree.state()]


def test_a_tree_is_published_and_found_there(first: Path, place: Path) -> None:
    said: list[str] = []
    tree = target(first, place, said=said)
    assert not tree.preflight()
    assert states(tree) == [State.MISSING, State.MISSING]
    home = tree.place.home(tree._own()).name
    assert [one for item in tree.state() for one in item.requests] == [
        f"copy 3 files to {place}/.trees/{home}",
        f"let {place}/yum show {home}",
    ]
    assert not list(place.iterdir())  # nothing was changed
    tree.publish()
    assert states(tree) == [State.THERE, State.THERE]
    assert not any(item.requests for item in tree.state())
    assert (place / "yum").readlink() == Path(".trees", home)
    assert files_of(place / "yum") == files_of(first / "yum")
    assert said == [
        f"yum: {home}: 3 files, {tree.state()[0].size:,} bytes in 0.0 s",
        f"yum: stable shows {home}",
    ]
    tree.publish()
    assert said[2:] == [f"yum: stable shows {home} already"]


def test_the_next_tree_takes_its_place_and_the_old_one_stays(published: Path, second: Path) -> None:
    old = (published / "yum").resolve()
    tree = target(second, published)
    assert states(tree) == [State.MISSING, State.MISSING]
    tree.publish()
    assert files_of(published / "yum") == files_of(second / "yum")
    assert old.is_dir()
    assert (old / PACKAGE.format("0.1.0")).read_text() == "package 0.1.0"


def test_files_are_readable_for_every_web_server(first: Path, place: Path) -> None:
    for path in (first / "yum").rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    target(first, place, channel="testing").publish()
    modes = {oct(path.stat().st_mode & 0o777) for path in place.rglob("*") if path.is_dir()}
    assert modes == {"0o755"}
    assert {oct(path.stat().st_mode & 0o777) for path in place.rglob("*") if path.is_file()} == {"0o644"}


# What is wrong with the place or the set, and what the message says. Nothing is published, nothing overwritten.
WRONG: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "based on nothing": (
        lambda release, _: remake(release, None),
        "it shows yum-0.1.0-.*, and the new tree was made without a tree before it",
    ),
    "based on another tree": (
        lambda release, place: remake(release, make_set(place.parent / "other", "0.1.1")),
        "and the new tree was made on top of the tree",
    ),
    "a version lost": (
        lambda release, _: lose(release, PACKAGE.format("0.1.0")),
        "0.1.0-1.noarch.rpm: it is published, and missing in the new tree",
    ),
    "a version changed": (
        lambda release, _: change(release, PACKAGE.format("0.1.0")),
        "0.1.0-1.noarch.rpm: it is published with other bytes",
    ),
    "a byte of the set": (
        lambda release, _: (release / "yum" / PACKAGE.format("0.2.0")).write_text("package 0.3.0"),
        r"not the files that repositories\.sha256 lists: faas-runtime-0\.2\.0-1",
    ),
    "a file more in the set": (
        lambda release, _: (release / "yum" / "more").write_text("x"),
        r"not the files that repositories\.sha256 lists: more",
    ),
    "a link in the set": (
        lambda release, _: (release / "yum" / "more").symlink_to("tree.json"),
        "it is neither a file nor a folder",
    ),
    "the record of the set": (
        lambda release, _: remake(release, None, "0.3.0"),
        r"it is the tree of 0\.3\.0, and the set is 0\.2\.0",
    ),
    "a byte of the published tree": (
        lambda _, place: (place / "yum" / PACKAGE.format("0.1.0")).write_text("package 0.0.9"),
        "its files are not those that its tree.json was written for",
    ),
    "the published record": (
        lambda _, place: (place / "yum" / "tree.json").write_text("[]"),
        "it has no tree.json that can be read",
    ),
    "a list of the set that is no text": (
        lambda release, _: (release / "repositories.sha256").write_bytes(b"\xff\n"),
        r"repositories\.sha256: it is no text: byte 1 is not UTF-8",
    ),
    "a published list that is no text": (
        lambda _, place: (place / "yum" / "withdrawn.txt").write_bytes(b"faas\xff\n"),
        r"withdrawn\.txt: it is no text: byte 5 is not UTF-8",
    ),
    "a folder in place of the link": (
        lambda _, place: lead(place / "yum", None),
        "it is no link, so nothing can take its place in one step",
    ),
    "a link elsewhere": (
        lambda _, place: lead(place / "yum", "/"),
        "it leads to /, which is no tree",
    ),
    "a dangling link": (
        lambda _, place: shutil.rmtree((place / "yum").resolve()),
        "which is no tree",
    ),
    "no link any more": (
        lambda _, place: (place / "yum").unlink(),
        "it shows none, and the new tree was made on top of the tree",
    ),
}


def remake(release: Path, previous: Path | None, version: str = "0.2.0") -> None:
    write_record(release / "yum", version, previous and previous / "yum")
    seal(release, "0.2.0")


def lead(link: Path, target: str | None) -> None:
    link.unlink()
    if target:
        link.symlink_to(target)
    else:
        link.mkdir()


def lose(release: Path, name: str) -> None:
    (release / "yum" / name).unlink()
    remake(release, release.parent / "first")


def change(release: Path, name: str) -> None:
    (release / "yum" / name).write_text("other bytes")
    remake(release, release.parent / "first")


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_refused(published: Path, second: Path, case: str) -> None:
    damage, message = WRONG[case]
    damage(second, published)
    before = snapshot(published)
    tree = target(second, published)
    with pytest.raises(VerificationError, match=message) as refused:
        tree.publish()
    assert refused.value.hint
    (fault,) = hard(tree.preflight())
    assert fault.what == str(refused.value)
    assert fault.advice == refused.value.hint
    assert snapshot(published) == before


def test_state_tells_other_bytes(published: Path, second: Path, first: Path) -> None:
    remake(second, None)
    assert states(target(second, published)) == [State.MISSING, State.OTHER]
    (published / "yum" / PACKAGE.format("0.1.0")).write_text("package 0.0.9")
    assert states(target(first, published)) == [State.OTHER, State.OTHER]
    with pytest.raises(VerificationError, match="its files are not those"):
        target(first, published).publish()


def test_a_folder_under_the_name_of_the_tree_is_not_overwritten(first: Path, place: Path) -> None:
    tree = target(first, place)
    home = tree.place.home(tree._own())
    home.mkdir(parents=True)
    (home / "file").write_text("of somebody else")
    assert states(tree) == [State.OTHER, State.OTHER]
    with pytest.raises(VerificationError, match="it is not the tree that this name belongs to") as refused:
        tree.publish()
    assert "move it away" in refused.value.hint
    assert (home / "file").read_text() == "of somebody else"


def test_a_place_that_cannot_be_used(first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = target(first, tmp_path / "nowhere")
    for action in (tree.state, tree.publish, tree.promote):
        with pytest.raises(HostError, match="there is no such folder"):
            action()
    assert [fault.advice for fault in tree.preflight()] == ["mount it, or make it"]
    (tmp_path / "full").mkdir()
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10))
    (fault,) = target(first, tmp_path / "full").preflight()
    assert fault.what.endswith("and 10 are free")


def test_a_full_disk_leaves_nothing_behind(published: Path, second: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = snapshot(published)

    def full(*_: BinaryIO | int) -> None:
        raise OSError(28, "No space left on device", "x.rpm")

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copyfileobj", full)
        with pytest.raises(HostError, match=r"yum: x\.rpm: No space left on device"):
            target(second, published).publish()
    assert snapshot(published) == before
    target(second, published).publish()


def test_a_set_that_changes_while_it_is_copied(published: Path, second: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, copy = snapshot(published), shutil.copyfileobj

    def other(source: BinaryIO, file: BinaryIO, length: int) -> None:
        copy(source, file, length)
        file.write(b"!")

    monkeypatch.setattr(shutil, "copyfileobj", other)
    with pytest.raises(VerificationError, match="it has changed while it was copied"):
        target(second, published).publish()
    assert snapshot(published) == before


def test_two_publications_at_once(published: Path, second: Path) -> None:
    before = snapshot(published)
    with exclusive(published / ".trees" / "lock", print):
        with pytest.raises(BusyError, match=str(published)):
            target(second, published).publish()
        assert snapshot(published) == before
        assert states(target(second, published)) == [State.MISSING, State.MISSING]


def test_a_set_without_the_tree(first: Path, place: Path) -> None:
    with pytest.raises(UsageError, match="the set has no pacman/"):
        target(first, place, "pacman").publish()
    with pytest.raises(UsageError, match="no repository 'apt'"):
        target(first, place, "apt")


def test_both_repositories_lie_side_by_side(published: Path, first: Path, second: Path) -> None:
    shutil.copytree(first / "yum", second / "pacman")
    write_record(second / "pacman", "0.2.0", None)
    seal(second, "0.2.0")
    target(second, published, "pacman").publish()
    assert files_of(published / "yum") == files_of(first / "yum")
    assert files_of(published / "pacman") == files_of(second / "pacman")


def test_a_candidate_is_promoted_and_stable_never_saw_it(published: Path, second: Path, first: Path) -> None:
    candidate = target(second, published, channel="testing")
    with pytest.raises(VerificationError, match=r"testing/yum: it does not show the tree of 0\.2\.0"):
        candidate.promote()
    candidate.publish()
    assert states(candidate) == [State.THERE, State.THERE]
    assert files_of(published / "testing" / "yum") == files_of(second / "yum")
    assert files_of(published / "yum") == files_of(first / "yum")
    assert states(target(second, published)) == [State.THERE, State.MISSING]
    candidate.promote()
    assert (published / "yum").resolve() == (published / "testing" / "yum").resolve()
    after = snapshot(published)
    candidate.promote()
    candidate.publish()
    target(second, published).publish()
    assert snapshot(published) == after


def test_a_candidate_takes_the_place_of_another(published: Path, first: Path, second: Path, tmp_path: Path) -> None:
    target(second, published, channel="testing").publish()
    third = make_set(tmp_path / "third", "0.2.1", first)
    target(third, published, channel="testing").publish()
    assert files_of(published / "testing" / "yum") == files_of(third / "yum")
    fourth = make_set(tmp_path / "fourth", "0.2.2", third)  # of a tree that is not in stable
    with pytest.raises(VerificationError, match="the new tree was made on top of"):
        target(fourth, published, channel="testing").publish()
    with pytest.raises(VerificationError, match="testing/yum: it does not show"):
        target(second, published).promote()


def test_replacing_a_tree(published: Path, second: Path, tmp_path: Path) -> None:
    target(second, published, channel="testing").publish()
    target(second, published).publish()
    taken = make_set(tmp_path / "taken", "0.2.0", second)
    tree = target(second, published)
    tree.replace(taken / "yum")
    for link in (published / "yum", published / "testing" / "yum"):
        assert files_of(link) == files_of(taken / "yum")
    after = snapshot(published)
    tree.replace(taken / "yum")
    assert snapshot(published) == after
    with pytest.raises(VerificationError, match=r"it shows yum-0\.2\.0"):
        tree.publish()  # what was yanked does not return


def test_a_replacement_says_which_packages_go(published: Path, first: Path, second: Path, tmp_path: Path) -> None:
    target(second, published).publish()
    taken = make_set(tmp_path / "taken", "0.2.0", second)
    (taken / "yum" / PACKAGE.format("0.2.0")).unlink()
    write_record(taken / "yum", "0.2.0", second / "yum")
    tree = target(second, published)
    with pytest.raises(VerificationError, match="missing in the new tree"):
        tree.replace(taken / "yum")
    tree.replace(taken / "yum", gone=[PACKAGE.format("0.2.0")])
    assert files_of(published / "yum") == files_of(taken / "yum")
    (taken / "yum" / "more").write_text("x")
    with pytest.raises(VerificationError, match="its files are not those"):
        tree.replace(taken / "yum")


@pytest.mark.parametrize(
    "package",
    ["faas-runtime-0.2.0-1.noarch.rpm", "mingw-w64-ucrt-x86_64-faas-runtime-0.2.0-1-any.pkg.tar.zst"],
    ids=["rpm", "pacman"],
)
@pytest.mark.parametrize("channel", ["stable", "testing"])
def test_a_yanked_version_is_never_published_or_promoted_again(
    published: Path, first: Path, second: Path, tmp_path: Path, package: str, channel: str
) -> None:
    target(second, published, channel=channel).publish()
    if channel == "stable":
        target(second, published, channel="testing").publish()
    taken = make_set(tmp_path / "taken", "0.2.0", second, {"withdrawn.txt": f"{package}\n"})
    if channel == "stable":
        target(second, published).replace(taken / "yum")
    else:
        place = target(second, published).place
        with place.locked():
            place.add(read_tree(taken / "yum"))
            place.show("testing", read_tree(taken / "yum"))
    after = snapshot(published)
    tree = target(second, published, channel=channel)
    for step in (tree.publish, tree.promote):
        with pytest.raises(VerificationError, match=f"this version was yanked, .* leave out {re.escape(package)}"):
            step()
    for faults in (tree.preflight(), tree.preflight_promotion()):
        (fault,) = faults
        assert "this version was yanked" in fault.what
        assert (fault.advice, fault.warning) == ("take the next version", False)
    assert states(tree)[1] is State.OTHER
    assert snapshot(published) == after
    third = make_set(tmp_path / "third", "0.2.1", taken if channel == "stable" else first)
    assert target(third, published).preflight() == []  # another version is in nobody's way


@pytest.mark.parametrize("version", ["0.2.0rc1", "0.2.0.post1", "0.2.0.dev1"])
def test_a_yanked_version_is_known_by_the_name_that_its_package_has_on_a_page(
    published: Path, first: Path, tmp_path: Path, version: str
) -> None:
    package = safe(f"faas-runtime-{parse(version).rpm}-1.noarch.rpm")
    candidate = make_set(tmp_path / "candidate", version, first, {package: "package"})
    tree = target(candidate, published, channel="testing")
    tree.publish()
    taken = make_set(tmp_path / "taken", version, candidate, {package: "package", "withdrawn.txt": f"{package}\n"})
    target(candidate, published).replace(taken / "yum")
    with pytest.raises(VerificationError, match=f"this version was yanked, .* leave out {re.escape(package)}"):
        tree.publish()


def test_only_a_tree_that_a_channel_shows_can_be_promoted(published: Path, second: Path, tmp_path: Path) -> None:
    tree = target(second, published)
    (fault,) = tree.preflight_promotion()
    assert "it does not show the tree of 0.2.0" in fault.what
    assert "nox -s publish -- --channel testing" in fault.advice
    target(second, published, channel="testing").publish()
    assert tree.preflight_promotion() == []
    tree.promote()
    assert tree.preflight_promotion() == []
    other = make_set(tmp_path / "other", "0.3.0")
    (fault,) = target(other, published).preflight_promotion()
    assert "it shows yum-0.2.0" in fault.what


def test_a_candidate_beside_a_replacement_stays_and_is_named(
    published: Path, first: Path, second: Path, tmp_path: Path
) -> None:
    target(second, published, channel="testing").publish()
    taken = make_set(tmp_path / "taken", "0.1.0", first)
    said: list[str] = []
    target(first, published, said=said).replace(taken / "yum")
    assert files_of(published / "testing" / "yum") == files_of(second / "yum")
    assert "publish a new candidate there" in said[-1]


def test_nothing_is_replaced_where_nothing_is(first: Path, place: Path) -> None:
    with pytest.raises(VerificationError, match="nothing is there"):
        target(first, place).replace(first / "yum")


def test_a_client_sees_the_old_tree_or_the_new_one(published: Path, first: Path, second: Path, tmp_path: Path) -> None:
    third = make_set(tmp_path / "third", "0.3.0", second)
    seen, end = [], threading.Event()
    with static_server(published) as server, Web(name="client", say=print) as web:

        def read() -> None:
            while not end.is_set():
                seen.append(web.ask("GET", f"{server.origin}/yum/repodata/repomd.xml", "index").body.decode())

        client = threading.Thread(target=read)
        client.start()
        for release in (second, third):
            count = len(seen)
            while len(seen) == count:
                pass
            target(release, published).publish()
            count = len(seen)
            while len(seen) < count + 2:
                pass
        end.set()
        client.join()
    order = list(dict.fromkeys(seen))
    assert order == ["index of 0.1.0", "index of 0.2.0", "index of 0.3.0"]
    assert seen == sorted(seen)


@pytest.mark.parametrize(
    "path", ["/yum", "/", "/nothing", "/../first/version", "/%2e%2e/first/version", "/%00", "/out"]
)
def test_the_static_server_lists_nothing_and_leads_nowhere(published: Path, path: str) -> None:
    (published / "out").symlink_to(published.parent / "first" / "version")
    with static_server(published) as server, Web(name="client", say=print) as web:
        assert web.ask("GET", server.origin + path, "page", expect=(404,)).body == b""
        assert web.ask("POST", f"{server.origin}/yum/tree.json", "page", expect=(405,)).status == 405


def run_program(action: str, release: Path, place: Path, channel: str, step: int = 0) -> int:
    """Run the process; returns how many steps it took, 0 if it was killed."""
    argv = [sys.executable, "-m", "tests.publish.tree_program", action, release, place, "yum", channel, step]
    words = [str(word) for word in argv]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return int(done.stdout.split()[-1]) if done.returncode == 0 else 0


class KilledAtStep:
    """Kills a publication at a step, in a fresh copy of a place, and runs it again."""

    def __init__(self, tmp_path: Path, action: str, release: Path, before: Path, channel: str) -> None:
        self._run = (action, release, tmp_path / "killed", channel)
        self._before, self._place = before, tmp_path / "killed"
        self._link = self._place / "yum" if channel == "stable" else self._place / channel / "yum"
        self._trees = [{}, files_of(release / "yum")]
        old = before / self._link.relative_to(self._place)
        if old.exists():
            self._trees[0] = files_of(old)
        self._prepare()
        self.steps = run_program(*self._run)
        self.undisturbed = snapshot(self._place)

    def _prepare(self) -> None:
        shutil.rmtree(self._place, ignore_errors=True)
        shutil.copytree(self._before, self._place, symlinks=True)

    def at(self, step: int) -> None:
        """Kill it right before a step."""
        self._prepare()
        assert run_program(*self._run, step) == 0
        assert files_of(self._link) in self._trees  # never half a tree, and never none where there was one
        assert run_program(*self._run) > 0
        assert snapshot(self._place) == self.undisturbed
        assert files_of(self._link) == self._trees[1]


def test_killed_at_some_steps(published: Path, second: Path, tmp_path: Path) -> None:
    killed = KilledAtStep(tmp_path, "publish", second, published, "stable")
    for step in (killed.steps // 2, killed.steps - 1, killed.steps):
        killed.at(step)


@pytest.mark.long
@pytest.mark.parametrize("case", ["first", "stable", "testing", "promote"])
def test_killed_at_every_step(place: Path, first: Path, second: Path, tmp_path: Path, case: str) -> None:
    if case != "first":
        target(first, place).publish()
    if case == "promote":
        target(second, place, channel="testing").publish()
    action = "promote" if case == "promote" else "publish"
    release = first if case == "first" else second
    killed = KilledAtStep(tmp_path, action, release, place, "testing" if case == "testing" else "stable")
    assert killed.steps >= (3 if case == "promote" else 15)
    for step in range(1, killed.steps + 1):
        killed.at(step)


def test_a_set_is_read_with_its_list(first: Path, place: Path) -> None:
    found = read_set(first)
    (first / "repositories.sha256").write_text("")
    with pytest.raises(VerificationError, match="its bytes have changed since the set was checked"):
        Tree(name="yum", release=found, folder=place, say=print).publish()
