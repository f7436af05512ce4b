# Generated from recipes/packages and release.yaml by `nox -s bake`: edit those
# ruff: noqa: PTH103, PTH110, PTH112, PTH114, PTH117, PTH118, PTH119, PTH120, PTH123, PTH208
# pathlib is not used, because it would then be among the loaded modules and be copied too.
"""Copy the part of Python that a package needs into an empty root.

    carry.py PACKAGE                 prints the names of all modules that the package imports anywhere
    carry.py ROOT TARGET NAME...     imports the names and copies the loaded files to the same paths below TARGET
    carry.py ROOT TARGET             copies what apk's list of installed packages says of the files below TARGET

Run this with the interpreter whose files are copied. ROOT is the folder that its installation sees as `/`. Modules of
the standard library are copied as byte code, without their sources. Extension modules, the interpreter and the loaded
shared libraries are copied unchanged.
"""

import os
import sys

# OpenSSL would be half of the image. It is not needed, because the Runtime API uses plain HTTP. Nothing here is packed
# with bzip2 or lzma, and random identifiers need no libuuid. Modules that import these work without them. Nobody makes
# zip files in an image: the command `package` says so. The file for the start, which needs ast, is made outside of it.
LEFT_OUT = ("ssl", "_ssl", "_hashlib", "bz2", "_bz2", "lzma", "_lzma", "_uuid", "zipfile", "ast")

# No import statement names these modules; Python looks them up at run time. They are the codecs for
# bytes.decode("ascii") and the like, the codec for host names, and what Python 3.13 needs for `-c` and for tracebacks.
LOOKED_UP = ("encodings.ascii", "encodings.latin_1", "encodings.utf_8", "encodings.idna", "linecache", "traceback")

# Where Alpine keeps the list of installed packages: newer ones have it below /usr.
PACKAGE_LISTS = ("lib/apk/db/installed", "usr/lib/apk/db/installed")


def names_in(package):
    """Return the absolute names in the package's import statements, except those for type checkers only."""
    import ast  # not at the top: it would be copied too

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
    """Import the names, and return the files of all modules that are then loaded."""
    for name in LEFT_OUT:
        sys.modules[name] = None
    for name in (*LOOKED_UP, *names):
        try:
            __import__(name)
        except ImportError:
            continue  # a module of another operating system, or a name that is not a module
    loaded = [getattr(module, "__file__", None) for name, module in sys.modules.items() if needs_file(name, module)]
    return sorted({file for file in loaded if file and os.path.isabs(file)})


def needs_file(name, module):
    """Return whether a loaded module is read from its file. The interpreter contains some, which are called frozen.

    Python finds the standard library by the file of `os`, although that module is frozen.
    """
    frozen = getattr(getattr(module, "__spec__", None), "origin", None) == "frozen"
    return name == "os" or (name != "__main__" and not frozen)


def libraries(root):
    """Return the loaded shared libraries, and the symbolic links to them in their folders."""
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
    """Return those of these files that exist: the interpreter, the link that the launcher uses, and the ELF loader."""
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
            # A path through an alias (see below) would create a folder in the alias's place.
            paths.append(os.path.join(os.path.realpath(os.path.dirname(loader)), os.path.basename(loader)))
    return [path for path in paths if os.path.lexists(path)]


def aliases(root):
    """Return the links at the top of the root. They give files a second path, such as /lib64 for /usr/lib64."""
    paths = [os.path.join(root, name) for name in sorted(os.listdir(root))]
    return [path for path in paths if os.path.islink(path)]


def inside(file, root):
    """Return whether a file is below the root."""
    return os.path.commonpath([file, root]) == root


def carry(files, root, target):
    """Copy the files, and compile Python sources to byte code. The byte code takes the place of the source."""
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


def keep_packages(root, target):
    """Write the entries of apk's list for packages that own a file below the target; scanners read it.

    An entry is a paragraph. It lists files as `F:FOLDER` and `R:NAME`, and says more of each in the lines that follow.
    """
    path = next((path for path in PACKAGE_LISTS if os.path.exists(os.path.join(root, path))), None)
    if path is None:
        return
    with open(os.path.join(root, path), encoding="utf-8") as file:
        kept = [entry for entry in (owned_part(text, target) for text in file.read().split("\n\n")) if entry]
    os.makedirs(os.path.join(target, os.path.dirname(path)), exist_ok=True)
    with open(os.path.join(target, path), "w", encoding="utf-8") as file:
        file.writelines(f"{entry}\n\n" for entry in kept)


def owned_part(entry, target):
    """Return a package's entry with its files below the target alone; nothing if there is none."""
    lines, folder, keeps, owns = [], "", True, False
    for line in entry.strip("\n").split("\n"):
        if line.startswith("F:"):
            folder, keeps = line[2:], os.path.isdir(os.path.join(target, line[2:]))
        elif line.startswith("R:"):
            file = os.path.join(target, folder, line[2:])
            # Byte code takes the place of its source, which the checksum after it is of.
            keeps, compiled = os.path.lexists(file), os.path.lexists(f"{file}c")
            owns = owns or keeps or compiled
            if compiled and not keeps:
                lines.append(f"{line}c")
        if keeps:
            lines.append(line)
    return "\n".join(lines) if owns else ""


def main(first, *others):
    """Print the imported names of PACKAGE, or copy what importing the names loads, or what apk says of the files.

    These are separate runs, because the first one itself imports more than the package needs.
    """
    if not others:
        print(*names_in(first))
        return
    target, *names = others
    if not names:
        keep_packages(first, target)
        return
    files = import_all(names)
    carry([*files, *interpreter(first), *libraries(first), *aliases(first)], first, target)


if __name__ == "__main__":
    main(*sys.argv[1:])
