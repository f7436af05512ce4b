"""Publishes a set to a registry, in a process of its own that a test can kill: ACTION, ORIGIN, FOLDER, LEDGER."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.publish import set_folder
from tests.publish.registry_support import target
from tests.publish.yank_time import YANKED_AT


def run(action: str, origin: str, folder: str, ledger: str) -> None:
    """Publish a set, or yank it."""
    registry = target(set_folder.read(Path(folder)), origin, Path(ledger))
    if action == "yank":
        registry.yank("it loses requests", YANKED_AT, b'{"@context":"https://openvex.dev/ns/v0.2.0"}')
    else:
        registry.publish()


if __name__ == "__main__":
    run(*sys.argv[1:])
