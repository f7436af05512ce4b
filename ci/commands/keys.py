"""The command `keys`: shows the keys of releases, and announces or switches to another one."""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import tempfile
from pathlib import Path

from ci.core.console import Console
from ci.core.errors import UsageError
from ci.core.homes import home_of
from ci.core.openpgp import agent_ended
from ci.core.run import Runner


def keys(root: Path, console: Console, chosen: argparse.Namespace) -> None:
    """Show every key of the manifest; with `--rotate`, put another one into it first."""
    from ci.release import keys as of_release

    if chosen.switch and chosen.rotate is None:
        raise UsageError("--switch is given without --rotate", hint="name the key: --rotate NEW --switch")
    home, today = gnupg_home(chosen), dt.datetime.now(dt.UTC).date()
    with tempfile.TemporaryDirectory(prefix="faas-runtime-keys-") as scratch:
        run = Runner(log=Path(scratch, "log"))
        with agent_ended(home, run) if home.is_dir() else contextlib.nullcontext():
            if chosen.rotate is not None:
                of_release.rotate(root, console, chosen.rotate, home, today, run, switch=chosen.switch)
            of_release.show(root, console, home, today, run)


def gnupg_home(chosen: argparse.Namespace) -> Path:
    """The home folder of gpg that holds the private keys: the option's, the environment's, or gpg's own."""
    return Path(chosen.gnupg_home or home_of("GNUPGHOME", ".gnupg", option="--gnupg-home")).absolute()
