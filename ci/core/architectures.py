"""The processor architectures that artefacts are made for, under all the names that tools give them."""

from __future__ import annotations

import platform
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """One architecture.

    `name` is used by Debian, Go and container images, `machine` by the Linux kernel (`uname -m`) and RPM, `triplet`
    by Debian for its folders of libraries. `elf_machine` is the number in an ELF file's header (`e_machine`, elf(5)).
    """

    name: str
    machine: str
    triplet: str
    elf_machine: int


ALL = (
    Architecture(name="amd64", machine="x86_64", triplet="x86_64-linux-gnu", elf_machine=62),  # EM_X86_64
    Architecture(name="arm64", machine="aarch64", triplet="aarch64-linux-gnu", elf_machine=183),  # EM_AARCH64
)
MACHINES = {one.name: one.machine for one in ALL}
_BY_NAME = {one.name: one for one in ALL}
_NAMES = {
    **{one.machine: one.name for one in ALL},
    "arm64": "arm64",  # what macOS calls aarch64
}
_ELF_NAMES = {one.elf_machine: one.name for one in ALL}


def named(name: str) -> Architecture:
    """The architecture that Debian and container images call `name`; `KeyError` for any other word."""
    return _BY_NAME[name]


def host_name() -> str:
    """This machine's architecture as Debian and container images name it; the kernel's name if `ALL` lacks it."""
    return _NAMES.get(platform.machine(), platform.machine())


def elf_name(number: int) -> str:
    """The name of an ELF file's architecture; the number itself, as text, if `ALL` lacks it."""
    return _ELF_NAMES.get(number, str(number))
