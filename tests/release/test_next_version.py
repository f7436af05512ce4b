"""What the words of `nox -s bump` mean, and that what they lead to goes up in every ecosystem."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.version import Version as Pep440

from ci.core.errors import ToolError, UsageError
from ci.core.run import Runner
from ci.manifest.versions import Version, parse
from ci.release import next_version
from ci.release.version_order import require_goes_up
from tests.support import program, search_path

WORDS = ["major", "minor", "patch", "rc", "final", "dev", "minor rc", "patch dev", "major rc"]


def wanted(words: str, current: str, *tags: str) -> str:
    return str(next_version.wanted(words.split(), parse(current), next_version.of_tags(tags)))


@pytest.mark.parametrize(
    ("words", "current", "tags", "expected"),
    [
        ("0.3.0", "0.1.0", (), "0.3.0"),
        ("0.3.0.post1", "0.1.0", (), "0.3.0.post1"),
        ("major", "0.1.0", (), "1.0.0"),
        ("minor", "0.1.0", (), "0.2.0"),
        ("patch", "0.1.0", (), "0.1.1"),
        ("minor", "1.2", (), "1.3"),
        ("minor", "1.2.3.4", (), "1.3.0.0"),
        # From the newest final tag, whatever is open.
        ("patch", "0.1.1.dev0", ("v0.1.0",), "0.1.1"),
        ("minor", "0.1.1.dev0", ("v0.1.0",), "0.2.0"),
        ("minor", "0.2.0rc1", ("v0.1.0", "v0.2.0rc1"), "0.2.0"),
        ("patch", "0.1.0.post1", ("v0.1.0", "v0.1.0.post1"), "0.1.1"),
        ("minor rc", "0.1.0", ("v0.1.0",), "0.2.0rc1"),
        ("minor dev", "0.1.0", ("v0.1.0",), "0.2.0.dev0"),
        # What is a tag of a version, and what is none.
        ("patch", "0.1.0", ("v0.1.0", "0.9.0", "v0.9.0-rc1", "version", "vv1.0.0", "v"), "0.1.1"),
        # The next release candidate.
        ("rc", "0.2.0.dev0", ("v0.1.0",), "0.2.0rc1"),
        ("rc", "0.2.0a3", (), "0.2.0rc1"),
        ("rc", "0.2.0b1.dev0", (), "0.2.0rc1"),
        ("rc", "0.2.0rc1", (), "0.2.0rc2"),
        ("rc", "0.2.0rc2.dev0", (), "0.2.0rc2"),
        ("rc", "0.2.0rc1.post1", (), "0.2.0rc2"),
        ("rc", "0.2.0rc1.post1.dev0", (), "0.2.0rc2"),
        ("rc", "0.2.0rc9", (), "0.2.0rc10"),
        ("final", "0.2.0rc2", (), "0.2.0"),
        ("final", "0.2.0.dev0", (), "0.2.0"),
        ("final", "0.2.0rc1.post1", (), "0.2.0"),
        ("final", "0.2.0.post1.dev0", (), "0.2.0.post1"),
        ("final", "0.1.0", (), "0.1.0"),
        # The next version is open.
        ("dev", "0.1.0", ("v0.1.0",), "0.1.1.dev0"),
        ("dev", "0.1.0.post1", (), "0.1.1.dev0"),
        ("dev", "0.2.0rc1", (), "0.2.0rc2.dev0"),
        ("dev", "0.2.0rc1.post1", (), "0.2.0rc2.dev0"),
        ("dev", "1.2", (), "1.3.dev0"),
    ],
)
def test_meaning(words: str, current: str, tags: tuple[str, ...], expected: str) -> None:
    assert wanted(words, current, *tags) == expected


@pytest.mark.parametrize(
    ("words", "current", "said"),
    [
        ("rc", "0.1.0", "rc: 0.1.0 is final already, and a release candidate of it would be older than 0.1.0"),
        ("rc", "0.1.0.post1.dev0", "rc: 0.1.0 is final already"),
        ("dev", "0.1.1.dev0", "dev: 0.1.1.dev0 is open already"),
        ("patch", "1.2", "patch: 1.2 has 2 numbers, and patch is number 3"),
        ("minor patch", "0.1.0", "minor patch: not one version"),
        ("rc dev", "0.1.0", "rc dev: not one version"),
        ("0.2.0 rc", "0.1.0", "0.2.0 rc: not one version"),
        ("minor rc dev", "0.1.0", "minor rc dev: not one version"),
        ("v0.2.0", "0.1.0", "'v0.2.0' is not in the canonical form; write \"0.2.0\""),
        ("next", "0.1.0", "'next' is not a version in PEP 440 form"),
        ("1!0.2.0", "0.1.0", "'1!0.2.0' has an epoch"),
    ],
)
def test_words_without_a_meaning(words: str, current: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        wanted(words, current)
    assert str(caught.value).startswith(said)
    assert caught.value.hint


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """For the package managers, both of which have to be here."""
    assert program("rpm")
    assert program("vercmp")
    return Runner(log=tmp_path_factory.mktemp("order") / "log")


@pytest.mark.parametrize(
    ("version", "tags", "said"),
    [
        ("0.1.0", ["v0.1.0"], "0.1.0 does not go up: v0.1.0 is an ancestor of this commit"),
        ("0.1.0rc1", ["v0.1.0"], "0.1.0rc1 does not go up"),
        ("0.1.9", ["v0.1.0", "v0.2.0rc1"], "0.1.9 does not go up: v0.2.0rc1"),
        ("0.2", ["v0.1.0"], "0.2 has not as many numbers as 0.1.0"),
        ("0.1.0.1", ["v0.1.0"], "0.1.0.1 has not as many numbers as 0.1.0"),
    ],
)
def test_what_does_not_go_up(version: str, tags: list[str], said: str, run: Runner) -> None:
    with pytest.raises(UsageError) as caught:
        require_goes_up(parse(version), next_version.of_tags(tags), run)
    assert str(caught.value).startswith(said)


def test_without_a_tag_any_version_is_right(run: Runner) -> None:
    require_goes_up(parse("0.0.0.dev0"), [], run)


@pytest.mark.parametrize(("absent", "manager"), [("rpm", "rpm"), ("vercmp", "pacman")])
def test_an_order_that_nobody_here_knows_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Runner, absent: str, manager: str
) -> None:
    monkeypatch.setenv("PATH", str(search_path(tmp_path / "programs", without=[absent])))
    require_goes_up(parse("0.2.0"), [], run)  # there is nothing to compare with
    with pytest.raises(ToolError, match=f"{absent}: not found on PATH; {manager}'s order is not known") as told:
        require_goes_up(parse("0.2.0"), [parse("0.1.0")], run)
    assert "ci/bootstrap" in told.value.hint


@pytest.mark.parametrize(("manager", "answer"), [("rpm", "-1"), ("rpm", "0"), ("vercmp", "-1")])
def test_a_package_manager_that_orders_otherwise_is_heard(
    manager: str, answer: str, run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / manager
    program.write_text(f"#!/bin/sh\necho {answer}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    name = {"vercmp": "pacman"}.get(manager, manager)
    with pytest.raises(UsageError, match=rf"^0\.2\.0 does not go up for {name}: it does not order 0\.2\.0 after 0\.1"):
        require_goes_up(parse("0.2.0"), [parse("0.1.0")], run)


NUMBER = st.integers(0, 12)
versions = st.builds(
    lambda numbers, pre, post, dev: parse(
        ".".join(map(str, numbers))
        + ("" if pre is None else f"{pre[0]}{pre[1]}")
        + ("" if post is None else f".post{post}")
        + ("" if dev is None else f".dev{dev}")
    ),
    st.lists(NUMBER, min_size=3, max_size=3),
    st.one_of(st.none(), st.tuples(st.sampled_from(["a", "b", "rc"]), NUMBER)),
    st.one_of(st.none(), NUMBER),
    st.one_of(st.none(), NUMBER),
)


@given(current=versions, word=st.sampled_from(["rc", "final", "dev"]))
def test_what_follows_the_manifests_version_is_later(current: Version, word: str) -> None:
    try:
        found = next_version.wanted([word], current, [])
    except UsageError:
        return
    assert found > current or (word == "final" and found == current)
    assert found.is_open == (word == "dev")
    assert (Pep440(str(found)).is_prerelease) == (word != "final")


@given(current=versions, released=st.lists(versions, min_size=1), part=st.sampled_from(next_version.PARTS))
def test_a_part_is_the_nearest_such_version_after_all_final_ones(
    current: Version, released: list[Version], part: str
) -> None:
    final = [version for version in released if not Pep440(str(version)).is_prerelease]
    found = next_version.wanted([part], current, released)
    assert all(found > version for version in final)
    place = next_version.PARTS.index(part)
    numbers = [int(number) for number in str(found).split(".")]
    assert numbers[place + 1 :] == [0] * (2 - place)
    before = ".".join(map(str, [*numbers[:place], numbers[place] - 1, *numbers[place + 1 :]]))
    assert parse(before) <= (max(final) if final else parse(current.release))


few = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=8))
@few
def test_a_history_of_bumps_goes_up_for_every_package_manager(words: list[str], run: Runner) -> None:
    """What is refused is left out; what is not is released, unless it is only opened."""
    current, released, refused = parse("0.1.0"), [parse("0.1.0")], []
    for one in words:
        try:
            current = next_version.wanted(one.split(), current, released)
            require_goes_up(current, released, run)
        except UsageError as error:
            refused.append(str(error))
            continue
        if not current.is_open:
            released.append(current)
    assert released == sorted(set(released))
    assert not [reason for reason in refused if " does not go up for " in reason]
