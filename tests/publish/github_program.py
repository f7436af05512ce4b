"""Publishes a small set to the server at an address: a process of its own, for tests that kill it."""

from __future__ import annotations

import sys
from pathlib import Path

from ci.publish import tokens
from ci.publish.github import GitHub
from tests.publish.github_support import TOKEN, target_of


def main(step: str, origin: str, folder: str) -> None:
    """Carry out one of the steps of the target; what it says goes to standard output."""
    if tokens.read("GITHUB_TOKEN").reveal() != TOKEN:
        raise SystemExit("the token was not handed over")
    carry_out(step, target_of(origin, Path(folder), lambda text: print(text, flush=True)))


def carry_out(step: str, target: GitHub) -> None:
    """Carry out "publish", "promote" or "yank"."""
    if step == "publish":
        target.publish()
    elif step == "promote":
        target.promote()
    else:
        target.yank("It breaks.")


if __name__ == "__main__":
    main(*sys.argv[1:])
