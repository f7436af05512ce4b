"""Hands out the modules of the file that `start_file.py` writes, if a package has made it of these very sources.

The launcher runs this code, which is in that file too. These variables are the launcher's: `folder` is the parent of
the package, `path` is the file's path, and `content` what it has behind the magic number. `digest` is of the sources
that it was made of, and `places` says where in it the code of each module begins and ends, counted from its end.
"""

import gc
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import SourceFileLoader
from _imp import _fix_co_filename  # type: ignore[attr-defined]
from marshal import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

    folder, path, digest = "", "", b""
    content, places = memoryview(b""), {"": (0, 0)}

NAME = "faas_runtime"
package = folder + "/" + NAME


class StartLoader(SourceFileLoader):
    """Loads a module as from its source, where tracebacks and other tools look for its lines; its code is in the file.

    The class itself is what finds the modules.
    """

    @staticmethod
    def find_spec(name: str, _path: object = None, _target: object = None) -> "ModuleSpec | None":
        """How a module is loaded; None for one that is not in the file."""
        if name not in places:
            return None
        is_package = name == NAME
        source = package + ("/__init__.py" if is_package else "/" + name[len(NAME) + 1 :] + ".py")
        spec = ModuleSpec(name, StartLoader(name, source), origin=source)
        if is_package:
            spec.submodule_search_locations = [package]
        spec.has_location = True
        spec.cached = path
        return spec

    def get_code(self, fullname: str) -> "CodeType":
        """The code of the module, which gets the path of its source here."""
        start, end = places[fullname]
        code: CodeType = loads(content[start:end])  # noqa: S302 - of the package's own file
        _fix_co_filename(code, self.path)
        return code


with open(package + "/payload.sha256", "rb") as shipped:
    if shipped.read() == digest:
        gc.disable()  # until `__main__` knows what is to be run
        sys.meta_path.insert(0, StartLoader)
