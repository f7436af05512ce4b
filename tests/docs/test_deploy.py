"""docs/deploy.md shows what its commands print."""

from __future__ import annotations

from collections.abc import Callable

from tests.docs.conftest import need
from tests.docs.follow import Reader
from tests.docs.pages import sections

PAGE = "deploy.md"


def test_build_and_package(reader: Callable[..., Reader]) -> None:
    need("cc", "make")
    person = reader()
    for name in ("Build for a target", "Package for Lambda"):
        person.follow(sections(PAGE)[name])
