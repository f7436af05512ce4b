"""A registry that keeps everything in memory, and is strict (OCI distribution-spec 1.1), with the referrers API.

Upload addresses are relative, hold a query, and change with each piece that was sent. Tags move without a word, as in
real registries. It does not take a body without a length.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from ci.publish.rehearse import registry_manifests
from ci.publish.rehearse.registry_manifests import INDEX, RegistryRefusal
from ci.publish.rehearse.registry_tokens import PATH, TokenOffice
from ci.publish.rehearse.server import Reply, Request

_NAME = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_RANGE = re.compile(r"(\d+)-(\d+)")
_ROUTES = {
    re.compile(rf"/v2/({_NAME})/blobs/uploads/"): "uploads",
    re.compile(rf"/v2/({_NAME})/blobs/uploads/([0-9a-f]+)"): "upload",
    re.compile(rf"/v2/({_NAME})/blobs/([^/]+)"): "blob",
    re.compile(rf"/v2/({_NAME})/manifests/([^/]+)"): "manifest",
    re.compile(rf"/v2/({_NAME})/tags/list"): "tags",
    re.compile(rf"/v2/({_NAME})/referrers/([^/]+)"): "referrers",
}


@dataclass(kw_only=True)
class BlobUpload:
    """An upload that was begun: what came so far, and the state that its address must hold."""

    state: str
    data: bytes = b""


@dataclass(kw_only=True)
class RepositoryContents:
    """What one repository has. `manifests` are by digest, with their media types in `types`."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    uploads: dict[str, BlobUpload] = field(default_factory=dict)


@dataclass(kw_only=True)
class RegistryServer:
    """The registry; `answer` is for a `Server`. `page` is the most that one page of a list has.

    Without `referrers_api`, it keeps no lists of referrers, as many registries in use. `office` gives out the tokens
    that it then asks for; `scheme` is that of the office's address.
    """

    referrers_api: bool = True
    page: int = 100
    office: TokenOffice | None = None
    scheme: str = "http"
    repositories: dict[str, RepositoryContents] = field(default_factory=dict)

    def answer(self, request: Request) -> Reply:
        """Carry out one request."""
        if self.office and request.path == PATH and request.method == "GET":
            return self.office.give(request)
        found = [(match, name) for route, name in _ROUTES.items() if (match := route.fullmatch(request.path))]
        repository = found[0][0][1] if found else ""
        if self.office and (refusal := self.office.refusal(request, repository, self.scheme)):
            return refusal
        if request.path == "/v2/" and request.method == "GET":
            return _json(200, {})
        try:
            if "transfer-encoding" in request.headers:
                raise RegistryRefusal(411, "SIZE_INVALID", "a body needs a length")
            if not found:
                raise RegistryRefusal(404, "NAME_INVALID", "there is nothing at this path")
            match, name = found[0]
            method = "get" if request.method == "HEAD" else request.method.lower()
            handle: Callable[..., Reply] | None = getattr(self, f"_{method}_{name}", None)
            if handle is None:
                raise RegistryRefusal(405, "UNSUPPORTED", "this cannot be done with it")
            return handle(request, *match.groups())
        except RegistryRefusal as error:
            return _json(error.status, {"errors": [{"code": error.code, "message": str(error)}]})

    def _get_blob(self, request: Request, repository: str, digest: str) -> Reply:
        _require_digest(digest)
        data = self._known(repository).blobs.get(digest)
        if data is None:
            raise RegistryRefusal(404, "BLOB_UNKNOWN", f"{digest} is not there")
        return _with_digest(200, digest, data, "application/octet-stream")

    def _post_uploads(self, request: Request, repository: str) -> Reply:
        if request.body:
            raise RegistryRefusal(400, "SIZE_INVALID", "an upload begins without a body")
        contents = self.repositories.setdefault(repository, RepositoryContents())
        mounted, origin = request.query.get("mount", [""])[0], request.query.get("from", [""])[0]
        if mounted in self.repositories.get(origin, RepositoryContents()).blobs:
            contents.blobs[mounted] = self.repositories[origin].blobs[mounted]
            return _with_digest(201, mounted, b"", location=f"/v2/{repository}/blobs/{mounted}")
        number = secrets.token_hex(8)
        contents.uploads[number] = BlobUpload(state=secrets.token_urlsafe(9))
        return self._progress(202, repository, number)

    def _get_upload(self, request: Request, repository: str, number: str) -> Reply:
        self._upload(request, repository, number)
        return self._progress(204, repository, number)

    def _patch_upload(self, request: Request, repository: str, number: str) -> Reply:
        upload = self._upload(request, repository, number)
        _append(upload, request)
        upload.state = secrets.token_urlsafe(9)
        return self._progress(202, repository, number)

    def _put_upload(self, request: Request, repository: str, number: str) -> Reply:
        upload, digest = self._upload(request, repository, number), request.query.get("digest", [""])[0]
        _require_digest(digest)
        if request.body:
            _append(upload, request)
        del self.repositories[repository].uploads[number]
        if (got := digest_of(upload.data)) != digest:
            raise RegistryRefusal(400, "DIGEST_INVALID", f"what came has {got}, not {digest}")
        self.repositories[repository].blobs[digest] = upload.data
        return _with_digest(201, digest, b"", location=f"/v2/{repository}/blobs/{digest}")

    def _delete_upload(self, request: Request, repository: str, number: str) -> Reply:
        self._upload(request, repository, number)
        del self.repositories[repository].uploads[number]
        return Reply(status=204)

    def _get_manifest(self, request: Request, repository: str, reference: str) -> Reply:
        contents = self._known(repository)
        digest = reference if ":" in reference else contents.tags.get(reference, "")
        data = contents.manifests.get(digest)
        if data is None:
            raise RegistryRefusal(404, "MANIFEST_UNKNOWN", f"{reference} is not there")
        media_type, accepted = contents.types[digest], request.headers.get("accept", "*/*")
        if media_type not in accepted and "*/*" not in accepted:
            raise RegistryRefusal(404, "MANIFEST_UNKNOWN", f"{reference} is {media_type}, which was not asked for")
        return _with_digest(200, digest, data, media_type)

    def _put_manifest(self, request: Request, repository: str, reference: str) -> Reply:
        contents = self.repositories.setdefault(repository, RepositoryContents())
        digest = digest_of(request.body)
        if ":" in reference:
            _require_digest(reference)
            if reference != digest:
                raise RegistryRefusal(400, "DIGEST_INVALID", f"what came has {digest}, not {reference}")
        elif not _TAG.fullmatch(reference):
            raise RegistryRefusal(400, "TAG_INVALID", f"{reference!a} is no tag")
        media_type = request.headers.get("content-type", "")
        document = registry_manifests.checked(request.body, media_type, contents.blobs, contents.manifests)
        contents.manifests[digest], contents.types[digest] = request.body, media_type
        if ":" not in reference:
            contents.tags[reference] = digest
        reply = _with_digest(201, digest, b"", location=f"/v2/{repository}/manifests/{digest}")
        if self.referrers_api and "subject" in document:
            return Reply(status=201, headers={**reply.headers, "OCI-Subject": document["subject"]["digest"]})
        return reply

    def _delete_manifest(self, request: Request, repository: str, reference: str) -> Reply:
        contents = self._known(repository)
        if ":" not in reference:
            raise RegistryRefusal(400, "UNSUPPORTED", "a tag cannot be deleted, only what it means, by its digest")
        if contents.manifests.pop(reference, None) is None:
            raise RegistryRefusal(404, "MANIFEST_UNKNOWN", f"{reference} is not there")
        contents.tags = {tag: digest for tag, digest in contents.tags.items() if digest != reference}
        return Reply(status=202)

    def _get_tags(self, request: Request, repository: str) -> Reply:
        path = f"/v2/{repository}/tags/list"
        page, link = self._page(request, path, {tag: tag for tag in sorted(self._known(repository).tags)})
        return _json(200, {"name": repository, "tags": page}, link)

    def _get_referrers(self, request: Request, repository: str, digest: str) -> Reply:
        if not self.referrers_api:
            raise RegistryRefusal(404, "UNSUPPORTED", "there is nothing at this path")
        _require_digest(digest)
        contents = self.repositories.get(repository, RepositoryContents())
        found = {
            key: one for key, data in contents.manifests.items() if (one := _referrer(contents, key, data, digest))
        }
        headers = {"Content-Type": INDEX}
        if wanted := request.query.get("artifactType"):
            found = {key: one for key, one in found.items() if one["artifactType"] == wanted[0]}
            headers["OCI-Filters-Applied"] = "artifactType"
        page, link = self._page(request, f"/v2/{repository}/referrers/{digest}", dict(sorted(found.items())))
        return _json(200, {"schemaVersion": 2, "mediaType": INDEX, "manifests": page}, {**headers, **link})

    def _page(self, request: Request, path: str, items: Mapping[str, Any]) -> tuple[list[Any], dict[str, str]]:
        """A page of a list, and the header that leads to the next one."""
        number = request.query.get("n", ["100"])[0]
        if not number.isdecimal():
            raise RegistryRefusal(400, "PAGINATION_NUMBER_INVALID", f"{number!a} is no number")
        most = min(int(number), self.page)
        rest = [key for key in items if key > request.query.get("last", [""])[0]]
        kept = {name: value for name, (value, *_) in request.query.items() if name not in ("n", "last")}
        more = len(rest) > most > 0
        query = urlencode({**kept, "n": number, "last": rest[most - 1]}) if more else ""
        return [items[key] for key in rest[:most]], {"Link": f'<{path}?{query}>; rel="next"'} if more else {}

    def _known(self, repository: str) -> RepositoryContents:
        if repository not in self.repositories:
            raise RegistryRefusal(404, "NAME_UNKNOWN", f"there is no repository {repository}")
        return self.repositories[repository]

    def _upload(self, request: Request, repository: str, number: str) -> BlobUpload:
        upload = self._known(repository).uploads.get(number)
        if upload is None:
            raise RegistryRefusal(404, "BLOB_UPLOAD_UNKNOWN", "there is no such upload")
        if request.query.get("_state") != [upload.state]:
            raise RegistryRefusal(400, "BLOB_UPLOAD_INVALID", "this is not the address that the last answer named")
        return upload

    def _progress(self, status: int, repository: str, number: str) -> Reply:
        upload = self.repositories[repository].uploads[number]
        location = f"/v2/{repository}/blobs/uploads/{number}?_state={upload.state}"
        end = max(len(upload.data) - 1, 0)
        return Reply(status=status, headers={"Location": location, "Range": f"0-{end}", "Docker-Upload-UUID": number})


def digest_of(data: bytes) -> str:
    """The digest of some bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _append(upload: BlobUpload, request: Request) -> None:
    """Add a piece to an upload. It has to follow what came before, and to be as long as it says."""
    if request.headers.get("content-type") != "application/octet-stream":
        raise RegistryRefusal(415, "UNSUPPORTED", "a piece of a blob is application/octet-stream")
    if "content-length" not in request.headers:
        raise RegistryRefusal(411, "SIZE_INVALID", "a piece of a blob needs a length")
    if "content-range" in request.headers:
        found = _RANGE.fullmatch(request.headers["content-range"])
        first, last = (int(found[1]), int(found[2])) if found else (-1, -1)
        if first != len(upload.data) or last - first + 1 != len(request.body):
            raise RegistryRefusal(
                416, "BLOB_UPLOAD_INVALID", f"{len(upload.data)} bytes are there, and this does not follow"
            )
    upload.data += request.body


def _referrer(contents: RepositoryContents, key: str, data: bytes, subject: str) -> dict[str, Any] | None:
    """The entry of a manifest in the list of a subject; None if it does not refer to it."""
    document = json.loads(data)
    if document.get("subject", {}).get("digest") != subject:
        return None
    entry = {"mediaType": contents.types[key], "digest": key, "size": len(data)}
    entry["artifactType"] = registry_manifests.artifact_type(document)
    return {**entry, **({"annotations": document["annotations"]} if document.get("annotations") else {})}


def _require_digest(text: str) -> None:
    if not _DIGEST.fullmatch(text):
        raise RegistryRefusal(400, "DIGEST_INVALID", f"{text!a} is no SHA-256 digest")


def _with_digest(status: int, digest: str, body: bytes, media_type: str = "", location: str = "") -> Reply:
    headers = {"Docker-Content-Digest": digest}
    headers.update({"Content-Type": media_type} if media_type else {})
    headers.update({"Location": location} if location else {})
    return Reply(status=status, body=body, headers=headers)


def _json(status: int, document: object, headers: Mapping[str, str] | None = None) -> Reply:
    body = json.dumps(document).encode()
    return Reply(status=status, body=body, headers={"Content-Type": "application/json", **(headers or {})})
