"""`faas-runtime package`: puts a library into a zip file or an image for Lambda, and says how to deploy it."""

import os
import shlex
import stat
import sys
import zipfile

from ..command_line import print_text
from ..command_parser import CommandParser
from ..errors import UsageError
from . import package_image, packaged_library
from .check_for import parse_targets
from .layer import BOOTSTRAP, FOLDER, UNPACKED_LIMIT, LambdaLayer, file_name, usual_folder, usual_layer
from .targets import TARGETS

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from .packaged_library import PackagedLibrary

ZIP, LAYER_AND_ZIP, IMAGE = "zip", "layer+zip", "image"
FAILED = 1
ZIPPED_LIMIT = 50 << 20  # bytes of a zip file that is uploaded to Lambda directly
_EXECUTABLE = stat.S_IFREG | 0o755
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the first date that the format has
_UNIX = 3  # the system whose modes the entries have


def package(arguments: "Sequence[str]") -> int:
    """Run the command; returns 0, or 1 if Lambda would not run the package, or the engine failed. Raises UsageError."""
    given = _parse(arguments)
    targets = parse_targets(given.targets) if given.targets is not None else []
    _refuse_options_of_the_other(given)
    if given.to == IMAGE:
        return package_image.package(given, targets)
    layer = None if given.layer is None else LambdaLayer(given.layer)
    machine = layer.machine if layer else packaged_library.only_machine(targets)
    # The layer has the C library of micro, and not that of Lambda's system.
    library = packaged_library.read(given.library, targets or [TARGETS["micro"]], machine)
    if library is None:
        return FAILED
    if layer is None:
        layer = usual_layer(library.machine, needed=given.to == ZIP)
    return _package_zip(given, library, layer)


def _package_zip(given: "argparse.Namespace", library: "PackagedLibrary", layer: "LambdaLayer | None") -> int:
    size = sum(len(data) for _, data in library.files) + (layer.size if layer else 0)
    if size > UNPACKED_LIMIT:
        return _too_large("unpacked, it would have", size, UNPACKED_LIMIT)
    for name, _ in library.files:
        if name == BOOTSTRAP or name.startswith(FOLDER):  # Lambda would start it, also if the layer is in /opt
            raise UsageError(f"the library needs {name}, which takes the place of the layer's; give it another name")
    target = given.output or f"{library.name}.zip"
    _refuse_target(target, [*library.paths, *([layer.path] if layer else [])])
    files = [(name, _EXECUTABLE, data) for name, data in library.files]
    zipped = _write_zip(target, [*(layer.files if layer and given.to == ZIP else ()), *files])
    if zipped > ZIPPED_LIMIT:
        return _too_large("it would have", zipped, ZIPPED_LIMIT)
    print_text(f"{target}: {zipped} bytes, {size} unpacked{' with the layer' if layer and given.to != ZIP else ''}")
    print_text(_commands(library, target, layer.path if layer else file_name(library.machine), given.to))
    return 0


def _parse(arguments: "Sequence[str]") -> "argparse.Namespace":
    parser = CommandParser(
        prog="faas-runtime package",
        description="Put a library into a zip file or an image for Lambda, and print the commands that create the "
        "function.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "library",
        metavar="LIBRARY[.HANDLER]",
        nargs="?",
        help="a path, or a name in the current folder (default: what the project there has built)",
    )
    parser.add_argument(
        "--to",
        choices=(ZIP, LAYER_AND_ZIP, IMAGE),
        default=ZIP,
        help="all in one zip, the function's zip for use with the layer, or an image (default: zip)",
    )
    folder = usual_folder().replace("%", "%%")  # argparse formats the text
    parser.add_argument(
        "--layer", metavar="FILE", help=f"the file of the layer (default: in {folder}); nothing is downloaded"
    )
    parser.add_argument(
        "--for",
        dest="targets",
        metavar="TARGETS",
        help="what the library has to fit; of an image, it is on micro, ubi or alpine (default: micro)",
    )
    parser.add_argument("--output", metavar="FILE", help="the zip file (default: the name of the library)")
    package_image.add_options(parser)
    given: argparse.Namespace = parser.parse_args(arguments)
    return given


def _refuse_options_of_the_other(given: "argparse.Namespace") -> None:
    """Raise UsageError if an option has no meaning for what is made, or is empty: an unset variable of a shell."""
    of_zip, of_image = ("layer", "output"), ("tag", "base", "engine")
    for name in (*of_zip, *of_image):
        if getattr(given, name) == "":
            raise UsageError(f"--{name} is empty: give it a value, or leave it out")
    for name in of_zip if given.to == IMAGE else of_image:
        if getattr(given, name) is not None:
            hint = f"; it has {', '.join(f'--{each}' for each in of_image)}" if given.to == IMAGE else ""
            raise UsageError(f"--to {given.to} takes no --{name}{hint}")


def _refuse_target(path: str, read: "list[str]") -> None:
    """Raise UsageError if writing the zip file would destroy what it is made of, or what is no file."""
    if not os.path.exists(path):
        return
    if any(os.path.samefile(path, each) for each in read):
        raise UsageError(f"{path} goes into the zip file, so it cannot be that file; choose another --output")
    if not os.path.isfile(path):
        raise UsageError(f"{path} is there, and is no file; choose another --output")


def _write_zip(path: str, files: "list[tuple[str, int, bytes]]") -> int:
    """Write a zip file, which depends on its contents alone; all of it, or nothing if it is too large for Lambda.

    Returns its bytes.
    """
    part = f"{path}.{os.getpid()}.part"
    try:
        with zipfile.ZipFile(part, "w") as archive:
            for name, mode, data in sorted(files):
                info = zipfile.ZipInfo(name, _LONG_AGO)
                info.create_system = _UNIX
                info.external_attr = mode << 16
                archive.writestr(info, data, zipfile.ZIP_DEFLATED, 9)
        size = os.path.getsize(part)
        if size <= ZIPPED_LIMIT:
            os.replace(part, path)
        return size
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}; choose another --output") from error
    finally:
        if os.path.exists(part):
            os.unlink(part)


def _too_large(what: str, size: int, limit: int) -> int:
    print(f"faas-runtime package: {what} {size} bytes, and Lambda accepts {limit}", file=sys.stderr)
    print("  fix: leave out debugging information (strip = true in Cargo.toml, strip LIBRARY)", file=sys.stderr)
    return FAILED


def _commands(library: "PackagedLibrary", target: str, layer: str, to: str) -> str:
    """The commands for AWS; capital letters stand for what the user has to fill in."""
    architecture = library.architecture
    file = shlex.quote(f"fileb://{target}")
    lines = []
    if to == LAYER_AND_ZIP:
        zip_of_layer = shlex.quote(f"fileb://{layer}")
        lines += [
            "# once, for the layer; its answer has LayerVersionArn",
            f"aws lambda publish-layer-version --layer-name faas-runtime-{architecture} --zip-file {zip_of_layer} "
            f"--compatible-runtimes provided.al2023 --compatible-architectures {architecture}",
        ]
    layers = " --layers LAYER_VERSION_ARN" if to == LAYER_AND_ZIP else ""
    return "\n".join(
        (
            *lines,
            "# the first time",
            f"aws lambda create-function --function-name {library.function} --runtime provided.al2023 --architectures "
            f"{architecture} --handler {shlex.quote(library.handler)} --zip-file {file} --role ROLE_ARN{layers}",
            "# from then on",
            f"aws lambda update-function-code --function-name {library.function} --architectures {architecture} "
            f"--zip-file {file}",
        )
    )
