"""PyPI: what is there, what is missing, how it gets there, and what pip makes of it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ci.core.errors import ReleaseError, UnavailableError, VerificationError
from ci.core.faults import hard
from ci.core.web import Refusal
from ci.publish import distributions, multipart
from ci.publish.rehearse import form_data
from ci.publish.rehearse.pypi_server import Stored
from ci.publish.rehearse.server import Reply, Request
from ci.publish.target import State, Target
from tests.leaks import in_files, masks_of
from tests.publish.pypi_fixtures import NOW, TARBALL, TOKEN, WHEEL, Site, built_files, set_of, site

__all__ = ["built_files", "site"]
DAY = 86_400.0


@pytest.fixture
def own_files(built_files: Path, tmp_path: Path) -> Path:
    """A copy of the files, for a test to change."""
    return Path(shutil.copytree(built_files, tmp_path / "files"))


def changed(wheel: Path) -> None:
    """Make another wheel of the same name and metadata."""
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("faas_runtime/more.py", "")


def states(site: Site, folder: Path) -> list[State]:
    return [item.state for item in site.target(folder).state()]


def posts(site: Site) -> int:
    return site.server.seen.count("POST /legacy/")


# The way to a release.


def test_it_is_a_target(site: Site, built_files: Path) -> None:
    target: Target = site.target(built_files)
    assert target.name == "pypi"


def test_a_first_publication(site: Site, built_files: Path) -> None:
    target = site.target(built_files)
    items = target.state()
    assert [(item.name, item.state, item.size) for item in items] == [
        (WHEEL, State.MISSING, (built_files / WHEEL).stat().st_size),
        (TARBALL, State.MISSING, (built_files / TARBALL).stat().st_size),
    ]
    sha256 = hashlib.sha256((built_files / WHEEL).read_bytes()).hexdigest()
    assert items[0].requests == (f"POST {site.server.origin}/legacy/ ({WHEEL}, sha256 {sha256})",)
    assert posts(site) == 0
    target.publish()
    assert {name: file.upload.content for name, file in site.pypi.files.items()} == {
        name: (built_files / name).read_bytes() for name in (WHEEL, TARBALL)
    }
    assert states(site, built_files) == [State.THERE, State.THERE]
    assert all(not item.requests for item in target.state())
    assert site.slept == []
    told = [line for line in site.said if line.startswith(f"pypi: {WHEEL}: {items[0].size} bytes, ")]
    assert len(told) == 1
    assert told[0].endswith(" s")
    assert site.said[-1] == f"pypi: faas-runtime 0.1.0 is complete: {WHEEL}, {TARBALL}"


def test_what_is_there_is_left_alone(site: Site, built_files: Path) -> None:
    site.target(built_files).publish()
    before = site.has
    site.target(built_files).publish()
    assert posts(site) == 2
    assert site.has == before


@pytest.mark.parametrize("name", [WHEEL, TARBALL])
def test_what_is_missing_is_sent(site: Site, built_files: Path, name: str) -> None:
    site.target(built_files).publish()
    whole = site.has
    other = TARBALL if name == WHEEL else WHEEL
    site.pypi.files = {other: site.pypi.files[other]}
    site.pypi.used.discard(name)
    assert sorted(states(site, built_files)) == [State.MISSING, State.THERE]
    site.target(built_files).publish()
    assert posts(site) == 3
    assert site.has == whole


def test_other_bytes_are_a_fault_and_nothing_is_sent(site: Site, built_files: Path, own_files: Path) -> None:
    changed(own_files / WHEEL)
    site.target(own_files).publish()
    before = site.has
    del site.pypi.files[TARBALL]
    assert states(site, built_files) == [State.OTHER, State.MISSING]
    with pytest.raises(VerificationError, match=f"^{WHEEL}: 127.0.0.1:.* has other bytes under this name") as raised:
        site.target(built_files).publish()
    assert "publish a new version" in raised.value.hint
    assert posts(site) == 2
    assert site.has == {WHEEL: before[WHEEL]}
    (fault, *_) = hard(site.target(built_files).preflight())
    assert fault.where == WHEEL
    assert "other bytes" in fault.what


def test_a_file_that_was_deleted_is_not_sent_again(site: Site, built_files: Path) -> None:
    site.target(built_files).publish()
    site.pypi.delete(WHEEL)
    with pytest.raises(Refusal, match="has previously been used") as raised:
        site.target(built_files).publish()
    assert "a file of this name was deleted there; publish a new version" in raised.value.hint
    assert list(site.pypi.files) == [TARBALL]


def test_an_index_that_lags_behind(site: Site, built_files: Path) -> None:
    """Its page is the old one for some time after an upload: what was sent is not sent again, and the run waits."""
    page = Reply(status=404)
    old = iter([page] * 6)

    def lagging(number: int, request: Request) -> Reply | None:
        return next(old, None) if request.method == "GET" else None

    site.server.before = lagging
    site.target(built_files).publish()
    assert posts(site) == 2
    assert site.slept == [1, 2, 4]
    assert f"pypi: the index does not list {WHEEL}, {TARBALL} yet; again in 2 s" in site.said


def test_a_run_that_an_index_behind_time_misleads(site: Site, built_files: Path) -> None:
    """It sends once more what is there, which changes nothing."""
    site.target(built_files).publish()
    before, times = site.has, {name: file.time for name, file in site.pypi.files.items()}
    old = iter([Reply(status=404)] * 4)
    site.server.before = lambda number, request: next(old, None) if request.method == "GET" else None
    site.target(built_files).publish()
    assert site.has == before
    assert {name: file.time for name, file in site.pypi.files.items()} == times


def test_bytes_that_changed_after_the_set_was_read(site: Site, own_files: Path) -> None:
    target = site.target(own_files)
    changed(own_files / WHEEL)
    with pytest.raises(VerificationError, match="its bytes have changed since the set was checked"):
        target.publish()
    assert posts(site) == 0


# Preflight.


def test_preflight_of_a_project_that_is_not_there(site: Site, built_files: Path) -> None:
    (fault,) = site.target(built_files).preflight()
    assert fault.warning
    assert "does not know it" in fault.what
    assert "a token for the whole account" in fault.advice
    site.target(built_files).publish()
    assert site.target(built_files).preflight() == []


def half(site: Site, folder: Path, days: float) -> None:
    """Let the wheel alone be there, for so many days."""
    site.target(folder).publish()
    site.pypi.files = {WHEEL: site.pypi.files[WHEEL]}
    site.pypi.used = {WHEEL}
    site.now = NOW + days * DAY
    site.pypi.now = lambda: site.now


def test_a_part_that_is_there_is_resumed_within_14_days(site: Site, built_files: Path) -> None:
    half(site, built_files, 13.9)
    (fault,) = site.target(built_files).preflight()
    assert fault.warning
    assert fault.where == TARBALL
    assert fault.advice == "resume before 2027-01-29 08:00 UTC"
    site.target(built_files).publish()
    assert states(site, built_files) == [State.THERE, State.THERE]


def test_a_part_that_is_there_for_longer_is_closed(site: Site, built_files: Path) -> None:
    half(site, built_files, 14.1)
    (fault,) = site.target(built_files).preflight()
    assert hard([fault])
    assert "PyPI takes no further files: this version was begun there on 2027-01-15" in fault.what
    assert "publish a new version" in fault.advice
    with pytest.raises(Refusal, match="releases older than 14 days is not allowed") as raised:
        site.target(built_files).publish()
    assert "older than 14 days" in raised.value.hint
    assert "publish a new version" in raised.value.hint
    assert list(site.pypi.files) == [WHEEL]


@pytest.mark.parametrize(
    ("name", "time", "told"),
    [
        (WHEEL, "9999-12-31T00:00:00Z", "'9999-12-31T00:00:00Z' is no time of an upload"),
        (WHEEL, "0001-01-01T00:00:00+23:59", "'0001-01-01T00:00:00+23:59' is no time of an upload"),
        ("\x1b[31m-0.1.0.tar.gz", "2027-01-15T00:00:00Z", r"'\x1b[31m-0.1.0.tar.gz' has no sha256, or is no name"),
    ],
    ids=["late", "early", "name"],
)
def test_what_an_index_cannot_have_is_an_error(site: Site, built_files: Path, name: str, time: str, told: str) -> None:
    listed = {"filename": name, "hashes": {"sha256": "0" * 64}, "url": "x", "upload-time": time}
    page = {"meta": {"api-version": "1.1"}, "name": "faas-runtime", "files": [listed]}
    site.server.before = lambda number, request: Reply(status=200, body=json.dumps(page).encode())
    with pytest.raises(UnavailableError, match=re.escape(told)) as raised:
        site.target(built_files).state()
    (fault,) = hard(site.target(built_files).preflight())
    assert (fault.what, fault.advice) == (str(raised.value), raised.value.hint)


def test_a_version_that_is_whole_may_be_old(site: Site, built_files: Path) -> None:
    site.target(built_files).publish()
    site.now = NOW + 100 * DAY
    assert site.target(built_files).preflight() == []
    site.target(built_files).publish()


def test_a_file_of_somebody_else(site: Site, built_files: Path, own_files: Path) -> None:
    stranger = own_files / "faas_runtime-0.1.0-cp39-none-any.whl"
    site.target(own_files).publish()
    ours = site.pypi.files[WHEEL]
    upload = ours.upload.__class__(**{**vars(ours.upload), "name": stranger.name})
    site.pypi.files[stranger.name] = Stored(upload=upload, fields=[], time=ours.time)
    (fault,) = hard(site.target(built_files).preflight())
    assert fault.where == stranger.name
    assert "replace the token" in fault.advice


def test_a_version_that_is_yanked(site: Site, built_files: Path) -> None:
    site.target(built_files).publish()
    site.pypi.yank("0.1.0", "broken")
    assert [(fault.where, fault.warning) for fault in site.target(built_files).preflight()] == [
        (WHEEL, True),
        (TARBALL, True),
    ]


def test_an_index_that_is_not_there(site: Site, built_files: Path) -> None:
    (fault,) = site.target(built_files, index="http://127.0.0.1:9/simple/").preflight()
    assert hard([fault])
    assert "no answer from 127.0.0.1:9" in fault.what
    assert fault.advice


# Yank.


def test_how_to_yank(site: Site, built_files: Path) -> None:
    target = site.target(built_files)
    assert "nothing to yank" in target.yank("broken")
    target.publish()
    text = target.yank("it loses events")
    assert f"{site.server.origin}/manage/project/faas-runtime/releases/" in text
    assert 'choose "Yank" in the menu "Options" of 0.1.0' in text
    assert "it loses events" in text
    assert "Do not delete anything" in text
    assert site.said[-1] == f"pypi: {text}"
    site.pypi.yank("0.1.0", "it loses events")
    assert "it is yanked already" in target.yank("it loses events")
    assert posts(site) == 2


def test_the_address_of_the_real_page(site: Site, built_files: Path) -> None:
    """The page is beside the index, so that of the test site is the right one, too."""
    site.target(built_files).publish()
    text = site.target(built_files).yank("x")
    assert text.index("/manage/") < text.index("/releases/")


# Metadata.


def test_the_fields_of_both_files_are_the_same_metadata(built_files: Path) -> None:
    wheel, tarball = distributions.of_set(set_of(built_files))
    of_wheel, of_tarball = (dict(one.fields(one.file.read())) for one in (wheel, tarball))
    assert (of_wheel.pop("filetype"), of_tarball.pop("filetype")) == ("bdist_wheel", "sdist")
    assert (of_wheel.pop("pyversion"), of_tarball.pop("pyversion")) == ("py3", "source")
    assert of_wheel.pop("sha256_digest") != of_tarball.pop("sha256_digest")
    assert of_wheel == of_tarball
    assert of_wheel["requires_python"] == ">=3.9"
    assert of_wheel["keywords"] == "aws,faas,lambda,native,rust,serverless"
    assert of_wheel["description"].startswith("# faas-runtime")
    assert all(name == name.lower() and "-" not in name for name in of_wheel)


def test_every_field_of_the_core_metadata(tmp_path: Path) -> None:
    metadata = """Metadata-Version: 2.4
Name: a.b
Version: 1
Dynamic: license-file
Platform: any
Platform: linux
Supported-Platform: x
Summary: Zeichen: ä
Description-Content-Type: text/plain
Keywords: a, b
Author: A
Author-Email: a@example.org
License: MIT
License-File: LICENSE
Classifier: One
Classifier: Two
Requires-Dist: x>=1,<2
Requires-External: libc
Project-URL: Home, https://example.org/a,b
Provides-Extra: e
Requires-Python: >=3.9,<4

The text
"""
    data = wheel_with(metadata)
    assert distributions.core_metadata("a_b-1-py3-none-any.whl", data) == [
        ("author", "A"),
        ("author_email", "a@example.org"),
        ("classifiers", "One"),
        ("classifiers", "Two"),
        ("description", "The text\n"),
        ("description_content_type", "text/plain"),
        ("dynamic", "license-file"),
        ("keywords", "a,b"),
        ("license", "MIT"),
        ("license_file", "LICENSE"),
        ("metadata_version", "2.4"),
        ("name", "a.b"),
        ("platform", "any"),
        ("platform", "linux"),
        ("project_urls", "Home, https://example.org/a,b"),
        ("provides_extra", "e"),
        ("requires_dist", "x>=1,<2"),
        ("requires_external", "libc"),
        ("requires_python", ">=3.9,<4"),
        ("summary", "Zeichen: ä"),
        ("supported_platform", "x"),
        ("version", "1"),
    ]


def wheel_with(metadata: str, name: str = "a_b-1.dist-info/METADATA") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, metadata)
    return file.getvalue()


def tarball_with(name: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo(name))
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("a_b-1-py3-none-any.whl", b"no zip", "its metadata cannot be read"),
        ("a_b-1-py3-none-any.whl", wheel_with("", "other/METADATA"), "its metadata cannot be read"),
        ("a_b-1-py3-none-any.whl", wheel_with("Name: a.b\nNickname: x\n"), "metadata that nobody knows: nickname"),
        ("a_b-1.tar.gz", b"no tarball", "its metadata cannot be read"),
        ("a_b-1.tar.gz", tarball_with("a_b-1/setup.py"), "its metadata cannot be read"),
        ("a_b-1.tar.gz", tarball_with("a_b-1/PKG-INFO")[:-20], "its metadata cannot be read"),
    ],
    ids=["no zip", "elsewhere", "unknown", "no tarball", "missing", "cut short"],  # archives differ in their times
)
def test_files_without_metadata(name: str, data: bytes, told: str) -> None:
    with pytest.raises(VerificationError, match=f"^{name}: {told}"):
        distributions.core_metadata(name, data)


def test_a_set_of_another_project(site: Site, built_files: Path) -> None:
    target = site.target(built_files)
    other = type(target)(**{**vars(target), "project": "another"})
    with pytest.raises(VerificationError, match=r"it is of faas-runtime 0\.1\.0, and another 0\.1\.0 is to be"):
        other.publish()
    assert "is of faas-runtime" in hard(other.preflight())[0].what
    assert posts(site) == 0


def test_a_set_without_a_wheel(site: Site, own_files: Path) -> None:
    (own_files / WHEEL).unlink()
    with pytest.raises(VerificationError, match="it has 0 wheels and 1 source tarballs"):
        site.target(own_files).publish()


# What the index is strict about.

Change = Callable[[list[tuple[str, str]]], object]


def dropped(name: str) -> Change:
    return lambda fields: fields.remove(next(one for one in fields if one[0] == name))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda fields: fields.append(("requires-python", ">=3.9")), "Nobody knows the field 'requires-python'."),
        (lambda fields: fields.append(("License-Expression", "MIT")), "Nobody knows the field 'License-Expression'."),
        (lambda fields: fields.append(("attestations", "[]")), "only supported when using Trusted Publishing"),
        (lambda fields: fields.append(("name", "other")), "name: it is there 2 times."),
        (lambda fields: fields.append(("md5_digest", "x")), "The digest supplied does not match"),
        (dropped("sha256_digest"), "Must include at least one message digest."),
        (dropped("protocol_version"), "protocol_version: This field is required."),
        (dropped("pyversion"), "pyversion: This field is required."),
        (dropped("summary"), "summary: it is not what the metadata in the file say."),
        (dropped("classifiers"), "classifiers: it is not what the metadata in the file say."),
        (dropped("description"), "description: it is not what the metadata in the file say."),
    ],
)  # fmt: skip
def test_the_index_refuses_wrong_fields(site: Site, built_files: Path, change: Change, told: str) -> None:
    wheel, _ = distributions.of_set(set_of(built_files))
    content = wheel.file.read()
    fields = wheel.fields(content)
    change(fields)
    media_type, body = multipart.encode(fields, "content", WHEEL, content)
    target = site.target(built_files)
    with pytest.raises(Refusal) as raised:
        target.web.ask("POST", target.upload, WHEEL, body=body, headers={"Content-Type": media_type})
    assert told in str(raised.value)
    assert site.pypi.files == {}


@pytest.mark.parametrize("name", ["faas-runtime-0.1.0-py3-none-any.whl", "other-0.1.0-py3-none-any.whl", "a/b.whl"])
def test_the_index_refuses_wrong_names(site: Site, built_files: Path, name: str) -> None:
    wheel, _ = distributions.of_set(set_of(built_files))
    content = wheel.file.read()
    media_type, body = multipart.encode(wheel.fields(content), "content", name, content)
    target = site.target(built_files)
    with pytest.raises(Refusal):
        target.web.ask("POST", target.upload, WHEEL, body=body, headers={"Content-Type": media_type})
    assert site.pypi.files == {}


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data; boundary=b", b""),
        ("multipart/form-data; boundary=b", b"--b\r\n"),
        ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nv\r\n--b"),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\nv\r\n--b--\r\n"),
        ("multipart/form-data; boundary=b", b"x--b\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nv\r\n--b--"),
    ],
)  # fmt: skip
def test_forms_that_are_none(media_type: str, body: bytes) -> None:
    with pytest.raises(ValueError, match="form"):
        form_data.parse(media_type, body)


def test_a_form_keeps_its_bytes() -> None:
    content = b"\r\n--form\r\n\r\n\0\xff\n\r"
    fields = [("a", "1\r\n2"), ("a", "ä\n"), ("b", "")]
    form = form_data.parse(*multipart.encode(fields, "content", "x.whl", content))
    assert form.fields == fields
    assert form.files == [("content", "x.whl", content)]


# Secrets, and the real pip.


def test_the_token_is_nowhere(site: Site, built_files: Path, tmp_path: Path) -> None:
    target = site.target(built_files)
    echo = Reply(status=400, body=f"<title>400 {TOKEN} is not allowed</title>".encode())
    site.server.before = lambda number, request: echo if request.method == "POST" else None
    with pytest.raises(ReleaseError) as raised:
        target.publish()
    shown = [*site.said, str(raised.value), raised.value.hint, repr(target.release), *map(repr, target.state())]
    (tmp_path / "shown").write_text("\n".join([*shown, *target.web.requests, *map(str, target.preflight())]))
    assert "***" in str(raised.value)
    assert in_files(masks_of({"PYPI_TOKEN": TOKEN}), tmp_path) == []


def test_a_wrong_token(site: Site, built_files: Path) -> None:
    with pytest.raises(UnavailableError, match=r"the token may not do this \(403, Invalid or non-existent auth"):
        site.target(built_files, token="pypi-another-token").publish()
    assert site.pypi.files == {}


@pytest.mark.parametrize("form", ["json", "html"])
def test_pip_gets_the_files(site: Site, built_files: Path, tmp_path: Path, form: str) -> None:
    """By both forms of the index; of the JSON one, pip checks the hashes."""
    site.target(built_files).publish()
    if form == "html":

        def without_json(number: int, request: Request) -> Reply | None:
            if "json" not in request.headers.get("accept", ""):
                return None
            accepts_html = Request(**{**vars(request), "headers": {"accept": "text/html"}})
            return site.pypi.answer(accepts_html)

        site.server.before = without_json
    for words, name in ((["--no-binary", ":all:"], TARBALL), (["--only-binary", ":all:"], WHEEL)):
        subprocess.run(
            [
                sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "--no-cache-dir", "download",
                "--no-deps", "--no-build-isolation", *words, "--index-url", f"{site.server.origin}/simple/",
                "--dest", tmp_path, "faas_Runtime==0.1.0",
            ],
            check=True, capture_output=True, env={**os.environ, "no_proxy": "127.0.0.1"},
        )  # fmt: skip
        assert (tmp_path / name).read_bytes() == (built_files / name).read_bytes()
