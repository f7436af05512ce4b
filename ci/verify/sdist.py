"""The source tarball and the wheel: their contents, and that both answer."""

from __future__ import annotations

import base64
import csv
import datetime as dt
import hashlib
import io
import os
import stat
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from email.parser import BytesParser

from ci.builders.sdist import DIGEST, digest_of, sources
from ci.core.files import sha256_of, unpack
from ci.pipeline.jobs import Verdict
from ci.sboms import reading
from ci.verify.check import Check, launcher, require_answers
from ci.verify.payload import LAUNCHER, PACKAGE, RECIPES, payload_of, shipped

_BESIDE_THE_PAYLOAD = {"LICENSE", "PKG-INFO", "README.md", "include/faas.h", "man/faas-runtime.1", "pyproject.toml"}
_SINGLE = ("Name", "Version", "Summary", "License-Expression", "Requires-Python")


def verify_sdist(check: Check) -> Verdict:
    """Check names, version, exact files, modes, owners and times; then the launcher in the unpacked tree answers."""
    release = check.project.release
    top = release.sdist_top
    with tarfile.open(check.path) as archive:
        listed = archive.getmembers()
        outside = sorted(member.name for member in listed if not member.name.startswith(f"{top}/"))
        check.require_equal(outside, [], f"files that are not in {top}")
        members = {member.name.removeprefix(f"{top}/"): member for member in listed}
        check.require_equal(len(listed), len(members), "number of files")
        check.require("PKG-INFO" in members and members["PKG-INFO"].isfile(), "PKG-INFO is a file")
        if metadata := archive.extractfile(members["PKG-INFO"]):
            _require_metadata(check, metadata.read())
    unpack(check.path, check.folder)
    expected = _BESIDE_THE_PAYLOAD | set(payload_of(check))
    check.require_same_set(set(members), expected, "files")
    files, on_disk = shipped(check), sources(check.project.root)
    package = {path for path in expected if path.startswith(PACKAGE)}
    own = {path for path in on_disk if path.startswith(PACKAGE)}
    check.require_same_set(package - {DIGEST}, own, "files of the package, against the checkout")
    check.require_equal(files.get(DIGEST), digest_of(files), DIGEST)
    own |= expected - {"PKG-INFO", DIGEST}
    check.require_same_set(own - set(on_disk), set(), "files that the checkout does not have")
    different = sorted(path for path in own if files.get(path) != on_disk[path].read_bytes())
    check.require_equal(different, [], "files unlike the checkout's")
    for path, member in members.items():
        check.require(member.isfile(), f"{path} is a file")
        mode = 0o755 if path == LAUNCHER else 0o644
        check.require_equal(stat.S_IMODE(member.mode), mode, f"mode of {path}")
        check.require_equal((member.uid, member.gid), (0, 0), f"owner of {path}")
        # flit gives the one file that it makes itself the time 0.
        check.require_equal(int(member.mtime), 0 if path == "PKG-INFO" else release.epoch, f"time of {path}")
    require_answers(check, launcher(check.folder / top / "bin" / "faas-runtime"))
    return Verdict()


def verify_wheel(check: Check) -> Verdict:
    """Check names, version and exact files; then it is installed with pip and its command answers."""
    release = check.project.release
    info = f"{release.sdist_top}.dist-info"
    with zipfile.ZipFile(check.path) as archive:
        members = archive.infolist()
        check.require_equal(archive.testzip(), None, "damaged file")
        files = {member.filename: archive.read(member) for member in members}
    time = dt.datetime.fromtimestamp(release.epoch, dt.UTC).timetuple()[:6]
    payload = {path for path in payload_of(check) if path != LAUNCHER}
    beside = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
    sbom = f"{info}/sboms/{release.name}.cdx.json"
    expected = payload | {f"{info}/{name}" for name in beside} | {sbom}
    check.require_same_set(set(files), expected, "files")
    check.require_equal(len(members), len(files), "number of files")
    for member in members:
        check.require_equal(member.external_attr >> 16, stat.S_IFREG | 0o644, f"mode of {member.filename}")
        check.require_equal(member.date_time, time, f"time of {member.filename}")
    _require_metadata(check, files[f"{info}/METADATA"])
    _require_record(check, files, f"{info}/RECORD")
    _require_sbom(check, files, sbom)
    source = shipped(check)
    check.require(files[f"{info}/licenses/LICENSE"] == source["LICENSE"], "the licence is the source tarball's")
    different = sorted(path for path in payload if files[path] != source[path])
    check.require_equal(different, [], "files unlike the source tarball's")
    commands = b"[console_scripts]\nfaas-runtime=faas_runtime.__main__:main\n"
    check.require_equal(files[f"{info}/entry_points.txt"].strip(), commands.strip(), "entry points")
    _install_and_invoke(check)
    return Verdict()


def _install_and_invoke(check: Check) -> None:
    environment = check.folder / "environment"
    check.run(sys.executable, "-m", "venv", "--without-pip", environment)
    check.run(
        sys.executable, "-m", "pip", "--python", environment / "bin" / "python",
        "install", "--quiet", "--no-index", "--no-deps", "--no-compile", "--disable-pip-version-check", check.path,
        env={"PIP_CONFIG_FILE": os.devnull},  # a setting such as `user = true` would install it elsewhere
    )  # fmt: skip
    _require_installed_payload(check)
    require_answers(check, launcher(environment / "bin" / "faas-runtime"))


def _require_installed_payload(check: Check) -> None:
    """The installed package is the payload's, byte for byte."""
    (package,) = check.folder.glob("environment/lib/python*/site-packages/faas_runtime")
    check.require((package.parent / RECIPES).is_dir(), "the recipes are installed")
    for path, sha256 in payload_of(check).items():
        if path != LAUNCHER:
            check.require_equal(sha256_of(package.parent / path), sha256, f"bytes of {path}")


def _require_record(check: Check, files: Mapping[str, bytes], record: str) -> None:
    """The wheel's list of its own files has the SHA-256 and the size of each, except of the list itself."""
    expected = {(record, "", "")}
    for name, data in files.items():
        if name != record:
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            expected.add((name, f"sha256={digest}", str(len(data))))
    rows = [tuple(row) for row in csv.reader(io.StringIO(files[record].decode(errors="replace")))]
    check.require_equal(sorted(rows), sorted(expected), "RECORD")


def _require_sbom(check: Check, files: Mapping[str, bytes], path: str) -> None:
    """The wheel's own SBOM is valid, and lists the other files with their hashes; RECORD has the hash of the SBOM."""
    release = check.project.release
    check.require_equal(reading.faults(path, files[path]), [], f"faults of {path}")
    listed = reading.read(path, files[path])
    found = (listed.name, listed.version, listed.licence, listed.sha256)
    check.require_equal(found, (release.name, str(release.version), release.license, ""), f"what {path} describes")
    others = {name: data for name, data in files.items() if name != path and not name.endswith("/RECORD")}
    expected = {name: hashlib.sha256(data).hexdigest() for name, data in others.items()}
    check.require_equal(dict(listed.files), expected, f"files in {path}")
    check.require_equal(listed.created, f"{release.date}T00:00:00Z", f"time of {path}")
    check.require(listed.identity_is_right, f"the identity of {path} is the UUIDv5 of its contents")


def _require_metadata(check: Check, metadata: bytes) -> None:
    release = check.project.release
    fields = BytesParser().parsebytes(metadata)
    check.require_equal(fields["Name"], release.name, "Name")
    check.require_equal(fields["Version"], str(release.version), "Version")
    check.require_equal(fields["Summary"], release.summary, "Summary")
    check.require_equal(fields["License-Expression"], release.license, "License-Expression")
    check.require_equal(fields["Requires-Python"], f">={release.python}", "Requires-Python")
    check.require_equal(fields.get_all("Requires-Dist"), None, "Requires-Dist")
    several = sorted({key for key in _SINGLE if len(fields.get_all(key, [])) != 1})
    check.require_equal(several, [], "fields that are missing or repeated")
    text = metadata.partition(b"\n\n")[2]
    check.require(
        text.strip() == shipped(check)["README.md"].strip(), "the description is the source tarball's README.md"
    )
