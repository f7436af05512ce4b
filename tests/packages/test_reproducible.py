"""The same state, built from another path, in another time zone, with another umask and host name: the same bytes."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import zipfile
from pathlib import Path

from ci.bake.render import bake
from ci.core import compression
from ci.core.files import sha256_of
from ci.manifest.reader import load
from ci.pipeline.jobs import Project
from tests.packages.support import checkout_of
from tests.support import ROOT

ELSEWHERE = ("unshare", "--uts", "sh", "-c", 'hostname elsewhere && exec "$@"', "sh")
PROGRAM = """
import sys
from pathlib import Path
from tests.packages.support import build, open_project
build(open_project(Path(sys.argv[1]), Path(sys.argv[2])))
"""


def hashes(dist: Path) -> dict[str, str]:
    places = ("sdist", "rpm", "msys2", "formulae", "crates", "sbom")
    return {str(path.relative_to(dist)): sha256_of(path) for place in places for path in (dist / place).iterdir()}


def test_two_builds_agree(built: Project, tmp_path: Path) -> None:
    checkout = checkout_of(tmp_path / "another" / "much longer path" / "checkout", built.root)
    bake(checkout, load(checkout / "release.yaml"), checkout)
    for path in checkout.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".rpmmacros").write_text("%dist .mine\n%_defaultdocdir /usr/doc\n")
    subprocess.run(
        [*ELSEWHERE, sys.executable, "-c", PROGRAM, checkout, tmp_path / "other dist"],
        cwd=ROOT,
        env={
            **os.environ,
            "TZ": "Pacific/Kiritimati",
            "LC_ALL": "C",
            "HOME": str(tmp_path / "home"),
            "RUSTUP_HOME": os.environ.get("RUSTUP_HOME", str(Path.home() / ".rustup")),  # where cargo itself is
            "CARGO_HOME": os.environ.get("CARGO_HOME", str(Path.home() / ".cargo")),  # what it has fetched
            "SOURCE_DATE_EPOCH": "1",
            "CFLAGS": "-O0",
            "PACKAGER": "somebody",
        },
        umask=0o077,
        check=True,
    )
    assert hashes(tmp_path / "other dist") == hashes(built.dist)
    artefacts = 2 + 3 + len(built.release.msys2.environments) + 1 + 1
    assert len(hashes(built.dist)) == artefacts + 2 * artefacts  # each with two SBOMs


def test_the_sources_do_not_depend_on_the_zlib_of_the_host(built: Project) -> None:
    """Fedora, for example, has zlib-ng, whose result is another one. Here, libdeflate compresses."""
    (sdist,) = (built.dist / "sdist").glob("*.tar.gz")
    assert sdist.read_bytes() == compression.gzip(gzip.decompress(sdist.read_bytes()), compression.SMALL)
    (wheel,) = (built.dist / "sdist").glob("*.whl")
    content = wheel.read_bytes()
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            packed = compression.deflate(archive.read(member), compression.SMALL)
            assert content.count(member.filename.encode() + packed) == 1, member.filename
