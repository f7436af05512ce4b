"""The release page on GitHub: what is found, what is sent, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from ci.core.errors import HostError, ReleaseError, UnavailableError, VerificationError
from ci.publish import github as module
from ci.publish.rehearse.github_pages import StoredAsset, StoredPage, StoredTag
from ci.publish.rehearse.server import Reply, Request
from ci.publish.target import State, Target
from tests.publish.github_support import (
    COMMIT,
    FILES,
    REPOSITORY,
    TAG,
    TAG_OBJECT,
    TOKEN,
    Rehearsal,
    make_draft,
    make_set,
    ours,
    rehearsal,
    states,
    target_of,
)


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Rehearsal]:
    with rehearsal(tmp_path) as found:
        yield found


def test_everything_is_public_at_once_and_only_at_the_end(at: Rehearsal) -> None:
    at.server.after = lambda number, request: at.said.append(f"{request} {at.releases.public(TAG) is not None}")
    target = at.target()
    assert target.preflight() == []
    at.said.clear()
    target.publish()
    page = ours(at)
    assert (page.title, page.notes, page.draft, page.prerelease) == (
        "faas-runtime 0.2.0", "What is new.\n", False, False,
    )  # fmt: skip
    assert {asset.name: asset.data for asset in page.assets} == FILES
    latest = at.releases.latest()
    assert latest is not None
    assert latest.tag == TAG
    requests = [line for line in at.said if line.startswith(("GET", "P", "DELETE"))]
    assert [line for line in requests if not line.startswith("GET")] == [
        f"POST /repos/{REPOSITORY}/releases False",
        *[f"POST /uploads/repos/{REPOSITORY}/releases/{page.id}/assets False"] * 3,
        f"PATCH /repos/{REPOSITORY}/releases/{page.id} True",
    ]
    assert len(requests) == 18
    uploads = [line for line in at.said if " bytes in " in line]
    assert [line.partition(" bytes")[0] for line in uploads] == [
        f"github: {name}: {len(data)}" for name, data in sorted(FILES.items())
    ]
    assert json.loads((at.folder / "publish.json").read_bytes())["targets"]["github"] == {}


def test_the_state_has_the_requests_of_a_dry_run(at: Rehearsal) -> None:
    target = at.target()
    items = target.state()
    releases = f"/repos/{REPOSITORY}/releases"
    assert [(item.name, item.state, item.requests, item.size) for item in items] == [
        ("draft", State.MISSING, (f"POST {releases}",), 0),
        ("SHA256SUMS", State.MISSING, (f"POST {releases}/{{release_id}}/assets?name=SHA256SUMS",), 14),
        ("faas-runtime-0.2.0.tar.gz", State.MISSING,
         (f"POST {releases}/{{release_id}}/assets?name=faas-runtime-0.2.0.tar.gz",), 12000),
        ("libstdc++-0.2.0-1.noarch.rpm", State.MISSING,
         (f"POST {releases}/{{release_id}}/assets?name=libstdc%2B%2B-0.2.0-1.noarch.rpm",), 10240),
        ("release", State.MISSING, (f"PATCH {releases}/{{release_id}}",), 0),
    ]  # fmt: skip
    page = make_draft(at, SHA256SUMS=FILES["SHA256SUMS"])
    broken = at.releases.upload(page, "faas-runtime-0.2.0.tar.gz", "", b"the sou", whole=False)
    found = {item.name: item for item in target.state()}
    assert found["draft"].state is found["SHA256SUMS"].state is State.THERE
    assert found["draft"].requests == found["SHA256SUMS"].requests == ()
    assert found["faas-runtime-0.2.0.tar.gz"].state is State.BROKEN
    assert found["faas-runtime-0.2.0.tar.gz"].requests == (
        f"DELETE {releases}/assets/{broken.id}",
        f"POST {releases}/{page.id}/assets?name=faas-runtime-0.2.0.tar.gz",
    )
    assert found["release"].requests == (f"PATCH {releases}/{page.id}",)
    assert all(line.startswith("GET ") for line in at.server.seen)
    target.publish()
    assert set(states(target).values()) == {State.THERE}
    assert all(item.requests == () for item in target.state())
    at.releases.upload(make_draft(at), "other", "", b"", whole=True)  # beside what is public: nobody looks at it
    assert set(states(target).values()) == {State.THERE}


def test_what_is_public_is_only_compared(at: Rehearsal) -> None:
    at.target().publish()
    before, sent = at.end_state(), len(at.server.seen)
    at.target(notes="Other notes.", title="Another title", prerelease=False).publish()
    assert at.end_state() == before
    assert all(line.startswith("GET ") for line in at.server.seen[sent:])
    assert at.said[-1].endswith("is public, and has the same files")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda page: setattr(page.assets[0], "data", b"the cHecksums\n"), "SHA256SUMS has other bytes there"),
        (lambda page: page.assets.pop(), "libstdc++-0.2.0-1.noarch.rpm is missing there"),
        (lambda page: page.assets.append(StoredAsset(99, "more.txt", "", b"")), "more.txt does not belong there"),
        (lambda page: setattr(page.assets[1], "whole", False), "faas-runtime-0.2.0.tar.gz is not whole there"),
    ],
    ids=["other bytes", "missing", "more", "broken off"],
)
@pytest.mark.parametrize("digests", [True, False])
def test_a_public_release_that_differs_is_a_fault(
    at: Rehearsal, change: Callable[[StoredPage], None], words: str, digests: bool
) -> None:
    at.target().publish()
    change(ours(at))
    at.releases.digests = digests
    before = at.end_state()
    with pytest.raises(VerificationError, match=re.escape(words)) as failed:
        at.target().publish()
    assert "take the next version" in failed.value.hint
    with pytest.raises(VerificationError):
        at.target().promote()
    (fault,) = at.target().preflight()
    assert words in fault.what
    assert "take the next version" in fault.advice
    assert at.end_state() == before


def test_a_draft_is_found_on_any_page_of_the_list_and_used(at: Rehearsal) -> None:
    draft = make_draft(at, SHA256SUMS=FILES["SHA256SUMS"])
    for number in range(230):
        at.publish_version(f"0.1.{number + 1}")
    at.target().publish()
    assert ours(at).id == draft.id
    assert sum(line == f"POST /repos/{REPOSITORY}/releases" for line in at.server.seen) == 0
    assert sum(line.startswith("POST /uploads") for line in at.server.seen) == 2


@pytest.mark.parametrize("count", [99, 100, 101, 200, 230])
def test_all_pages_of_the_list_of_files_are_read(at: Rehearsal, count: int, tmp_path: Path) -> None:
    found = make_set(tmp_path / "many", {f"file-{number:03}": b"%d" % number for number in range(count)})
    draft = make_draft(at)
    for file in found.files:
        at.releases.upload(draft, file.name, "", file.path.read_bytes(), whole=True)
    at.target(release_set=found).publish()
    assert not any(line.startswith("POST") for line in at.server.seen)
    assert not ours(at).draft


def test_a_draft_that_the_list_does_not_show_yet_is_known_from_the_ledger(at: Rehearsal) -> None:
    target = at.target()
    draft = make_draft(at)
    target.ledger.remember("github", "draft", str(draft.id))
    listed = at.github.releases.newest_first
    at.releases.newest_first = lambda: [page for page in listed() if not page.draft]  # type: ignore[method-assign]
    target.publish()
    assert ours(at).id == draft.id


@pytest.mark.parametrize("remembered", ["77", "a draft", "-1", "²"])
def test_a_draft_that_is_gone_is_made_again(at: Rehearsal, remembered: str) -> None:
    target = at.target()
    target.ledger.remember("github", "draft", remembered)
    target.publish()
    assert not ours(at).draft


def test_several_drafts_are_a_fault_that_names_them(at: Rehearsal) -> None:
    drafts = [make_draft(at), make_draft(at)]
    before = at.end_state()
    target = at.target()
    for step in (target.publish, target.state):
        with pytest.raises(VerificationError, match=r"has 2 drafts for v0[.]2[.]0") as failed:
            step()
        assert all(f"{draft.id} (" in str(failed.value) for draft in drafts)
        assert "delete in a browser all but the one that has files" in failed.value.hint
    (fault,) = target.preflight()
    assert "2 drafts" in fault.what
    assert at.end_state() == before


def test_drafts_of_other_tags_are_left_alone(at: Rehearsal) -> None:
    other = at.releases.create({"tag_name": "v0.3.0", "draft": True})
    at.releases.upload(other, "SHA256SUMS", "", b"other", whole=True)
    at.target().publish()
    assert [asset.data for asset in at.releases.pages[other.id].assets] == [b"other"]
    assert at.releases.pages[other.id].draft


def test_other_bytes_in_a_draft_are_never_overwritten(at: Rehearsal) -> None:
    make_draft(at, **{"SHA256SUMS": b"other", "more.txt": b""})
    before = at.end_state()
    assert states(at.target())["SHA256SUMS"] is states(at.target())["more.txt"] is State.OTHER
    with pytest.raises(
        VerificationError, match=r"more\.txt does not belong there; SHA256SUMS has other bytes"
    ) as failed:
        at.target().publish()
    assert "delete that file from the draft in a browser" in failed.value.hint
    (fault,) = at.target().preflight()
    assert "SHA256SUMS has other bytes there" in fault.what
    assert at.end_state() == before


def test_broken_off_uploads_are_deleted_and_sent_again(at: Rehearsal) -> None:
    page = make_draft(at)
    for name in ("SHA256SUMS", "something-else"):
        at.releases.upload(page, name, "", b"the", whole=False)
    assert at.target().preflight() == []
    at.target().publish()
    assert {asset.name: asset.data for asset in ours(at).assets} == FILES
    assert "github: SHA256SUMS: a broken-off upload is deleted" in at.said


def test_files_without_a_digest_are_downloaded_and_hashed(at: Rehearsal) -> None:
    at.releases.digests = False
    at.target().publish()
    assert {asset.name: asset.data for asset in ours(at).assets} == FILES


@pytest.mark.parametrize("change", ["gone", "other bytes", "more"])
def test_a_draft_that_somebody_changes_meanwhile_stays_a_draft(at: Rehearsal, change: str) -> None:
    def answer(request: Request, right: Callable[[Request], Reply]) -> Reply:
        reply = right(request)
        if request.query.get("name") == ["libstdc++-0.2.0-1.noarch.rpm"]:  # the last one
            if change == "gone":
                ours(at).assets.pop(0)
            elif change == "other bytes":
                ours(at).assets[0].data = b"the cHecksums\n"
            else:
                at.releases.upload(ours(at), "more.txt", "", b"", whole=True)
        return reply

    at.spoil = answer
    with pytest.raises(VerificationError, match=r"SHA256SUMS (is missing|has other)|more\.txt does not"):
        at.target().publish()
    assert ours(at).draft


def test_a_file_that_changes_while_it_is_published_is_not_sent(at: Rehearsal) -> None:
    target = at.target()
    (at.folder / "set" / "SHA256SUMS").write_bytes(b"the cHecksums\n")
    with pytest.raises(VerificationError, match="its bytes have changed since the set was checked"):
        target.publish()
    assert ours(at).assets == []
    assert ours(at).draft


@pytest.mark.parametrize(
    ("there", "words", "advice"),
    [
        (None, f"is {TAG_OBJECT} here, and not there in {REPOSITORY}", "push the tag"),
        (
            StoredTag("b2" * 20, COMMIT),
            f"is {TAG_OBJECT} here, and {'b2' * 20} in {REPOSITORY}",
            "never move a public tag",
        ),
        (StoredTag(COMMIT, COMMIT), f"is {TAG_OBJECT} here, and {COMMIT} in {REPOSITORY}", "never move a public tag"),
    ],
    ids=["missing", "another object", "no object"],
)
def test_the_remote_must_have_the_same_tag(at: Rehearsal, there: StoredTag | None, words: str, advice: str) -> None:
    del at.releases.tags[TAG]
    if there:
        at.releases.tags[TAG] = there
    (fault,) = at.target().preflight()
    assert words in fault.what
    assert advice in fault.advice
    with pytest.raises(VerificationError) as failed:
        at.target().publish()
    assert words in str(failed.value)
    assert ours(at).draft
    assert at.releases.tags.get(TAG) == there


def test_a_tag_without_an_object_is_its_commit(at: Rehearsal) -> None:
    at.releases.tags[TAG] = StoredTag(COMMIT, COMMIT)
    target = at.target(tag_object=COMMIT)
    assert target.preflight() == []
    target.publish()


def test_the_tag_must_be_for_the_commit_of_the_set(at: Rehearsal) -> None:
    at.releases.tags[TAG] = StoredTag(TAG_OBJECT, "2e" * 20)
    (fault,) = at.target().preflight()
    assert fault.what == (f"the tag v0.2.0 is for the commit {'2e' * 20}, and the set was built from another: {COMMIT}")


def test_limits_and_names_are_checked_before_anything_is_sent(at: Rehearsal) -> None:
    target = at.target()
    file = target.release_set.files[0]
    too_large = dataclasses.replace(file, path=file.path.with_name("large.img"), size=2_147_483_648)
    renamed = [dataclasses.replace(file, path=file.path.with_name(name)) for name in ("a~b", "a:b", ".a", "a.", "a b")]
    largest = dataclasses.replace(file, path=file.path.with_name("fits.img"), size=2_147_483_647)
    files = (too_large, largest, *renamed, *[file] * 1000)
    found = target.preflight()
    assert found == []
    found = at.target(release_set=dataclasses.replace(target.release_set, files=files)).preflight()
    assert [fault.where for fault in found] == [REPOSITORY, "large.img", "a~b", "a:b", ".a", "a.", "a b"]
    assert "a release page takes 1000 files, and the set has 1007" in found[0].what
    assert "less than 2 GiB" in found[1].what


def test_a_burned_tag_is_named_when_it_is_to_become_public(at: Rehearsal) -> None:
    at.releases.burned.add(TAG)
    with pytest.raises(UnavailableError, match=r"making v0[.]2[.]0 public") as failed:
        at.target().publish()
    assert "its name can never be used again: take the next version" in failed.value.hint
    assert ours(at).draft


def test_the_token_goes_to_no_other_host(at: Rehearsal, tmp_path: Path) -> None:
    with rehearsal(tmp_path / "other") as other:

        def elsewhere(request: Request, answer: Callable[[Request], Reply]) -> Reply:
            reply = answer(request)
            here = f"{at.server.origin}/uploads".encode()
            return dataclasses.replace(reply, body=reply.body.replace(here, f"{other.server.origin}/uploads".encode()))

        at.spoil = elsewhere
        with pytest.raises(HostError, match="which the token is not for"):
            at.target().publish()
        assert other.server.seen == []


def test_downloads_are_public_once_the_release_is(at: Rehearsal) -> None:
    url = f"{at.server.origin}/{REPOSITORY}/releases/download/{TAG}/libstdc%2B%2B-0.2.0-1.noarch.rpm"
    draft = make_draft(at, **FILES)
    assert requests.get(url, timeout=10).status_code == 404
    at.target().publish()
    assert ours(at).id == draft.id
    assert requests.get(url, timeout=10).content == FILES["libstdc++-0.2.0-1.noarch.rpm"]


def test_a_server_with_a_bad_certificate_is_sent_nothing(tmp_path: Path) -> None:
    import ssl
    import subprocess

    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
         "-out", certificate, "-days", "2", "-subj", "/CN=127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with rehearsal(tmp_path / "r", context=context) as at:
        with pytest.raises(HostError, match="TLS: certificate verify failed") as failed:
            at.target().publish()
        assert "REQUESTS_CA_BUNDLE" in failed.value.hint
        (fault,) = at.target().preflight()
        assert "TLS" in fault.what
        assert at.server.seen == []


def test_an_address_where_nobody_answers_is_a_fault_of_the_preflight(tmp_path: Path) -> None:
    with rehearsal(tmp_path) as gone:
        pass
    target = target_of(gone.server.origin, tmp_path, gone.said.append)
    (fault,) = target.preflight()
    assert "no answer from 127.0.0.1" in fault.what
    assert "run the same command again" in fault.advice


def test_a_token_is_found_nowhere(at: Rehearsal) -> None:
    target = at.target()
    target.publish()
    at.releases.pages[ours(at).id].assets.pop()
    try:
        target.publish()
    except ReleaseError as error:
        at.said += [str(error), error.hint]
    written = (at.folder / "publish.json").read_text()
    assert TOKEN not in "\n".join([*at.said, *target.web.requests, written, repr(target.state())])


def test_the_target_has_the_form_of_one() -> None:
    named: Callable[[module.GitHub], Target] = lambda target: target  # noqa: E731  (checked by mypy)
    assert callable(named)
