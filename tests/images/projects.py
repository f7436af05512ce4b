"""Projects of the recipes made into images, with stand-ins for the compilers' images that no test can pull.

The stand-ins are Debian roots with Debian's own gcc or Rust, not the images that the recipes name: they prove that the
Containerfiles build and that what comes out answers.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import debian
from tests.images import stand_ins

# What mmdebstrap unpacks without running it lacks the links that packages make: the compiler's other name is one.
_C_PACKAGES = ("base-files", "coreutils", "dash", "gcc", "libc-bin", "libc6-dev", "make")
# Alpine's gcc compiles for musl; musl-gcc, by the name of cc, is for it here.
_MUSL_PACKAGES = (*_C_PACKAGES, "musl-tools")
_RUST_PACKAGES = ("base-files", "cargo", "coreutils", "dash", "gcc", "libc-bin", "libc6-dev", "rustc")
# `micro` is cut out of trixie, whose Rust is new enough. What bookworm's gcc makes runs there too.
_SUITES = {
    "c": ("bookworm", _C_PACKAGES),
    "c-musl": ("bookworm", _MUSL_PACKAGES),
    "rust": ("trixie", _RUST_PACKAGES),
}


@contextmanager
def builder(language: str, folder: Path) -> Iterator[str]:
    """The reference of a stand-in for the recipe's BUILDER, whose build context is made in `folder`."""
    shutil.copy(debian.root(f"{language}-builder", *_SUITES[language]), folder / "root.tar")
    (folder / "extra" / "usr" / "bin").mkdir(parents=True)
    if language == "c-musl":
        (folder / "extra" / "usr" / "bin" / "cc").symlink_to("musl-gcc")
        stand_ins.add_apk(folder / "extra" / "sbin")
    else:
        (folder / "extra" / "usr" / "bin" / "cc").symlink_to("gcc")
    reference = stand_ins.store("buildah", folder, f"{language}-builder")
    try:
        yield reference
    finally:
        stand_ins.remove("buildah", reference)


def build_image(project: Path, tag: str, **arguments: str) -> subprocess.CompletedProcess[str]:
    """Build a project's Containerfile as its README tells, with more arguments for it."""
    options = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    command = ["buildah", "build", "--isolation=chroot", "--pull=never", "--layers=false", *options, "--tag", tag]
    return subprocess.run([*command, str(project)], capture_output=True, text=True, check=False)
