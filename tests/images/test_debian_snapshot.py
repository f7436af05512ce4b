"""Packages that the mirrors have dropped come from the snapshot service, for which a server on loopback stands in."""

from __future__ import annotations

import hashlib
import lzma
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ci.core.errors import UnavailableError
from ci.core.run import Runner
from ci.images import debian_packages, debian_snapshot
from ci.images.debian_root import Wanted
from ci.pipeline.inputs import DebianPackage, Inputs

DAY = "2026-11-20"
STATE = "20261120T203001Z"
WANTED = Wanted(suite="trixie", python="3.13", architecture="amd64")
DROPPED = "E: Version '2' for 'libtwo' was not found"


def package(name: str, data: bytes) -> DebianPackage:
    return DebianPackage(name=name, version="2", root="amd64", sha256=hashlib.sha256(data).hexdigest(), size=len(data))


ONE, TWO = package("libone", b"the archive of one"), package("libtwo", b"the archive of two")


class SnapshotServer:
    """The stand-in: its files by their paths, where it redirects to, and what it was asked for."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.files: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.refusal = 0
        self.asked: list[str] = []

    def offer(self, archive: str, suite: str, *packages: tuple[DebianPackage, bytes]) -> None:
        """Have packages in one archive; what is asked for by the end of the day is in a state before that."""
        asked, place = f"/archive/{archive}/20261120T235959Z/", f"/archive/{archive}/{STATE}/"
        paragraphs = []
        for one, data in packages:
            path = f"pool/main/l/{one.name}/{one.name}_2+b1_amd64.deb"
            paragraphs.append(f"Package: {one.name}\nFilename: {path}\nSize: {one.size}\nSHA256: {one.sha256}\n")
            self._add(asked, place, path, data)
        index = "\n".join(["Package: other\nFilename: pool/o.deb\nSHA256: 0\n", *paragraphs]) + "\n"
        self._add(asked, place, f"dists/{suite}/main/binary-amd64/Packages.xz", lzma.compress(index.encode()))

    def _add(self, asked: str, place: str, path: str, data: bytes) -> None:
        self.redirects[asked + path.replace("+", "%2B")] = place + path.replace("+", "%2B")
        self.files[place + path.replace("+", "%2B")] = data


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[SnapshotServer]:
    class SnapshotHandler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            stand_in.asked.append(self.path)
            body = stand_in.files.get(self.path, b"")
            code = stand_in.refusal or (200 if body else 404)
            self.send_response(302 if self.path in stand_in.redirects else code)
            if self.path in stand_in.redirects:
                self.send_header("Location", stand_in.redirects[self.path])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), SnapshotHandler) as server:
        stand_in = SnapshotServer(f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setattr(debian_snapshot, "ADDRESS", stand_in.address)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield stand_in
        server.shutdown()
        thread.join()


Fetch = Callable[..., None]


@pytest.fixture
def fetch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fetch:
    """Fetches both packages with a stand-in for mmdebstrap, which fails with these words. One is kept already."""
    (tmp_path / ".cache" / "debian").mkdir(parents=True)
    (tmp_path / ".cache" / "debian" / f"{ONE.sha256}.deb").write_bytes(b"the archive of one")
    program = tmp_path / "bin" / "mmdebstrap"
    program.parent.mkdir()
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")

    def fetch(said: str = DROPPED, archive: dict[str, str] | None = None) -> None:
        program.write_text(f'#!/bin/sh\necho "{said}"\nexit 25\n')
        program.chmod(0o755)
        days = {"amd64": DAY} if archive is None else archive
        given = Inputs(
            name="a", version="1", commit="", modified=False, python="3", zlib="1", debian=(ONE, TWO),
            debian_archive=days,
        )  # fmt: skip
        debian_packages.fetch_missing(tmp_path, Runner(log=tmp_path / "log"), WANTED, given, tmp_path)

    return fetch


def test_what_was_dropped_is_taken_by_its_day_and_its_hash(
    service: SnapshotServer, fetch: Fetch, tmp_path: Path
) -> None:
    service.offer("debian", "trixie")
    service.offer("debian-security", "trixie-security", (TWO, b"the archive of two"))
    fetch()
    assert (tmp_path / ".cache" / "debian" / f"{TWO.sha256}.deb").read_bytes() == b"the archive of two"
    assert not any("libone" in path for path in service.asked), "it was kept already"
    assert not any("T000000Z" in path for path in service.asked), "the end of the day had it"
    before = len(service.asked)
    fetch()
    assert len(service.asked) == before, "now everything is kept"


def test_the_beginning_of_the_day_is_asked_as_well(service: SnapshotServer, fetch: Fetch) -> None:
    with pytest.raises(
        UnavailableError, match=rf"libtwo 2 .*dropped it, and {service.address} did not have it on {DAY}"
    ):
        fetch()
    assert [path.split("/")[3] for path in service.asked] == ["20261120T235959Z"] * 3 + ["20261120T000000Z"] * 3


def test_other_bytes_are_not_taken(service: SnapshotServer, fetch: Fetch, tmp_path: Path) -> None:
    service.offer("debian", "trixie", (TWO, b"the archive of 222"))
    with pytest.raises(UnavailableError, match="did not have it"):
        fetch()
    assert not (tmp_path / ".cache" / "debian" / f"{TWO.sha256}.deb").exists()


def test_more_bytes_are_not_read(service: SnapshotServer, fetch: Fetch) -> None:
    service.offer("debian", "trixie", (TWO, b"the archive of two" * 1000))
    with pytest.raises(UnavailableError, match="did not have it"):
        fetch()


@pytest.mark.parametrize("location", ["http://127.0.0.1:1/a", "//a.invalid/a", "https://{}/a", "http://["])
def test_no_answer_leads_to_another_address(service: SnapshotServer, fetch: Fetch, location: str) -> None:
    service.offer("debian", "trixie")
    for path in service.redirects:
        service.redirects[path] = location.format(service.address.partition("//")[2])
    with pytest.raises(UnavailableError, match="it leads to another address"):
        fetch()


def test_a_name_that_leads_out_of_the_pool_is_not_asked_for(service: SnapshotServer, fetch: Fetch) -> None:
    service.offer("debian", "trixie", (TWO, b"the archive of two"))
    for path, data in service.files.items():
        if path.endswith(".xz"):
            service.files[path] = lzma.compress(lzma.decompress(data).replace(b"pool/main/l", b"pool/../../l"))
    with pytest.raises(UnavailableError, match="did not have it"):
        fetch()
    assert not any(".deb" in path for path in service.asked)


def test_limits_are_told(service: SnapshotServer, fetch: Fetch) -> None:
    service.refusal = 429
    with pytest.raises(UnavailableError, match=r"libtwo 2 .*the answer is 429: it limits requests") as told:
        fetch()
    assert "wait some minutes" in told.value.hint
    assert len(service.asked) == 1


def test_it_is_asked_for_nothing_else(service: SnapshotServer, fetch: Fetch) -> None:
    with pytest.raises(UnavailableError, match="apt cannot fetch it"):
        fetch("E: Temporary failure resolving 'deb.debian.org'")
    with pytest.raises(UnavailableError, match="apt cannot fetch it"):
        fetch(archive={})  # the list is of an older version, which did not record the day
    assert service.asked == []
