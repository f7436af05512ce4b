"""The folders of programs that builds need and that may be in somebody's home: Python's, and those of Rust.

A build as another user, or with another home folder, finds them where they are on this machine.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from ci.core.errors import UsageError
from ci.core.homes import home_of
from ci.core.run import Runner


def folders() -> dict[str, Path]:
    """The folder of Python and, where there is one, those of cargo, and of what rustup has installed."""
    found = {"base": Path(sys.base_prefix)}
    cargo = shutil.which("cargo")
    if cargo:
        places = (Path(cargo).absolute().parent, Path(os.path.realpath(cargo)).parent)  # it may be a link
        found |= {f"cargo-{number}": place for number, place in enumerate(dict.fromkeys(places))}
        if rustup := _rustup():
            found["rustup"] = rustup
    return found


def variables() -> Mapping[str, str]:
    """What leads to the programs if the home folder is another one."""
    return {"RUSTUP_HOME": str(rustup)} if (rustup := _rustup()) else {}


def _rustup() -> Path | None:
    """The folder of what rustup has installed; None if there is none."""
    try:
        folder = home_of("RUSTUP_HOME", ".rustup")
    except UsageError:  # a user without a home has installed nothing there
        return None
    return folder if folder.is_dir() else None


def open_way(seat: Path, run: Runner) -> None:
    """Let other users enter these folders, which are mounted below `seat`, too.

    An empty folder takes the place of the home that they are in, with these folders in it and nothing else.
    """
    homes: dict[Path, dict[str, Path]] = {}
    for name, folder in folders().items():
        closed = [parent for parent in reversed(folder.parents) if not parent.stat().st_mode & 0o001]
        if closed:
            homes.setdefault(closed[0], {})[name] = folder
    for number, (home, inside) in enumerate(homes.items()):
        instead = seat / f"instead-{number}"
        instead.mkdir()
        instead.chmod(0o755)
        run("mount", "--bind", instead, home)
        for name, folder in inside.items():
            before = os.umask(0o022)
            folder.mkdir(parents=True)
            os.umask(before)
            run("mount", "--bind", seat / name, folder)
