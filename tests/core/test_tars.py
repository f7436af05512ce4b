"""Symbolic links within the content of an archive."""

from __future__ import annotations

import pytest

from ci.core import tars

FILE = tars.file(b"data")


@pytest.mark.parametrize(
    ("links", "path"),
    [
        ({"a": "a"}, "a"),
        ({"a": "b", "b": "a"}, "a"),
        ({"a": "a/b"}, "a/c"),
        ({"a": "/b/c", "b": "a"}, "a"),
    ],
)
def test_links_in_a_circle_lead_nowhere(links: dict[str, str], path: str) -> None:
    assert tars.follow({name: tars.link(target) for name, target in links.items()}, path) == {}


def test_a_chain_of_links_is_followed_to_the_file() -> None:
    tree = {"file": FILE, **{f"link{number}": tars.link(f"link{number - 1}") for number in range(1, 40)}}
    tree["link0"] = tars.link("/file")
    found = tars.follow(tree, "link39")
    assert list(found)[-1] == "file"
    assert len(found) == 41
