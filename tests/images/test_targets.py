"""The table of `check --for` says of `micro` what is in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from faas_runtime.commands.fit import parse_version
from faas_runtime.commands.targets import GLIBC_LIBRARIES, TARGETS

from ci.core import tars
from ci.core.architectures import ALL, Architecture
from tests.glue.support import call
from tests.support import program

OF_ONE_PROCESSOR = {"ld-linux-x86-64.so.2": "x86_64", "ld-linux-aarch64.so.1": "aarch64"}
FULL_NAME = re.compile(r"\.so\.\d+\.\d")  # the loader looks for a shorter one, which is a link to it


@pytest.mark.parametrize("architecture", ALL, ids=lambda one: one.name)
def test_the_libraries_of_micro_and_the_newest_versions_of_their_symbols(
    built: Path, architecture: Architecture, tmp_path: Path
) -> None:
    target = TARGETS["micro"]
    tree = tars.read(built / "dist" / "micro" / f"root-{architecture.name}.tar")
    folder = f"usr/lib/{architecture.triplet}/"
    found = {name.removeprefix(folder) for name in tree if name.startswith(folder)}
    libraries = {name for name in found if ".so" in name and "/" not in name and not FULL_NAME.search(name)}
    other = {name for name, machine in OF_ONE_PROCESSOR.items() if machine != architecture.machine}
    assert libraries == target.libraries - other
    assert libraries >= GLIBC_LIBRARIES - other
    for name, kind in (("libc.so.6", "GLIBC"), ("libgcc_s.so.1", "GCC")):
        library = tmp_path / name
        (entry,) = [entry for path, entry in tars.follow(tree, folder + name).items() if entry.data]
        library.write_bytes(entry.data)
        versions = defined_versions(library)
        assert max(number for each, number in map(parse_version, versions) if each == kind) == target.newest[kind]
        if architecture.machine == "x86_64" and kind == "GLIBC":
            unnumbered = {version for version in versions if re.match("GLIBC_ABI", version)}
            assert unnumbered == set(target.more_versions)


def defined_versions(library: Path) -> set[str]:
    """The versions of the symbols that a library defines."""
    printed = call(program("readelf"), "-W", "--version-info", library)
    section = printed.partition("Version definition section")[2].partition("Version needs section")[0]
    return set(re.findall(r"Name: (\S+)", section)) | set(re.findall(r"Parent \d+: (\S+)", section))
