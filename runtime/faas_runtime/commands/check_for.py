"""`faas-runtime check --for`: reads a library, and says for each target whether it fits. It is not loaded."""

import os
import re

from ..binary import elf, inspection, linkage, truncation
from ..command_line import print_text
from ..errors import InitError, UsageError
from ..function import HOOKS
from ..library import DEFAULT_SYMBOL, SUFFIX, Handler
from . import fit
from .targets import GLIBC, TARGETS, BuildTarget, dotted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..binary.linkage import Linkage
    from .fit import Fault, JudgedLibrary

VERSION_SYMBOL = "faas_abi_version"
_LINUX_SUFFIX = ".so"
_LIBRARY = re.compile(r"(.+\.so)(?:\.([A-Za-z_][A-Za-z0-9_]*))?", re.DOTALL)
_SHARED = "build the function as a shared library (cdylib in Rust, -shared in C)"
_STATIC_LIBRARY = b"!<arch>\n"


def parse_targets(text: str) -> "list[BuildTarget]":
    """Read the names of targets with commas between them, or with @ the file that has them; raises UsageError."""
    if text.startswith("@"):
        try:
            with open(text[1:], encoding="ascii") as file:
                text = file.read().strip()
        except (OSError, ValueError) as error:
            raise UsageError(f"--for {text} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    names = list(dict.fromkeys(text.split(",")))
    unknown = [name for name in names if name not in TARGETS]
    if unknown:
        raise UsageError(f"there is no target {unknown[0]!r}; --for takes {', '.join(TARGETS)}, with commas between")
    return [TARGETS[name] for name in names]


class TargetVerdict:
    """What is wrong with a library: on every target, and on each one."""

    def __init__(self, path: str, symbol: str, targets: "Sequence[BuildTarget]") -> None:
        fault = _why_unreadable(path)
        found = None if fault else linkage.read(path)
        self.library: JudgedLibrary | None = None
        self.of_all: list[Fault] = []
        self.of_each: list[tuple[BuildTarget, list[Fault]]] = []
        if found is None:
            self.of_all.append(fault or ("it is damaged", "build it or copy it again"))
            return
        self.library = fit.JudgedLibrary(path, found)
        self.of_all += _faults_of_any(self.library, symbol)
        self.of_each += [(target, fit.faults(self.library, target)) for target in targets]

    @property
    def fits(self) -> bool:
        """Whether it fits every target."""
        return not self.of_all and not any(faults for _, faults in self.of_each)


def check_for(name: str, root: str, targets: "Sequence[BuildTarget]") -> int:
    """Print what the library is, and a verdict for each target; returns 0 if it fits all of them, otherwise 1."""
    try:
        path, symbol = locate(name, root, " and LAMBDA_TASK_ROOT")
    except InitError as error:
        what, *fix = error.message.rsplit("; ", 1)
        _wrong("", (f"{error.error_type}: {what}", *fix))
        return 1
    print_text(f"library: {path}")
    verdict = TargetVerdict(path, symbol, targets)
    print_verdict(verdict)
    return 0 if verdict.fits else 1


def print_verdict(verdict: TargetVerdict) -> None:
    """Print the facts, and each fault with how to fix it."""
    if verdict.library is not None:
        _print_facts(verdict.library)
    for fault in verdict.of_all:
        _wrong("", fault)
    for target, faults in verdict.of_each:
        for fault in faults:
            _wrong(f"for {target.name}: ", fault)
        if not faults:
            print_text(f"for {target.name}: {'fits otherwise' if verdict.of_all else 'fits'}")


def locate(name: str, root: str, check_too: str = "") -> "tuple[str, str]":
    """The path and the symbol. The targets are Linux, whatever this machine is: a library there ends in .so.

    `check_too` is added to what to check if there is no library.
    """
    named = _LIBRARY.fullmatch(name)
    if named:
        paths, symbol = [os.path.join(root, named[1])], named[2] or DEFAULT_SYMBOL
    else:
        handler = Handler.parse(name, root)
        paths = [path[: -len(SUFFIX)] + _LINUX_SUFFIX for path in handler.paths]
        symbol = handler.symbol
    for path in paths:
        if os.path.isfile(path):
            return os.path.normpath(path), symbol
    raise InitError(
        "Runtime.LibraryNotFound",
        f"the function's library was not found at {', '.join(map(os.path.normpath, paths))}; "
        f"check its name (LIBRARY.SYMBOL, or a path){check_too}",
    )


def _why_unreadable(path: str) -> "Fault | None":
    """Why the file is no library for Linux, or not a complete one."""
    try:
        binary = inspection.read(path)
        how = truncation.how_cut_off(path)
        with open(path, "rb") as file:
            start = file.read(len(_STATIC_LIBRARY))
    except OSError as error:
        return f"it cannot be read: {error.strerror}", "make it readable"
    if how:
        return how[0].lower() + how[1:], "build it or copy it again"
    if start == _STATIC_LIBRARY:
        return "it is a static library", _SHARED
    if binary is not None and binary.file_format != "ELF":
        return f"it is built for another operating system ({binary.file_format})", "build it for Linux"
    if not start.startswith(elf.MAGIC):
        return "it is not a shared library", _SHARED
    if binary is None:
        return "it is damaged", "build it or copy it again"
    return _why_not_shared(path)


def _why_not_shared(path: str) -> "Fault | None":
    with open(path, "rb") as file:
        kind = elf.ElfNumbers(file.read(64)).number(elf.E_TYPE, 2)
    if kind == elf.ET_REL:
        return "it is an object file, which is not linked yet", _SHARED
    found = linkage.read(path)
    if found is None:
        return None
    if not found.has_code:
        return "it holds the debugging information of a library, and no code", "take the library itself"
    if kind != elf.ET_DYN or found.is_program:
        return "it is a program", _SHARED
    if not found.is_for_linux:
        return "it is built for another operating system", "build it for Linux"
    return None


def _print_facts(library: "JudgedLibrary") -> None:
    found = library.linkage
    libc = library.libc
    numbers = [fit.parse_version(version.name) for version in found.versions]
    newest = max((number for kind, number in numbers if kind == "GLIBC"), default=())
    if libc == GLIBC and newest:
        libc += f" {dotted(newest)}"
    print_text(f"format: {', '.join(fact for fact in ('ELF', found.machine, libc) if fact)}")
    print_text(f"needs: {', '.join(found.needed) or 'no library'}")
    hooks = [hook for hook in HOOKS if hook in found.functions]
    print_text(f"hooks: {', '.join(hooks) or 'none'}")


def _faults_of_any(library: "JudgedLibrary", symbol: str) -> "list[Fault]":
    """What is wrong on every target: symbols of the ABI that are not exported."""
    exported = set().union(*(each.linkage.functions for each in library.with_others()))
    faults = []
    if VERSION_SYMBOL not in exported:
        what = "does not export faas_abi_version, so it is not a function for this runtime"
        fix = "build it with faas.h or with the glue of the Rust recipe"
        faults.append((f"Runtime.AbiVersionMissing: {library.path} {what}", fix))
    if symbol not in exported:
        what = f"Runtime.HandlerNotFound: {library.path} does not export the symbol {symbol}"
        faults.append((what, _how_to_export(library.linkage, symbol)))
    return faults


def _how_to_export(found: "Linkage", symbol: str) -> str:
    if symbol in found.others:
        return "make it a function: a variable has that name"
    if any(name.startswith(f"_Z{len(symbol)}{symbol}") for name in found.functions):
        return f'declare it as extern "C": {symbol} has the name that C++ gives to it'
    return f"export it, or name another symbol: LIBRARY{_LINUX_SUFFIX}.SYMBOL"


def _wrong(start: str, fault: "tuple[str, ...]") -> None:
    what, *fix = fault
    print_text(f"{start}WRONG: {what}")
    for each in fix:
        print_text(f"  fix: {each}")
