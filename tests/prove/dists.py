"""Folders like `dist/`, with small images and source tarballs that are made for one test."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

from ci.core import tars
from ci.core.tars import FileTree
from ci.images import oci
from ci.pipeline.finished import Dist
from tests.support import ROOT

EPOCH = 1795392000
COPYRIGHT = b"""\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
License: LGPL-2.1+

Files: posix/*
License: Expat
"""
HEADER = (ROOT / "runtime" / "include" / "faas.h").read_bytes()


def image_tree() -> FileTree:
    """The files of a small image, with the lists of packages of Debian and of Alpine."""
    return {
        "var": tars.folder(),
        "var/lib/dpkg/status.d/libc6": tars.file(b"Package: libc6\nVersion: 2.41-12\n\n"),
        "usr/share/doc/libc6/copyright": tars.file(COPYRIGHT),
        "usr/lib/apk/db/installed": tars.file(b"P:musl\nV:1.2.5-r9\nL:MIT\n\nP:tzdata\nV:2026a\nL:Public-Domain\n"),
        "usr/bin/program": tars.file(b"#!/bin/sh\n", 0o755),
        "usr/bin/link": tars.link("program"),
        "usr/include/faas.h": tars.file(HEADER),
    }


def image_settings() -> dict[str, Any]:
    """The settings of a small image."""
    labels = {"version": "0.1.0", "org.opencontainers.image.licenses": "Apache-2.0"}
    return {"User": "65532:65532", "Env": ["A=1"], "Entrypoint": ["/usr/bin/program"], "Labels": labels}


def write_image(path: Path, tree: FileTree, settings: dict[str, Any]) -> None:
    """Write an image archive."""
    layer = tars.pack(tree, EPOCH)
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": settings,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    oci.write_archive(oci.Image(config=config, layers=(layer,)), path, tag="tests.invalid/faas-runtime:0.1.0")


def write_sdist(path: Path, version: str, fields: str, files: dict[str, bytes]) -> None:
    """Write a source tarball with these fields of metadata."""
    top = f"faas_runtime-{version}"
    tree = {f"{top}/{name}": tars.file(data) for name, data in files.items()}
    tree[f"{top}/PKG-INFO"] = tars.file(f"Metadata-Version: 2.4\nName: faas-runtime\n{fields}\n".encode())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(tars.pack(tree, EPOCH), mtime=0))


def listed(folder: Path, kinds: dict[str, str], version: str = "0.1.0") -> Dist:
    """Write the `artifacts.json` of a folder: `kinds` has the kind of each artefact by its path."""
    artifacts = [
        {
            "kind": kind,
            "name": path.rpartition("/")[2],
            "path": path,
            "status": "verified",
            "tool": "buildah 1.28.2",
            "size": (folder / path).stat().st_size,
            "sha256": hashlib.sha256((folder / path).read_bytes()).hexdigest(),
        }
        for path, kind in kinds.items()
    ]
    document = {
        "format": 1,
        "name": "faas-runtime",
        "version": version,
        "source_date_epoch": EPOCH,
        "source": {"revision": f"v{version}-unreleased"},
        "not_tried": [],
        "artifacts": artifacts,
        "quick": False,
        "gates": [],
        "waivers": [],
    }
    (folder / "artifacts.json").write_text(json.dumps(document))
    return Dist(title=folder.name, folder=folder, document=document)
