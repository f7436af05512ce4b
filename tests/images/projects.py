"""Projects of the recipes made into images, with stand-ins for the compilers' images that no test can pull.

The stand-ins are Debian roots with Debian's own gcc or Rust, not the images that the recipes name: they prove that the
Containerfiles build and that what comes out answers. They have the cross compilers already, so nothing proves that
apt-get and rustup install those.
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
_NATIVE_C_PACKAGES = ("base-files", "coreutils", "dash", "gcc", "libc-bin", "libc6-dev", "make")
_CROSS_PACKAGES = ("gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross")
_C_PACKAGES = (*_NATIVE_C_PACKAGES, *_CROSS_PACKAGES)
# Alpine's gcc compiles for musl; musl-gcc, by the name of cc, is for it here.
_MUSL_PACKAGES = (*_NATIVE_C_PACKAGES, "musl-tools")
_RUST_PACKAGES = (
    *("base-files", "cargo", "coreutils", "dash", "findutils", "gcc", "libc-bin", "libc6-dev", "rustc"),
    *(*_CROSS_PACKAGES, "libstd-rust-dev:arm64"),
)
# `micro` is cut out of trixie, whose Rust is new enough. What bookworm's gcc makes runs there too.
_SUITES = {
    "c": ("bookworm", _C_PACKAGES),
    "c-musl": ("bookworm", _MUSL_PACKAGES),
    "rust": ("trixie", _RUST_PACKAGES),
}


@contextmanager
def builder(language: str, folder: Path) -> Iterator[str]:
    """The reference of a stand-in for the recipe's BUILDER, whose build context is made in `folder`."""
    options = ("--architectures=amd64,arm64",) if language == "rust" else ()
    shutil.copy(debian.root(f"{language}-builder", *_SUITES[language], "extract", *options), folder / "root.tar")
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


def build_image(
    project: Path, tag: str, *options: str, layers: bool = False, **arguments: str
) -> subprocess.CompletedProcess[str]:
    """Build a project's Containerfile as its README tells, with more arguments for it.

    With `layers`, what each instruction makes is kept for the next build, as by default in podman and docker.
    """
    words = [*options, *(f"--build-arg={name}={value}" for name, value in arguments.items())]
    words.append(f"--layers={str(layers).lower()}")
    command = ["buildah", "build", "--isolation=chroot", "--pull=never", *words, "--tag", tag]
    return subprocess.run([*command, str(project)], capture_output=True, text=True, check=False)


def remove_layers(*references: str) -> None:
    """Remove the images without a name that builds with `layers` have left, of those that stand on these images."""
    listed = _buildah("images", "--all", "--noheading", "--no-trunc", "--format={{.ID}} {{.Name}}").splitlines()
    left = [line.split()[0] for line in listed if line.endswith("<none>")]
    left = [
        one for one in left if any(f"FROM {each}" in _buildah("inspect", "--type=image", one) for each in references)
    ]
    while left:  # one that another one stands on goes after that
        before = len(left)
        left = [
            one for one in left if subprocess.run(["buildah", "rmi", one], capture_output=True, check=False).returncode
        ]
        if len(left) == before:
            return


def _buildah(*words: str) -> str:
    return subprocess.run(["buildah", *words], capture_output=True, text=True, check=False).stdout
