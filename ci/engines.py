"""The container engines: buildah, podman and docker, behind the same few verbs.

An engine counts only if it works: a client without its daemon, or a tool that may not write its storage, does not.
Nothing here pulls from a registry unless `pull` is called.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ci.errors import CommandFailed, UnavailableError, UsageError
from ci.files import unpack
from ci.run import Runner
from ci.tools import Tool

NAMES = ("buildah", "podman", "docker")
TOOLS = {
    "buildah": Tool(name="buildah", minimum="1.23"),
    "podman": Tool(name="podman", minimum="3.4"),
    "docker": Tool(name="docker", minimum="20.10"),
}

# Each asks the part that does the work, in some 50 ms: the storage, or the daemon. (A list of the images would do so
# too, but podman fails to give one while another job removes an image.)
_PROBES: dict[str, tuple[str, ...]] = {
    "buildah": ("buildah", "info", "--format", "{{.store.GraphRoot}}"),
    "podman": ("podman", "info", "--format", "{{.Store.GraphRoot}}"),
    "docker": ("docker", "version", "--format", "{{.Server.Version}}"),
}

# Which options make podman, by its path, start containers here; see `Engine.prepare`.
_RUNTIMES: dict[str, tuple[str, ...]] = {}
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class StoredImage:
    """An image in an engine's own storage; `layers` are the digests of its uncompressed layers.

    `digests` are all that it is known by, which may be of an index that names it; buildah tells its own alone.
    """

    id: str
    digest: str
    digests: tuple[str, ...]
    architecture: str
    layers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Engine:
    """One engine that works."""

    name: str

    @property
    def is_docker(self) -> bool:
        """Whether images lie with a daemon; those of the two others share one storage."""
        return self.name == "docker"

    def stored(self, run: Runner, reference: str) -> StoredImage | None:
        """The image of that name in the engine's storage."""
        command = {
            "buildah": ("buildah", "inspect", "--type=image", reference),
            "podman": ("podman", "image", "inspect", reference),
            "docker": ("docker", "image", "inspect", reference),
        }[self.name]
        try:
            found = json.loads(run.output(*command))
        except CommandFailed:
            return None
        return _of_buildah(found) if self.name == "buildah" else _of_docker(found[0])

    def pull(self, run: Runner, reference: str, platform: str) -> StoredImage:
        """Fetch an image from its registry."""
        policy = ("--policy=always",) if self.name == "buildah" else ()
        # One name leads to one image, but other jobs may pull it for other platforms meanwhile. buildah and podman
        # print the id of what this very command fetched; docker does not, and so pulls one at a time.
        with _ONE_AT_A_TIME if self.is_docker else contextlib.nullcontext():
            try:
                printed = run.output(self.name, "pull", "--quiet", *policy, "--platform", platform, reference).split()
            except CommandFailed as error:
                raise UnavailableError(f"base image {reference} could not be pulled\n{error}") from error
            found = self.stored(run, reference if self.is_docker or not printed else printed[-1])
        if found is None:
            raise UnavailableError(f"base image {reference}: {self.name} pulled it, but has it not in its storage")
        if found.architecture != platform.rpartition("/")[2]:
            raise UnavailableError(f"base image {reference}: {self.name} pulled {found.architecture} for {platform}")
        return found

    def build(
        self,
        run: Runner,
        *,
        context: Path,
        containerfile: Path,
        platform: str,
        from_scratch: bool,
        epoch: int,
        arguments: Mapping[str, str],
        labels: Mapping[str, str],
        tag: str,
    ) -> None:
        """Build an image from what is in the storage already, and name it `tag`."""
        options = [f"--file={containerfile}", f"--tag={tag}"]
        # Without BuildKit, docker takes an image from scratch for one of its own architecture, and stumbles over that
        # when it is told another; the archive says the right one.
        if not (self.is_docker and from_scratch and not has_buildkit(run)):
            options.append(f"--platform={platform}")
        options += [f"--build-arg={name}={value}" for name, value in sorted(arguments.items())]
        options += [f"--label={name}={value}" for name, value in sorted(labels.items())]
        if self.is_docker:
            run("docker", "build", "--no-cache", "--force-rm", *options, context)
            return
        # chroot isolation needs neither cgroups nor mounts, and so works inside containers too.
        options += ["--isolation=chroot", "--pull=never", "--layers=false", "--format=oci", "--identity-label=false"]
        run(self.name, "build", f"--timestamp={epoch}", *options, context)

    def export(self, run: Runner, reference: str, folder: Path) -> None:
        """Write a stored image as an OCI layout."""
        if self.is_docker:
            run("skopeo", "copy", f"docker-daemon:{reference}", f"oci:{folder}:image")
        else:
            run("buildah" if self.name == "buildah" else "podman", "push", reference, f"oci:{folder}:image")

    def load(self, run: Runner, archive: Path, reference: str) -> None:
        """Store an image out of an OCI archive under a name; an older one of that name goes, if nothing uses it."""
        before = self.stored(run, reference)
        if self.is_docker:
            with tempfile.TemporaryDirectory(prefix="faas-runtime-layout-") as folder:
                unpack(archive, Path(folder))
                run("skopeo", "copy", f"oci:{folder}", f"docker-daemon:{reference}")
        else:
            identity = run.output(self.name, "pull", "--quiet", f"oci-archive:{archive}").split()[-1]
            run(self.name, "tag", identity, reference)
        after = self.stored(run, reference)
        if before and after and before.id != after.id:
            with contextlib.suppress(CommandFailed):  # it has another name, or a container
                run(self.name, "rmi", before.id)

    def remove(self, run: Runner, reference: str) -> None:
        """Remove a name and, if it was the last one, its image; nothing happens if there is none."""
        if self.stored(run, reference):
            run(self.name, "rmi", reference)

    def prepare(self, run: Runner, reference: str, name: str) -> None:
        """What must be done before `start_command`: buildah starts programs in containers that are there already.

        For podman, find out which OCI runtime starts containers here: its own choice may not know the host's cgroups.
        """
        if self.name == "buildah":
            run("buildah", "from", "--pull=never", f"--name={name}", reference)
        elif self.name == "podman":
            with _ONE_AT_A_TIME:
                self._find_runtime(run, reference, name)

    def _find_runtime(self, run: Runner, reference: str, name: str) -> None:
        """Keep the first runtime that starts the image; if none does, it is the start itself that has to say so."""
        if _program(self.name) in _RUNTIMES:
            return
        program, *rest = self.start_command(reference, "--version", name=name)
        for options in ((), ("--runtime=runc",)) if shutil.which("runc") else ((),):
            try:
                run(program, *options, *rest)
            except CommandFailed:
                continue
            finally:
                self.end(run, name)
            _RUNTIMES[_program(self.name)] = options
            return

    def remove_stale(self, run: Runner, name: str) -> None:
        """Remove the temporary images, and their containers, of runs that were killed before they could do so.

        Other jobs change the storage meanwhile, and what one run cannot sweep up the next one will.
        """
        field = "Name" if self.name == "buildah" else "Repository"
        with contextlib.suppress(CommandFailed):
            listed = run.output(self.name, "images", "--format", f"{{{{.{field}}}}}:{{{{.Tag}}}}")
            for reference in listed.split():
                found = re.fullmatch(rf"localhost/{re.escape(name)}-(build|verify)-(\d+):[\w-]+", reference)
                if found and not _is_running(int(found[2])):
                    self.end(run, container_of(reference))
                    run(self.name, "rmi", reference)

    def start_command(
        self,
        reference: str,
        *arguments: str,
        name: str,
        environment: Mapping[str, str] | None = None,
        mounts: Mapping[Path, str] | None = None,
        network: str = "host",
    ) -> list[str]:
        """The command of a container as Lambda would have it: read-only but for /tmp, no root, no capabilities.

        `arguments` take the place of the image's own CMD. buildah knows neither that nor a read-only root, nor another
        network than the host's.
        """
        options = [f"--volume={source}:{target}:ro" for source, target in (mounts or {}).items()]
        options += [f"--env={key}={value}" for key, value in sorted((environment or {}).items())]
        if self.name == "buildah":
            return ["buildah", "run", "--isolation=chroot", "--cap-drop=all", *options, name, "--", *arguments]
        options += ["--read-only", "--cap-drop=all", "--security-opt=no-new-privileges", f"--network={network}"]
        # Lambda's own limits. Podman's defaults are more than it may give where it runs in a container itself.
        options += ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"]
        options += ["--tmpfs=/tmp"] if self.is_docker else ["--pull=never", "--security-opt=label=disable"]
        runtime = _RUNTIMES.get(_program(self.name), ())
        return [self.name, *runtime, "run", f"--name={name}", *options, reference, *arguments]

    def end(self, run: Runner, name: str) -> None:
        """Remove a container, running or not; nothing happens if there is none."""
        if self.name == "buildah":
            if name in run.output("buildah", "containers", "--format", "{{.ContainerName}}").split():
                run("buildah", "rm", name)
        elif name in run.output(self.name, "ps", "--all", "--format", "{{.Names}}").split():
            run(self.name, "rm", "--force", name)


def temporary(name: str, purpose: str, tag: str) -> str:
    """A name for an image that this process removes again."""
    return f"localhost/{name}-{purpose}-{os.getpid()}:{tag}"


def container_of(reference: str) -> str:
    """The name of the one container that is made of a temporary image."""
    return reference.rpartition("/")[2].replace(":", "-")


def _program(name: str) -> str:
    return shutil.which(name) or name


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


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
        return last_words(error)
    return ""


def has_buildkit(run: Runner) -> bool:
    """Whether docker builds with BuildKit."""
    try:
        run.output("docker", "buildx", "version")
    except CommandFailed:
        return False
    return True


def last_words(error: CommandFailed) -> str:
    """The last line that a failed program printed, where a reason has to fit into one line."""
    printed = [line.removeprefix("  | ") for line in str(error).splitlines() if line.startswith("  | ")]
    return printed[-1]


def _of_buildah(found: dict[str, Any]) -> StoredImage:
    image = found["OCIv1"]
    return StoredImage(
        id=found["FromImageID"],
        digest=found["FromImageDigest"],
        digests=(found["FromImageDigest"],),
        architecture=image["architecture"],
        layers=tuple(image["rootfs"]["diff_ids"]),
    )


def _of_docker(found: dict[str, Any]) -> StoredImage:
    digests = [name.partition("@")[2] for name in found.get("RepoDigests") or ()]
    return StoredImage(
        id=found["Id"],
        digest=found.get("Digest") or (digests[0] if digests else ""),
        digests=tuple(digests),
        architecture=found["Architecture"],
        layers=tuple(found["RootFS"]["Layers"]),
    )
