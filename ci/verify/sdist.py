"""The source tarball and the wheel: what is in them, and that both answer."""

from __future__ import annotations

import stat
import sys
import tarfile
import zipfile
from email.parser import BytesParser

from ci.files import sha256_of, unpack
from ci.verify.check import Check, launcher, require_answers
from ci.verify.payload import LAUNCHER, payload_of

_BESIDE_THE_PAYLOAD = {"LICENSE", "PKG-INFO", "README.md", "include/faas.h", "man/faas-runtime.1", "pyproject.toml"}


def verify_sdist(check: Check) -> None:
    """Names, version, exact files, modes, owners and times; then the launcher in the unpacked tree answers."""
    release = check.project.release
    top = release.sdist_name.removesuffix(".tar.gz")
    with tarfile.open(check.path) as archive:
        members = {member.name.removeprefix(f"{top}/"): member for member in archive}
        metadata = archive.extractfile(f"{top}/PKG-INFO")
        check.require(metadata is not None, "PKG-INFO is a file")
        if metadata is not None:
            _require_metadata(check, metadata.read())
    unpack(check.path, check.folder)
    expected = _BESIDE_THE_PAYLOAD | set(payload_of(check))
    check.require_same_set(set(members), expected, "files")
    package = {path for path in expected if path.endswith(".py")}
    on_disk = (check.project.root / "runtime" / "faas_runtime").rglob("*.py")
    check.require_same_set(package, {f"faas_runtime/{path.name}" for path in on_disk}, "modules, against the checkout")
    for path, member in members.items():
        mode = 0o755 if path == LAUNCHER else 0o644
        check.require_equal(stat.S_IMODE(member.mode), mode, f"mode of {path}")
        check.require_equal((member.uid, member.gid), (0, 0), f"owner of {path}")
        # flit gives the one file that it makes itself the time 0.
        check.require_equal(int(member.mtime), 0 if path == "PKG-INFO" else release.epoch, f"time of {path}")
    require_answers(check, launcher(check.folder / top / "bin" / "faas-runtime"))


def verify_wheel(check: Check) -> None:
    """Names, version, exact files; then it is installed with pip and its command answers."""
    release = check.project.release
    info = f"{release.sdist_name.removesuffix('.tar.gz')}.dist-info"
    with zipfile.ZipFile(check.path) as archive:
        names = set(archive.namelist())
        _require_metadata(check, archive.read(f"{info}/METADATA"))
    payload = {path for path in payload_of(check) if path != LAUNCHER}
    beside = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
    expected = payload | {f"{info}/{name}" for name in beside}
    check.require_same_set(names, expected, "files")
    environment = check.folder / "environment"
    check.run(sys.executable, "-m", "venv", "--without-pip", environment)
    check.run(
        sys.executable, "-m", "pip", "--python", environment / "bin" / "python",
        "install", "--quiet", "--no-index", "--no-deps", "--no-compile", "--disable-pip-version-check", check.path,
    )  # fmt: skip
    _require_installed_payload(check)
    require_answers(check, launcher(environment / "bin" / "faas-runtime"))


def _require_installed_payload(check: Check) -> None:
    """The installed package is the payload's, byte for byte."""
    (package,) = check.folder.glob("environment/lib/python*/site-packages/faas_runtime")
    for path, sha256 in payload_of(check).items():
        if path != LAUNCHER:
            check.require_equal(sha256_of(package.parent / path), sha256, f"bytes of {path}")


def _require_metadata(check: Check, metadata: bytes) -> None:
    release = check.project.release
    fields = BytesParser().parsebytes(metadata)
    check.require_equal(fields["Name"], release.name, "Name")
    check.require_equal(fields["Version"], str(release.version), "Version")
    check.require_equal(fields["Summary"], release.summary, "Summary")
    check.require_equal(fields["License-Expression"], release.license, "License-Expression")
    check.require_equal(fields["Requires-Python"], f">={release.python}", "Requires-Python")
