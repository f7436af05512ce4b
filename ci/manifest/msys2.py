"""The environments of MSYS2 that there are packages for: https://www.msys2.org/docs/environments/."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Msys2Environment:
    """One environment: how the names of its packages begin, and its processor as the GNU tools call it."""

    package_prefix: str
    machine: str


ENVIRONMENTS = {
    "ucrt64": Msys2Environment(package_prefix="mingw-w64-ucrt-x86_64", machine="x86_64"),
    "clang64": Msys2Environment(package_prefix="mingw-w64-clang-x86_64", machine="x86_64"),
    "clangarm64": Msys2Environment(package_prefix="mingw-w64-clang-aarch64", machine="aarch64"),
}
