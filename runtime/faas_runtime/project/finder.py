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
    return MakeProject(os.path.abspath(folder)) if _is_of_make(folder) else cargo.find(folder)


def _is_of_make(folder: str) -> bool:
    if os.path.isfile(os.path.join(folder, cargo.MANIFEST)):
        return False
    return any(os.path.isfile(os.path.join(folder, name)) for name in MAKEFILES)


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


def workspace_libraries(folder: str) -> "dict[str, str]":
    """The libraries that a workspace of cargo with several functions built last, by the names of their crates.

    Empty if the folder is of another project, or of one of the functions. Raises UsageError if one is not built.
    """
    projects = [] if _is_of_make(folder) else cargo.find_all(folder)
    if len(projects) < 2:
        return {}
    machine = inspection.this_machine().machine or ""
    built = {project.crate.name: project.built(machine) for project in projects}
    missing = [name for name, paths in built.items() if not paths]
    if missing:
        are = "is" if len(missing) == 1 else "are"
        packages = " ".join(f"--package {name}" for name in missing)
        raise UsageError(f"of this workspace, {', '.join(missing)} {are} not built yet; run: cargo build {packages}")
    return {name: paths[0] for name, paths in built.items()}
