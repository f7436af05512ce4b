"""Publishes to a tap as a process of its own, which a server can kill. The token is in TAP_TOKEN.

python -m tests.publish.tap_program ACTION SET URL SCRATCH
"""

from __future__ import annotations

import sys
from pathlib import Path

from ci.publish import tokens
from tests.publish.taps import tap
from tests.publish.yank_time import YANKED_AT


def main(action: str, release: str, url: str, scratch: str) -> None:
    found = tap(Path(release), url, Path(scratch), tokens.read("TAP_TOKEN"))
    if action == "yank":
        found.yank("It crashes.", YANKED_AT)
    else:
        found.publish()


if __name__ == "__main__":
    main(*sys.argv[1:])
