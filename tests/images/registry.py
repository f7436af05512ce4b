"""A registry in this process with one name, which refers to an index with an image for each architecture."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from ci.core import tars

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"


@dataclass(kw_only=True)
class LocalRegistry:
    """`name` is its address and the name of the images; `digests` has their digests by architecture."""

    blobs: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    index: str = ""
    name: str = ""
    requests: list[str] = field(default_factory=list)

    def store(self, data: bytes, kind: str) -> dict[str, object]:
        """Store some bytes; returns their description for a manifest."""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.blobs[digest] = (kind, data)
        return {"mediaType": kind, "digest": digest, "size": len(data)}

    def add(self, architecture: str, salt: str) -> dict[str, object]:
        """Store an image; returns its entry for the index."""
        layer = tars.pack({"architecture": tars.file(f"{architecture} {salt}".encode())}, 0)
        diff_id = f"sha256:{hashlib.sha256(layer).hexdigest()}"
        rootfs = {"type": "layers", "diff_ids": [diff_id]}
        config = {"architecture": architecture, "os": "linux", "config": {"Cmd": ["x"]}, "rootfs": rootfs}
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": self.store(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
            "layers": [self.store(gzip.compress(layer), "application/vnd.oci.image.layer.v1.tar+gzip")],
        }
        entry = self.store(json.dumps(manifest).encode(), _MANIFEST)
        self.digests[architecture] = str(entry["digest"])
        return {**entry, "platform": {"architecture": architecture, "os": "linux"}}

    def fill(self, salt: str) -> None:
        """Store an image for each architecture, and their index."""
        entries = [self.add(one, salt) for one in ("amd64", "arm64")]
        index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": entries}
        self.index = str(self.store(json.dumps(index).encode(), _INDEX)["digest"])


@contextmanager
def serving(folder: Path) -> Iterator[tuple[LocalRegistry, dict[str, str]]]:
    """A registry, and the environment in which buildah, podman and skopeo talk to it without TLS."""
    registry = LocalRegistry()
    registry.fill(str(folder))

    class RegistryHandler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            registry.requests.append(self.path)
            last = self.path.rpartition("/")[2]
            digest = registry.index if last == "1" else last
            kind, data = registry.blobs.get(digest, ("application/json", b"{}"))
            self.send_response(200 if self.path == "/v2/" or digest in registry.blobs else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Docker-Content-Digest", digest)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), RegistryHandler)
    place = f"127.0.0.1:{server.server_port}"
    registry.name = f"{place}/base"
    settings = folder / ".config" / "containers" / "registries.conf"
    settings.parent.mkdir(parents=True)
    settings.write_text(f'[[registry]]\nlocation = "{place}"\ninsecure = true\n')
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield registry, {"CONTAINERS_REGISTRIES_CONF": str(settings), "HOME": str(folder)}
    finally:
        server.shutdown()
        server.server_close()
