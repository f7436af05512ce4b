"""docs/keys.md: its commands make keys that the tooling accepts, announce, switch, retire and revoke them.

A script stands in for nox: it runs the command behind the session, in the environment of the tests.
"""

from __future__ import annotations

import datetime as dt
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ci.manifest.reader import load
from ci.release.preflight_keys import private_id
from tests.docs.conftest import need, variables
from tests.docs.follow import Reader
from tests.docs.pages import blocks
from tests.release.signing import commit, git
from tests.support import copy_checkout

NOX = """\
#!/bin/sh
# nox -s SESSION [-- ARGUMENT...]
cd {checkout}
session=$2
[ "$#" -lt 3 ] || shift 3
[ "$1" = -s ] && shift 2
exec {python} -m ci "$session" "$@"
"""


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    need("gpg", "openssl", "git")
    folder = tmp_path / "w"
    folder.mkdir()
    checkout = copy_checkout(folder / "faas-runtime")
    git(checkout, "init", "--quiet", "--initial-branch", "main")
    commit(checkout)
    for name, value in (("user.name", "Tests"), ("user.email", "tests@example.invalid"), ("commit.gpgSign", "false")):
        git(checkout, "config", name, value)
    programs = tmp_path / "programs"
    programs.mkdir()
    nox = programs / "nox"
    nox.write_text(NOX.format(checkout=shlex.quote(str(checkout)), python=shlex.quote(sys.executable)))
    nox.chmod(0o755)
    year = str(dt.datetime.now(dt.UTC).year)  # which is in the names of the files
    return Reader(folder, variables(tmp_path / "home", programs), instead=("2026", year))


def test_the_page(reader: Reader) -> None:
    checkout, home = reader.folder / "faas-runtime", reader.folder / "keys" / "gnupg"
    seen: dict[str, tuple[str, ...]] = {}
    with reader:
        try:
            for block in blocks("keys.md"):
                reader.follow([block])
                seen[block.section] = tuple(key.openpgp for key in load(checkout / "release.yaml").keys.packages)
        finally:
            subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)
    (first,) = seen["List them"]
    assert seen["Announce the next key"][0] == first
    second = seen["Announce the next key"][1]
    assert seen["Switch to it"] == (second, first)
    assert seen["Retire the old one"] == (second,)
    left = [path.name for path in (checkout / "ci" / "keys").glob("packages-*.asc")]
    assert left == [Path(load(checkout / "release.yaml").keys.packages[0].file).name]
    assert git(checkout, "status", "--porcelain") == ""
    private = reader.folder / "keys" / "attestations.pem"
    with pytest.raises(Exception, match="locked by a passphrase"):
        private_id(private)
    assert private.stat().st_mode & 0o077 == 0
