"""A release in a registry, with and without the referrers API: what is there in the end, and which tags move."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ci.core.errors import HostError, UnavailableError, UsageError, VerificationError
from ci.core.secrets import register
from ci.images import image_index
from ci.publish.oci_documents import INDEX
from ci.publish.registry import Registry
from ci.publish.rehearse.registry_server import RegistryServer, RepositoryContents
from ci.publish.rehearse.registry_tokens import TokenOffice
from ci.publish.rehearse.server import Reply, Request, Server
from ci.publish.release_set import ReleaseSet
from ci.publish.target import State
from tests.publish import image_sets
from tests.publish.registry_support import REPOSITORY, end_state, referrers_of, tags, target
from tests.publish.yank_time import YANKED_AT

SECRET = "long-lived-" + "s3cr3t" * 4


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sets")


def made(sets: Path, version: str = "0.1.0", **more: Any) -> ReleaseSet:
    """The set of a version; made once for all tests of this file."""
    folder = sets / f"{version}{''.join(map(str, more.values()))}"
    return image_sets.read(folder) if folder.exists() else image_sets.make(folder, version, **more)


@pytest.fixture(params=[True, False], ids=["referrers API", "fallback tag"])
def registry(request: pytest.FixtureRequest) -> RegistryServer:
    return RegistryServer(referrers_api=request.param, page=3)


with_api = pytest.mark.parametrize("registry", [True], ids=["referrers API"], indirect=True)


@pytest.fixture
def server(registry: RegistryServer) -> Iterator[Server]:
    with Server(registry.answer) as started:
        yield started


def index_of(release_set: ReleaseSet, flavour: str = "micro") -> image_index.ImageIndex:
    name = f"{release_set.name}-{release_set.version}-{flavour}.oci-index.tar"
    return image_index.read(release_set.folder / name)


def changes(server: Server) -> list[str]:
    return [one for one in server.seen if not one.startswith(("GET", "HEAD"))]


def test_all_of_it_is_there(registry: RegistryServer, server: Server, sets: Path, tmp_path: Path) -> None:
    release_set, said = made(sets), list[str]()
    index = index_of(release_set)
    target(release_set, server.origin, tmp_path / "ledger", say=said.append).publish()
    assert tags(registry) == dict.fromkeys(("0.1.0-micro", "0.1-micro", "0.1", "latest"), index.digest)
    kept = registry.repositories[REPOSITORY]
    assert {**index.blobs, **kept.blobs, **kept.manifests} == {**kept.blobs, **kept.manifests}
    assert not kept.uploads
    for platform, digest in index.platforms.items():
        archive = f"{release_set.name}-0.1.0-micro-{platform.removeprefix('linux/')}.oci.tar"
        annotations = [one["layers"][0]["annotations"] for one in referrers_of(registry, digest)]
        title = "org.opencontainers.image.title"
        assert sorted(annotations, key=str) == [{title: f"{archive}.{form}.json"} for form in ("cdx", "spdx")]
    key = "dev.sigstore.bundle.predicateType"
    predicates = {one["annotations"][key] for one in referrers_of(registry, index.digest)}
    assert predicates == {"https://slsa.dev/provenance/v1", "https://in-toto.io/attestation/test-result/v0.1"}
    assert any(line.startswith("registry: layer 2 of 0.1.0-micro for linux/amd64: ") for line in said)
    assert "bytes in" in said[0]


def test_lists_are_kept_by_hand_where_the_registry_keeps_none(sets: Path, tmp_path: Path) -> None:
    registry, release_set = RegistryServer(referrers_api=False), made(sets)
    digest = index_of(release_set).digest
    tag = digest.replace(":", "-")
    with Server(registry.answer) as server:
        target(release_set, server.origin, tmp_path / "ledger").publish()
        contents = registry.repositories[REPOSITORY]
        index = json.loads(contents.manifests[contents.tags[tag]])
        assert [one["artifactType"] for one in index["manifests"]] == [
            "application/vnd.dev.sigstore.bundle.v0.3+json"
        ] * 2
        assert all(one["annotations"]["dev.sigstore.bundle.predicateType"] for one in index["manifests"])
        # Somebody else adds an entry, without a type as some clients do, and takes away one of ours.
        index["annotations"] = {"x": "y"}
        theirs = {key: value for key, value in index["manifests"][0].items() if key != "artifactType"}
        theirs["digest"] = tags(registry)["0.1.0-micro"]
        theirs["size"] = len(contents.manifests[theirs["digest"]])
        theirs["mediaType"] = INDEX
        index["manifests"] = [theirs, index["manifests"][1]]
        _tag_as(contents, tag, index)
        target(release_set, server.origin, tmp_path / "ledger").publish()
        after = json.loads(contents.manifests[contents.tags[tag]])
        assert after["annotations"] == {"x": "y"}
        assert after["manifests"][:2] == index["manifests"]
        assert len(after["manifests"]) == 3
        target(release_set, server.origin, tmp_path / "ledger").publish()
        assert json.loads(contents.manifests[contents.tags[tag]]) == after


def _tag_as(contents: RepositoryContents, tag: str, document: dict[str, Any]) -> None:
    from ci.publish.rehearse.registry_server import digest_of

    data = json.dumps(document).encode()
    contents.manifests[digest_of(data)], contents.types[digest_of(data)] = data, INDEX
    contents.tags[tag] = digest_of(data)


def test_somebody_else_writes_the_list_at_the_same_moment(sets: Path, tmp_path: Path) -> None:
    registry, release_set = RegistryServer(referrers_api=False), made(sets)
    tag = index_of(release_set).digest.replace(":", "-")
    undone = [True]

    def undo(number: int, request: Request) -> None:
        if request.method == "PUT" and request.path.endswith(tag) and undone:
            undone.pop()
            _tag_as(registry.repositories[REPOSITORY], tag, {"schemaVersion": 2, "mediaType": INDEX, "manifests": []})

    with Server(registry.answer) as server:
        server.after = undo
        target(release_set, server.origin, tmp_path / "ledger").publish()
        contents = registry.repositories[REPOSITORY]
        assert len(json.loads(contents.manifests[contents.tags[tag]])["manifests"]) == 2
        undone[:] = [True] * 3
        _tag_as(contents, tag, {"schemaVersion": 2, "mediaType": INDEX, "manifests": []})
        with pytest.raises(HostError, match="somebody else writes them at the same time"):
            target(release_set, server.origin, tmp_path / "ledger").publish()


def test_a_tag_in_the_way_of_the_list_is_left(sets: Path, tmp_path: Path) -> None:
    registry, release_set = RegistryServer(referrers_api=False), made(sets)
    tag = index_of(release_set).digest.replace(":", "-")
    with Server(registry.answer) as server:
        target(release_set, server.origin, tmp_path / "ledger").publish()
        contents = registry.repositories[REPOSITORY]
        contents.tags[tag] = image = index_of(release_set).platforms["linux/amd64"]
        with pytest.raises(VerificationError, match=f"the tag {tag} is no list of referrers"):
            target(release_set, server.origin, tmp_path / "ledger").publish()
        assert contents.tags[tag] == image


def test_the_state_lists_every_change_that_is_then_made(server: Server, sets: Path, tmp_path: Path) -> None:
    publish = target(made(sets), server.origin, tmp_path / "ledger")
    items = publish.state()
    assert {item.state for item in items} == {State.MISSING}
    assert not changes(server)
    publish.publish()
    listed = sorted(request.partition("…")[0] for item in items for request in item.requests)
    assert listed == sorted(_without_session(one) for one in changes(server))
    again = target(made(sets), server.origin, tmp_path / "ledger")
    assert {item.state for item in again.state()} == {State.THERE}
    assert not [item for item in again.state() if item.requests]


def _without_session(request: str) -> str:
    method, _, path = request.partition(" ")
    return f"{method} {path.rpartition('/')[0]}/" if "/uploads/" in path else request


def test_what_is_there_is_left_alone(registry: RegistryServer, server: Server, sets: Path, tmp_path: Path) -> None:
    target(made(sets), server.origin, tmp_path / "ledger").publish()
    before, done = end_state(registry), len(changes(server))
    target(made(sets), server.origin, tmp_path / "ledger").publish()
    assert end_state(registry) == before
    assert len(changes(server)) == done


def test_a_version_tag_never_moves(registry: RegistryServer, server: Server, sets: Path, tmp_path: Path) -> None:
    target(made(sets), server.origin, tmp_path / "ledger").publish()
    before, done = end_state(registry), len(changes(server))
    other = target(made(sets, salt="other"), server.origin, tmp_path / "ledger")
    (fault,) = other.preflight()
    assert "the tag 0.1.0-micro" in fault.what
    assert State.OTHER in {item.state for item in other.state()}
    for step in (other.publish, other.promote, lambda: other.yank("no reason", YANKED_AT)):
        with pytest.raises(VerificationError, match=r"0\.1\.0-micro.* it is left as it is") as caught:
            step()
        assert "release the next version" in caught.value.hint
    assert end_state(registry) == before
    assert len(changes(server)) == done


def test_somebody_else_publishes_the_version_meanwhile(
    registry: RegistryServer, server: Server, sets: Path, tmp_path: Path
) -> None:
    target(made(sets, salt="other"), server.origin, tmp_path / "other.json").publish()
    contents = registry.repositories[REPOSITORY]
    theirs = contents.tags.pop("0.1.0-micro")

    def publish(number: int, request: Request) -> None:
        if request.method == "PUT" and "/blobs/" in request.path:
            contents.tags["0.1.0-micro"] = theirs

    server.after = publish
    with pytest.raises(VerificationError, match="it is left as it is"):
        target(made(sets), server.origin, tmp_path / "ledger").publish()
    assert contents.tags["0.1.0-micro"] == theirs


def publish_in_turn(server: Server, sets: Path, folder: Path, *names: str, **more: Any) -> None:
    for version in names:
        target(made(sets, version, bare=True), server.origin, folder / f"{version}.json", **more).publish()


@with_api
@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["0.1.0", "0.2.0"], ["0.1 0.1.0", "0.1-micro 0.1.0", "0.2 0.2.0", "0.2-micro 0.2.0", "latest 0.2.0"]),
        (["0.1.0", "0.2.0", "0.1.1"], ["0.1 0.1.1", "0.1-micro 0.1.1", "0.2 0.2.0", "0.2-micro 0.2.0", "latest 0.2.0"]),
        (["0.1.1", "0.1.0"], ["0.1 0.1.1", "0.1-micro 0.1.1", "latest 0.1.1"]),
        (["0.1.0", "0.2.0rc1"], ["0.1 0.1.0", "0.1-micro 0.1.0", "latest 0.1.0"]),
        (["0.2.0rc1"], []),
        (["0.9.0", "0.10.0"], ["0.10 0.10.0", "0.10-micro 0.10.0", "0.9 0.9.0", "0.9-micro 0.9.0", "latest 0.10.0"]),
    ],
    ids=["next", "maintenance", "an older one later", "prerelease", "only a prerelease", "ten after nine"],
)  # fmt: skip
def test_floating_tags(
    registry: RegistryServer, server: Server, sets: Path, tmp_path: Path, names: list[str], expected: list[str]
) -> None:
    publish_in_turn(server, sets, tmp_path, *names)
    publish_in_turn(server, sets, tmp_path, *reversed(names))  # once more, in any order
    found = tags(registry)
    of_versions = {found[f"{version}-micro"]: version for version in names}
    own = {f"{version}-micro" for version in names}
    assert sorted(f"{name} {of_versions[found[name]]}" for name in found if name not in own) == expected


@with_api
def test_a_candidate_is_not_seen_before_it_is_promoted(
    registry: RegistryServer, server: Server, sets: Path, tmp_path: Path
) -> None:
    publish_in_turn(server, sets, tmp_path, "0.1.0")
    publish_in_turn(server, sets, tmp_path, "0.2.0", floating=False)
    assert sorted(tags(registry)) == ["0.1", "0.1-micro", "0.1.0-micro", "0.2.0-micro", "latest"]
    publish_in_turn(server, sets, tmp_path, "0.1.1")  # the candidate does not hold it up
    assert tags(registry)["latest"] == tags(registry)["0.1.1-micro"]
    kept = set(end_state(registry)[REPOSITORY]["manifests"])
    done = len(changes(server))
    target(made(sets, "0.2.0", bare=True), server.origin, tmp_path / "ledger").promote()
    assert tags(registry)["latest"] == tags(registry)["0.2.0-micro"] == tags(registry)["0.2"]
    assert set(end_state(registry)[REPOSITORY]["manifests"]) == kept
    assert len(changes(server)) - done == 3
    target(made(sets, "0.2.0", bare=True), server.origin, tmp_path / "ledger").promote()
    assert len(changes(server)) - done == 3


def test_what_is_not_there_is_not_promoted(server: Server, sets: Path, tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match="is not there"):
        target(made(sets), server.origin, tmp_path / "ledger").promote()
    assert not changes(server)


@with_api
def test_a_tag_that_means_something_unknown_is_left(
    registry: RegistryServer, server: Server, sets: Path, tmp_path: Path
) -> None:
    publish_in_turn(server, sets, tmp_path, "0.1.0")
    contents = registry.repositories[REPOSITORY]
    contents.tags["latest"] = contents.tags.pop("0.1.0-micro")
    with pytest.raises(VerificationError, match="no version in the registry's list"):
        publish_in_turn(server, sets, tmp_path, "0.1.1")
    assert contents.tags["latest"] == index_of(made(sets, bare=True)).digest


@with_api
def test_several_flavours(registry: RegistryServer, server: Server, sets: Path, tmp_path: Path) -> None:
    release_set = made(sets, flavours=("micro", "full-size"), bare=True)
    more = {"flavours": ("micro", "full-size")}
    target(release_set, server.origin, tmp_path / "ledger", **more).publish()  # type: ignore[arg-type]
    found = tags(registry)
    assert sorted(found) == ["0.1", "0.1-full-size", "0.1-micro", "0.1.0-full-size", "0.1.0-micro", "latest"]
    assert found["0.1-full-size"] == index_of(release_set, "full-size").digest
    # From now on, another flavour is the one that people get who name none.
    turned = target(
        made(sets, "0.1.1", flavours=("micro", "full-size"), bare=True),
        server.origin,
        tmp_path / "l",
        flavours=("full-size", "micro"),
    )
    turned.publish()
    assert tags(registry)["latest"] == tags(registry)["0.1.1-full-size"]


REASON = "it loses requests"


def vex(when: int) -> bytes:
    return json.dumps({"@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://x/1", "timestamp": when}).encode()


def test_yank(registry: RegistryServer, server: Server, sets: Path, tmp_path: Path) -> None:
    publish_in_turn(server, sets, tmp_path, "0.1.0", "0.1.1", "0.2.0")
    publish_in_turn(server, sets, tmp_path, "0.1.2", floating=False)
    before = tags(registry)

    def yank(version: str, when: int = YANKED_AT) -> str:
        return target(made(sets, version, bare=True), server.origin, tmp_path / "ledger").yank(REASON, when, vex(when))

    assert yank("0.2.0").split("; ") == [
        "every image has a note with the reason",
        *(f"{tag} still means 0.2.0-micro: there is no version before it" for tag in ("0.2-micro", "0.2")),
    ]
    after = {**before, "latest": before["0.1.1-micro"]}
    assert tags(registry) == after
    subjects = [before["0.2.0-micro"], *index_of(made(sets, "0.2.0", bare=True)).platforms.values()]
    for digest in subjects:
        found = {one["artifactType"]: one for one in referrers_of(registry, digest)}
        note = found["application/vnd.faas-runtime.deprecation.v1"]["annotations"]
        assert note["io.github.faas-runtime.deprecation.reason"] == REASON
        assert note["org.opencontainers.image.created"] == "2026-12-23T04:26:40Z"
        assert "application/vnd.openvex+json" in found
    kept = end_state(registry)
    yank("0.2.0")
    yank("0.2.0", YANKED_AT + 86400)  # by somebody without the ledger, so the time of the first one is not known
    assert end_state(registry) == kept
    assert yank("0.1.1") == "every image has a note with the reason"
    assert tags(registry) == {**after, **dict.fromkeys(("latest", "0.1", "0.1-micro"), before["0.1.0-micro"])}
    for version in ("0.2.0", "0.1.1"):  # what was yanked stays so
        with pytest.raises(VerificationError, match="this version was yanked"):
            publish_in_turn(server, sets, tmp_path, version)
    assert tags(registry)["latest"] == before["0.1.0-micro"]
    publish_in_turn(server, sets, tmp_path, "0.1.3")  # and is in nobody's way
    assert tags(registry)["latest"] == tags(registry)["0.1"] == tags(registry)["0.1.3-micro"]


def test_a_note_without_its_type_in_the_list_counts(sets: Path, tmp_path: Path) -> None:
    registry = RegistryServer(referrers_api=False)
    with Server(registry.answer) as server:
        publish_in_turn(server, sets, tmp_path, "0.1.0", "0.1.1")
        target(made(sets, "0.1.0", bare=True), server.origin, tmp_path / "ledger").yank(REASON, YANKED_AT)
        contents = registry.repositories[REPOSITORY]
        tag = contents.tags["0.1.0-micro"].replace(":", "-")
        index = json.loads(contents.manifests[contents.tags[tag]])
        index["manifests"] = [{k: v for k, v in one.items() if k != "artifactType"} for one in index["manifests"]]
        _tag_as(contents, tag, index)
        said = target(made(sets, "0.1.1", bare=True), server.origin, tmp_path / "ledger").yank(REASON, YANKED_AT)
        assert said.count("there is no version before it") == 3


def test_nothing_to_yank(server: Server, sets: Path, tmp_path: Path) -> None:
    said = target(made(sets), server.origin, tmp_path / "ledger").yank(REASON, YANKED_AT)
    assert said == "0.1.0 is not in faas-runtime/faas-runtime: there is nothing to yank"
    assert not changes(server)


def test_another_reason_is_one_more_note(registry: RegistryServer, server: Server, sets: Path, tmp_path: Path) -> None:
    publish_in_turn(server, sets, tmp_path, "0.1.0", "0.1.1")
    release_set = made(sets, "0.1.1", bare=True)

    def yank(reason: str) -> str:
        return target(release_set, server.origin, tmp_path / "ledger").yank(reason, YANKED_AT)

    assert yank(REASON) == yank(REASON) == "every image has a note with the reason"
    assert yank("it loses all") == "every image has a note with the reason, beside one with another"
    notes = [one["annotations"] for one in referrers_of(registry, index_of(release_set).digest)]
    assert {one.get("io.github.faas-runtime.deprecation.reason") for one in notes} >= {REASON, "it loses all"}


def test_a_yanked_version_is_never_published_or_promoted_again(
    registry: RegistryServer, server: Server, sets: Path, tmp_path: Path
) -> None:
    publish_in_turn(server, sets, tmp_path, "0.1.0", "0.1.1")
    found = target(made(sets, "0.1.1", bare=True), server.origin, tmp_path / "ledger")
    assert found.preflight() == found.preflight_promotion() == []
    found.yank(REASON, YANKED_AT)
    kept = end_state(registry)
    for faults in (found.preflight(), found.preflight_promotion()):
        (fault,) = faults
        assert "this version was yanked" in fault.what
        assert (fault.advice, fault.warning) == ("take the next version", False)
    for step in (found.publish, found.promote):
        with pytest.raises(VerificationError, match="this version was yanked"):
            step()
    assert end_state(registry) == kept


def test_only_what_is_there_in_full_can_be_promoted(
    registry: RegistryServer, server: Server, sets: Path, tmp_path: Path
) -> None:
    found = target(made(sets), server.origin, tmp_path / "ledger", floating=False)
    found.publish()
    assert found.preflight_promotion() == []
    contents = registry.repositories[REPOSITORY]
    gone = next(digest for digest in contents.blobs)
    del contents.blobs[gone]
    (fault,) = target(made(sets), server.origin, tmp_path / "ledger").preflight_promotion()
    assert fault.what.startswith("0.1.0 is not there in full: ")
    assert gone in fault.what
    assert "nox -s publish -- --channel testing" in fault.advice
    assert not [one for one in changes(server) if one.startswith("DELETE")]


def test_tokens(sets: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    office = TokenOffice(user="releaser", password=SECRET, uses=7)
    registry, said = RegistryServer(office=office), list[str]()
    basic: list[str] = []

    def look(number: int, request: Request) -> None:
        if request.headers.get("authorization", "").startswith("Basic "):
            basic.append(request.path)

    with Server(registry.answer) as server:
        server.after = look
        secret = register("REGISTRY_TOKEN", SECRET, "releaser")
        publish = target(made(sets), server.origin, tmp_path / "ledger", token=secret, say=said.append)
        assert not publish.preflight()
        items = publish.state()
        publish.publish()
        assert server.seen.count("GET /token") == len(basic) > 10  # a token lasts for seven requests
        assert set(basic) == {"/token"}
        told = [*said, repr(publish), *map(repr, items), *publish.web.requests, *capfd.readouterr()]
        told += [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
        assert not [one for one in told if SECRET in one or any(given in one for given in office._given)]
    assert len(tags(registry)) == 4


def test_a_wrong_token(sets: Path, tmp_path: Path) -> None:
    registry = RegistryServer(office=TokenOffice(user="releaser", password=SECRET))
    with Server(registry.answer) as server:
        wrong = register("REGISTRY_TOKEN", "something else", "releaser")
        (fault,) = target(made(sets), server.origin, tmp_path / "ledger", token=wrong).preflight()
        assert fault.what.startswith(f"a token from {server.origin.removeprefix('http://')}: the token is not accepted")
        assert fault.advice == "is it whole, and not expired?"
        assert "something else" not in str(fault)


def test_a_login_by_name_and_password(sets: Path, tmp_path: Path) -> None:
    """Small registries ask for it with each request."""
    registry, secret = RegistryServer(), register("REGISTRY_TOKEN", SECRET, "releaser")

    def basic(number: int, request: Request) -> Reply | None:
        if request.headers.get("authorization", "").startswith("Basic "):
            return None
        return Reply(status=401, headers={"WWW-Authenticate": 'Basic realm="registry"'})

    with Server(registry.answer) as server:
        server.before = basic
        target(made(sets), server.origin, tmp_path / "ledger", token=secret).publish()
    assert len(tags(registry)) == 4


def test_a_token_is_asked_for_over_tls_only(sets: Path, tmp_path: Path) -> None:
    secret = register("REGISTRY_TOKEN", SECRET, "releaser")
    with pytest.raises(UsageError, match="tokens are sent over TLS only"):
        target(made(sets), "http://registry.example", tmp_path / "ledger", token=secret).publish()
    with Server(RegistryServer().answer) as server:
        challenge = {"WWW-Authenticate": 'Bearer realm="http://registry.example/token"'}
        server.before = lambda number, request: Reply(status=401, headers=challenge)
        with pytest.raises(UnavailableError, match="which is no address with TLS"):
            target(made(sets), server.origin, tmp_path / "ledger", token=secret).publish()
        assert len(server.seen) == 1


def test_the_token_does_not_follow_a_redirect(sets: Path, tmp_path: Path) -> None:
    sent: list[Request] = []

    def elsewhere(request: Request) -> Reply:
        sent.append(request)
        return Reply(status=404)

    secret = register("REGISTRY_TOKEN", SECRET, "releaser")
    registry = RegistryServer(office=TokenOffice(user="releaser", password=SECRET))
    with Server(registry.answer) as server, Server(elsewhere) as other:

        def redirect(number: int, request: Request) -> Reply | None:
            leads = request.method == "HEAD" or request.path == "/token"
            return Reply(status=307, headers={"Location": f"{other.origin}{request.path}"}) if leads else None

        server.before = redirect
        with pytest.raises(UnavailableError):
            target(made(sets), server.origin, tmp_path / "ledger", token=secret).publish()
        assert sent
        assert not [one for one in sent if "authorization" in one.headers]


def test_an_upload_that_was_broken_off_is_given_up(sets: Path, tmp_path: Path) -> None:
    registry = RegistryServer()
    with Server(registry.answer) as server:

        def hang_up(number: int, request: Request) -> Reply | None:
            return Reply(status=200, cut=-1) if request.method == "PUT" else None

        server.before = hang_up
        with pytest.raises(HostError):
            target(made(sets), server.origin, tmp_path / "ledger").publish()
        assert len(registry.repositories[REPOSITORY].uploads) == 1
        server.before = None
        target(made(sets), server.origin, tmp_path / "ledger").publish()
        assert not registry.repositories[REPOSITORY].uploads
        assert json.loads((tmp_path / "ledger").read_text())["targets"] == {"registry": {}}


def test_an_archive_that_was_changed_is_not_sent(server: Server, tmp_path: Path) -> None:
    release_set = image_sets.make(tmp_path / "set")
    publish = target(release_set, server.origin, tmp_path / "ledger")
    (file,) = release_set.of_kind("image-index")
    file.path.write_bytes(file.path.read_bytes().replace(b"oci-layout", b"oci-layouT"))
    with pytest.raises(VerificationError, match="its bytes have changed since the set was checked"):
        publish.publish()
    (fault,) = publish.preflight()
    assert fault.advice == "make the set again: nox -s release"
    assert not server.seen


def test_a_blob_that_changes_while_it_is_published_is_not_sent(server: Server, tmp_path: Path) -> None:
    release_set = image_sets.make(tmp_path / "set")
    publish: Registry = target(release_set, server.origin, tmp_path / "ledger")
    publish.state()
    (file,) = release_set.of_kind("image-index")
    place = next(iter(publish._contents.blobs.values()))[0]
    data = bytearray(file.path.read_bytes())
    data[place.offset] ^= 1
    file.path.write_bytes(data)
    with pytest.raises(VerificationError, match=f"the blob {place.digest} is damaged"):
        publish.publish()
    assert not changes(server)


def test_a_flavour_without_an_index_is_told(server: Server, sets: Path, tmp_path: Path) -> None:
    release_set = made(sets, flavours=("micro", "ubi"))
    files = tuple(file for file in release_set.files if not file.name.endswith("-ubi.oci-index.tar"))
    found = target(replace(release_set, files=files), server.origin, tmp_path / "ledger").preflight()
    assert [(one.where, one.warning) for one in found] == [
        (f"faas-runtime-0.1.0-ubi-{one}.oci.tar", True) for one in ("amd64", "arm64")
    ]
