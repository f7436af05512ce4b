"""Looks up the base of an image: in the engine's own storage, then in its registry."""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ci.core.architectures import named
from ci.core.errors import CommandFailed, UnavailableError
from ci.core.files import write_atomically
from ci.core.run import Runner
from ci.core.state import read_json, texts
from ci.images.engines import Engine
from ci.images.stored_image import StoredImage
from ci.pipeline.stored_inputs import Store

# A run that has nothing to do must not wait for a slow registry: the answer of a slow one, or its silence, is kept for
# some minutes. A fast one is asked each time.
_KEPT_SECONDS = 600
_SLOW_SECONDS = 0.3
_REGISTRY_TIMEOUT = "5s"


@dataclass(frozen=True, kw_only=True)
class Found:
    """The digest of a base image, or why it is not available."""

    digest: str = ""
    why_not: str = ""


def look_up(run: Runner, engine: Engine, cache: Path, reference: str, architecture: str) -> Found:
    """Look up the digest of the base's image for an architecture, without fetching the image.

    The digest from the registry is kept in the cache: after the image was pulled, it is found again by this digest.
    """
    known = _read(cache)
    key = f"{reference} {architecture}"
    lasting = f"{key}, last seen"
    _, seen = known.get(lasting, (0.0, Found()))
    if image := stored(run, engine, reference, architecture, seen.digest):
        return Found(digest=image.digest)
    if key in known and 0 <= time.time() - known[key][0] < _KEPT_SECONDS:
        return known[key][1]
    begun = time.time()
    found = _ask_registry(run, engine, reference, architecture)
    updates = {}
    if time.time() - begun > _SLOW_SECONDS:
        updates[key] = (time.time(), found)
    if found.digest and found != seen:
        updates[lasting] = (0.0, found)
    if updates:
        document = {name: {"time": when, **asdict(answer)} for name, (when, answer) in (known | updates).items()}
        # Without a cache, the next run asks again: a plan can be made where nothing can be written.
        with contextlib.suppress(OSError):
            write_atomically(cache, json.dumps(document, indent=1, sort_keys=True).encode())
    return found


def stored(run: Runner, engine: Engine, reference: str, architecture: str, digest: str) -> StoredImage | None:
    """The base in the engine's storage, under the name that it was pulled by or under its own name.

    Its digest is that of the architecture's image. Some engines list the digest of the index before it.
    """
    own = reference.partition("@")[2]
    for name in dict.fromkeys((pulled_by(reference, digest), plain(reference))):
        image = engine.stored(run, name)
        if image and image.architecture == architecture:
            others = [known for known in image.digests if own and known != own]
            precise = digest if digest in image.digests else next(iter(others), image.digest)
            return replace(image, digest=precise or image.id)
    return None


def load(run: Runner, engine: Engine, store: Store, reference: str, digest: str, architecture: str) -> StoredImage:
    """Put the image with this digest, which `dist/inputs/` has, into the engine's storage, by the name of a pull."""
    name = pulled_by(reference, digest)
    with tempfile.TemporaryDirectory(prefix="faas-runtime-base-") as folder:
        store.write_image(digest, Path(folder))
        run("skopeo", "copy", "--quiet", "--preserve-digests", f"dir:{folder}", f"containers-storage:{name}")
    found = stored(run, engine, reference, architecture, digest)
    if found is None:
        raise UnavailableError(f"base image {name} was copied from dist/inputs, and {engine.name} does not find it")
    return found


def pulled_by(reference: str, digest: str) -> str:
    """The name to pull a base by. If it is pinned, that is the digest of one architecture's image, not of the index.

    In an engine's storage, a name has one image: those of several architectures would replace each other.
    """
    return f"{plain(reference).partition('@')[0]}@{digest}" if "@" in reference and digest else plain(reference)


def plain(reference: str) -> str:
    """A reference that every tool accepts: without the tag, if there is a digest as well."""
    name, at, digest = reference.partition("@")
    if not at:
        return reference
    path, slash, last = name.rpartition("/")
    return f"{path}{slash}{last.partition(':')[0]}@{digest}"


def emulation_missing(architecture: str) -> str:
    """Why programs of another architecture cannot run here; empty if they can."""
    machine = named(architecture).machine
    if platform.machine() == machine or Path("/proc/sys/fs/binfmt_misc", f"qemu-{machine}").exists():
        return ""
    return f"programs for {machine} do not run on this machine ({platform.machine()}, no qemu-user-static)"


def _ask_registry(run: Runner, engine: Engine, reference: str, architecture: str) -> Found:
    try:
        digest = _platform_digest(run, plain(reference), architecture)
    except CommandFailed:
        where = f"neither in {engine.name}'s storage nor available from its registry"
        name = reference.partition("@")[0]
        # What the registry said is left out: the reason is part of a release, of which two must be the same, and it is
        # other words without a network, or with another name server.
        says = f"`skopeo inspect --raw docker://{plain(reference)}` says why"
        return Found(why_not=f"base {name} ({architecture}) is {where}; {says}")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):  # such as the page of a proxy
        return Found(why_not=f"base {reference.partition('@')[0]}: its registry answered with no manifest of images")
    if not digest:
        return Found(why_not=f"base {reference.partition('@')[0]} has no image for {architecture}")
    return Found(digest=digest)


def _platform_digest(run: Runner, reference: str, architecture: str) -> str:
    """The digest of the image for an architecture, the first one if an index has several; empty if it has none."""
    command = ("skopeo", f"--command-timeout={_REGISTRY_TIMEOUT}", "inspect")
    raw = run.output(*command, "--raw", f"docker://{reference}")
    document = json.loads(raw)
    if "manifests" not in document:
        described = json.loads(run.output(*command, "--config", f"docker://{reference}"))
        fits = described.get("architecture") == architecture
        return f"sha256:{hashlib.sha256(raw.encode()).hexdigest()}" if fits else ""
    wanted = {"architecture": architecture, "os": "linux"}
    for entry in document["manifests"]:
        if wanted.items() <= entry.get("platform", {}).items():
            return str(entry["digest"])
    return ""


def _read(cache: Path) -> dict[str, tuple[float, Found]]:
    try:
        known = read_json(cache)
        return {key: (float(entry.pop("time")), Found(**texts(entry))) for key, entry in known.items()}
    except (TypeError, ValueError, AttributeError, KeyError, OverflowError):
        return {}
