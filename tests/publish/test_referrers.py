"""The manifests that are attached to images: the same content gives the same bytes."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from ci.core.errors import VerificationError
from ci.publish import referrers
from ci.publish.oci_documents import MANIFEST, Descriptor

EPOCH = 1_795_392_000
SUBJECT = Descriptor(media_type=MANIFEST, digest=f"sha256:{'a' * 64}", size=7)
NOTHING = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
EMPTY = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": NOTHING, "size": 2}
CREATED = {"org.opencontainers.image.created": "2026-11-23T00:00:00Z"}


def test_an_sbom() -> None:
    made = referrers.of_sbom(SUBJECT, "x.oci.tar.cdx.json", b"{}", EPOCH)
    title = {"org.opencontainers.image.title": "x.oci.tar.cdx.json"}
    assert json.loads(made.manifest) == {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": "application/vnd.cyclonedx+json",
        "config": EMPTY,
        "layers": [{**EMPTY, "mediaType": "application/vnd.cyclonedx+json", "annotations": title}],
        "subject": SUBJECT.as_json(),
        "annotations": CREATED,
    }
    assert made == referrers.of_sbom(SUBJECT, "x.oci.tar.cdx.json", b"{}", EPOCH)
    assert made.descriptor["digest"] == made.digest


def bundle(statement: object) -> bytes:
    payload = base64.b64encode(json.dumps(statement).encode()).decode()
    return json.dumps({"dsseEnvelope": {"payload": payload}}).encode()


def test_a_signed_statement() -> None:
    made = referrers.of_bundle(SUBJECT, "p.sigstore.json", bundle({"predicateType": "https://x.example/p"}), EPOCH)
    document = json.loads(made.manifest)
    assert document["artifactType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
    (layer,) = document["layers"]
    assert layer["mediaType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
    assert document["annotations"] == made.descriptor["annotations"] == {
        **CREATED,
        "dev.sigstore.bundle.content": "dsse-envelope",
        "dev.sigstore.bundle.predicateType": "https://x.example/p",
    }  # fmt: skip


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b'{"dsseEnvelope":[]}', b'{"dsseEnvelope":{"payload":"?"}}', bundle([]), bundle({})],
)
def test_what_is_no_bundle_is_refused(data: bytes) -> None:
    with pytest.raises(VerificationError, match=r"p\.sigstore\.json: it is no bundle"):
        referrers.of_bundle(SUBJECT, "p.sigstore.json", data, EPOCH)


def test_a_note_of_deprecation() -> None:
    made = referrers.of_deprecation(SUBJECT, "it loses requests", EPOCH)
    document: dict[str, Any] = json.loads(made.manifest)
    assert document["artifactType"] == made.artifact_type == "application/vnd.faas-runtime.deprecation.v1"
    assert document["layers"] == [EMPTY]
    assert document["annotations"] == {**CREATED, "io.github.faas-runtime.deprecation.reason": "it loses requests"}
