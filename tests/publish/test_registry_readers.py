"""skopeo reads what was published, from a registry with the referrers API and from docker-registry."""

from __future__ import annotations

import json
import random
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from ci.core.run import Runner
from ci.core.secrets import register
from ci.images import image_index
from ci.publish.oci_documents import digest_of
from ci.publish.rehearse import docker_registry
from ci.publish.rehearse.registry_server import RegistryServer
from ci.publish.rehearse.registry_tokens import TokenOffice
from ci.publish.rehearse.server import Server
from ci.publish.release_set import ReleaseSet
from tests.publish import image_sets
from tests.publish.registry_support import REPOSITORY, target
from tests.publish.yank_time import YANKED_AT
from tests.support import not_there, program

MB = 1_000_000


@pytest.fixture(scope="module")
def release_set(tmp_path_factory: pytest.TempPathFactory) -> ReleaseSet:
    return image_sets.make(tmp_path_factory.mktemp("set") / "set")


def index_of(release_set: ReleaseSet) -> image_index.ImageIndex:
    return image_index.read(release_set.of_kind("image-index")[0].path)


@pytest.fixture(params=["the project's own", "docker-registry"])
def origin(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "docker-registry":
        needs_docker_registry()
        with docker_registry.serving(tmp_path / "registry", Runner(log=tmp_path / "log")) as found:
            yield found
    else:
        with Server(RegistryServer(page=3).answer) as server:
            yield server.origin


def needs_docker_registry() -> None:
    if shutil.which("docker-registry") is None:
        not_there("docker-registry", optional=True)


def skopeo(*words: str) -> bytes:
    return subprocess.run([program("skopeo"), *words], check=True, capture_output=True).stdout


def place_of(origin: str) -> str:
    return f"docker://{origin.removeprefix('http://')}/{REPOSITORY}"


def test_skopeo_reads_it(origin: str, release_set: ReleaseSet, tmp_path: Path) -> None:
    publish = target(release_set, origin, tmp_path / "ledger")
    assert not publish.preflight()
    publish.publish()
    publish.publish()
    assert not [item for item in target(release_set, origin, tmp_path / "ledger").state() if item.requests]
    place, index = place_of(origin), index_of(release_set)
    listed = json.loads(skopeo("list-tags", "--tls-verify=false", place))["Tags"]
    assert {"0.1", "0.1-micro", "0.1.0-micro", "latest"} <= set(listed)
    for tag in ("0.1.0-micro", "0.1", "latest"):
        assert digest_of(skopeo("inspect", "--raw", "--tls-verify=false", f"{place}:{tag}")) == index.digest
    shown = json.loads(skopeo("inspect", "--tls-verify=false", f"{place}:0.1.0-micro"))
    assert shown["Labels"] == {"org.opencontainers.image.version": "0.1.0"}
    words = ["--preserve-digests", "--multi-arch", "all", "--src-tls-verify=false"]
    skopeo("copy", "-q", *words, f"{place}:0.1.0-micro", f"oci:{tmp_path}/copy:x")
    copied = {f"sha256:{path.name}": path.read_bytes() for path in (tmp_path / "copy/blobs/sha256").iterdir()}
    assert copied == index.blobs


def test_yank_and_what_it_leaves(origin: str, release_set: ReleaseSet, tmp_path: Path) -> None:
    older = image_sets.make(tmp_path / "older", "0.0.9", bare=True)
    target(older, origin, tmp_path / "older.json").publish()
    publish = target(release_set, origin, tmp_path / "ledger")
    publish.publish()
    assert (
        publish.yank("it loses requests", YANKED_AT).count("still means") == 2
    )  # 0.1 and 0.1-micro have no older version
    assert publish.yank("it loses requests", YANKED_AT).count("still means") == 2
    place = place_of(origin)
    assert digest_of(skopeo("inspect", "--raw", "--tls-verify=false", f"{place}:latest")) == index_of(older).digest
    kept = skopeo("inspect", "--raw", "--tls-verify=false", f"{place}:0.1.0-micro")
    assert digest_of(kept) == index_of(release_set).digest


def test_skopeo_logs_in_as_we_do(release_set: ReleaseSet, tmp_path: Path) -> None:
    office = TokenOffice(user="releaser", password="a long password")
    with Server(RegistryServer(office=office).answer) as server:
        secret = register("REGISTRY_TOKEN", "a long password", "releaser")
        target(release_set, server.origin, tmp_path / "ledger", token=secret).publish()
        place = f"{place_of(server.origin)}:0.1.0-micro"
        raw = skopeo("inspect", "--raw", "--tls-verify=false", "--creds", "releaser:a long password", place)
        assert digest_of(raw) == index_of(release_set).digest
        refused = [program("skopeo"), "inspect", "--raw", "--tls-verify=false", "--creds", "releaser:wrong", place]
        assert subprocess.run(refused, capture_output=True, check=False).returncode != 0


def _measured(who: int, act: Callable[[], object]) -> tuple[float, float]:
    """Processor time and time of something that this process does, or its children, in seconds."""
    before, begun = resource.getrusage(who), time.monotonic()
    act()
    after = resource.getrusage(who)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, time.monotonic() - begun


@pytest.mark.long
def test_it_is_as_fast_as_skopeo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Our push of images beside `skopeo copy` of the same; ours asks for all of it again at the end."""
    needs_docker_registry()
    whole = image_sets.make(tmp_path / "set", layer=random.Random(1).randbytes(40 * MB))
    (file,) = whole.of_kind("image-index")
    images = replace(whole, files=tuple(one for one in whole.files if one.kind.startswith("image")))
    words = ("-q", "--multi-arch", "all", "--preserve-digests", "--dest-tls-verify=false", f"oci-archive:{file.path}")
    ours, theirs = [], []
    for turn in range(4):
        with docker_registry.serving(tmp_path / f"ours-{turn}", Runner(log=tmp_path / "log")) as origin:
            publish = target(images, origin, tmp_path / f"ledger-{turn}", floating=False).publish
            ours.append(_measured(resource.RUSAGE_SELF, publish))
        # The registry is a child, too; while it runs, it does not count.
        with docker_registry.serving(tmp_path / f"theirs-{turn}", Runner(log=tmp_path / "log")) as origin:
            copy = partial(skopeo, "copy", *words, f"{place_of(origin)}:0.1.0-micro")
            theirs.append(_measured(resource.RUSAGE_CHILDREN, copy))
    processor, wall = (min(one[at] for one in ours) / min(one[at] for one in theirs) for at in (0, 1))
    with capsys.disabled():
        print(f"\n{file.size / MB:.0f} MB: {processor:.2f} times skopeo's processor time, {wall:.2f} times its time")
        print(f"ours (processor, wall): {ours}\nskopeo's: {theirs}")
    assert processor < 2
    assert wall < 2
