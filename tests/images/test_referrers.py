"""A registry takes the referrers that carry the SBOMs of an image; the registry is Debian's docker-registry."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from ci.core.errors import VerificationError
from ci.images import referrers
from ci.images.referrers import Referrer
from tests.sboms.conftest import write_image
from tests.support import not_there, wait_for

EPOCH = 1_795_392_000
SPDX, CYCLONEDX = b'{"spdxVersion":"SPDX-2.3"}', b'{"bomFormat":"CycloneDX"}'


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_image(tmp_path_factory.mktemp("image") / "image.oci.tar", {})


@pytest.fixture
def both(archive: Path) -> list[Referrer]:
    subject = referrers.subject_of(archive)
    names = {f"{archive.name}.spdx.json": SPDX, f"{archive.name}.cdx.json": CYCLONEDX}
    return [referrers.of_sbom(subject, name, data, EPOCH) for name, data in names.items()]


def test_the_bytes_of_a_manifest() -> None:
    subject = {"mediaType": referrers.MANIFEST, "digest": f"sha256:{'a' * 64}", "size": 7, "platform": {"os": "linux"}}
    made = referrers.of_sbom(subject, "x.oci.tar.cdx.json", b"{}", EPOCH)
    nothing = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    empty = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": nothing, "size": 2}
    title = {"org.opencontainers.image.title": "x.oci.tar.cdx.json"}
    assert json.loads(made.manifest) == {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "application/vnd.cyclonedx+json",
        "config": empty,
        "layers": [{**empty, "mediaType": "application/vnd.cyclonedx+json", "annotations": title}],
        "subject": {key: subject[key] for key in ("mediaType", "digest", "size")},
        "annotations": {"org.opencontainers.image.created": "2026-11-23T00:00:00Z"},
    }
    assert made == referrers.of_sbom(dict(reversed(subject.items())), "x.oci.tar.cdx.json", b"{}", EPOCH)
    assert made.descriptor["digest"] == made.digest


def test_an_archive_without_an_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.oci.tar").write_bytes(b"nothing\n" * 200)
    with pytest.raises(VerificationError, match=r"x\.oci\.tar: it names no image"):
        referrers.subject_of(tmp_path / "x.oci.tar")


CONFIGURATION = """\
version: 0.1
log: {level: error}
storage: {filesystem: {rootdir: "%s"}}
http: {addr: "127.0.0.1:%d"}
"""


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """The address of a repository in a registry of the test's own."""
    configuration, port = tmp_path / "registry.yml", free_port()
    configuration.write_text(CONFIGURATION % (tmp_path / "registry", port))
    try:
        process = subprocess.Popen(
            ["docker-registry", "serve", configuration], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"},
        )  # fmt: skip
    except FileNotFoundError:
        not_there("docker-registry", optional=True)

    def answers() -> bool:
        with socket.socket() as opened:
            return opened.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_for(answers, "docker-registry listens")
        yield f"http://127.0.0.1:{port}/v2/faas-runtime"
    finally:
        process.terminate()
        process.wait()


def push(repository: str, manifest: bytes, blobs: dict[str, bytes], reference: str) -> requests.Response:
    """Push a manifest and its blobs, as the distribution specification says."""
    for digest, blob in blobs.items():
        begun = requests.post(f"{repository}/blobs/uploads/", timeout=10)
        place = urllib.parse.urljoin(repository, begun.headers["Location"])
        sent = requests.put(place, params={"digest": digest}, data=blob, timeout=10)
        assert sent.status_code == 201, sent.text
    headers = {"Content-Type": referrers.MANIFEST}
    return requests.put(f"{repository}/manifests/{reference}", data=manifest, headers=headers, timeout=10)


def test_a_registry_takes_them(registry: str, archive: Path, both: list[Referrer]) -> None:
    subprocess.run(
        ["skopeo", "copy", "-q", "--preserve-digests", "--dest-tls-verify=false", f"oci-archive:{archive}",
         f"docker://{registry.removeprefix('http://').replace('/v2/', '/')}:1"],
        check=True,
    )  # fmt: skip
    subject = referrers.subject_of(archive)
    assert requests.head(
        f"{registry}/manifests/{subject['digest']}", headers={"Accept": referrers.MANIFEST}, timeout=10
    ).ok
    for one, data in zip(both, (SPDX, CYCLONEDX), strict=True):
        answer = push(registry, one.manifest, dict(one.blobs), one.digest)
        assert answer.status_code == 201, answer.text
        assert answer.headers["Docker-Content-Digest"] == one.digest
        kept = requests.get(f"{registry}/manifests/{one.digest}", headers={"Accept": referrers.MANIFEST}, timeout=10)
        assert kept.content == one.manifest
        document: dict[str, Any] = kept.json()
        assert document["subject"]["digest"] == subject["digest"]
        assert requests.get(f"{registry}/blobs/{document['layers'][0]['digest']}", timeout=10).content == data
