"""The image for Alpine lists the packages that its files come from, as scanners expect it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

CARRY = ROOT / "containers" / "carry.py"
INSTALLED = """\
C:Q1first=
P:ca-certificates-bundle
V:20250911-r0
F:etc
F:etc/ssl
M:0:0:755
R:cert.pem
a:0:0:777
Z:Q1cert=
F:etc/ssl/certs
R:ca-certificates.crt
Z:Q1bundle=

C:Q1second=
P:busybox
V:1.37.0-r20
F:bin
R:busybox
a:0:0:755
Z:Q1busybox=

C:Q1third=
P:python3
V:3.14.2-r0
F:usr/lib/python3.14/http
R:client.py
Z:Q1client=
R:server.py
Z:Q1server=
F:usr/lib/python3.14/idlelib
R:run.py
Z:Q1run=

"""
KEPT = """\
C:Q1first=
P:ca-certificates-bundle
V:20250911-r0
F:etc
F:etc/ssl
M:0:0:755
R:cert.pem
a:0:0:777
Z:Q1cert=
F:etc/ssl/certs
R:ca-certificates.crt
Z:Q1bundle=

C:Q1third=
P:python3
V:3.14.2-r0
F:usr/lib/python3.14/http
R:client.pyc

"""


@pytest.mark.parametrize("place", ["lib/apk/db/installed", "usr/lib/apk/db/installed"])
def test_packages_are_listed_with_the_files_that_are_there(tmp_path: Path, place: str) -> None:
    root, target = tmp_path / "root", tmp_path / "image"
    (root / place).parent.mkdir(parents=True)
    (root / place).write_text(INSTALLED)
    for name in ("etc/ssl/certs/ca-certificates.crt", "usr/lib/python3.14/http/client.pyc"):
        (target / name).parent.mkdir(parents=True)
        (target / name).write_text("")
    (target / "etc" / "ssl" / "cert.pem").symlink_to("certs/ca-certificates.crt")
    subprocess.run([sys.executable, "-ISB", CARRY, root, target], check=True)
    assert (target / place).read_text() == KEPT


def test_without_a_list_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "image").mkdir()
    subprocess.run([sys.executable, "-ISB", CARRY, tmp_path, tmp_path / "image"], check=True)
    assert not list((tmp_path / "image").iterdir())
