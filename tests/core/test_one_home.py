"""What more than one module needs is written down in one of them; the others import it."""

from __future__ import annotations

import re

import pytest

from tests.support import ROOT

# A pattern of what is written down, where it is looked for, and its home.
HOMES = {
    "the path of the source tarball": (r"\bsdist/", "ci", "ci/manifest/dist_paths.py"),
    "the wait for a lock": (r"\bflock\(", "ci", "ci/core/lock.py"),
    "what compilers call an architecture": (r"\b(x86_64|aarch64)-linux-gnu", "ci", "ci/core/architectures.py"),
    "the characters of a header's name": (
        re.escape("!#$%&'*+.^_`|~"), "runtime/faas_runtime", "runtime/faas_runtime/http_server/header_fields.py",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", HOMES)
def test_it_has_one_home(what: str) -> None:
    pattern, folder, home = HOMES[what]
    files = [*(ROOT / folder).rglob("*.py")]
    assert [str(path.relative_to(ROOT)) for path in files if re.search(pattern, path.read_text("utf-8"))] == [home]
