"""Our upload beside those of other programs to the same strict index: twine, and curl."""

from __future__ import annotations

import os
import random
import resource
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ci.publish import distributions
from ci.publish.rehearse.pypi_server import PyPiServer, Stored
from ci.publish.rehearse.server import Server
from tests.publish.pypi_fixtures import NOW, TARBALL, TOKEN, WHEEL, Site, built_files, set_of, site
from tests.support import program

__all__ = ["built_files", "site"]
pytestmark = pytest.mark.long
TWINE = "twine>=7,<8"
BYTES = 64_000_000
MOST = 2.0


@pytest.fixture(scope="module")
def twine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program twine, in an environment of its own."""
    folder = tmp_path_factory.mktemp("twine")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    words = ["-m", "pip", "--disable-pip-version-check", "install", "--quiet", TWINE]
    subprocess.run([folder / "bin" / "python", *words], check=True)
    return folder / "bin" / "twine"


def test_twine_brings_the_same_fields_and_bytes(site: Site, built_files: Path, twine: Path) -> None:
    site.target(built_files).publish()
    theirs = PyPiServer(token=TOKEN, now=lambda: NOW)
    with Server(theirs.answer) as server:
        done = subprocess.run(
            [
                twine, "upload", "--non-interactive", "--disable-progress-bar",
                "--repository-url", f"{server.origin}/legacy/", built_files / WHEEL, built_files / TARBALL,
            ],
            check=False, capture_output=True, text=True,
            env={**os.environ, "TWINE_USERNAME": "__token__", "TWINE_PASSWORD": TOKEN, "no_proxy": "127.0.0.1"},
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    for name in (WHEEL, TARBALL):
        ours, other = site.pypi.files[name], theirs.files[name]
        assert other.upload.content == ours.upload.content
        assert comparable(other) == comparable(ours)


def comparable(file: Stored) -> list[tuple[str, str]]:
    """The fields of a form without the three things in which twine 7.0 differs from us.

    It sends a second digest, of which PyPI wants only one. It writes a space after each comma between keywords, where
    we send the line as it stands in the file. It does not know the import names of metadata 2.5 yet.
    """
    fields = {(name, value.replace(", ", ",") if name == "keywords" else value) for name, value in file.fields}
    return sorted(one for one in fields if one[0] not in ("blake2_256_digest", "import_name"))


# The measurement.


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Seconds of processor time and of wall time."""

    processor: float
    wall: float


def children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cost(work: Callable[[], object], clock: Callable[[], float]) -> Cost:
    before, begun = clock(), time.monotonic()
    work()
    return Cost(processor=clock() - before, wall=time.monotonic() - begun)


def large_set(built: Path, folder: Path) -> Path:
    """The files of the project, with a wheel that has many bytes more, so that sending them is what takes time."""
    shutil.copytree(built, folder)
    with zipfile.ZipFile(folder / WHEEL, "a") as wheel:
        wheel.writestr("faas_runtime/noise", random.Random(1).randbytes(BYTES))
    return folder


def curl(folder: Path, origin: str) -> Callable[[], None]:
    """What sends the wheel with curl. The digest that the index demands is made by sha256sum."""
    wheel, _ = distributions.of_set(set_of(folder))
    fields = [(name, value) for name, value in wheel.fields(wheel.file.read()) if name != "sha256_digest"]
    words = [word for name, value in fields for word in ("--form-string", f"{name}={value}")]

    def send() -> None:
        sums = subprocess.run([program("sha256sum"), folder / WHEEL], check=True, capture_output=True, text=True)
        subprocess.run(
            [
                program("curl"), "--silent", "--show-error", "--fail", "--noproxy", "*",
                "--user", f"__token__:{TOKEN}", *words, "--form-string", f"sha256_digest={sums.stdout.split()[0]}",
                "--form", f"content=@{folder / WHEEL}", f"{origin}/legacy/",
            ],
            check=True,
        )  # fmt: skip

    return send


def test_an_upload_costs_at_most_twice_what_it_costs_curl(
    site: Site, built_files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ours looks at the index five times, hashes the file, and compares in the end; curl and sha256sum only send it."""
    folder = large_set(built_files, tmp_path / "large")
    site.target(built_files).publish()
    tarball = site.pypi.files[TARBALL]
    send = curl(folder, site.server.origin)
    ours, theirs = [], []

    def only_the_tarball() -> None:
        site.pypi.files, site.pypi.used = {TARBALL: tarball}, {TARBALL}

    for _ in range(3):
        only_the_tarball()
        ours.append(cost(site.target(folder).publish, time.thread_time))  # the index runs in another thread
        sent = site.pypi.files[WHEEL].upload.sha256
        only_the_tarball()
        theirs.append(cost(send, children))
        assert site.pypi.files[WHEEL].upload.sha256 == sent
    ratios = {
        kind: min(getattr(one, kind) for one in ours) / min(getattr(one, kind) for one in theirs)
        for kind in ("processor", "wall")
    }
    with capsys.disabled():
        print(f"\n{BYTES} bytes to a Python index, ours to curl: {ratios}; {ours}; {theirs}")
    assert max(ratios.values()) <= MOST
