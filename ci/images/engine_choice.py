"""Which container engines work on this machine.

A client without its daemon does not work, nor does a program that may not write to its storage.
"""

from __future__ import annotations

import shutil

from ci.core.errors import CommandFailed, UnavailableError, UsageError
from ci.core.run import Runner
from ci.core.tools import Tool
from ci.images.engines import Engine

NAMES = ("buildah", "podman", "docker")
TOOLS = {
    "buildah": Tool(name="buildah", minimum="1.23"),
    "podman": Tool(name="podman", minimum="3.4"),
    "docker": Tool(name="docker", minimum="20.10"),
}

# Each of these asks the part that does the work, the storage or the daemon, in about 50 ms. A list of the images would
# do so too, but podman cannot make one while another job removes an image.
_PROBES: dict[str, tuple[str, ...]] = {
    "buildah": ("buildah", "info", "--format", "{{.store.GraphRoot}}"),
    "podman": ("podman", "info", "--format", "{{.Store.GraphRoot}}"),
    "docker": ("docker", "version", "--format", "{{.Server.Version}}"),
}


def choose(run: Runner, name: str) -> Engine:
    """The engine of that name, or for `auto` the first that works. Raises `UnavailableError` with all reasons."""
    if name != "auto" and name not in NAMES:
        raise UsageError(f"--engine {name}: unknown engine", hint=f"one of: auto, {', '.join(NAMES)}")
    faults = []
    for candidate in NAMES if name == "auto" else (name,):
        fault = why_not(run, candidate)
        if not fault:
            return Engine(name=candidate)
        faults.append(f"{candidate}: {fault}")
    raise UnavailableError(f"no container engine works here ({'; '.join(faults)})")


def why_not(run: Runner, name: str) -> str:
    """Why an engine cannot be used here; empty if it can."""
    if shutil.which(name) is None:
        return "not found on PATH"
    try:
        run.output(*_PROBES[name])
    except CommandFailed as error:
        return last_line(error)
    return ""


def last_line(error: CommandFailed) -> str:
    """A reason in one line, never an empty one: the last line with text that a failed program printed."""
    first, *lines = str(error).splitlines()
    printed = [line.removeprefix("  | ").strip() for line in lines if line.startswith("  | ")]
    return next(filter(None, reversed(printed)), first)
