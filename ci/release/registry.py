"""Asks a container registry which image a tag means now.

This is the reading half of the distribution specification, https://github.com/opencontainers/distribution-spec, with
the tokens of https://distribution.github.io/distribution/spec/auth/token/. It logs in nowhere: a base is an image that
anybody may pull. Nothing is believed that can be calculated: a digest is the SHA-256 of the bytes that came.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ci.core.errors import ReleaseError, UnavailableError, VerificationError
from ci.core.registries import answering_host
from ci.manifest.text import shown
from ci.release.registry_connection import Connection, RegistryBody

_INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_DIGEST = re.compile("sha256:[0-9a-f]{64}")
_LOOPBACK = re.compile(r"(?:127(?:\.\d{1,3}){3}|localhost|\[::1\])(?::\d+)?")


@dataclass(frozen=True, kw_only=True)
class RegistryTag:
    """A tag of a repository in a registry: `host` may have a port."""

    host: str
    repository: str
    tag: str

    def __str__(self) -> str:
        """Return the name as the manifest has it."""
        return f"{self.host}/{self.repository}:{self.tag}"

    @property
    def origin(self) -> str:
        """Where the registry answers. On the machine's own addresses, engines and this tooling do without TLS."""
        scheme = "http" if _LOOPBACK.fullmatch(self.host) else "https"
        return f"{scheme}://{answering_host(self.host)}"


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """The digest of what the tag means, and the digest of the image for each platform in it."""

    digest: str
    platforms: Mapping[str, str] = field(default_factory=dict)


def tag_of(base: str) -> RegistryTag:
    """The parts of a base in the manifest, HOST/REPOSITORY:TAG, whose form the schema has checked."""
    name, _, tag = base.rpartition(":")
    host, _, repository = name.partition("/")
    return RegistryTag(host=host, repository=repository, tag=tag)


def resolve(tag: RegistryTag, platforms: Sequence[str], *, origin: str = "") -> Resolved:
    """Ask for the digests of a tag and of its images for platforms such as "linux/amd64".

    `origin` is another address of the registry than its own. Raises `UnavailableError` if the registry has not what is
    wanted, `VerificationError` if its answer is damaged, `HostError` if it cannot be reached now.
    """
    with Connection(tag.repository, origin or tag.origin) as connection:
        return _Question(tag, connection).resolved(platforms)


class _Question:
    """One tag, and the connection to its registry."""

    def __init__(self, tag: RegistryTag, connection: Connection) -> None:
        self.tag = tag
        self.connection = connection

    def resolved(self, platforms: Sequence[str]) -> Resolved:
        answer = self.get(f"manifests/{self.tag.tag}", (*_INDEXES, *_MANIFESTS), f"the tag {self.tag.tag}")
        digest = self.digest_of(answer, f"the tag {self.tag.tag}")
        document = self.document(answer.body, "the tag's manifest")
        kind = document.get("mediaType") or answer.media_type
        if kind in _INDEXES or (kind not in _MANIFESTS and "manifests" in document):
            found = self.of_index(document, platforms)
        elif kind in _MANIFESTS:
            found = self.of_image(document, digest)
        else:
            raise UnavailableError(f"{self.tag}: its manifest is {shown(kind)}, which this tooling does not know")
        if missing := [platform for platform in platforms if platform not in found]:
            there = ", ".join(sorted(found)) or "none that it names"
            raise UnavailableError(
                f"{self.tag}: it has no image for {', '.join(missing)} (there: {there})",
                hint="choose another tag in release.yaml, or remove the platform under images.platforms",
            )
        return Resolved(digest=digest, platforms={platform: found[platform] for platform in platforms})

    def of_index(self, document: Mapping[str, Any], platforms: Sequence[str]) -> dict[str, str]:
        """The images of an index by their platforms; the wanted ones are really there."""
        found: dict[str, str] = {}
        for entry in document["manifests"] if isinstance(document.get("manifests"), list) else ():
            described = entry.get("platform") if isinstance(entry, dict) else None
            if not isinstance(described, dict):
                continue
            platform = f"{described.get('os')}/{described.get('architecture')}"
            digest = entry.get("digest")
            if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
                raise VerificationError(f"{self.tag}: its index names {shown(digest)} for {platform}, not a digest")
            found.setdefault(platform, digest)  # engines take the first one as well
        for platform in platforms:
            if platform in found:
                self.get(f"manifests/{found[platform]}", _MANIFESTS, f"its image for {platform}", method="HEAD")
        return found

    def of_image(self, document: Mapping[str, Any], digest: str) -> dict[str, str]:
        """The platform of a single image, which its configuration names."""
        described = document.get("config")
        config = described.get("digest") if isinstance(described, dict) else None
        if not isinstance(config, str) or not _DIGEST.fullmatch(config):
            raise VerificationError(f"{self.tag}: its manifest names no configuration")
        answer = self.get(f"blobs/{config}", ("*/*",), "its configuration")
        if (got := _sha256(answer.body)) != config:
            raise VerificationError(f"{self.tag}: its configuration {config} arrived as {got}")
        found = self.document(answer.body, "its configuration")
        return {f"{found.get('os')}/{found.get('architecture')}": digest}

    def get(self, path: str, accept: Sequence[str], what: str, method: str = "GET") -> RegistryBody:
        try:
            return self.connection.ask(method, f"/v2/{self.tag.repository}/{path}", accept, what)
        except ReleaseError as error:
            raise type(error)(f"{self.tag}: {error}", hint=error.hint) from error

    def digest_of(self, answer: RegistryBody, what: str) -> str:
        """The digest of the bytes; raises `VerificationError` if the registry says that it is another one."""
        digest = _sha256(answer.body)
        if answer.digest and answer.digest != digest:
            raise VerificationError(
                f"{self.tag}: the registry says that {what} is {shown(answer.digest)}, but what came has {digest}",
                hint="something between here and the registry changes or cuts answers; use another connection",
            )
        return digest

    def document(self, body: bytes, what: str) -> dict[str, Any]:
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise VerificationError(
                f"{self.tag}: {what} is not JSON", hint="perhaps a proxy has answered; look at the address by hand"
            )
        return found


def _sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
