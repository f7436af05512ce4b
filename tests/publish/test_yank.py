"""The command `yank`: it reaches each channel, finishes what a killed run has left, and fails before it begins."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import tarfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from ci.command_line import parse
from ci.commands import yanking
from ci.commands.yanking import Yank, key_named, time_of, yank_at
from ci.core import tree_record
from ci.core.console import Console
from ci.core.errors import HostError, PreflightError, ReleaseError, UsageError
from ci.core.openpgp import end_agent
from ci.core.run import Runner
from ci.manifest.reader import load
from ci.manifest.release import PackageKey, Release
from ci.publish import vex
from ci.publish.every_target import Publication
from ci.publish.github import GitHub
from ci.publish.ledger import PublicationLedger
from ci.publish.target import Item, State, Target
from ci.publish.tree_place import Place
from ci.release import pacman, yum
from tests.keys import signing_keys
from tests.publish import image_sets
from tests.publish.tree_sets import read_set, seal, snapshot, target
from tests.support import ROOT
from tests.trees.packages import Key, making, msys2, released, rpm

NOW = 1_798_000_000  # after the days of all versions
OLD, YANKED, LATER = "0.0.9", "0.1.0", "0.2.0"
Sets = dict[str, Path]


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Key]:
    with signing_keys(tmp_path_factory.mktemp("keys") / "keys") as found:
        yield Key(keys=found, fingerprint=found.fingerprint, public=found.public)


@pytest.fixture(scope="module")
def release(key: Key) -> Release:
    found = released(load(ROOT / "release.yaml"), YANKED)
    fingerprints, until = (key.fingerprint, key.keys.stranger), dt.date(2100, 1, 1)
    keys = [PackageKey(openpgp=one, file="ci/keys/packages.asc", until=until) for one in fingerprints]
    return dataclasses.replace(found, keys=dataclasses.replace(found.keys, packages=tuple(keys)))


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory, release: Release, key: Key) -> Sets:
    """A set for each version, with both trees, each on top of the ones before."""
    folder, found = tmp_path_factory.mktemp("sets"), {}
    run, previous = Runner(log=folder / "log"), None
    for days, version in enumerate((OLD, YANKED, LATER)):
        one, work, made = released(release, version, days), folder / f"work-{version}", folder / version
        settings = making(key, one, work, folder, run)
        yum.make(made / "yum", [rpm(work / "rpm", one, run, key)], previous and previous / "yum", settings)
        package = msys2(work / "msys2", one, run, key)
        pacman.make(made / "pacman", [package], previous and previous / "pacman", settings)
        previous = found[version] = seal(made, version)
    return found


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "web").mkdir()
    return tmp_path / "web"


@pytest.fixture
def one(tmp_path: Path, release: Release, sets: Sets, key: Key) -> Yank:
    return a_yank(tmp_path, release, sets, key)


def a_yank(folder: Path, release: Release, sets: Sets, key: Key, epoch: int = NOW) -> Yank:
    scratch = folder / f"scratch-{epoch}-{len(list(folder.iterdir()))}"
    scratch.mkdir(parents=True)
    run = Runner(log=folder / "log")
    found = Publication(
        release=release,
        found=read_set(sets[YANKED]),
        tag_object="1" * 40,
        notes="",
        testing=False,
        ledger=PublicationLedger(folder / "publish.json", YANKED),
        scratch=scratch,
        run=run,
        say=print,
    )
    gpg = dataclasses.replace(key.gpg(release, run), epoch=epoch)
    return Yank(found=found, gpg=gpg, key=release.keys.packages[0], reason="It crashes.")


def channels(place: Path, name: str) -> dict[str, Path]:
    links = {"stable": place / name, "testing": place / "testing" / name}
    return {channel: link.resolve() for channel, link in links.items() if link.exists()}


def publish(sets: Sets, place: Path, name: str, *, stable: str, testing: str = "") -> None:
    """Let channels show the trees of some versions."""
    for version in (OLD, YANKED, LATER)[: (OLD, YANKED, LATER).index(stable) + 1]:
        target(sets[version], place, name).publish()
    if testing:
        target(sets[testing], place, name, "testing").publish()


def yanked_names(tree: Path) -> set[str]:
    return {name for name in tree_record.withdrawn(tree) if f"-{YANKED}-" in name}


@pytest.mark.parametrize("name", ["yum", "pacman"])
def test_a_tree_that_only_testing_shows_is_replaced(sets: Sets, place: Path, one: Yank, name: str) -> None:
    publish(sets, place, name, stable=OLD, testing=YANKED)
    before = channels(place, name)
    yank_at(one, [target(sets[YANKED], place, name)], Console())
    after = channels(place, name)
    assert after["stable"] == before["stable"]
    assert yanked_names(after["testing"])
    record, base = (tree_record.read_record(tree) for tree in (after["testing"], before["testing"]))
    assert (record["version"], record["previous"]) == (OLD, base["listing"])


def test_each_channel_gets_a_tree_on_top_of_its_own(sets: Sets, place: Path, one: Yank) -> None:
    publish(sets, place, "yum", stable=YANKED, testing=LATER)
    before = channels(place, "yum")
    yank_at(one, [target(sets[YANKED], place)], Console())
    after = channels(place, "yum")
    assert [tree_record.read_record(tree)["version"] for tree in after.values()] == [OLD, LATER]
    for channel, tree in after.items():
        assert yanked_names(tree)
        assert tree_record.read_record(tree)["previous"] == tree_record.hash_of(before[channel])


@pytest.mark.parametrize("stopped", ["show stable", "show testing"])
@pytest.mark.parametrize("later", [0, 86_400 * 3], ids=["same-time", "later"])
def test_what_a_killed_run_left_is_finished_without_a_second_tree(
    sets: Sets, place: Path, one: Yank, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stopped: str, later: int
) -> None:
    publish(sets, place, "yum", stable=YANKED, testing=YANKED)
    show = Place.show

    def killed(self: Place, channel: str, tree: object) -> None:
        if f"show {channel}" == stopped:
            raise KeyboardInterrupt
        show(self, channel, tree)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(Place, "show", killed)
        with pytest.raises(KeyboardInterrupt):
            yank_at(one, [target(sets[YANKED], place)], Console())
    held = set((place / ".trees").glob("yum-*"))
    again = dataclasses.replace(one, gpg=dataclasses.replace(one.gpg, epoch=NOW + later))
    for _ in range(2):
        yank_at(again, [target(sets[YANKED], place)], Console())
        after = channels(place, "yum")
        assert after["stable"] == after["testing"]
        assert yanked_names(after["stable"])
        assert set((place / ".trees").glob("yum-*")) == held


@pytest.mark.parametrize("name", ["yum", "pacman"])
def test_a_tree_that_another_key_has_signed_is_made_again(sets: Sets, place: Path, one: Yank, name: str) -> None:
    publish(sets, place, name, stable=YANKED)
    shown = channels(place, name)["stable"]
    tree = target(sets[YANKED], place, name)
    yank_at(one, [tree], Console())
    held = one.withdrawal(tree)._held(shown)
    assert held == channels(place, name)["stable"]
    other = dataclasses.replace(one, key=one.found.release.keys.packages[1])
    assert other.withdrawal(tree)._held(shown) is None


def test_a_repeated_run_has_the_time_of_the_first(
    sets: Sets, tmp_path: Path, release: Release, key: Key, one: Yank
) -> None:
    trees = []
    for number, yank in enumerate((one, a_yank(tmp_path, release, sets, key, epoch=NOW))):
        web = tmp_path / f"web-{number}"
        web.mkdir()
        publish(sets, web, "yum", stable=YANKED)
        yank_at(yank, [target(sets[YANKED], web)], Console())
        trees.append(tree_record.listing(channels(web, "yum")["stable"]))
        assert time_of(PublicationLedger(tmp_path / "publish.json", YANKED)) == NOW
    assert trees[0] == trees[1]
    assert time_of(PublicationLedger(tmp_path / "other.json", YANKED)) != NOW


def test_the_metadata_are_never_older_than_those_that_they_replace(
    sets: Sets, place: Path, release: Release, key: Key, tmp_path: Path
) -> None:
    publish(sets, place, "yum", stable=LATER)
    before = yum.time_of(channels(place, "yum")["stable"])
    earlier = a_yank(tmp_path, release, sets, key, epoch=before - 12 * 3600)  # begun before that was published
    yank_at(earlier, [target(sets[YANKED], place)], Console())
    after = channels(place, "yum")["stable"]
    assert yanked_names(after)
    assert yum.time_of(after) == before > 0


def test_a_dry_run_shows_each_channel_and_changes_nothing(
    sets: Sets, place: Path, one: Yank, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    publish(sets, place, "yum", stable=OLD, testing=YANKED)
    before = snapshot(place)
    yank_at(one, [target(sets[YANKED], place)], Console(), dry_run=True)
    printed = capsys.readouterr().out
    assert "stable: nothing, the metadata of yum-0.0.9" in printed
    assert f"testing: leave faas-runtime-{YANKED}-1.noarch.rpm out of the metadata of yum-{YANKED}" in printed
    assert snapshot(place) == before
    assert one.found.ledger.get("yank", "time") == ""


def without_home(one: Yank, tmp_path: Path) -> Yank:
    return dataclasses.replace(one, gpg=dataclasses.replace(one.gpg, home=tmp_path / "nowhere"))


def without_key(one: Yank, tmp_path: Path) -> Yank:
    (tmp_path / "empty").mkdir(mode=0o700)
    return dataclasses.replace(one, gpg=dataclasses.replace(one.gpg, home=tmp_path / "empty"))


def wrong_passphrase(one: Yank, tmp_path: Path) -> Yank:
    end_agent(one.gpg.home, one.gpg.run)  # it knows the right one
    (tmp_path / "wrong").write_text("this-is-not-the-passphrase\n")
    return dataclasses.replace(one, gpg=dataclasses.replace(one.gpg, passphrase=tmp_path / "wrong"))


def no_passphrase_file(one: Yank, tmp_path: Path) -> Yank:
    return dataclasses.replace(one, gpg=dataclasses.replace(one.gpg, passphrase=tmp_path / "missing"))


def ended(one: Yank, _: Path) -> Yank:
    return dataclasses.replace(one, key=dataclasses.replace(one.key, until=one.found.release.date.replace(year=2020)))


def unknown_to_clients(one: Yank, _: Path) -> Yank:
    return dataclasses.replace(one, key=key_named(one.found.release, one.found.release.keys.packages[1].openpgp))


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (without_home, "nowhere: there is no such folder"),
        (without_key, "there is no key"),
        (wrong_passphrase, "it cannot sign: signing failed"),
        (no_passphrase_file, "the passphrase cannot be read"),
        (ended, "it was to sign until 2020-"),
        (unknown_to_clients, "its clients do not know the key"),
    ],
    ids=["home", "key", "passphrase", "no-file", "ended", "unknown"],
)
def test_a_key_that_cannot_sign_stops_it_before_anything_is_changed(
    sets: Sets, place: Path, one: Yank, tmp_path: Path, broken: Callable[[Yank, Path], Yank], said: str
) -> None:
    publish(sets, place, "yum", stable=YANKED)
    before = snapshot(place)
    with pytest.raises(PreflightError, match=said) as raised:
        yank_at(broken(one, tmp_path), [target(sets[YANKED], place)], Console())
    assert raised.value.exit_code == 19
    assert "gpg:" not in str(raised.value)
    assert snapshot(place) == before


class ToyPage(GitHub):
    """A page that notes what it is asked for, and fails where it is told to."""

    done: list[str]
    fails: str

    def __init__(self, name: str, done: list[str], fails: str = "") -> None:
        for field, value in {"name": name, "done": done, "fails": fails}.items():
            object.__setattr__(self, field, value)

    def state(self) -> Sequence[Item]:
        if self.fails == "state":
            raise HostError("it is out of reach", hint="wait")
        return [Item(name="page", state=State.THERE)]

    def yank(self, reason: str) -> str:
        if self.fails == "yank":
            raise HostError("it broke off", hint="wait")
        self.done.append(f"{self.name}: {reason}")
        return "it was yanked"


def test_all_that_stands_in_the_way_is_told_at_once(
    sets: Sets, place: Path, one: Yank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("yum", "pacman"):
        publish(sets, place, name, stable=YANKED)
    done: list[str] = []
    toys: list[Target] = [ToyPage("github", done, "state"), ToyPage("tap", done)]
    trees = [target(sets[YANKED], place, name) for name in ("yum", "pacman")]
    monkeypatch.setattr("shutil.which", lambda name: None if name in ("createrepo_c", "repo-add") else f"/bin/{name}")
    with pytest.raises(PreflightError) as raised:
        yank_at(without_home(one, tmp_path), [*toys, *trees], Console())
    for said in (
        "4 faults keep",
        "github: it is out",
        "createrepo_c: not found",
        "repo-add: not found",
        "nowhere: there",
    ):
        assert said in str(raised.value)
    assert not done


def test_servers_that_are_away_are_no_fault_of_the_yank(one: Yank) -> None:
    done: list[str] = []
    with pytest.raises(HostError, match="one fault keeps this version from being yanked\ngithub: it is out"):
        yank_at(one, [ToyPage("github", done, "state"), ToyPage("tap", done)], Console())
    assert not done


def test_an_error_names_the_target_and_what_was_done_is_shown(one: Yank, capsys: pytest.CaptureFixture[str]) -> None:
    done: list[str] = []
    toys = [ToyPage("github", done), ToyPage("registry", done, "yank"), ToyPage("tap", done)]
    with pytest.raises(ReleaseError, match="registry: it broke off; not begun: github") as raised:
        yank_at(one, toys, Console())
    assert raised.value.hint == "wait"
    assert done == ["tap: It crashes."]
    printed = capsys.readouterr().out
    assert "What was done before yanking 0.1.0 stopped" in printed
    assert "tap" in printed


def test_the_first_key_signs_or_the_one_that_is_named(release: Release) -> None:
    first, second = release.keys.packages
    assert key_named(release, None) == first
    assert key_named(release, second.openpgp) == second
    with pytest.raises(UsageError, match=r"--key 00: release\.yaml does not list this key"):
        key_named(release, "00")


def test_the_options_of_the_command() -> None:
    chosen = parse(["yank", YANKED, "--reason", "It crashes.", "--dry-run", "--key", "A"])
    assert (chosen.dry_run, chosen.key) == (True, "A")
    chosen = parse(["yank", YANKED, "--reason", "It crashes."])
    assert (chosen.dry_run, chosen.key) == (False, None)


def test_a_statement_names_what_the_registry_has_by_digest(tmp_path: Path) -> None:
    found = image_sets.make(tmp_path / "set")
    urls = vex.products(found, "ghcr.io/owner")
    top = json.loads(image_index_of(tmp_path / "set"))["manifests"][0]["digest"].replace(":", "%3A")
    assert f"pkg:oci/faas-runtime@{top}?repository_url=ghcr.io/owner/faas-runtime" in urls
    assert len(urls) == 3
    index = next(file for file in found.files if file.kind == "image-index")
    listed = {"artifacts": [{"name": index.name, "kind": "image-index", "digest": f"sha256:{'1' * 64}"}]}
    urls = vex.products(dataclasses.replace(found, document=listed), "ghcr.io/owner")
    assert f"pkg:oci/faas-runtime@sha256%3A{'1' * 64}?repository_url=ghcr.io/owner/faas-runtime" in urls


def image_index_of(folder: Path) -> bytes:
    with tarfile.open(next(folder.glob("*.oci-index.tar"))) as archive:
        member = archive.extractfile("index.json")
        assert member is not None
        return member.read()


@pytest.mark.parametrize(
    ("kind", "name", "url"),
    [
        ("rpm", "faas-runtime-0.1.0~rc1-1.noarch.rpm", "pkg:rpm/faas-runtime@0.1.0~rc1-1?arch=noarch"),
        ("rpm-devel", "faas-runtime-devel-0.1.0-1.noarch.rpm", "pkg:rpm/faas-runtime-devel@0.1.0-1?arch=noarch"),
        ("crate", "faas-function-0.2.0-rc.1.crate", "pkg:cargo/faas-function@0.2.0-rc.1"),
        ("wheel", "faas_runtime-0.1.0-py3-none-any.whl", "pkg:pypi/faas-runtime@0.1.0"),
        (
            "lambda-layer",
            "faas-runtime-0.1.0-lambda-layer-x86_64.zip",
            "pkg:generic/faas-runtime@0.1.0?file_name=faas-runtime-0.1.0-lambda-layer-x86_64.zip",
        ),
        (
            "msys2",
            "mingw-w64-ucrt-x86_64-faas-runtime-0.1.0-1-any.pkg.tar.zst",
            "pkg:alpm/msys/mingw-w64-ucrt-x86_64-faas-runtime@0.1.0-1?arch=any",
        ),
    ],
    ids=["rpm", "devel", "crate", "wheel", "layer", "msys2"],
)
def test_a_statement_names_packages(kind: str, name: str, url: str) -> None:
    assert vex._package(name, kind) == url


def test_a_statement_has_the_time_of_the_yank(tmp_path: Path, one: Yank) -> None:
    found = dataclasses.replace(one.found, found=image_sets.make(tmp_path / "set"))
    fixed = dataclasses.replace(one, found=found, fixed_in="0.1.1")
    document = json.loads(yanking._vex(fixed) or b"")
    assert document["timestamp"] == "2026-12-23T04:26:40Z"
    assert all("@sha256%3A" in product["@id"] for product in document["statements"][0]["products"])
