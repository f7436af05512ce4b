"""Finds the function's library when no path is given: what the project in a folder has built."""

import os

from ..binary import inspection
from ..errors import UsageError
from ..library import SUFFIX
from . import cargo

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .cargo import CargoProject

MAKEFILES = ("GNUmakefile", "makefile", "Makefile")


class MakeProject:
    """A project of make: its library is the only one in the folder of the Makefile."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def built(self, _machine: str = "") -> "list[str]":
        """The libraries in its folder, for whichever system, the newest first; raises UsageError if they are several.

        Those of one name are the same one for several systems.
        """
        names = sorted(name for name in os.listdir(self.folder) if name.endswith((SUFFIX, ".so")))
        if len({os.path.splitext(name)[0] for name in names}) > 1:
            raise UsageError(f"{self.folder} has several libraries: {', '.join(names)}. Name the one that is meant")
        return sorted((os.path.join(self.folder, name) for name in names), key=os.path.getmtime, reverse=True)


def find(folder: str) -> "CargoProject | MakeProject | None":
    """The project of a folder. A Makefile counts in the folder itself alone, and before a manifest above it.

    Raises UsageError if it is not clear which function is meant.
    """
    if not os.path.isfile(os.path.join(folder, cargo.MANIFEST)):
        for name in MAKEFILES:
            if os.path.isfile(os.path.join(folder, name)):
                return MakeProject(os.path.abspath(folder))
    return cargo.find(folder)


def library(folder: str, machine: str = "") -> "str | None":
    """The path of the library that the project of a folder built last; None if there is no project.

    `machine` is a processor; empty: that of this machine.

    Raises UsageError if it is not built, or if it is not clear which function is meant.
    """
    project = find(folder)
    if project is None:
        return None
    built = project.built(machine or inspection.this_machine().machine or "")
    if not built:
        raise UsageError("the project here is not built yet; run: faas-runtime build")
    return built[0]
