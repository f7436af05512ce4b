"""The container engines buildah, podman and docker, with the same methods. Only `pull` contacts a registry."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ci.core.children import Children, is_running
from ci.core.errors import CommandFailed, UnavailableError
from ci.core.files import unpack
from ci.core.run import Runner
from ci.images.stored_image import StoredImage, of_buildah, of_docker

# The options with which podman can start containers here, by the path of podman; see `Engine.prepare`.
_RUNTIMES: dict[str, tuple[str, ...]] = {}
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Engine:
    """One engine."""

    name: str

    @property
    def is_docker(self) -> bool:
        """Whether a daemon keeps the images; buildah and podman share one storage."""
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
        return of_buildah(found) if self.name == "buildah" else of_docker(found[0])

    def pull(self, run: Runner, reference: str, platform: str) -> StoredImage:
        """Fetch an image from its registry."""
        policy = ("--policy=always",) if self.name == "buildah" else ()
        # A name refers to one image, but other jobs may pull the same name for other platforms at the same time.
        # buildah and podman print the id of the image that they have fetched. docker does not: one pull at a time.
        with _ONE_AT_A_TIME if self.is_docker else contextlib.nullcontext():
            try:
                printed = run.output(self.name, "pull", "--quiet", *policy, "--platform", platform, reference).split()
            except CommandFailed as error:
                raise UnavailableError(f"base image {reference} could not be pulled\n{error}") from error
            found = self.stored(run, reference if self.is_docker or not printed else printed[-1])
        if found is None:
            raise UnavailableError(f"base image {reference}: {self.name} pulled it, but it is not in its storage")
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
        """Build an image from images in the storage, and name it `tag`."""
        options = [f"--file={containerfile}", f"--tag={tag}"]
        # Without BuildKit, docker regards an image from scratch as one of its own architecture, and fails if another
        # one is given. The image archive states the right one.
        if not (self.is_docker and from_scratch and not has_buildkit(run)):
            options.append(f"--platform={platform}")
        options += [f"--build-arg={name}={value}" for name, value in sorted(arguments.items())]
        options += [f"--label={name}={value}" for name, value in sorted(labels.items())]
        if self.is_docker:
            run("docker", "build", "--no-cache", "--force-rm", *options, context)
            return
        # chroot isolation needs no cgroups and no mounts, so it works inside containers too.
        options += ["--isolation=chroot", "--pull=never", "--layers=false", "--format=oci", "--identity-label=false"]
        run(self.name, "build", f"--timestamp={epoch}", *options, context)

    def export(self, run: Runner, reference: str, folder: Path) -> None:
        """Write a stored image as an OCI layout."""
        if self.is_docker:
            run("skopeo", "copy", f"docker-daemon:{reference}", f"oci:{folder}:image")
        else:
            run("buildah" if self.name == "buildah" else "podman", "push", reference, f"oci:{folder}:image")

    def load(self, run: Runner, archive: Path, reference: str) -> None:
        """Store the image of an OCI archive under a name. An older image of that name is removed if nothing uses it."""
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
        """Remove a name and, if it was the last one, its image; does nothing if there is none."""
        cleaning = _to_the_end(run)
        if self.stored(cleaning, reference):
            cleaning(self.name, "rmi", reference)

    def prepare(self, run: Runner, reference: str, name: str) -> None:
        """Do what `start_command` needs. buildah starts programs in existing containers, so make one.

        For podman, find out which OCI runtime can start containers here: the default one may not support its cgroups.
        """
        if self.name == "buildah":
            run("buildah", "from", "--pull=never", f"--name={name}", reference)
        elif self.name == "podman":
            with _ONE_AT_A_TIME:
                self._find_runtime(run, reference, name)

    def _find_runtime(self, run: Runner, reference: str, name: str) -> None:
        """Keep the first runtime that starts the image. If none does, the start itself fails later and reports why."""
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
        """Remove the temporary images and containers of runs that were killed before they could do so.

        Other jobs change the storage at the same time. What this run cannot remove, the next one will.
        """
        field = "Name" if self.name == "buildah" else "Repository"
        with contextlib.suppress(CommandFailed):
            listed = run.output(self.name, "images", "--format", f"{{{{.{field}}}}}:{{{{.Tag}}}}")
            for reference in listed.split():
                found = re.fullmatch(rf"localhost/{re.escape(name)}-(build|verify)-(\d+):[\w-]+", reference)
                if found and not is_running(int(found[2])):
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
        entrypoint: str = "",
    ) -> list[str]:
        """The command that starts a container like Lambda's: read-only except for /tmp, no root, no capabilities.

        `arguments` replace the image's own CMD, and `entrypoint` its ENTRYPOINT. buildah uses neither of the image, and
        supports neither a read-only root nor another network than the host's.
        """
        options = [f"--volume={source}:{target}:ro" for source, target in (mounts or {}).items()]
        options += [f"--env={key}={value}" for key, value in sorted((environment or {}).items())]
        if self.name == "buildah":
            words = [entrypoint, *arguments] if entrypoint else arguments
            return ["buildah", "run", "--isolation=chroot", "--cap-drop=all", *options, name, "--", *words]
        options += ["--read-only", "--cap-drop=all", "--security-opt=no-new-privileges", f"--network={network}"]
        # Lambda's own limits. Podman's defaults are higher than allowed if it runs in a container itself.
        options += ["--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024"]
        options += ["--tmpfs=/tmp"] if self.is_docker else ["--pull=never", "--security-opt=label=disable"]
        options += [f"--entrypoint={entrypoint}"] if entrypoint else []
        runtime = _RUNTIMES.get(_program(self.name), ())
        return [self.name, *runtime, "run", f"--name={name}", *options, reference, *arguments]

    def is_running(self, run: Runner, name: str) -> bool:
        """Whether a program of podman's or docker's container of that name is running."""
        return name in run.output(self.name, "ps", "--format", "{{.Names}}").split()

    def containers(self, run: Runner, name: str) -> list[str]:
        """The containers of exactly that name, running or not: it or none."""
        if self.name == "buildah":
            listed = run.output("buildah", "containers", "--format", "{{.ContainerName}}")
        else:
            listed = run.output(self.name, "ps", "--all", "--format", "{{.Names}}")
        return [one for one in listed.split() if one == name]

    def end(self, run: Runner, name: str) -> None:
        """Remove a container, running or not; does nothing if there is none."""
        force = () if self.name == "buildah" else ("--force",)
        cleaning = _to_the_end(run)
        for one in self.containers(cleaning, name):
            cleaning(self.name, "rm", *force, one)


def temporary(name: str, purpose: str, tag: str) -> str:
    """A name for an image that this process removes again."""
    return f"localhost/{name}-{purpose}-{os.getpid()}:{tag}"


def container_of(reference: str) -> str:
    """The name of the only container of a temporary image."""
    return reference.rpartition("/")[2].replace(":", "-")


def _to_the_end(run: Runner) -> Runner:
    """A runner whose programs an interrupt does not end: they remove what the run has made, and take a moment."""
    return replace(run, children=Children())


def _program(name: str) -> str:
    return shutil.which(name) or name


def has_buildkit(run: Runner) -> bool:
    """Whether docker builds with BuildKit."""
    try:
        run.output("docker", "buildx", "version")
    except CommandFailed:
        return False
    return True
