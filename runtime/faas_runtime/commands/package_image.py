"""`faas-runtime package --to image`: puts a library on top of an image of the runtime, by a container engine.

Nothing is run in the image, so the library may be for another processor than this machine's.
"""

import json
import os
import re
import shlex
import sys
import tempfile

from .._version import IMAGE, __version__
from ..command_line import print_text
from ..errors import UsageError
from . import container_engine, packaged_library
from .targets import IMAGES, TARGETS

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from .container_engine import ContainerEngine
    from .packaged_library import PackagedLibrary
    from .targets import BuildTarget

FAILED = 1
TASK_ROOT = "/var/task"
# What an instruction of a Containerfile takes for the name of an image, and nothing else.
_BASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@+-]*")
# [HOST/]NAME[:TAG], as in https://pkg.go.dev/github.com/distribution/reference
_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_HOST = r"(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|[A-Za-z0-9.-]+:[0-9]+)(?::[0-9]+)?/"
_TAG = re.compile(rf"(?:{_HOST})?{_PART}(?:/{_PART})*(?::[A-Za-z0-9_][A-Za-z0-9._-]{{0,127}})?")
_LONGEST_NAME = 255
_MODE = 0o755
_REGISTRY = "ACCOUNT.dkr.ecr.REGION.amazonaws.com"


def add_options(parser: "argparse.ArgumentParser") -> None:
    """Add the options that only an image has."""
    group = parser.add_argument_group("for --to image")
    group.add_argument("--tag", metavar="NAME[:TAG]", help="the image (default: the name of the library)")
    group.add_argument(
        "--base", metavar="IMAGE", help=f"what it is built on (default: {IMAGE}:{__version__}-micro, or -ubi, -alpine)"
    )
    group.add_argument(
        "--engine",
        choices=container_engine.NAMES,
        help=f"what builds it (default: the first of {', '.join(container_engine.NAMES)} that works here)",
    )


def package(given: "argparse.Namespace", targets: "list[BuildTarget]") -> int:
    """Build the image, and print the commands that deploy it; returns 0, or 1 if there is none. Raises UsageError."""
    flavour = _flavour(targets)
    base = given.base or f"{IMAGE}:{__version__}-{flavour}"
    if not _BASE.fullmatch(base):
        raise UsageError(f"--base {base!r} is no name of an image")
    wanted = [*targets, *([] if TARGETS[flavour] in targets else [TARGETS[flavour]])]
    library = packaged_library.read(given.library, wanted, packaged_library.only_machine(targets))
    if library is None:
        return FAILED
    tag = given.tag or library.function
    if not _TAG.fullmatch(tag) or len(tag) > _LONGEST_NAME:
        raise UsageError(f"{tag!r} cannot be the name of an image; choose another one: --tag NAME, in small letters")
    engine = container_engine.find(given.engine)
    if not _build(engine, library, base, tag):
        return FAILED
    found = engine.inspect(tag)
    print_text(f"{tag}: image {found.id} for {_platform(library)} on {base}, handler {library.handler}")
    print_text(_commands(engine, library, tag))
    return 0


def _flavour(targets: "list[BuildTarget]") -> str:
    named = [target.name for target in targets if target.name in IMAGES]
    if len(named) > 1:
        raise UsageError(f"an image is on one of {', '.join(named)}: name that one in --for, and package once for each")
    return named[0] if named else IMAGES[0]


def _platform(library: "PackagedLibrary") -> str:
    """What engines call the library's processor."""
    return "linux/arm64" if library.architecture == "arm64" else "linux/amd64"


def _build(engine: "ContainerEngine", library: "PackagedLibrary", base: str, tag: str) -> bool:
    """Whether the engine has built it; says what is wrong otherwise."""
    platform = _platform(library)
    wanted = platform.partition("/")[2]
    here = engine.inspect(base)
    where = "" if here else f", which is not here: {engine.name} pulls it"
    print(f"faas-runtime package: {engine.name} builds {tag} on {base}{where}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="faas-runtime-package-") as folder:
        _write_context(folder, library, base)
        done = engine.build(folder, tag=tag, platform=platform)
    if not done:
        here = engine.inspect(base)
        print(f"faas-runtime package: {engine.name} has built no image", file=sys.stderr)
        if not here or here.architecture != wanted:
            lacks = f"the one that is here is for {here.architecture}, and" if here else "it is not here, and"
            print(f"  fix: {base}: {lacks} it could not be pulled for {wanted}. {_how_to_get(engine)}", file=sys.stderr)
        return False
    found = engine.inspect(tag)
    if not found:
        print(f"faas-runtime package: {engine.name} does not know {tag}, which it has built", file=sys.stderr)
        print(f"  fix: see what `{engine.name} images` says, and run the same command again", file=sys.stderr)
        return False
    if found.architecture != wanted:  # docker takes the base that it has
        engine.remove(tag)
        print(
            f"faas-runtime package: {base} is for {found.architecture} here, and the library "
            f"for {wanted}\n  fix: {engine.name} pull --platform={platform} {base}",
            file=sys.stderr,
        )
        return False
    return True


def _how_to_get(engine: "ContainerEngine") -> str:
    load = f"{engine.name} pull oci-archive:FILE" if engine.name == "buildah" else f"{engine.name} load --input FILE"
    return f"Log in to its registry; or load the file of a release, {load}, and name it by --base IMAGE"


def _write_context(folder: str, library: "PackagedLibrary", base: str) -> None:
    """Write the Containerfile, and the files of the task root with fixed modes and times, as engines copy those."""
    task = os.path.join(folder, "task")
    os.mkdir(task)
    for name, data in library.files:
        path = os.path.join(task, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)
    for parent, _, names in os.walk(task, topdown=False):
        for path in (*(os.path.join(parent, name) for name in names), parent):
            os.chmod(path, _MODE)
            os.utime(path, (0, 0))
    with open(os.path.join(folder, container_engine.CONTAINERFILE), "w", encoding="utf-8") as text:
        text.write(f"FROM {base}\nCOPY task/ {TASK_ROOT}/\nCMD {json.dumps([library.handler])}\n")


def _commands(engine: "ContainerEngine", library: "PackagedLibrary", tag: str) -> str:
    """The commands for AWS; capital letters stand for what the user has to fill in."""
    function, architectures = library.function, f"--architectures {library.architecture}"
    repository = function.lower()  # as those of ECR are
    address = f"{_REGISTRY}/{repository}:1"
    return "\n".join(
        (
            "# once, for the repository",
            f"aws ecr create-repository --repository-name {repository}",
            "# the image, after: "
            f"aws ecr get-login-password | {engine.name} login --username AWS --password-stdin {_REGISTRY}",
            *engine.push_commands(shlex.quote(tag), address),
            "# the first time",
            f"aws lambda create-function --function-name {function} --package-type Image {architectures} "
            f"--code ImageUri={address} --role ROLE_ARN",
            "# from then on",
            f"aws lambda update-function-code --function-name {function} {architectures} --image-uri {address}",
        )
    )
