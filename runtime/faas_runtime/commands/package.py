"""`faas-runtime package`: puts a library into a zip file that Lambda accepts, and says how to create the function."""

import os
import shlex
import stat
import sys
import zipfile

from ..command_line import current_folder
from ..errors import InitError, UsageError
from ..library import DEFAULT_SYMBOL
from ..project import finder
from .check import CheckParser
from .check_for import TargetVerdict, locate, parse_targets, print_verdict
from .layer import LambdaLayer, architecture, file_name, usual_folder, usual_layer
from .targets import TARGETS

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from .targets import BuildTarget

ZIP, LAYER_AND_ZIP = "zip", "layer+zip"
FAILED = 1
ZIPPED_LIMIT = 50 << 20  # bytes of a zip file that is uploaded to Lambda directly
UNPACKED_LIMIT = 250 << 20  # bytes, with all layers
_EXECUTABLE = stat.S_IFREG | 0o755
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the first date that the format has
_UNIX = 3  # the system whose modes the entries have


def package(arguments: "Sequence[str]") -> int:
    """Run the command; returns 0, or 1 if Lambda would not run the package. Raises UsageError."""
    given = _parse(arguments)
    layer = None if given.layer is None else LambdaLayer(given.layer)
    targets = parse_targets(given.targets) if given.targets is not None else []
    machine = _machine(layer, targets)
    path, symbol = _locate(given.library, machine)
    # The layer has the C library of micro, and not that of Lambda's system.
    verdict = TargetVerdict(path, symbol, [*(targets or [TARGETS["micro"]]), *_processor(machine, targets)])
    if not verdict.fits or verdict.library is None:
        print(f"library: {path}")
        print_verdict(sys.stdout, verdict)
        return FAILED
    machine = verdict.library.linkage.machine
    if given.to == ZIP and layer is None:
        layer = usual_layer(machine)
    files = [(each.name, _EXECUTABLE, _read(each.path)) for each in verdict.library.with_others()]
    size = sum(len(data) for _, _, data in files) + (layer.size if layer else 0)
    if size > UNPACKED_LIMIT:
        return _too_large("unpacked, it would have", size, UNPACKED_LIMIT)
    stem = os.path.basename(path)[: -len(".so")]
    name = stem[3:] if stem.startswith("lib") else stem
    target = given.output or f"{name}.zip"
    _write_zip(target, [*(layer.files if layer and given.to == ZIP else ()), *files])
    zipped = os.path.getsize(target)
    if zipped > ZIPPED_LIMIT:
        os.unlink(target)
        return _too_large("it would have", zipped, ZIPPED_LIMIT)
    print(f"{target}: {zipped} bytes, {size} unpacked{' with the layer' if layer and given.to != ZIP else ''}")
    print(_commands(name, symbol, target, machine, given.layer if given.to == LAYER_AND_ZIP else None, given.to))
    return 0


def _parse(arguments: "Sequence[str]") -> "argparse.Namespace":
    parser = CheckParser(
        prog="faas-runtime package",
        description="Put a library into a zip file for Lambda, and print the commands that create the function.",
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
        choices=(ZIP, LAYER_AND_ZIP),
        default=ZIP,
        help="all in one zip, or the function's zip for use with the layer",
    )
    folder = usual_folder().replace("%", "%%")  # argparse formats the text
    parser.add_argument(
        "--layer", metavar="FILE", help=f"the file of the layer (default: in {folder}); nothing is downloaded"
    )
    parser.add_argument("--for", dest="targets", metavar="TARGETS", help="what the library has to fit (default: micro)")
    parser.add_argument("--output", metavar="FILE", help="the zip file (default: the name of the library)")
    given: argparse.Namespace = parser.parse_args(arguments)
    return given


def _machine(layer: "LambdaLayer | None", targets: "list[BuildTarget]") -> str:
    """The processor of the layer, or the one that the targets name; empty if neither does."""
    if layer is not None:
        return layer.machine
    named = [target.machines[0] for target in targets if len(target.machines) == 1]
    return named[0] if named else ""


def _processor(machine: str, targets: "list[BuildTarget]") -> "list[BuildTarget]":
    return [each for each in TARGETS.values() if each.machines == (machine,) and each not in targets]


def _locate(name: "str | None", machine: str) -> "tuple[str, str]":
    try:
        if name is not None:
            return locate(name, current_folder())
        found = finder.library(current_folder(), machine)
    except InitError as error:
        raise UsageError(error.message) from error
    if found is None:
        raise UsageError("there is no project in the current folder; name the library: LIBRARY[.HANDLER]")
    return found, DEFAULT_SYMBOL


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _write_zip(path: str, files: "list[tuple[str, int, bytes]]") -> None:
    """Write a zip file, which depends on its contents alone; all of it, or nothing."""
    part = f"{path}.{os.getpid()}.part"
    try:
        with zipfile.ZipFile(part, "w") as archive:
            for name, mode, data in sorted(files):
                info = zipfile.ZipInfo(name, _LONG_AGO)
                info.create_system = _UNIX
                info.external_attr = mode << 16
                archive.writestr(info, data, zipfile.ZIP_DEFLATED, 9)
        os.replace(part, path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}; choose another --output") from error
    finally:
        if os.path.exists(part):
            os.unlink(part)


def _too_large(what: str, size: int, limit: int) -> int:
    print(f"faas-runtime package: {what} {size} bytes, and Lambda accepts {limit}", file=sys.stderr)
    print("  fix: leave out debugging information (strip = true in Cargo.toml, strip LIBRARY)", file=sys.stderr)
    return FAILED


def _commands(name: str, symbol: str, target: str, machine: str, layer: "str | None", to: str) -> str:
    """The commands for AWS; capital letters stand for what the user has to fill in."""
    function, processor = name.replace("_", "-"), architecture(machine)
    file = shlex.quote(f"fileb://{target}")
    lines = []
    if to == LAYER_AND_ZIP:
        zip_of_layer = shlex.quote(f"fileb://{layer or file_name(machine)}")
        lines += [
            "# once, for the layer; its answer has LayerVersionArn",
            f"aws lambda publish-layer-version --layer-name faas-runtime-{processor} --zip-file {zip_of_layer} "
            f"--compatible-runtimes provided.al2023 --compatible-architectures {processor}",
        ]
    layers = " --layers LAYER_VERSION_ARN" if to == LAYER_AND_ZIP else ""
    return "\n".join(
        (
            *lines,
            "# the first time",
            f"aws lambda create-function --function-name {function} --runtime provided.al2023 --architectures "
            f"{processor} --handler {name}.{symbol} --zip-file {file} --role ROLE_ARN{layers}",
            "# from then on",
            f"aws lambda update-function-code --function-name {function} --architectures {processor} --zip-file {file}",
        )
    )
