"""Whether a library fits a target: each fault, with how to fix it. Nothing is loaded, so any machine can tell."""

import os

from ..binary import elf, inspection, linkage
from .targets import CPLUSPLUS, GLIBC, MUSL, UNWINDER, BuildTarget, dotted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..binary.linkage import Linkage, SymbolVersion

    Fault = tuple[str, str]  # what is wrong, and how to fix it

_RELR_SINCE = (2, 36)  # glibc; older ones skip these relocations, and the library crashes
_NO_EXECUTABLE_STACK_SINCE = (2, 41)  # glibc; older ones make the stack of the process executable
_PRIVATE = "GLIBC_PRIVATE"
_OWN_OF_MUSL = ("c", "pthread", "rt", "m", "dl", "util", "xnet")  # musl takes lib*.so of these names for itself
_SHOWN = 3  # symbols in a message
_RPATH = "-Wl,-rpath,'$ORIGIN' (Rust: -C link-arg='-Wl,-rpath,$ORIGIN')"
_STATIC_CPLUSPLUS = "link it with -static-libstdc++ -static-libgcc"


class JudgedLibrary:
    """A library, with those that a loader would find in its own folder."""

    def __init__(self, path: str, found: "Linkage", libc: str = "", needed_by: "JudgedLibrary | None" = None) -> None:
        """`libc` says whose loader that is; the default is the C library that this one is built against, or glibc.

        `needed_by` is the library for which it was found.
        """
        self.path = path
        self.name = os.path.basename(path)
        self.linkage = found
        binary = inspection.read(path)
        self.libc = (binary.libc if binary else None) or ""
        self.beside: dict[str, JudgedLibrary] = {}
        """The libraries that it needs and that the loader finds, by their names."""
        self._loader = libc or self.libc or GLIBC
        self._needed_by = needed_by
        if needed_by is None:
            self._find_others()

    def under(self, libc: str) -> "JudgedLibrary":
        """The same library with what the loader of a C library finds; empty: what the present one finds."""
        return self if libc in ("", self._loader) else JudgedLibrary(self.path, self.linkage, libc)

    def _find_others(self) -> None:
        """Find what it needs, then what those need, as loaders do: a name that is known already is not looked for.

        glibc also knows a library by its DT_SONAME. That of a library which is opened by its path is not its file's.
        """
        known: dict[str, JudgedLibrary] = {}
        found: list[JudgedLibrary] = []

        def load(library: "JudgedLibrary") -> None:
            found.append(library)
            if self._loader == GLIBC and library.linkage.soname:
                known.setdefault(library.linkage.soname, library)

        load(self)
        for library in found:  # it grows
            for name in library.linkage.needed:
                other = known.get(name) or library._find(name, self)
                if other is not None:
                    library.beside[name] = known[name] = other
                    if other not in found:
                        load(other)

    def _find(self, name: str, first: "JudgedLibrary") -> "JudgedLibrary | None":
        for folder in self._folders():
            path = os.path.join(folder, name)
            found = linkage.read(path) if os.path.isfile(path) else None
            if found is not None:
                return first if os.path.samefile(path, first.path) else JudgedLibrary(path, found, self._loader, self)
        return None

    def _folders(self) -> "Iterator[str]":
        """Where the loader looks for what it needs.

        musl takes its search path, then those of the libraries that it was needed by. glibc does so with DT_RPATH only,
        and only for a library that has no DT_RUNPATH.
        """
        yield from self._own_folders()
        if self._loader == GLIBC and self.linkage.has_runpath:
            return
        library = self._needed_by
        while library is not None:
            if self._loader != GLIBC or not library.linkage.has_runpath:
                yield from library._own_folders()
            library = library._needed_by

    def _own_folders(self) -> "list[str]":
        return self.linkage.folders_around(os.path.dirname(os.path.abspath(self.path)))

    def is_in_its_folder(self, name: str) -> bool:
        """Whether a library is there, although it need not be looked for there."""
        return os.path.isfile(os.path.join(os.path.dirname(os.path.abspath(self.path)), name))

    def with_others(self) -> "Iterator[JudgedLibrary]":
        """This library, and those beside it that it needs, each once."""
        pending, seen = [self], set()
        while pending:
            library = pending.pop(0)
            if library.path not in seen:
                seen.add(library.path)
                yield library
                pending += library.beside.values()


def faults(library: JudgedLibrary, target: BuildTarget) -> "list[Fault]":
    """What keeps the target from loading the library, and those beside it."""
    found = []
    library = library.under(target.libc)
    machines = target.machines
    for each in library.with_others():
        start = "it" if each is library else f"{each.name}, which is beside it,"
        found += [(f"{start} {what}", fix) for what, fix in _faults_of(each, target, machines)]
        if library.linkage.machine in target.machines:
            machines = (library.linkage.machine,)  # the others must be for the same one
    if target.libc and not found:
        found += _undefined(library, target)
    return found


def _faults_of(library: JudgedLibrary, target: BuildTarget, machines: "tuple[str, ...]") -> "Iterator[Fault]":
    found = library.linkage
    if found.machine not in machines or not found.is_64_bit or not found.is_little:
        yield _other_machine(found, target, machines)
    if not target.libc:
        return
    if library.libc and library.libc != target.libc:
        yield (
            f"is built against {library.libc}, and {target.name} has {target.libc}",
            _how_to_build(target.libc, target),
        )
        return
    yield from _newer_versions(found, target)
    for name in found.needed:
        if name not in library.beside and not _has(target, name):
            yield _missing(library, target, name)
    if target.libc == MUSL and found.has_static_tls:
        yield "has thread-local data of the model initial-exec, which musl refuses", _TLS_FIX
    if target.libc == GLIBC and found.must_not_be_opened:
        yield "is marked as one that a running program must not load", "link it without -z nodlopen"
    if target.libc == GLIBC and found.needs_relr and target.glibc < _RELR_SINCE:
        yield (
            f"has relocations in the form of DT_RELR, which {target.libc_title} does not know",
            "link it without -z pack-relative-relocs",
        )
    if target.glibc >= _NO_EXECUTABLE_STACK_SINCE and found.wants_executable_stack:
        yield (
            f"wants an executable stack, which {target.libc_title} refuses",
            "link it with -Wl,-z,noexecstack",
        )


_TLS_FIX = "build it with -ftls-model=global-dynamic"


def _other_machine(found: "Linkage", target: BuildTarget, machines: "tuple[str, ...]") -> "Fault":
    wanted = " or ".join(machines)
    built = found.machine
    if built in machines:
        built += " with 32-bit pointers" if not found.is_64_bit else ", big-endian"
    where = f"and {target.name} is for {wanted}" if target.libc else f"and not for {wanted}"
    fix = _how_to_build(wanted, target) if machines == target.machines else f"build it for {wanted}"
    return f"is built for {built}, {where}", fix


def _how_to_build(wanted: str, target: BuildTarget) -> str:
    return f"build it for {wanted}: faas-runtime build --for {target.name}"


def _newer_versions(found: "Linkage", target: BuildTarget) -> "Iterator[Fault]":
    """One fault for each kind of versions of which the library needs newer ones."""
    newer: dict[str, list[SymbolVersion]] = {}
    for version in found.versions:
        kind, number = parse_version(version.name)
        if version.is_weak or version.file not in found.needed:
            continue
        if version.name == _PRIVATE or (not number and kind == "GLIBC" and version.name not in target.more_versions):
            yield _unnumbered(version, target)
        elif number and kind in target.newest and number > target.newest[kind]:
            newer.setdefault(kind, []).append(version)
    for kind, versions in newer.items():
        newest = max(versions, key=lambda version: parse_version(version.name)[1])
        shown = ", ".join(dict.fromkeys(symbol for version in versions for symbol in sorted(version.symbols)[:_SHOWN]))
        what = f"needs {newest.name}{f' ({shown})' if shown else ''}"
        if kind == "GLIBC":
            yield f"{what}, and {target.name} has {target.libc_title}", _older_glibc(target)
        else:
            has = f"{kind}_{dotted(target.newest[kind])}"
            yield f"{what}, and {target.name} has {has} in {newest.file}", _STATIC_CPLUSPLUS


def _unnumbered(version: "SymbolVersion", target: BuildTarget) -> "Fault":
    if version.name == _PRIVATE:
        return "uses symbols that glibc keeps for itself (GLIBC_PRIVATE)", "link it with no part of glibc's own loader"
    return f"needs {version.name}, which {target.name}'s {target.libc_title} does not have", _older_glibc(target)


def _older_glibc(target: BuildTarget) -> str:
    build = f"run faas-runtime build --for {target.name} where ziglang is installed"
    return f"{build}, or build it on a system with {target.libc_title} or an older one"


def parse_version(name: str) -> "tuple[str, tuple[int, ...]]":
    """The text and the numbers of a version: ("GLIBC", (2, 34)); no numbers for one like GLIBC_ABI_DT_RELR."""
    kind, _, number = name.partition("_")
    parts = number.split(".")
    return kind, tuple(map(int, parts)) if all(part.isascii() and part.isdigit() for part in parts) else ()


def _has(target: BuildTarget, name: str) -> bool:
    if target.libc == MUSL and name.startswith("lib") and name[3:].partition(".")[0] in _OWN_OF_MUSL:
        return True
    return name in target.libraries


def _missing(library: JudgedLibrary, target: BuildTarget, name: str) -> "Fault":
    if library.is_in_its_folder(name):
        return f"needs {name}, which is in its folder, where the loader does not look", f"link it with {_RPATH}"
    what = f"needs {name}, which {target.name} does not have"
    if name == CPLUSPLUS:
        return what, _STATIC_CPLUSPLUS
    return what, f"link that statically, or put it beside this one and link this one with {_RPATH}"


def _undefined(library: JudgedLibrary, target: BuildTarget) -> "list[Fault]":
    """The symbols that nothing defines.

    All that a library links has versions in glibc; in musl, and if it links nothing, the names are compared with those
    that musl exports. Nothing is said of a library that links others: what those export is not known.
    """
    group = list(library.with_others())
    unknown = {name for each in group for name in each.linkage.needed if name not in each.beside}
    if any(not _is_libc(name) and name != UNWINDER for name in unknown):
        return []
    wanted = {name for each in group for name in each.linkage.unversioned}
    for each in group:
        wanted -= each.linkage.functions | each.linkage.others
    if UNWINDER in unknown:
        wanted = {name for name in wanted if not name.startswith("_")}
    missing = sorted(wanted - _exports_of_libc()) if wanted else []
    if not missing:
        return []
    shown = ", ".join(missing[:_SHOWN]) + (f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else "")
    return [
        (
            f"it uses {shown}, which neither it nor a library that it needs defines",
            "link it with the library that defines it, statically if possible",
        )
    ]


def _is_libc(name: str) -> bool:
    """Whether it belongs to a C library."""
    return name.startswith(("ld-linux", "ld-musl", "libc.musl")) or name[3:].partition(".")[0] in (
        *_OWN_OF_MUSL,
        "resolv",
    )


def _exports_of_libc() -> "frozenset[str]":
    """The symbols that musl exports; glibc exports nearly all of them."""
    with open(os.path.join(os.path.dirname(elf.__file__), "musl_symbols.txt"), encoding="ascii") as file:
        return frozenset(file.read().split())
