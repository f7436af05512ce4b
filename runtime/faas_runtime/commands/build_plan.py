"""What a library has to be built for, so that it fits all targets that are named."""

import os

from ..binary import inspection
from ..errors import UsageError
from .targets import GLIBC, MUSL, TARGETS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .targets import BuildTarget

_EVERY_GLIBC = [target.glibc for target in TARGETS.values() if target.glibc]


class BuildPlan:
    """A processor, a C library and, for glibc, the newest version that is allowed; `is_native`: for this machine."""

    def __init__(self, machine: str, libc: str = "", glibc: "tuple[int, ...]" = ()) -> None:
        here = inspection.this_machine()
        self.machine = machine
        self.libc = libc
        self.glibc = glibc
        self.is_own_machine = here.file_format == "ELF" and machine == here.machine
        own = _own_glibc()
        is_old_enough = libc == MUSL or bool(own and own <= glibc)
        self.is_native = not libc or (self.is_own_machine and libc == here.libc and is_old_enough)

    @property
    def triple(self) -> str:
        """The target's name in Rust."""
        return f"{self.machine}-unknown-linux-{'musl' if self.libc == MUSL else 'gnu'}"

    @property
    def version(self) -> str:
        """The version of glibc as a suffix of a target's name, such as ".2.34"; empty for musl."""
        return "".join(f".{part}" for part in self.glibc)

    def processor_of(self, targets: "list[BuildTarget]") -> "list[BuildTarget]":
        """The target of the processor, if none of the targets names it."""
        if any(len(target.machines) == 1 for target in targets):
            return []
        return [target for target in TARGETS.values() if target.machines == (self.machine,)]


def make_plan(targets: "list[BuildTarget]") -> BuildPlan:
    """The plan that fits all targets; raises UsageError if none does."""
    own = inspection.this_machine()
    if not targets:
        return BuildPlan(own.machine or "")
    machines = {machine for target in targets for machine in target.machines}
    for target in targets:
        machines &= set(target.machines)
    names = ", ".join(target.name for target in targets)
    if not machines:
        raise UsageError(f"no library is for {names}: it has one processor. Build once for each")
    libcs = {target.libc for target in targets if target.libc}
    if len(libcs) > 1:
        raise UsageError(f"no library is for {names}: it has one C library. Build once for each")
    machine = own.machine if own.machine in machines else sorted(machines)[0]
    libc = libcs.pop() if libcs else GLIBC
    if libc == MUSL:
        return BuildPlan(machine or "", libc)
    glibc = [target.glibc for target in targets if target.glibc]
    return BuildPlan(machine or "", libc, min(glibc or _EVERY_GLIBC))


def _own_glibc() -> "tuple[int, ...]":
    """The version of this system's glibc, against which its compilers link; empty if it is another C library."""
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
        return tuple(map(int, version.split("."))) if name == GLIBC else ()
    except (AttributeError, OSError, ValueError):
        return ()
