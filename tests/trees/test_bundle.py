"""The bundle: the same bytes from the same files, and nothing but what it lists when it is unpacked."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ci.core.errors import UsageError, VerificationError
from ci.core.files import sha256_of
from ci.manifest.reader import load
from ci.manifest.release import Release
from ci.release import bundle
from tests.support import ROOT

Members = list[tuple[tarfile.TarInfo, bytes]]


def fill(dist: Path, version: object = load(ROOT / "release.yaml").version) -> Path:
    """A `dist/` with something that looks like a set, and with inputs."""
    for name, text in {
        "release/artifacts.json": f'{{"version": "{version}"}}\n', "release/yum/repodata/repomd.xml": "<repomd/>\n",
        "inputs/inputs.json": "{}\n", "inputs/sha256/" + "0" * 64: "an input\n",
    }.items():  # fmt: skip
        (dist / name).parent.mkdir(parents=True, exist_ok=True)
        (dist / name).write_text(text)
    listed = dist / "release" / "artifacts.json"
    (dist / "release" / "SHA256SUMS").write_text(f"{sha256_of(listed)}  {listed.name}\n")
    (dist / "release" / "SHA256SUMS.asc").write_text("a signature\n")
    return dist


@pytest.fixture
def archive(tmp_path: Path, release: Release) -> Path:
    return bundle.write(fill(tmp_path / "dist"), release)


def members(archive: Path) -> Members:
    with tarfile.open(archive) as opened:
        return [(info, (content.read() if (content := opened.extractfile(info)) else b"")) for info in opened]


def pack(path: Path, found: Members) -> Path:
    with tarfile.open(path, "w") as archive:
        for info, data in found:
            archive.addfile(info, io.BytesIO(data))
    return path


def test_it_can_be_unpacked(archive: Path, tmp_path: Path, release: Release) -> None:
    assert archive.name == f"faas-runtime-{release.version}-bundle.tar"
    files = bundle.unpack(archive, tmp_path / "unpacked")
    assert [one.path for one in files] == sorted(one.path for one in files)
    for one in files:
        assert (tmp_path / "unpacked" / one.path).read_bytes() == (archive.parent / one.path).read_bytes()
    assert bundle.set_of(tmp_path / "unpacked") == tmp_path / "unpacked" / "release"
    assert bundle.read_sums(tmp_path / "unpacked" / "release").keys() == {"artifacts.json"}


def test_the_same_files_give_the_same_bytes(archive: Path, tmp_path: Path, release: Release) -> None:
    before = os.umask(0o077)
    other = fill(tmp_path / "elsewhere" / "dist")
    (other / "release" / "artifacts.json").chmod(0o600)
    os.utime(other / "release" / "SHA256SUMS", (1, 1))
    assert bundle.write(other, release).read_bytes() == archive.read_bytes()
    os.umask(before)
    assert {(info.uid, info.gid, info.uname, info.mtime) for info, _ in members(archive)} == {(0, 0, "", release.epoch)}


def test_an_unfinished_or_changed_set_is_refused(tmp_path: Path, release: Release) -> None:
    dist = fill(tmp_path / "dist")
    (dist / "release" / "artifacts.json").write_text("{ }\n")
    with pytest.raises(VerificationError, match=r"artifacts\.json: other bytes than listed"):
        bundle.write(dist, release)
    with pytest.raises(UsageError, match="it is the set of another version"):
        bundle.write(fill(tmp_path / "earlier", "0.0.1"), release)
    (dist / "release" / "SHA256SUMS.asc").unlink()
    with pytest.raises(UsageError, match="no finished set"):
        bundle.write(dist, release)
    assert [path for path in dist.iterdir() if "bundle" in path.name] == []


def relist(found: Members, change: Callable[[list[dict[str, object]]], object]) -> Members:
    """Change the list of the files."""
    (info, data), *others = found
    document = json.loads(data)
    change(document["files"])
    data = json.dumps(document).encode()
    info.size = len(data)
    return [(info, data), *others]


def renamed(name: str) -> Callable[[Members], Members]:
    """Rename the first file, in the list as well."""

    def change(found: Members) -> Members:
        found[1][0].name = name
        return relist(found, lambda files: files[0].update(path=name))

    return change


def typed(kind: bytes) -> Callable[[Members], Members]:
    def change(found: Members) -> Members:
        info = found[1][0]
        info.type, info.linkname, info.size = kind, "/etc/passwd", 0
        return relist([found[0], (info, b""), *found[2:]], lambda files: files[0].update(size=0))

    return change


def edited(found: Members) -> Members:
    found[1] = (found[1][0], b"[" + found[1][1][1:])
    return found


def enlarged(found: Members) -> Members:
    found[1][0].size += 1
    return [found[0], (found[1][0], found[1][1] + b"\n"), *found[2:]]


def below(found: Members) -> Members:
    """Put the second file into the first one, as if that was a folder."""
    name = f"{found[1][0].name}/b"
    found[2][0].name = name
    return relist(found, lambda files: files[1].update(path=name))


def sparse(headers: dict[str, str]) -> Callable[[Members], Members]:
    def change(found: Members) -> Members:
        found[1][0].pax_headers = headers
        return found

    return change


FAULTS: dict[str, Callable[[Members], Members]] = {
    "leads out": renamed("release/../../outside"),
    "absolute": renamed("/etc/passwd"),
    "elsewhere": renamed("other/file"),
    "current folder": renamed("release/./file"),
    "backslash": renamed("release\\file"),
    "control character": renamed("release/file\x1b"),
    "symbolic link": typed(tarfile.SYMTYPE),
    "hard link": typed(tarfile.LNKTYPE),
    "folder": typed(tarfile.DIRTYPE),
    "device": typed(tarfile.CHRTYPE),
    "other bytes": edited,
    "other size": enlarged,
    "missing": lambda found: [*found[:1], *found[2:]],
    "added": lambda found: [*found, (tarfile.TarInfo("release/more"), b"")],
    "twice": lambda found: [*found, found[1]],
    "listed twice": lambda found: relist([*found, found[1]], lambda files: files.append(files[0])),
    "negative size": lambda found: relist(found, lambda files: files[0].update(size=-1)),
    "no hash": lambda found: relist(found, lambda files: files[0].update(sha256="0")),
    "no list": lambda found: found[1:],
    "a file below another": below,
    "a size that no file has": lambda found: relist(found, lambda files: files[0].update(size=10**400)),
    "a long name": renamed(f"release/{'n' * 300}"),
    "a long path": renamed(f"release/{'long/' * 1000}n"),
    "a sparse size that is no number": sparse(
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "abc"}
    ),
    "a sparse map that is none": sparse({"GNU.sparse.map": "1,x", "GNU.sparse.size": "3"}),
    "more fields": lambda found: relist(found, lambda files: files[0].update(mode=0o4755)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bundle_that_is_not_as_listed_is_refused(archive: Path, tmp_path: Path, fault: str) -> None:
    bad = pack(tmp_path / "bad.tar", FAULTS[fault](members(archive)))
    with pytest.raises(VerificationError) as raised:
        bundle.unpack(bad, tmp_path / "some" / "folder")
    assert raised.value.hint
    assert list((tmp_path / "some").iterdir()) == []
    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize("size", [-512, 1 << 50, 1 << 70])
def test_a_header_that_claims_any_size_is_refused(archive: Path, tmp_path: Path, size: int) -> None:
    """`tarfile` reads as much as a header of extended values claims to have."""
    info = tarfile.TarInfo("claims")
    info.type, info.size = tarfile.XHDTYPE, size
    bad = tmp_path / "bad.tar"
    bad.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + archive.read_bytes())
    with pytest.raises(VerificationError, match="it is not a whole bundle: "):
        bundle.unpack(bad, tmp_path / "folder")


def test_the_message_about_a_list_is_safe_to_print(archive: Path, tmp_path: Path) -> None:
    bad = relist(members(archive), lambda files: files[0].update({"\x1b[31m\ud800": 1}))
    with pytest.raises(VerificationError, match=r"bundle\.json cannot be read") as raised:
        bundle.unpack(pack(tmp_path / "bad.tar", bad), tmp_path / "folder")
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("size", [0, 100, 512, 1500])
def test_a_bundle_that_was_cut_off_is_refused(archive: Path, tmp_path: Path, size: int) -> None:
    short = tmp_path / "short.tar"
    short.write_bytes(archive.read_bytes()[:size])
    with pytest.raises(VerificationError):
        bundle.unpack(short, tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


def test_a_folder_with_something_in_it_is_left_alone(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is something already"):
        bundle.unpack(archive, archive.parent)
