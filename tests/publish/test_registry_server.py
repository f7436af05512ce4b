"""The registry of the rehearsal is as strict as the specification lets it be."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ci.publish.rehearse.registry_server import RegistryServer, digest_of
from ci.publish.rehearse.server import Reply, Request

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


class Client:
    """Sends requests to a registry without a network."""

    def __init__(self, registry: RegistryServer) -> None:
        self.registry = registry

    def __call__(self, method: str, path: str, body: bytes = b"", **headers: str) -> Reply:
        path, _, query = path.partition("?")
        values = {key: [value] for key, _, value in (part.partition("=") for part in query.split("&") if part)}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"host": "127.0.0.1", "content-length": str(len(body)), **named}
        return self.registry.answer(Request(method=method, path=path, query=values, headers=sent, body=body))

    def begin(self) -> str:
        reply = self("POST", "/v2/a/b/blobs/uploads/")
        assert reply.status == 202
        return reply.headers["Location"]

    def blob(self, data: bytes) -> dict[str, Any]:
        reply = self("PUT", f"{self.begin()}&digest={digest_of(data)}", data, content_type="application/octet-stream")
        assert (reply.status, reply.headers["Docker-Content-Digest"]) == (201, digest_of(data))
        return {"digest": digest_of(data), "size": len(data)}

    def put(self, document: dict[str, Any], reference: str = "1", media_type: str = "") -> Reply:
        data = json.dumps(document).encode()
        place = f"/v2/a/b/manifests/{reference or digest_of(data)}"
        return self("PUT", place, data, content_type=media_type or document["mediaType"])

    def image(self) -> dict[str, Any]:
        config, layer = self.blob(b"{}"), self.blob(b"layer")
        return {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": CONFIG, **config},
            "layers": [{"mediaType": LAYER, **layer}],
        }


@pytest.fixture
def client() -> Client:
    return Client(RegistryServer(page=2))


def code_of(reply: Reply) -> str:
    return str(json.loads(reply.body)["errors"][0]["code"])


def test_an_upload_in_pieces(client: Client) -> None:
    octets = "application/octet-stream"
    first = client.begin()
    assert first.startswith("/v2/")  # it is relative, and has a query
    assert "?_state=" in first
    for wrong in ("3-5", "0-1", "x", "1-3"):
        assert client("PATCH", first, b"abc", content_type=octets, content_range=wrong).status == 416
    reply = client("PATCH", first, b"abc", content_type=octets, content_range="0-2")
    assert (reply.status, reply.headers["Range"]) == (202, "0-2")
    second = reply.headers["Location"]
    assert code_of(client("PATCH", first, b"de", content_type=octets)) == "BLOB_UPLOAD_INVALID"
    assert client("GET", second).headers["Range"] == "0-2"
    assert client("PATCH", second, b"de", content_type="text/plain").status == 415
    done = client("PUT", f"{second}&digest={digest_of(b'abcde')}", b"de", content_type=octets, content_range="3-4")
    assert done.status == 201
    assert client("GET", done.headers["Location"]).body == b"abcde"
    assert code_of(client("GET", second)) == "BLOB_UPLOAD_UNKNOWN"


def test_other_uploads(client: Client) -> None:
    octets = "application/octet-stream"
    for digest in (digest_of(b"x"), "md5:1"):
        reply = client("PUT", f"{client.begin()}&digest={digest}", b"y", content_type=octets)
        assert code_of(reply) == "DIGEST_INVALID"
    assert client("POST", "/v2/a/b/blobs/uploads/", b"x").status == 400
    begun = client.begin()
    assert client("DELETE", begun).status == 204
    assert client("DELETE", begun).status == 404
    assert client("POST", "/v2/a/b/blobs/uploads/", transfer_encoding="chunked").status == 411
    known = client.blob(b"z")["digest"]
    assert client("POST", f"/v2/c/blobs/uploads/?mount={known}&from=a/b").status == 201
    assert client("HEAD", f"/v2/c/blobs/{known}").status == 200
    assert client("POST", f"/v2/c/blobs/uploads/?mount={digest_of(b'?')}&from=a/b").status == 202


def test_a_manifest(client: Client) -> None:
    image = client.image()
    reply = client.put(image)
    assert reply.status == 201
    assert reply.headers["Docker-Content-Digest"] == digest_of(json.dumps(image).encode())
    assert "OCI-Subject" not in reply.headers
    assert client("GET", "/v2/a/b/manifests/1", accept=MANIFEST).body == json.dumps(image).encode()
    assert client("GET", "/v2/a/b/manifests/1", accept=INDEX).status == 404
    assert client.put({**image, "annotations": {"x": "y"}}).status == 201  # a tag is moved without a word
    assert client("DELETE", "/v2/a/b/manifests/1").status == 400
    moved = client("HEAD", "/v2/a/b/manifests/1").headers["Docker-Content-Digest"]
    assert client("DELETE", f"/v2/a/b/manifests/{moved}").status == 202
    assert client("HEAD", "/v2/a/b/manifests/1").status == 404


GONE = {"mediaType": LAYER, "digest": digest_of(b"gone"), "size": 4}
EMPTY = "application/vnd.oci.empty.v1+json"
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a layer that is not there": ({"layers": [GONE]}, "MANIFEST_BLOB_UNKNOWN"),
    "no layers": ({"layers": []}, "MANIFEST_INVALID"),
    "layers that are no list": ({"layers": {}}, "MANIFEST_INVALID"),
    "no configuration": ({"config": None}, "MANIFEST_INVALID"),
    "a configuration that is not there": ({"config": {**GONE, "mediaType": CONFIG}}, "MANIFEST_BLOB_UNKNOWN"),
    "an artefact without a type": (
        {"config": {"mediaType": EMPTY, "digest": digest_of(b"{}"), "size": 2}}, "MANIFEST_INVALID",
    ),
    "another size": (
        {"config": {"mediaType": CONFIG, "digest": digest_of(b"{}"), "size": 3}}, "MANIFEST_INVALID",
    ),
    "a layer that is no layer": (
        {"layers": [{"mediaType": "text/plain", "digest": digest_of(b"layer"), "size": 5}]}, "MANIFEST_INVALID",
    ),
    "another schema": ({"schemaVersion": 1}, "MANIFEST_INVALID"),
    "a subject without a digest": ({"subject": {"mediaType": MANIFEST}}, "MANIFEST_INVALID"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_manifest_is_refused(name: str, client: Client) -> None:
    change, code = REFUSED[name]
    reply = client.put({**client.image(), **change})
    assert (reply.status, code_of(reply)) == (400, code)
    assert client("HEAD", "/v2/a/b/manifests/1").status == 404


def test_more_that_is_refused(client: Client) -> None:
    image = client.image()
    assert client.put(image, media_type=INDEX).status == 400
    assert client.put(image, media_type="text/plain").status == 415
    assert code_of(client.put(image, reference=digest_of(b"x"))) == "DIGEST_INVALID"
    assert code_of(client.put(image, reference="-x")) == "TAG_INVALID"
    assert client("PUT", "/v2/a/b/manifests/1", b"{", content_type=MANIFEST).status == 400
    assert client("PUT", "/v2/a/b/manifests/1", b" " * 5_000_000, content_type=MANIFEST).status == 413
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [{**GONE, "mediaType": MANIFEST}]}
    assert code_of(client.put(index)) == "MANIFEST_UNKNOWN"
    assert client("GET", "/v2/A/manifests/1").status == 404
    assert client("PATCH", "/v2/a/b/manifests/1").status == 405
    assert code_of(client("GET", "/v2/nobody/tags/list")) == "NAME_UNKNOWN"


def test_referrers(client: Client) -> None:
    image = client.image()
    client.put(image)
    subject = {"mediaType": MANIFEST, "digest": digest_of(json.dumps(image).encode()), "size": 1}
    empty = {"mediaType": EMPTY, **client.blob(b"{}")}
    for kind in ("a/x", "a/y", "a/y"):
        one = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": kind, "config": empty, "layers": [empty]}
        number = str(len(client.registry.repositories["a/b"].manifests))
        reply = client.put({**one, "subject": subject, "annotations": {"n": number}}, reference="")
        assert reply.headers["OCI-Subject"] == subject["digest"]
    path = f"/v2/a/b/referrers/{subject['digest']}"
    first = client("GET", path)
    assert first.headers["Content-Type"] == INDEX
    following = first.headers["Link"].partition(">")[0].removeprefix("<").replace("%3A", ":")
    pages = [*json.loads(first.body)["manifests"], *json.loads(client("GET", following).body)["manifests"]]
    assert sorted(one["artifactType"] for one in pages) == ["a/x", "a/y", "a/y"]
    assert {one["annotations"]["n"] for one in pages} == {"1", "2", "3"}
    filtered = client("GET", f"{path}?artifactType=a/x")
    assert filtered.headers["OCI-Filters-Applied"] == "artifactType"
    assert len(json.loads(filtered.body)["manifests"]) == 1
    assert json.loads(client("GET", f"/v2/none/referrers/{digest_of(b'')}").body)["manifests"] == []
    assert client("GET", "/v2/a/b/referrers/x").status == 400
    client.registry.referrers_api = False
    assert client("GET", path).status == 404


def test_tags_come_in_pages(client: Client) -> None:
    image = client.image()
    for tag in "cabed":
        client.put(image, reference=tag)
    path, found = "/v2/a/b/tags/list?n=100", list[str]()
    while path:
        reply = client("GET", path)
        found += json.loads(reply.body)["tags"]
        path = reply.headers.get("Link", "").partition(">")[0].removeprefix("<")
    assert found == list("abcde")
    assert client("GET", "/v2/a/b/tags/list?n=x").status == 400
