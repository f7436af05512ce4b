"""One archive for all platforms of a flavour: an image index over the very blobs of the images' own archives.

It is what `skopeo copy --multi-arch all` pushes under one tag, so that each machine pulls the image for its platform.
Nothing is compressed again: manifests, configurations and layers have the digests that they have in their own archives.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ci.core import tars
from ci.core.errors import ReleaseError
from ci.core.files import write_atomically
from ci.core.tars import FileTree
from ci.images import oci
from ci.manifest import dist_paths
from ci.manifest.release import Release
from ci.pipeline.jobs import Job, Output, Project, Variant, Workspace

INDEX = "application/vnd.oci.image.index.v1+json"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageIndex:
    """What an archive holds: the digest of the index, the document itself, and all blobs by their digests."""

    digest: str
    document: Mapping[str, Any]
    blobs: Mapping[str, bytes]

    @property
    def platforms(self) -> dict[str, str]:
        """The digest of the image for each platform, such as "linux/amd64"."""
        return {
            f"{entry['platform']['os']}/{entry['platform']['architecture']}": entry["digest"]
            for entry in self.document["manifests"]
        }


def reference(release: Release, flavour: str) -> str:
    """The name of a flavour's image for all platforms, which the index has in its archive."""
    return f"{release.images.registry}/{release.name}:{release.version.oci}-{flavour}"


def jobs(project: Project, images: Sequence[Job]) -> tuple[Job, ...]:
    """A job for the index of each flavour, after those of its images: it is available if all of them are."""
    flavours = dict.fromkeys(job.variant.flavour for job in images)
    return tuple(_job(project, name, [job for job in images if job.variant.flavour == name]) for name in flavours)


def _job(project: Project, flavour: str, images: Sequence[Job]) -> Job:
    archives = [output.path for job in images for output in job.outputs if output.kind]

    def build(work: Workspace) -> str:
        path = work.out / Path(dist_paths.image_index(work.release, flavour)).name
        written = write([work.built(archive) for archive in archives], path, tag=reference(work.release, flavour))
        return f"{written.digest} for {', '.join(written.platforms)}"

    return Job(
        id=f"image-index-{flavour}",
        builder="images",
        variant=Variant(flavour=flavour),
        outputs=(Output(kind="image-index", path=dist_paths.image_index(project.release, flavour)),),
        build=build,
        values={"archives": repr(archives), "tag": reference(project.release, flavour)},
        after=tuple(job.id for job in images),
    )


def write(archives: Sequence[Path], path: Path, *, tag: str) -> ImageIndex:
    """Write the index of the images in some archives, whole or not at all. `tag` is the full name that it gets.

    Its annotations are those that all images have alike. docker before version 25 reads no index: it finds the images
    in `manifest.json`, under their own names.
    """
    blobs: dict[str, bytes] = {}
    entries, annotations, for_docker = [], [], []
    for archive in archives:
        tree = tars.read(archive)
        (described,) = json.loads(tree["index.json"].data)["manifests"]
        entries.append({key: described[key] for key in ("mediaType", "digest", "size", "platform")})
        blobs.update(_blobs(tree, archive))
        annotations.append(json.loads(blobs[described["digest"]])["annotations"])
        for_docker += json.loads(tree["manifest.json"].data)
    document = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": entries,
        "annotations": {
            key: value for key, value in annotations[0].items() if all(one.get(key) == value for one in annotations)
        },
    }
    data = oci.as_json(document)
    digest = oci.digest_of(data)
    blobs[digest] = data
    top = {"mediaType": INDEX, "digest": digest, "size": len(data), "annotations": oci.names(tag)}
    files: FileTree = {oci.blob_path(name): tars.file(blob) for name, blob in blobs.items()}
    files["index.json"] = tars.file(oci.as_json({"schemaVersion": 2, "manifests": [top]}))
    files["manifest.json"] = tars.file(oci.as_json(for_docker))
    files["oci-layout"] = tars.file(oci.as_json(oci.LAYOUT))
    write_atomically(path, tars.pack(tars.with_parents(files), 0))
    return ImageIndex(digest=digest, document=document, blobs=blobs)


def read(path: Path) -> ImageIndex:
    """Read an archive of `write`. A blob that is missing or has another digest than its name raises `ReleaseError`."""
    tree = tars.read(path)
    blobs = _blobs(tree, path)
    (top,) = json.loads(tree["index.json"].data)["manifests"]
    if top["mediaType"] != INDEX:
        raise ReleaseError(f"{path}: index.json names {top['mediaType']}, not an index of images")
    if top["digest"] not in blobs:
        raise ReleaseError(f"{path}: the index {top['digest']} is missing")
    return ImageIndex(digest=top["digest"], document=json.loads(blobs[top["digest"]]), blobs=blobs)


def _blobs(tree: FileTree, path: Path) -> dict[str, bytes]:
    """The blobs of an archive by their digests, which are compared with their bytes."""
    found = {}
    for name, entry in tree.items():
        folder, _, digest = name.rpartition("/")
        if folder != "blobs/sha256":
            continue
        if oci.digest_of(entry.data) != f"sha256:{digest}":
            raise ReleaseError(f"{path}: the blob sha256:{digest} is damaged")
        found[f"sha256:{digest}"] = entry.data
    return found
