"""What changes on a public release page: it is promoted, yanked, and has the mark "latest" or passes it on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.core.errors import UnavailableError, VerificationError
from ci.publish.target import State
from tests.publish.github_support import FILES, REPOSITORY, Rehearsal, make_draft, ours, rehearsal, states


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Rehearsal]:
    with rehearsal(tmp_path) as found:
        yield found


def test_a_maintenance_release_leaves_the_mark_where_it_is(at: Rehearsal) -> None:
    at.publish_version("0.3.0")
    at.target().publish()
    latest = at.releases.latest()
    assert latest is not None
    assert latest.tag == "v0.3.0"


@pytest.mark.parametrize("step", ["publish", "promote"])
@pytest.mark.parametrize(
    "newer",
    [{"prerelease": True}, {"body": "## Yanked\n\nIt breaks."}, {"draft": True}],
    ids=["prerelease", "yanked", "draft"],
)
def test_only_a_full_release_keeps_the_mark_from_an_older_one(
    at: Rehearsal, newer: dict[str, object], step: str
) -> None:
    at.publish_version("0.3.0", **newer)
    at.target(prerelease=step == "promote").publish()
    if step == "promote":
        at.target().promote()
    assert at.releases.latest() == ours(at)


def test_a_candidate_is_promoted_and_only_then_the_latest(at: Rehearsal) -> None:
    at.target(prerelease=True).publish()
    before = at.releases.latest()
    assert before is not None
    assert before.tag == "v0.1.0"
    files = list(ours(at).assets)
    at.target().promote()
    assert (ours(at).prerelease, ours(at).assets) == (False, files)
    assert at.releases.latest() == ours(at)
    newer = at.publish_version("0.3.0")
    at.target().promote()  # repeated: the mark is not taken back
    latest = at.releases.latest()
    assert latest is not None
    assert latest.id == newer


def test_a_promoted_maintenance_release_is_not_the_latest(at: Rehearsal) -> None:
    newer = at.publish_version("0.3.0")
    at.target(prerelease=True).publish()
    at.target().promote()
    latest = at.releases.latest()
    assert latest is not None
    assert (latest.id, ours(at).prerelease) == (newer, False)


def test_only_what_is_public_is_promoted_or_yanked(at: Rehearsal) -> None:
    make_draft(at)
    before = at.end_state()
    with pytest.raises(UnavailableError, match=r"has no public release of v0\.2\.0"):
        at.target().promote()
    assert at.target().yank("It breaks.") == (f"{REPOSITORY} has no public release of v0.2.0: there is nothing to yank")
    assert at.end_state() == before


def test_a_yanked_release_stays_and_passes_the_mark_on(at: Rehearsal) -> None:
    for version in ("0.1.10", "0.1.9"):
        at.publish_version(version)
    at.publish_version("0.1.11", prerelease=True)
    at.publish_version("0.1.12", body="## Yanked\r\n\r\nToo.")
    at.releases.create({"tag_name": "nightly", "make_latest": "false"})
    at.releases.create({"tag_name": "v0.13.0", "draft": True})
    at.target().publish()
    said = at.target().yank("It loses the last event.\n")
    assert said == 'the notes say so; the mark "latest" is at v0.1.10 now'
    assert ours(at).notes == "## Yanked\n\nIt loses the last event.\n\nWhat is new.\n"
    assert {asset.name: asset.data for asset in ours(at).assets} == FILES
    latest = at.releases.latest()
    assert latest is not None
    assert latest.tag == "v0.1.10"
    before, sent = at.end_state(), len(at.server.seen)
    assert at.target().yank("It loses the last event.") == "the notes said so already"
    assert at.end_state() == before
    assert all(line.startswith("GET ") for line in at.server.seen[sent:])


def test_another_reason_takes_the_place_of_the_first(at: Rehearsal) -> None:
    at.target(notes="What is new.\n\nAnd more.\n").publish()
    at.target().yank("It loses the last event.")
    assert at.target().yank("It loses every event.") == "the notes give this reason in the place of another"
    assert ours(at).notes == "## Yanked\n\nIt loses every event.\n\nWhat is new.\n\nAnd more.\n"
    ours(at).notes = "## Yanked\r\n\r\n### New\r\n\r\nWhat is new."  # by hand, and without a reason
    at.target().yank("It breaks.")
    assert ours(at).notes == "## Yanked\n\nIt breaks.\n\n### New\n\nWhat is new.\n"


def test_a_reason_may_begin_with_the_number_of_an_issue(at: Rehearsal) -> None:
    at.target(notes="What is new.\n").publish()
    at.target().yank("#42: it loses the last event.")
    assert at.target().yank("#42: it loses the last event.") == "the notes said so already"
    assert ours(at).notes == "## Yanked\n\n#42: it loses the last event.\n\nWhat is new.\n"


@pytest.mark.parametrize("prerelease", [False, True], ids=["full", "in testing"])
def test_a_yanked_version_is_never_published_or_promoted_again(at: Rehearsal, prerelease: bool) -> None:
    at.target(prerelease=prerelease).publish()
    at.target().yank("It breaks.")
    before = at.end_state()
    for step in (at.target(prerelease=prerelease).publish, at.target().publish, at.target().promote):
        with pytest.raises(VerificationError, match="this version was yanked") as failed:
            step()
        assert failed.value.hint == "take the next version"
    for faults in (at.target(prerelease=prerelease).preflight(), at.target().preflight_promotion()):
        (fault,) = faults
        assert fault.what.endswith("this version was yanked")
        assert (fault.advice, fault.warning) == ("take the next version", False)
    assert states(at.target())["release"] is State.OTHER
    assert at.end_state() == before


def test_what_is_in_testing_is_promoted_and_not_published_again(at: Rehearsal) -> None:
    at.target(prerelease=True).publish()
    assert at.target(prerelease=True).preflight() == at.target().preflight_promotion() == []
    (fault,) = at.target().preflight()
    assert "it is in testing" in fault.what
    assert fault.advice == "nox -s promote -- 0.2.0"
    with pytest.raises(VerificationError, match="it is in testing"):
        at.target().publish()
    assert states(at.target())["release"] is State.OTHER
    at.target().promote()
    assert at.target().preflight() == at.target().preflight_promotion() == []
    assert states(at.target())["release"] is State.THERE
    (fault,) = at.target(prerelease=True).preflight()
    assert "everybody has it already" in fault.advice


def test_only_what_is_public_and_whole_can_be_promoted(at: Rehearsal) -> None:
    make_draft(at, **FILES)
    (fault,) = at.target().preflight_promotion()
    assert "has no public release of v0.2.0" in fault.what
    at.target(prerelease=True).publish()
    ours(at).assets.pop()
    (fault,) = at.target().preflight_promotion()
    assert "is missing there" in fault.what


def test_the_mark_is_put_right_by_a_repeated_publication(at: Rehearsal) -> None:
    at.target().publish()
    older = at.publish_version("0.1.1")  # and it has taken the mark
    latest = at.releases.latest()
    assert latest is not None
    assert latest.id == older
    at.target().publish()
    assert at.releases.latest() == ours(at)


def test_a_release_that_is_not_the_latest_is_yanked_without_moving_the_mark(at: Rehearsal) -> None:
    at.publish_version("0.3.0")
    at.target().publish()
    assert at.target().yank("It breaks.") == "the notes say so"
    latest = at.releases.latest()
    assert latest is not None
    assert latest.tag == "v0.3.0"


def test_the_only_release_keeps_the_mark_when_it_is_yanked(at: Rehearsal) -> None:
    at.target().publish()
    del at.releases.pages[1]
    kept = 'it keeps the mark "latest": there is no other release that could have it'
    assert at.target().yank("It breaks.") == f"the notes say so; {kept}"
    assert at.target().yank("It breaks.") == f"the notes said so already; {kept}"
    assert ours(at).notes.startswith("## Yanked\n\nIt breaks.\n")
    assert 'github: no other release can get the mark "latest"' in at.said
