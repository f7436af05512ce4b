"""The library that goes into a zip file or an image: finds it, and checks that it fits."""

import os
import re

from ..command_line import current_folder, print_text
from ..errors import InitError, UsageError
from ..library import DEFAULT_SYMBOL
from ..project import finder
from .check_for import TargetVerdict, locate, print_verdict
from .layer import architecture
from .targets import TARGETS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .fit import JudgedLibrary
    from .targets import BuildTarget


class PackagedLibrary:
    """A library that fits, with the contents of the files that it consists of."""

    def __init__(self, judged: "JudgedLibrary", symbol: str, targets: "list[BuildTarget]") -> None:
        stem = os.path.basename(judged.path)[: -len(".so")]
        self.name = stem[3:] if stem.startswith("lib") else stem
        self.handler = f"{self.name}.{symbol}"
        self.machine = judged.linkage.machine
        found = (each.path for target in targets for each in judged.under(target.libc).with_others())
        self.paths = list(dict.fromkeys(found))
        folder = os.path.dirname(os.path.abspath(judged.path))
        self.files = [(_place(os.path.join(folder, path), folder), _read(path)) for path in self.paths]
        """Path and content of the library, and of those that it needs, where the loaders of the targets find them."""

    @property
    def function(self) -> str:
        """What the function is called on Lambda, which takes letters, digits, - and _, and 64 of them at most."""
        return re.sub(r"[^A-Za-z0-9-]", "-", self.name).strip("-")[:64] or "function"

    @property
    def architecture(self) -> str:
        """What Lambda calls the processor."""
        return architecture(self.machine)


def read(name: "str | None", targets: "list[BuildTarget]", machine: str) -> "PackagedLibrary | None":
    """Read the library of that name, or the one of the project in the current folder.

    It has to fit the targets and the processor `machine`, if that is not empty. Returns None if it does not, which was
    printed. Raises UsageError if there is no library, if its name is none for Lambda, or if it needs files that have no
    place in the task root.
    """
    path, symbol = _locate(name, machine)
    _refuse_name(path)
    verdict = TargetVerdict(path, symbol, [*targets, *_processor(machine, targets)])
    if not verdict.fits or verdict.library is None:
        print_text(f"library: {path}")
        print_verdict(verdict)
        return None
    return PackagedLibrary(verdict.library, symbol, targets)


def only_machine(targets: "list[BuildTarget]") -> str:
    """The processor that the targets name; empty if they name none."""
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


def _refuse_name(path: str) -> None:
    """Raise UsageError if the library's name cannot be that of a handler, or of a file in a zip file."""
    name = os.path.basename(path)[: -len(".so")]
    if name in ("", "lib") or not name.isprintable() or " " in name:
        raise UsageError(
            f"{path!a}: Lambda accepts no handler of this name, as it is empty, or has a space or an unprintable "
            "character; rename the library"
        )


def _place(path: str, folder: str) -> str:
    """The path of a file below the folder of the library, which becomes the task root. Raises UsageError.

    The task root has another name. So a search path that leaves the folder, even to come back, leads elsewhere there.
    """
    place: list[str] = []
    start = os.path.join(folder, "")
    words = path[len(start) :].replace(os.sep, "/").split("/") if path.startswith(start) else [os.pardir]
    for word in words:
        if word == os.pardir and not place:
            raise UsageError(
                f"{os.path.normpath(path)} is needed, and its search path leads out of the folder of the library; move "
                "it there or below, and link the library with -Wl,-rpath,'$ORIGIN' or -Wl,-rpath,'$ORIGIN/FOLDER'"
            )
        if word == os.pardir:
            place.pop()
        elif word not in ("", os.curdir):
            place.append(word)
    return "/".join(place)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()
