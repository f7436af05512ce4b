"""Writes the byte code of the modules that every start needs into one file, from which the launcher takes them.

    python3 -IS start_file.py

Packages and images run this where they compile the package. A module of its own takes Python longer to find and to read
than to run, and `checked-hash` byte code makes it read and hash the source, too. The file begins with Python's magic
number, and has the payload's digest, which packages ship in `payload.sha256`. A file with others is ignored, and so one
of another Python or of other sources. A checkout has no digest, and no such file. The code has no annotations.
"""

import ast
import os
import sys
from _frozen_importlib_external import MAGIC_NUMBER
from marshal import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

# The modules that are imported from the start to the second invocation, each after those that it imports. Importing one
# of a group imports all of it: what every command needs, what asks for the first event, what answers it, what answers
# the next ones, and messages.
GROUPS = (
    ("_version", "__init__", "errors", "environment", "__main__"),
    ("connection", "bootstrap", "ffi", "library", "function"),
    (
        *("abi", "caller", "invocation", "client", "exit_guard", "serving", "trace", "pollers"),
        *("watcher", "http_reader"),
    ),
    ("io_vectors", "head_template", "usual_response", "fast_path"),
    ("log",),
)


def write(package: str) -> str:
    """Write the file for a package in this folder; returns its path. Raises OSError if the folder has no digest."""
    with open(os.path.join(package, "payload.sha256"), "rb") as file:
        digest = file.read()
    finder = _compiled(package, "start_finder")
    pieces = [dumps(tuple((_full_name(name), _compiled(package, name)) for name in group)) for group in GROUPS]
    position = -1 - sum(map(len, pieces))
    places = {}
    for group, piece in zip(GROUPS, pieces):
        places.update({_full_name(name): (position, position + len(piece)) for name in group})
        position += len(piece)
    # The byte at the end keeps the end of the last piece below 0.
    content = b"".join((MAGIC_NUMBER, dumps((finder, digest, places)), *pieces, b"\0"))
    path = os.path.join(package, "__pycache__", f"start.{sys.implementation.cache_tag}")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "wb") as file:
        file.write(content)
    os.chmod(temporary, 0o644)
    os.replace(temporary, path)
    return path


def _full_name(name: str) -> str:
    return "faas_runtime" if name == "__init__" else f"faas_runtime.{name}"


def _compiled(package: str, name: str) -> "CodeType":
    """The code of a module. It gets the folder of its source when it is loaded: a package may be moved until then."""
    with open(os.path.join(package, f"{name}.py"), "rb") as file:
        tree = WithoutTypes().visit(ast.parse(file.read(), f"{name}.py"))
    code: CodeType = compile(ast.fix_missing_locations(tree), f"{name}.py", "exec", dont_inherit=True)
    return code


class WithoutTypes(ast.NodeTransformer):
    """Leaves out annotations, and what is imported for them alone: each start would have to read it, too.

    No module of the groups looks at its own annotations, as a dataclass does.
    """

    def visit_If(self, node: ast.If) -> "ast.stmt | list[ast.stmt]":
        """Of `if TYPE_CHECKING`, what is behind `else`. Any other one stays."""
        self.generic_visit(node)
        if not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            return node
        return node.orelse or [ast.copy_location(ast.Pass(), node)]

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        """A plain assignment. An annotation without a value stays, as it makes a name a local one."""
        self.generic_visit(node)
        return node if node.value is None else ast.copy_location(ast.Assign([node.target], node.value), node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """A function that does not say what it returns."""
        node.returns = None
        self.generic_visit(node)
        return node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        """A parameter without its type."""
        node.annotation = None
        return node


if __name__ == "__main__":
    write(os.path.dirname(os.path.abspath(__file__)))
