"""Where an image's base can be had: in the engine's own storage, then in its registry."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ci.engines import Engine, StoredImage, last_words
from ci.errors import CommandFailed
from ci.files import write_atomically
from ci.run import Runner

# A registry that answers slowly, or never, must not cost a run that has nothing to do more than a moment: such an
# answer is believed for some minutes. A quick one is asked for again each time.
_BELIEVED_SECONDS = 600
_SLOW_SECONDS = 0.3
_PATIENCE = "5s"
_RESOLVER = re.compile(r" on [\w.:\[\]]+:53\b")  # which name server was asked says nothing about the registry


@dataclass(frozen=True, kw_only=True)
class Found:
    """A base image that can be had, by its digest; or why not."""

    digest: str = ""
    why_not: str = ""


def look_up(run: Runner, engine: Engine, cache: Path, reference: str, architecture: str) -> Found:
    """Where the base can be had, without fetching it; by the digest of its image for the architecture.

    The digest that the registry told is kept: it is the one by which the image is found again after it was pulled.
    """
    known = _read(cache)
    key = f"{reference} {architecture}"
    lasting = f"{key}, last seen"
    _, seen = known.get(lasting, (0.0, Found()))
    if image := stored(run, engine, reference, architecture, seen.digest):
        return Found(digest=image.digest)
    if key in known and 0 <= time.time() - known[key][0] < _BELIEVED_SECONDS:
        return known[key][1]
    begun = time.time()
    found = _ask_registry(run, engine, reference, architecture)
    learnt = {}
    if time.time() - begun > _SLOW_SECONDS:
        learnt[key] = (time.time(), found)
    if found.digest and found != seen:
        learnt[lasting] = (0.0, found)
    if learnt:
        document = {name: {"time": when, **asdict(answer)} for name, (when, answer) in (known | learnt).items()}
        write_atomically(cache, json.dumps(document, indent=1, sort_keys=True).encode())
    return found


def stored(run: Runner, engine: Engine, reference: str, architecture: str, digest: str) -> StoredImage | None:
    """The base in the engine's storage, under the name that it is pulled by or under its own.

    Its digest is that of the architecture's image; some engines tell that of the index first, if it came through one.
    """
    own = reference.partition("@")[2]
    for name in dict.fromkeys((pulled_by(reference, digest), plain(reference))):
        image = engine.stored(run, name)
        if image and image.architecture == architecture:
            others = [known for known in image.digests if own and known != own]
            precise = digest if digest in image.digests else next(iter(others), image.digest)
            return replace(image, digest=precise or image.id)
    return None


def pulled_by(reference: str, digest: str) -> str:
    """The name to pull a base by: where it is pinned, the digest of one architecture's image rather than of them all.

    Several architectures' images cannot bear one name in an engine's storage, and so would drive each other out.
    """
    return f"{plain(reference).partition('@')[0]}@{digest}" if "@" in reference and digest else plain(reference)


def plain(reference: str) -> str:
    """A reference as every tool takes it: the tag beside a digest says nothing to a program."""
    name, at, digest = reference.partition("@")
    if not at:
        return reference
    path, slash, last = name.rpartition("/")
    return f"{path}{slash}{last.partition(':')[0]}@{digest}"


def emulation_missing(architecture: str) -> str:
    """Why programs of another architecture cannot run here; empty if they can."""
    machine = {"amd64": "x86_64", "arm64": "aarch64"}[architecture]
    if platform.machine() == machine or Path("/proc/sys/fs/binfmt_misc", f"qemu-{machine}").exists():
        return ""
    return f"programs for {machine} do not run on this machine ({platform.machine()}, no qemu-user-static)"


def _ask_registry(run: Runner, engine: Engine, reference: str, architecture: str) -> Found:
    try:
        digest = _platform_digest(run, plain(reference), architecture)
    except CommandFailed as error:
        where = f"neither in {engine.name}'s storage nor in reach"
        asked_at = time.strftime("%H:%M UTC", time.gmtime())
        name = reference.partition("@")[0]
        return Found(why_not=f"base {name} ({architecture}) is {where} (asked at {asked_at}: {_reason(error)})")
    if not digest:
        return Found(why_not=f"base {reference.partition('@')[0]} has no image for {architecture}")
    return Found(digest=digest)


def _platform_digest(run: Runner, reference: str, architecture: str) -> str:
    """The digest of the image for an architecture, of which an index may name several; empty if it names none."""
    command = ("skopeo", f"--command-timeout={_PATIENCE}", "inspect")
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


def _reason(error: CommandFailed) -> str:
    """What skopeo complained about, without its log's trappings and the many layers of where it happened."""
    words = last_words(error)
    message = words.partition('msg="')[2].removesuffix('"').replace('\\"', '"') or words
    return _RESOLVER.sub("", message.rpartition('": ')[2])


def _read(cache: Path) -> dict[str, tuple[float, Found]]:
    try:
        known = json.loads(cache.read_bytes())
        return {key: (entry.pop("time"), Found(**entry)) for key, entry in known.items()}
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return {}
