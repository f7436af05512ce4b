"""Where the crate for functions in Rust is, and which of its files are published: a copy of these is a crate, too."""

from __future__ import annotations

from pathlib import Path

NAME = "faas-function"
FOLDER = "runtime/crate"
PUBLISHED = ("Cargo.toml", "LICENSE", "README.md", "rustfmt.toml", "src/")
"""As `include` in its Cargo.toml has them. A path that ends in a slash stands for all below it."""


def is_published(path: str) -> bool:
    """Whether a file is published, by its path in the crate."""
    return any(path == one or (one.endswith("/") and path.startswith(one)) for one in PUBLISHED)


def places(root: Path) -> tuple[Path, ...]:
    """The same in a checkout, as files and folders. The disk is not asked."""
    return tuple(root / FOLDER / one for one in PUBLISHED)
