"""Publishes the crate of a folder to a registry on the loopback, or yanks it: the process that tests kill."""

from __future__ import annotations

import sys
from pathlib import Path

from ci.core.web import Web
from ci.publish import crates, tokens
from tests.publish.crates_fixtures import NAME, VERSION, set_of


def main(action: str, folder: str, origin: str) -> None:
    """Do it; the token is in CRATES_TOKEN."""
    token = tokens.read("CRATES_TOKEN")
    with Web(
        name="crates", say=print, trusted=(origin,), authorize=crates.authorization(token), sleep=lambda seconds: None
    ) as web:
        target = crates.Crates(
            release=set_of(Path(folder)),
            web=web,
            index=f"{origin}/index",
            api=origin,
            crate=NAME,
            version=VERSION,
            say=print,
        )
        if action == "yank":
            target.yank("it loses events")
        else:
            target.publish()


if __name__ == "__main__":
    main(*sys.argv[1:])
