"""Where an image's base can be had: in the engine's own storage, then in its registry."""

from __future__ import annotations

import json
import platform
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from ci.engines import Engine, last_words
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
    """Where the base can be had, without fetching it."""
    stored = engine.stored(run, plain(reference))
    if stored and stored.architecture == architecture:
        return Found(digest=stored.digest or stored.id)
    known = _read(cache)
    key = f"{reference} {architecture}"
    if key in known and 0 <= time.time() - known[key][0] < _BELIEVED_SECONDS:
        return known[key][1]
    begun = time.time()
    found = _ask_registry(run, engine, reference, architecture)
    if time.time() - begun > _SLOW_SECONDS:
        known[key] = (time.time(), found)
        document = {name: {"time": when, **asdict(answer)} for name, (when, answer) in known.items()}
        write_atomically(cache, json.dumps(document, indent=1, sort_keys=True).encode())
    return found


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
    options = (f"--command-timeout={_PATIENCE}", "--override-os=linux", f"--override-arch={architecture}")
    try:
        asked = run.output(
            "skopeo", *options, "inspect", "--no-tags", "--format={{.Digest}}", f"docker://{plain(reference)}"
        )
    except CommandFailed as error:
        where = f"neither in {engine.name}'s storage nor in reach"
        asked_at = time.strftime("%H:%M UTC", time.gmtime())
        name = reference.partition("@")[0]
        return Found(why_not=f"base {name} ({architecture}) is {where} (asked at {asked_at}: {_reason(error)})")
    return Found(digest=asked.strip())


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
