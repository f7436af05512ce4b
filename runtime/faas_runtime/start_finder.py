"""Makes the modules of the file that `start_file.py` writes, if a package has made it of these very sources.

The launcher runs this code, which is in that file too. These variables are the launcher's: `folder` is the parent of
the package, `path` is the file's path, and `content` is what it contains. `digest` is of the sources that it was made
of, and `places` says where in it the group of each module begins and ends, counted from its end.

Python's import system takes longer to find and to make a module than to read its code. So it finds one module of a
group, the one that is imported first, and the others are made here. Those of the first group are made at once.
"""

import gc
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import ExtensionFileLoader, SourceFileLoader, _path_isfile  # type: ignore[attr-defined]
from _imp import _fix_co_filename, extension_suffixes  # type: ignore[attr-defined]
from marshal import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, ModuleType

    folder, path, digest = "", "", b""
    content, places = memoryview(b""), {"": (0, 0)}

NAME = "faas_runtime"
EXTENSIONS = () if sys.platform == "win32" else ("_ctypes", "_socket")
"""Modules of Python that each start needs: shared libraries, or a part of the interpreter. To find one, Python would
list the folders where it may be. On Windows, their paths decide where they look for other libraries."""
package = folder + "/" + NAME


class StartLoader(SourceFileLoader):
    """Loads a module as from its source, where tracebacks and other tools look for its lines; its code is in the file.

    The class itself is what finds the modules.
    """

    @staticmethod
    def find_spec(name: str, _path: object = None, _target: object = None) -> "ModuleSpec | None":
        """How a module is loaded; None for one that is neither in the file nor an extension that a start needs."""
        if name not in places:
            return find_extension(name) if name in EXTENSIONS else None
        is_package = name == NAME
        source = package + ("/__init__.py" if is_package else "/" + name[len(NAME) + 1 :] + ".py")
        spec = ModuleSpec(name, StartLoader(name, source), origin=source)
        if is_package:
            spec.submodule_search_locations = [package]
        spec.has_location = True
        spec.cached = path
        return spec

    def exec_module(self, module: "ModuleType") -> None:
        """Run the code of the module's group."""
        run_group(module.__name__, module)


def find_extension(name: str) -> "ModuleSpec | None":
    """How one of the extensions is loaded; None if it is part of the interpreter, or elsewhere than usual."""
    for place in () if name in sys.builtin_module_names else sys.path:
        file = place + "/" + name + extension_suffixes()[0]
        if _path_isfile(file):
            spec = ModuleSpec(name, ExtensionFileLoader(name, file), origin=file)
            spec.has_location = True
            return spec
    return None


def run_group(wanted: str, module: "ModuleType | None" = None) -> None:
    """Make the modules of a group that are not there yet, and run their code; `module` is the wanted one if it is.

    There are no locks, so one thread alone may import a group for the first time. Each module comes after those that it
    imports, see `start_file.GROUPS`.
    """
    start, end = places[wanted]
    group = loads(content[start:end])  # noqa: S302 - of the package's own file
    for name, code in group:
        if name == wanted and module is not None:
            run(code, module)
        elif name not in sys.modules:
            made = sys.modules[name] = new_module(name)
            try:
                run(code, made)
            except BaseException:  # such as a signal: what ends the process may import the module again
                del sys.modules[name]
                raise
    for name, _ in group:
        if name != NAME:
            setattr(sys.modules[NAME], name[len(NAME) + 1 :], sys.modules[name])


def new_module(name: str) -> "ModuleType":
    """A module without contents, with the attributes that the import system gives it."""
    module, spec = type(sys)(name), StartLoader.find_spec(name)
    assert spec is not None
    attributes = module.__dict__
    attributes["__spec__"], attributes["__loader__"], attributes["__package__"] = spec, spec.loader, NAME
    attributes["__file__"], attributes["__cached__"] = spec.origin, path
    if name == NAME:
        attributes["__path__"] = spec.submodule_search_locations
    return module


def run(code: "CodeType", module: "ModuleType") -> None:
    """Run a module's code, which gets the path of its source here."""
    _fix_co_filename(code, module.__file__)
    exec(code, module.__dict__)  # noqa: S102


with open(package + "/payload.sha256", "rb", 0) as shipped:
    if shipped.read() == digest:
        gc.disable()  # until `__main__` knows what is to be run
        sys.meta_path.insert(0, StartLoader)
        run_group(NAME + ".__main__")
