"""An image index: the images in it are those of their own archives, and registries' tools and engines read it."""

from __future__ import annotations

import json
from pathlib import Path

from ci.core import tars
from ci.core.architectures import host_name
from ci.core.errors import VerificationError
from ci.core.files import unpack
from ci.images import engine_choice, engines, image_index, oci
from ci.images.engines import Engine
from ci.images.image_index import ImageIndex
from ci.manifest import dist_paths
from ci.pipeline.jobs import Verdict
from ci.verify.check import Check

_OCI = "org.opencontainers.image."
_FOR_LOADING = ("podman", "docker", "buildah")


def verify(check: Check) -> Verdict:
    """Verify the index of a flavour; a fault raises `VerificationError`."""
    try:
        index = image_index.read(check.path)
        _require_document(check, index)
        _require_same_images(check, index)
    except (LookupError, ValueError, TypeError, AttributeError) as error:
        raise VerificationError(f"{check.output.path}: not an archive that this tooling makes: {error!r}") from error
    _require_skopeo(check, index)
    digests = f"{index.digest} for {', '.join(index.platforms)}"
    return Verdict(untried=tuple(filter(None, (_require_loads(check, index),))), notes=(digests,))


def _require_document(check: Check, index: ImageIndex) -> None:
    """The index names each platform of the manifest once, and says what it is and of which version."""
    release = check.project.release
    kinds = (index.document["schemaVersion"], index.document["mediaType"])
    check.require_equal(kinds, (2, image_index.INDEX), "version and type of the index")
    platforms = [f"{one['platform']['os']}/{one['platform']['architecture']}" for one in index.document["manifests"]]
    check.require_equal(platforms, list(release.images.platforms), "platforms")
    annotations = index.document["annotations"]
    expected = {
        f"{_OCI}title": release.name,
        f"{_OCI}version": release.version.oci,
        f"{_OCI}description": release.summary,
        f"{_OCI}licenses": release.license,
        f"{_OCI}source": release.home,
    }
    check.require_equal({key: annotations.get(key) for key in expected}, expected, "annotations")
    tree = tars.read(check.path)
    (top,) = json.loads(tree["index.json"].data)["manifests"]
    name = image_index.reference(release, check.variant.flavour)
    check.require_equal(top["annotations"], oci.names(name), "names in index.json")


def _require_same_images(check: Check, index: ImageIndex) -> None:
    """Every image and every blob is the one of the image's own archive, and there are no others."""
    release, flavour = check.project.release, check.variant.flavour
    blobs = {index.digest}
    for_docker = []
    for platform, digest in index.platforms.items():
        own = check.project.dist / dist_paths.image(release, flavour, platform.rpartition("/")[2])
        if not own.is_file():
            raise VerificationError(f"{check.output.path}: {own.name} is not there to compare with")
        tree = tars.read(own)
        (described,) = json.loads(tree["index.json"].data)["manifests"]
        check.require_equal(digest, described["digest"], f"digest of the image for {platform}")
        (entry,) = (one for one in index.document["manifests"] if one["digest"] == digest)
        names = ("mediaType", "digest", "size", "platform")
        check.require_equal(entry, {key: described[key] for key in names}, f"description of the image for {platform}")
        blobs |= {f"sha256:{name.rpartition('/')[2]}" for name in tree if name.startswith("blobs/sha256/")}
        for_docker += json.loads(tree["manifest.json"].data)
    check.require_same_set(set(index.blobs), blobs, "blobs")
    tree = tars.read(check.path)
    check.require_equal(json.loads(tree["manifest.json"].data), for_docker, "manifest.json")
    check.require_equal(json.loads(tree["oci-layout"].data), oci.LAYOUT, "oci-layout")
    others = {name for name in tree if not name.startswith("blobs/sha256/")}
    expected = {"blobs", "blobs/sha256", "index.json", "manifest.json", "oci-layout"}
    check.require_same_set(others, expected, "files beside the blobs")


def _require_skopeo(check: Check, index: ImageIndex) -> None:
    """skopeo reads the index, and copies it with all its images without a change, as it does to a registry."""
    # Older versions of skopeo open the archive itself only as root.
    layout, copy = check.folder / "layout", check.folder / "copy"
    unpack(check.path, layout)
    raw = check.run.output("skopeo", "inspect", "--raw", f"oci:{layout}")
    check.require_equal(oci.digest_of(raw.encode()), index.digest, "digest of the index that skopeo reads")
    check.run("skopeo", "copy", "--multi-arch", "all", "--preserve-digests", f"oci:{layout}", f"oci:{copy}:copy")
    check.require_same_set(_blobs_in(copy), {digest.partition(":")[2] for digest in index.blobs}, "blobs of a copy")
    (top,) = json.loads((copy / "index.json").read_bytes())["manifests"]
    check.require_equal(top["digest"], index.digest, "digest of a copy")


def _blobs_in(layout: Path) -> set[str]:
    return {path.name for path in (layout / "blobs" / "sha256").iterdir()}


def _require_loads(check: Check, index: ImageIndex) -> str:
    """Have an engine load the archive: it must take the image for this machine. Otherwise the reason why it was not."""
    digest = index.platforms.get(f"linux/{host_name()}")
    if digest is None:
        return f"not loaded: it has no image for {host_name()}"
    chosen = check.project.options.engine
    reasons = []
    for candidate in _FOR_LOADING if chosen == "auto" else (chosen,):
        if reason := engine_choice.why_not(check.run, candidate):
            reasons.append(f"{candidate}: {reason}")
            continue
        engine = Engine(name=candidate)
        name = engines.temporary(check.project.release.name, "verify", f"{check.variant.flavour}-index")
        try:
            engine.load(check.run, check.path, name)
            image = engine.stored(check.run, name)
            config = json.loads(index.blobs[digest])["config"]["digest"]
            found = image.id.removeprefix("sha256:") if image else ""
            check.require_equal(found, config.removeprefix("sha256:"), f"image that {candidate} loads")
        finally:
            engine.remove(check.run, name)
        return ""
    return f"not loaded: {'; '.join(reasons)}"
