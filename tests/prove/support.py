"""What the tests of `ci.prove` share: a checkout with a commit of its own, and a PATH with which it builds fast."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.support import copy_checkout, search_path

# Images take most of the time, and their programs need the network.
SLOW = ("buildah", "docker", "mmdebstrap", "podman")


def commit(checkout: Path) -> None:
    """Commit everything in a checkout."""
    identity = ("-c", "user.name=tests", "-c", "user.email=tests@example.org", "-c", "commit.gpgsign=false")
    for words in (("init", "--quiet"), ("add", "--all"), (*identity, "commit", "--quiet", "--message=test")):
        subprocess.run(["git", *words], cwd=checkout, check=True)


def committed_checkout(folder: Path, edits: dict[str, list[tuple[str, str]]] | None = None) -> Path:
    """A checkout of this very state in which files are edited: from their paths to texts and what replaces them."""
    checkout = copy_checkout(folder)
    for path, replacements in (edits or {}).items():
        text = (checkout / path).read_text()
        for old, new in replacements:
            assert text.count(old) == 1, f"{path}: {old!r}"
            text = text.replace(old, new)
        (checkout / path).write_text(text)
    commit(checkout)
    return checkout


def without_images() -> AbstractContextManager[dict[str, str]]:
    """The environment of a command that builds no images."""
    return without_programs(*SLOW)


@contextmanager
def without_programs(*names: str) -> Iterator[dict[str, str]]:
    """The environment of a command that does not find some programs. Every user and namespace can read its PATH."""
    with tempfile.TemporaryDirectory(dir="/run" if os.geteuid() == 0 else None) as name:
        Path(name).chmod(0o755)
        yield {"PATH": str(search_path(Path(name, "bin"), without=names))}


@pytest.fixture(scope="session")
def fast() -> Iterator[dict[str, str]]:
    """The environment of runs that make no images."""
    with without_images() as environment:
        yield environment
