"""The container engine that builds an image: podman, docker or buildah, whichever works here."""

import os
import shutil
import subprocess
import sys

from ..errors import UsageError
from . import programs

NAMES = ("podman", "docker", "buildah")
CONTAINERFILE = "Containerfile"

# What the engines need of the environment, and nothing else. First those that every program needs, then where the
# engines are and keep things, how to reach a registry, and what Windows needs.
_VARIABLES = (
    *("HOME", "PATH", "USER", "LOGNAME", "LANG", "TMPDIR", "SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS"),
    *("REGISTRY_AUTH_FILE", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "FTP_PROXY"),
    *("SYSTEMROOT", "SYSTEMDRIVE", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "PROGRAMFILES"),
    *("PATHEXT", "COMSPEC", "TEMP", "TMP"),
)
_STARTS = ("XDG_", "LC_", "DOCKER_", "BUILDKIT_", "BUILDX_", "CONTAINER_", "CONTAINERS_", "BUILDAH_", "STORAGE_")
# Without these, docker's BuildKit would write the time into the image, and make an index, which Lambda does not accept.
_OF_BUILDKIT = {"SOURCE_DATE_EPOCH": "0", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
# The image's time and those of its files are fixed, and the engine leaves out its own version.
_OF_PODMAN = ("--timestamp=0", "--layers=false", "--format=oci", "--identity-label=false")


class ImageInEngine:
    """What an engine says of an image; false if there is none."""

    def __init__(self, id: str = "", architecture: str = "") -> None:
        self.id = id
        self.architecture = architecture

    def __bool__(self) -> bool:
        """Whether there is one."""
        return bool(self.id)


class ContainerEngine:
    """An engine that is installed."""

    def __init__(self, name: str, program: str) -> None:
        self.name = name
        self.program = program

    def fault(self) -> str:
        """Why it does not work here; empty if it does."""
        try:
            done = subprocess.run(
                [self.program, "info"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                text=True,
                errors="replace",
                env=environment(),
            )
        except OSError as error:
            return f"it does not start: {error.strerror}"
        lines = done.stderr.strip().splitlines()
        return f"`{self.name} info` fails: {lines[-1] if lines else done.returncode}" if done.returncode else ""

    def build(self, folder: str, *, tag: str, platform: str) -> bool:
        """Build the Containerfile of a folder; what the engine prints goes to standard error. False if it failed."""
        options = [f"--file={os.path.join(folder, CONTAINERFILE)}", f"--tag={tag}", f"--platform={platform}"]
        options.append("--pull=false")  # in the words of all three: only if it is not here
        options += [] if self.name == "docker" else _OF_PODMAN
        command = [self.program, "build", *options, folder]
        variables = environment(_OF_BUILDKIT if self.name == "docker" else {})
        try:
            done = programs.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr, env=variables)
        except OSError as error:
            print(f"faas-runtime package: {self.program} does not start: {error.strerror}", file=sys.stderr)
            return False
        return done.returncode == 0

    def inspect(self, reference: str) -> ImageInEngine:
        """What the engine has in its storage under a name."""
        if self.name == "buildah":
            words = ["inspect", "--type=image", "--format={{.FromImageID}} {{.OCIv1.Architecture}}", reference]
        else:
            words = ["image", "inspect", "--format={{.Id}} {{.Architecture}}", reference]
        done = subprocess.run(
            [self.program, *words], stdin=subprocess.DEVNULL, capture_output=True, check=False, env=environment()
        )
        found = done.stdout.decode(errors="replace").split()
        return ImageInEngine(*found) if done.returncode == 0 and len(found) == 2 else ImageInEngine()

    def remove(self, reference: str) -> None:
        """Remove an image."""
        output = subprocess.DEVNULL
        subprocess.call([self.program, "rmi", reference], stdin=output, stdout=output, stderr=output, env=environment())

    def push_commands(self, tag: str, address: str) -> "list[str]":
        """The commands that send an image to an address of a registry."""
        if self.name == "docker":
            return [f"docker tag {tag} {address}", f"docker push {address}"]
        return [f"{self.name} push {tag} docker://{address}"]


def find(name: "str | None") -> ContainerEngine:
    """The engine of that name, or the first one that works. Raises UsageError, which says what each one lacks."""
    faults = []
    for each in [name] if name else NAMES:
        program = shutil.which(each)
        if program is None:
            faults.append(f"{each} is not on PATH")
            continue
        engine = ContainerEngine(each, program)
        fault = engine.fault()
        if not fault:
            return engine
        faults.append(f"{each}: {fault}")
    hint = f"install {name}, or leave --engine out" if name else "install one of them, or start docker"
    raise UsageError(f"no container engine works here; {hint}: {'; '.join(faults)}")


def environment(more: "dict[str, str] | None" = None) -> "dict[str, str]":
    """The variables that an engine gets. Names of proxies are in small letters as well, and Windows knows no case."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.upper() in _VARIABLES or name.upper().startswith(_STARTS)
    }
    return {**kept, **(more or {})}
