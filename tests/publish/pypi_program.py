"""Publishes the files of a folder to an index on the loopback: the process that tests kill."""

from __future__ import annotations

import sys
from pathlib import Path

from ci.core.web import Web
from ci.publish import pypi, tokens
from tests.publish.pypi_fixtures import PROJECT, set_of


def main(folder: str, origin: str) -> None:
    """Publish; the token is in PYPI_TOKEN."""
    token = tokens.read("PYPI_TOKEN", pypi.USER)
    with Web(
        name="pypi", say=print, trusted=(origin,), authorize=pypi.authorization(token), sleep=lambda seconds: None
    ) as web:
        pypi.PyPi(
            release=set_of(Path(folder)),
            web=web,
            upload=f"{origin}/legacy/",
            index=f"{origin}/simple/",
            project=PROJECT,
            say=print,
        ).publish()


if __name__ == "__main__":
    main(*sys.argv[1:])
