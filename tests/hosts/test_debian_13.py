"""Debian 13 as the host: the README's commands in a bare root of it, and the bytes that come out.

It takes more than an hour, so it has a session of its own, `nox -s debian13`, which needs root to enter the root by
chroot.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.core import tars
from ci.make_environment import clean_environment
from tests import debian
from tests.snapshots import checkout_for_tests

pytestmark = pytest.mark.long

_PACKAGES = ("ca-certificates", "git", "python3", "python3-venv")
CHECKOUT = Path("root", "checkout")  # in the root
# Where rpm, makepkg and fakeroot say their versions, and what follows from that. zstd compresses both kinds.
_TELLS_VERSIONS = {".BUILDINFO", ".MTREE", ".PKGINFO"}


@pytest.fixture(scope="module")
def debian_13(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A bare root of Debian 13 with a checkout in it."""
    if os.geteuid() != 0:
        pytest.skip("not run: only root can enter another root")
    root = tmp_path_factory.mktemp("debian-13") / "root"
    root.mkdir()
    tarball = debian.root("debian-13", "trixie", _PACKAGES, variant="apt")
    subprocess.run(["tar", "-xf", tarball, "-C", root, "--exclude=./dev/*"], check=True)
    checkout_for_tests(root / CHECKOUT)
    yield root
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def checkout(debian_13: Path) -> Path:
    """The checkout, in which bootstrap has run a snapshot."""
    require_done(_in_root(debian_13, "ci/bootstrap check && ci/bootstrap snapshot -- --quick"))
    return debian_13 / CHECKOUT


def require_done(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]


def _in_root(root: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the checkout of a root, with mounts that nobody else sees."""
    environment = {**clean_environment(os.environ), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
    for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"):
        if name in environment:
            shutil.copy(environment[name], root / "etc" / "ssl" / "certs" / "of-the-host.pem")
            environment[name] = "/etc/ssl/certs/of-the-host.pem"
    mounts = "mount --bind $0 $0; for name in proc dev sys; do mount --rbind /$name $0/$name; done"
    script = f'{mounts}; exec chroot $0 sh -c "cd /root/checkout && {command}"'
    command_line = ["unshare", "--mount", "sh", "-ec", script, str(root)]
    return subprocess.run(command_line, env=environment, capture_output=True, text=True, check=False)


def hashes(checkout: Path) -> dict[str, str]:
    document = json.loads((checkout / "dist" / "artifacts.json").read_bytes())
    return {one["path"]: one["sha256"] for one in document["artifacts"] if "sha256" in one}


def test_all_but_what_names_its_tools_has_the_same_bytes(checkout: Path, snapshot: Path) -> None:
    here, there = hashes(snapshot), hashes(checkout)
    same = {path for path in here if path.startswith(("sdist/", "formulae/")) or "-micro-" in path}
    assert len(same) == 5
    assert {path: there[path] for path in same} == {path: here[path] for path in same}


def test_rpms_differ_by_the_versions_of_rpm_and_zstd_alone(checkout: Path, snapshot: Path) -> None:
    form = "[%{FILENAMES} %{FILEMODES} %{FILEDIGESTS}\\n]%{PAYLOADDIGESTALT} %{NEVRA} %{BUILDTIME} %{SUMMARY}"
    names = sorted(path.name for path in (snapshot / "dist" / "rpm").iterdir())
    assert len(names) == 3
    for name in names:
        found = [
            subprocess.run(
                ["rpm", "-qp", "--nosignature", "--qf", form, one / "dist" / "rpm" / name],
                capture_output=True, text=True, check=True,
            ).stdout
            for one in (snapshot, checkout)
        ]  # fmt: skip
        assert found[0] == found[1], name


def test_msys2_packages_differ_by_the_versions_of_makepkg_and_zstd_alone(checkout: Path, snapshot: Path) -> None:
    for path in sorted((snapshot / "dist" / "msys2").iterdir()):
        here, there = (_unpacked(one / "dist" / "msys2" / path.name) for one in (snapshot, checkout))
        assert {name for name in here if here[name] != there[name]} <= _TELLS_VERSIONS


def _unpacked(package: Path) -> tars.FileTree:
    return tars.read_bytes(subprocess.run(["zstd", "-dc", package], capture_output=True, check=True).stdout)


def test_all_tests_pass(debian_13: Path) -> None:
    require_done(_in_root(debian_13, "ci/bootstrap tests"))
