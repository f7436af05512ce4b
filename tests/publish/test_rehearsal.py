"""A short rehearsal: a small signed set goes to the servers of a rehearsal, twice, and a stranger fetches it."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.commands import rehearsing
from ci.core import tree_record
from ci.core.console import Console
from ci.core.errors import VerificationError
from ci.core.run import Runner
from ci.core.web import Web
from ci.manifest.release import Release
from ci.publish import every_target, release_set, run, stranger
from ci.publish.every_target import Publication
from ci.publish.ledger import PublicationLedger
from ci.publish.rehearse import servers
from ci.publish.rehearse.servers import Servers
from ci.release import yum
from ci.release.trees import Making
from tests.publish import image_sets
from tests.release import sets
from tests.release.fixtures_of_sets import _tools_of_the_environment, built, finished, keys, release, signing
from tests.release.sets import COMMIT, OwnerKeys

__all__ = ["_tools_of_the_environment", "built", "finished", "keys", "release", "signing"]

TAG_OBJECT = "2a" * 20


@pytest.fixture
def publication(finished: Path, keys: OwnerKeys, release: Release, tmp_path: Path) -> Publication:
    """What is published: the small set, with a real yum tree."""
    folder = Path(shutil.copytree(finished, tmp_path / "set"))
    for tree in tree_record.TREES:
        shutil.rmtree(folder / tree)
    runner = Runner(log=tmp_path / "log")
    making = Making(
        release=release,
        gpg=keys.signing.gpg(release.epoch),
        key=keys.fingerprint,
        public_keys=keys.public,
        url=release.targets.repositories.url,
        run=runner,
        scratch=tmp_path,
    )
    yum.make(folder / "yum", sorted(folder.glob("*.rpm")), None, making)
    (folder / tree_record.LISTING).write_bytes(tree_record.repositories(folder))
    sets.seal(folder, release, keys)
    return Publication(
        release=release,
        found=release_set.read(folder),
        tag_object=TAG_OBJECT,
        notes="Something is new.\n",
        testing=False,
        ledger=PublicationLedger(tmp_path / "publish.json", str(release.version)),
        scratch=tmp_path,
        run=runner,
        say=lambda _: None,
    )


@pytest.fixture
def there(release: Release, tmp_path: Path) -> Iterator[Servers]:
    folder = tmp_path / "servers"
    folder.mkdir()
    with servers.serving(release, TAG_OBJECT, COMMIT, None, folder, Runner(log=tmp_path / "servers.log")) as found:
        yield found


def publish(publication: Publication, there: Servers, images: Path) -> None:
    """GitHub, yum and the registry of cargo get the set, the registry of images those of another one."""
    targets = run.chosen(every_target.targets(publication, there.places), ["github", "crates", "yum"])
    of_images = dataclasses.replace(publication, found=image_sets.read(images))
    targets += run.chosen(every_target.targets(of_images, there.places), ["registry"])
    run.require_ready(targets, [], Console())
    run.publish(targets, Console())


def test_a_short_rehearsal(publication: Publication, there: Servers, keys: OwnerKeys, tmp_path: Path) -> None:
    image_sets.make(tmp_path / "images", str(publication.release.version))
    publish(publication, there, tmp_path / "images")
    before = there.writes()
    assert before > 20
    publish(publication, there, tmp_path / "images")
    assert there.writes() == before, "the second publication sends nothing"

    with Web(name="download", say=print) as web:
        fetched = stranger.download(web, there.page, there.repositories, tmp_path / "fetched")
    checked = sets.verify(fetched, keys.public)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    for file in publication.found.files:
        assert (fetched / file.name).read_bytes() == file.path.read_bytes()


def test_without_docker_registry_the_images_have_a_row(publication: Publication, there: Servers) -> None:
    found = rehearsing._addresses(publication, dataclasses.replace(there, docker=None))
    assert (found.registry, found.no_registry) == ("", "docker-registry is not installed")
    found = rehearsing._addresses(publication, dataclasses.replace(there, docker=there.places))
    assert found.registry
    assert found.no_registry == ""


def test_where_a_stranger_finds_the_crate(publication: Publication, there: Servers, tmp_path: Path) -> None:
    found = rehearsing._addresses(publication, there, tmp_path, "")
    assert (found.crates, found.other_crates, found.no_crates) == (there.places.crates_index, tmp_path, "")
    found = rehearsing._addresses(publication, there, None, "no cargo")
    assert found.no_crates == "no cargo"
    found = rehearsing._addresses(dataclasses.replace(publication, testing=True), there, None, "no cargo")
    assert (found.crates, found.no_crates) == ("", ""), "the channel has no crate"


def test_another_byte_in_the_tree_is_seen_by_the_stranger(
    publication: Publication, there: Servers, tmp_path: Path
) -> None:
    targets = run.chosen(every_target.targets(publication, there.places), ["github", "yum"])
    run.publish(targets, Console())
    assert there.places.repositories is not None
    package = next((there.places.repositories / "yum").glob("*.noarch.rpm"))
    package.write_bytes(package.read_bytes()[:-1] + b"\0")
    with Web(name="download", say=print) as web, pytest.raises(VerificationError, match="other bytes than the release"):
        stranger.download(web, there.page, there.repositories, tmp_path / "fetched")
