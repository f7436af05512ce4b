# Generated from recipes/packages and release.yaml by `nox -s bake`: edit those
# ruff: noqa: PTH103, PTH114, PTH117, PTH118, PTH119, PTH120, PTH123, PTH208
# pathlib would be among the modules that are loaded, and so be carried over.
"""Carry what a package needs of its Python over into an empty root.

    carry.py PACKAGE                 prints all that the package's modules import, wherever the statement stands
    carry.py ROOT TARGET NAME...     imports the names and copies what that brought in to its place below TARGET

The very interpreter whose files are wanted runs this; ROOT is the folder that is `/` to its installation. Modules of
the standard library arrive byte-compiled and without their sources; extension modules, the interpreter and the shared
libraries that are loaded by then arrive as they are.
"""

import os
import sys

# OpenSSL would be half of the image. The Runtime API speaks plain HTTP, nothing here is packed with bzip2 or lzma, and
# random identifiers need no libuuid; without these, importers take another way.
LEFT_OUT = ("ssl", "_ssl", "_hashlib", "bz2", "_bz2", "lzma", "_lzma", "_uuid")

# Not imported by name, but looked up while running: the codecs behind bytes.decode("ascii") and the like; for a host's
# name, the codec and asyncio's threads.
LOOKED_UP = ("encodings.ascii", "encodings.latin_1", "encodings.utf_8", "encodings.idna", "concurrent.futures.thread")


def names_in(package):
    """Return the absolute names in the package's import statements, without those for type checkers alone."""
    import ast  # not above: it would be carried over

    names = set()
    for folder, _, files in os.walk(package):
        pending = []
        for file in files:
            if file.endswith(".py"):
                with open(os.path.join(folder, file), "rb") as source:
                    pending.append(ast.parse(source.read()))
        while pending:
            node = pending.pop()
            if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
                pending += node.orelse
                continue
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module)
                names.update(f"{node.module}.{alias.name}" for alias in node.names)
            pending += ast.iter_child_nodes(node)
    return sorted(names)


def import_all(names):
    """Import the names, and return the files of all modules that are loaded afterwards."""
    for name in LEFT_OUT:
        sys.modules[name] = None
    for name in (*LOOKED_UP, *names):
        try:
            __import__(name)
        except ImportError:
            continue  # a module of another operating system, or a name that is no module
    loaded = [getattr(module, "__file__", None) for name, module in sys.modules.items() if name != "__main__"]
    return sorted({file for file in loaded if file and os.path.isabs(file)})


def libraries(root):
    """Return the loaded shared libraries and every symbolic link beside them that leads to one."""
    with open("/proc/self/maps") as maps:
        loaded = {line.split(maxsplit=5)[-1].rstrip("\n") for line in maps if ".so" in line}
    found = {file for file in loaded if inside(file, root)}
    for folder in sorted({os.path.dirname(file) for file in found}):
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            if os.path.islink(path) and os.path.realpath(path) in loaded:
                found.add(path)
    return sorted(found)


def interpreter(root):
    """Return the interpreter, the link that the launcher names it by, and its loader, as far as they are there."""
    import struct

    folder = os.path.join(sys.prefix, "bin")
    program = os.path.join(folder, f"python3.{sys.version_info[1]}")
    paths = [program, os.path.join(folder, "python3")]
    with open(program, "rb") as file:
        data = file.read()
    (start,), (size, count) = struct.unpack_from("<Q", data, 32), struct.unpack_from("<HH", data, 54)
    for header in range(start, start + size * count, size):
        kind, offset, length = struct.unpack_from("<I4xQ16xQ", data, header)
        if kind == 3:  # PT_INTERP
            loader = os.path.join(root, data[offset + 1 : offset + length - 1].decode())
            # Named by way of an alias (see below), it would make a folder where the alias belongs.
            paths.append(os.path.join(os.path.realpath(os.path.dirname(loader)), os.path.basename(loader)))
    return [path for path in paths if os.path.lexists(path)]


def aliases(root):
    """Return the links at the top of the root, by which files are named too: /lib64 for /usr/lib64."""
    paths = [os.path.join(root, name) for name in sorted(os.listdir(root))]
    return [path for path in paths if os.path.islink(path)]


def inside(file, root):
    """Tell whether a file lies below the root."""
    return os.path.commonpath([file, root]) == root


def carry(files, root, target):
    """Copy the files, byte-compiling Python's sources. Sourceless modules lie where their sources did."""
    import py_compile
    import shutil

    for file in files:
        place = os.path.relpath(file, root)
        copy = os.path.join(target, place)
        os.makedirs(os.path.dirname(copy), exist_ok=True)
        if file.endswith(".py"):
            unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
            py_compile.compile(
                file, copy + "c", dfile=f"/{place}", doraise=True, optimize=2, invalidation_mode=unchecked
            )
        else:
            shutil.copy2(file, copy, follow_symlinks=False)


def main(first, *others):
    """`PACKAGE` prints what it names in imports; `ROOT TARGET NAME...` carries what importing the names loads.

    Two processes, as the first has itself imported more than the package needs.
    """
    if not others:
        print(*names_in(first))
        return
    target, *names = others
    files = import_all(names)
    carry([*files, *interpreter(first), *libraries(first), *aliases(first)], first, target)


if __name__ == "__main__":
    main(*sys.argv[1:])
