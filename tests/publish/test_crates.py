"""A registry of cargo: what is there, what is missing, how it gets there, and how it is yanked."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ci.core import crate_file
from ci.core.cargo_registry import CRATES_IO
from ci.core.errors import ReleaseError, UnavailableError, VerificationError
from ci.core.faults import hard
from ci.core.web import Refusal
from ci.publish import crate_upload, crates, crates_index
from ci.publish.rehearse.server import Reply, Request
from ci.publish.target import State, Target
from tests.leaks import in_files, masks_of
from tests.publish.crates_fixtures import (
    FILE,
    INDEX,
    NAME,
    NEW,
    TOKEN,
    VERSION,
    YANK,
    ServedRegistry,
    built_crate,
    registry,
)

__all__ = ["built_crate", "registry"]


@pytest.fixture
def own_crate(built_crate: Path, tmp_path: Path) -> Path:
    """A copy of the crate, for a test to change."""
    shutil.copytree(built_crate / "crates", tmp_path / "own" / "crates")
    return tmp_path / "own"


def change(folder: Path, old: str = "", new: str = "# another one\n", path: str = "Cargo.toml") -> None:
    """Make another crate of the same name: with another text in a file of it."""
    made = folder / "crates" / FILE
    plain = io.BytesIO()
    with tarfile.open(made) as source, tarfile.open(fileobj=plain, mode="w") as written:
        for member in source:
            content = source.extractfile(member)
            data = content.read() if content else b""
            if member.name.partition("/")[2] == path:
                assert old.encode() in data
                data = data.replace(old.encode(), new.encode(), 1) if old else data + new.encode()
            member.size = len(data)
            written.addfile(member, io.BytesIO(data))
    made.write_bytes(gzip.compress(plain.getvalue(), mtime=0))


def puts(registry: ServedRegistry) -> int:
    return registry.server.seen.count(f"PUT {NEW}")


def states(registry: ServedRegistry, folder: Path) -> list[State]:
    return [item.state for item in registry.target(folder).state()]


# The way to a release.


def test_it_is_a_target(registry: ServedRegistry, built_crate: Path) -> None:
    target: Target = registry.target(built_crate)
    assert target.name == "crates"


def test_a_first_publication(registry: ServedRegistry, built_crate: Path) -> None:
    made = built_crate / "crates" / FILE
    target = registry.target(built_crate)
    (item,) = target.state()
    assert (item.name, item.state, item.size) == (FILE, State.MISSING, made.stat().st_size)
    sha256 = hashlib.sha256(made.read_bytes()).hexdigest()
    assert item.requests == (f"PUT {registry.server.origin}{NEW} ({FILE}, sha256 {sha256})",)
    assert puts(registry) == 0
    target.publish()
    assert registry.crates.crates[NAME, VERSION].content == made.read_bytes()
    assert registry.crates.crates[NAME, VERSION].entry["cksum"] == sha256
    assert states(registry, built_crate) == [State.THERE]
    assert not target.state()[0].requests
    assert registry.slept == []
    assert registry.said[-1] == f"crates: faas-function 0.1.0 is complete: {FILE}"


def test_what_is_there_is_left_alone(registry: ServedRegistry, built_crate: Path) -> None:
    registry.target(built_crate).publish()
    before = registry.has
    registry.target(built_crate).publish()
    registry.target(built_crate).promote()
    assert puts(registry) == registry.crates.changes == 1
    assert registry.has == before


def test_other_bytes_are_a_fault_and_nothing_is_sent(
    registry: ServedRegistry, built_crate: Path, own_crate: Path
) -> None:
    change(own_crate)
    registry.target(own_crate).publish()
    before = registry.has
    assert states(registry, built_crate) == [State.OTHER]
    with pytest.raises(VerificationError, match=rf"^{FILE}: 127.0.0.1:.* has other bytes of this version") as raised:
        registry.target(built_crate).publish()
    assert "publish a new version" in raised.value.hint
    assert puts(registry) == 1
    assert registry.has == before
    (fault,) = hard(registry.target(built_crate).preflight())
    assert fault.where == FILE
    assert "other bytes" in fault.what


def test_an_index_that_lags_behind(registry: ServedRegistry, built_crate: Path) -> None:
    """It does not know the crate for some time after it was sent: nothing is sent again, and the run waits."""
    old = iter([Reply(status=404)] * 4)
    registry.server.before = lambda number, request: next(old, None) if request.path == INDEX else None
    registry.target(built_crate).publish()
    assert puts(registry) == 1
    assert registry.slept == [1, 2, 4]
    assert "crates: the index does not show it yet; again in 2 s" in registry.said


def test_bytes_that_changed_after_the_set_was_read(registry: ServedRegistry, own_crate: Path) -> None:
    target = registry.target(own_crate)
    change(own_crate)
    with pytest.raises(VerificationError, match="its bytes have changed since the set was checked"):
        target.publish()
    assert puts(registry) == 0


def test_warnings_of_the_registry_are_said(registry: ServedRegistry, built_crate: Path) -> None:
    registry.crates.warnings = {"invalid_categories": ["no-such"], "other": ["this name is a bad one"]}
    registry.target(built_crate).publish()
    warned = [line for line in registry.said if "the registry warns" in line]
    assert warned == [f"crates: {FILE}: the registry warns: {what}" for what in ("no-such", "this name is a bad one")]


def test_warnings_of_the_registry_are_safe_to_print(registry: ServedRegistry, built_crate: Path) -> None:
    registry.crates.warnings = {"other": ["\x1b]0;title\x07\x1b[31mred", "half \ud800", "long" * 100]}
    registry.target(built_crate).publish()
    warned = [line.partition("warns: ")[2] for line in registry.said if "the registry warns" in line]
    assert warned == ["]0;title [31mred", "half", "long" * 50]


def test_an_api_that_a_terminal_would_obey_is_not_printed(registry: ServedRegistry, built_crate: Path) -> None:
    registry.server.before = lambda number, request: (
        Reply(status=200, body=b'{"api": "https://\\u001b[31m"}') if request.path.endswith("config.json") else None
    )
    (fault,) = hard(registry.target(built_crate).preflight())
    assert fault.what.endswith("names no API")


# Preflight.


def test_preflight_of_a_crate_that_is_not_there(registry: ServedRegistry, built_crate: Path) -> None:
    (fault,) = registry.target(built_crate).preflight()
    assert fault.warning
    assert "does not know it" in fault.what
    assert "the right to publish new crates" in fault.advice
    registry.target(built_crate).publish()
    assert registry.target(built_crate).preflight() == []
    assert registry.target(built_crate).preflight_promotion() == []


def test_an_api_that_the_index_does_not_name(registry: ServedRegistry, built_crate: Path) -> None:
    registry.target(built_crate).publish()
    (fault,) = hard(registry.target(built_crate, api="http://127.0.0.1:9").preflight())
    assert f"it names {registry.server.origin} as its API, and release.yaml http://127.0.0.1:9" in fault.what


def test_a_version_that_is_yanked(registry: ServedRegistry, built_crate: Path) -> None:
    registry.target(built_crate).publish()
    registry.crates.crates[NAME, VERSION].entry["yanked"] = True
    (fault,) = registry.target(built_crate).preflight()
    assert (fault.where, fault.warning) == (FILE, True)
    assert "cargo yank --undo --version 0.1.0 faas-function" in fault.advice


def test_a_crate_that_is_too_large(
    registry: ServedRegistry, built_crate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crates, "MOST_BYTES", 10_000)
    (fault,) = hard(registry.target(built_crate).preflight())
    assert "it is larger than 10000" in fault.what
    assert "include, in runtime/crate/Cargo.toml" in fault.advice


def test_an_index_that_is_not_there(registry: ServedRegistry, built_crate: Path) -> None:
    (fault,) = registry.target(built_crate, index="http://127.0.0.1:9/index").preflight()
    assert hard([fault])
    assert "no answer from 127.0.0.1:9" in fault.what
    assert fault.advice


@pytest.mark.parametrize("old", ['version = "0.1.0"', 'name = "faas-function"'], ids=["version", "name"])
def test_a_set_of_another_crate(registry: ServedRegistry, own_crate: Path, old: str) -> None:
    target = registry.target(own_crate)
    other = type(target)(**{**vars(target), "version": "0.2.0"} if "version" in old else {**vars(target), "crate": "x"})
    with pytest.raises(VerificationError, match=r"it is of faas-function 0\.1\.0, and .* is to be published"):
        other.publish()
    assert "is of faas-function" in hard(other.preflight())[0].what
    assert puts(registry) == 0


def test_a_set_without_a_crate(registry: ServedRegistry, own_crate: Path) -> None:
    """A post-release has none, which is said and stops nothing."""
    (own_crate / "crates" / FILE).unlink()
    target = registry.target(own_crate)
    (fault,) = target.preflight()
    assert (fault.what, fault.warning) == ("the set has no crate", True)
    assert target.state() == []
    target.publish()
    assert registry.said == ["crates: the set has no crate"]
    assert registry.server.seen == []


def test_a_set_with_two_crates(registry: ServedRegistry, own_crate: Path) -> None:
    shutil.copy(own_crate / "crates" / FILE, own_crate / "crates" / "another.crate")
    with pytest.raises(VerificationError, match="it has 2 crates"):
        registry.target(own_crate).publish()
    assert registry.server.seen == []


# Yank.


def test_a_yank(registry: ServedRegistry, built_crate: Path) -> None:
    target = registry.target(built_crate)
    assert "there is nothing to yank" in target.yank("broken")
    assert f"DELETE {YANK}" not in registry.server.seen
    target.publish()
    text = target.yank("it loses events")
    assert "faas-function 0.1.0 is yanked" in text
    assert "The registry keeps no reason; it was: it loses events" in text
    assert registry.said[-1] == f"crates: {text}"
    assert registry.crates.crates[NAME, VERSION].entry["yanked"] is True
    assert "it is yanked already" in target.yank("it loses events")
    assert registry.server.seen.count(f"DELETE {YANK}") == 1
    assert states(registry, built_crate) == [State.THERE], "it stays where it is"


def test_a_yank_waits_for_the_index(registry: ServedRegistry, built_crate: Path) -> None:
    target = registry.target(built_crate)
    target.publish()
    before = json.dumps(registry.crates.crates[NAME, VERSION].entry).encode()
    old = iter([None, *[Reply(status=200, body=before)] * 2])
    registry.server.before = lambda number, request: next(old, None) if request.path == INDEX else None
    target.yank("broken")
    assert registry.slept == [1, 2]


# Metadata.


def test_what_is_sent_says_where_the_dependencies_are(built_crate: Path) -> None:
    found = crate_file.read((built_crate / "crates" / FILE).read_bytes(), FILE)
    for index, expected in (("https://index.crates.io/", None), ("https://example.org/index/", CRATES_IO)):
        stated = crate_upload.metadata(found, crates_index.registry_of_dependencies(index))
        assert {one["registry"] for one in stated["deps"]} == {expected}
        assert {one["name"] for one in stated["deps"] if not one["optional"]} == {"serde", "serde_json"}
    assert stated["readme"] == found.files["README.md"].decode()


# What the registry is strict about.

Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda one: one.update(nickname="x"), "nobody knows the field 'nickname'"),
        (lambda one: one.pop("badges"), "missing field `badges`"),
        (lambda one: one.update(description=""), "missing or empty metadata fields: description"),
        (lambda one: one.update(license=None), "missing or empty metadata fields: license"),
        (lambda one: one.update(vers="0.1.1"), "vers: not that of the manifest"),
        (lambda one: one.update(readme="x"), "readme: not that of the manifest"),
        (lambda one: one.update(keywords=["1", "2", "3", "4", "5", "6"]), "at most 5 keywords"),
        (lambda one: one.update(keywords=["no words"]), "'no words' is an invalid keyword"),
        (lambda one: one["features"].pop("tokio"), "features: not that of the manifest"),
        (lambda one: one["deps"].pop(), "deps: not those of the manifest"),
        (lambda one: one["deps"][0].update(version_req="^2"), "deps: not those of the manifest"),
        (lambda one: one["deps"][0].update(version_req="*"), "wildcard"),
        (lambda one: one["deps"][0].update(registry=None), "this registry does not have it"),
        (lambda one: one["deps"][0].pop("target"), "a dependency has the fields target too many or too few"),
    ],
)
def test_the_registry_refuses_wrong_metadata(
    registry: ServedRegistry, built_crate: Path, monkeypatch: pytest.MonkeyPatch, spoil: Change, told: str
) -> None:
    right = crate_upload.metadata

    def wrong(*words: Any) -> dict[str, Any]:
        stated = json.loads(json.dumps(right(*words)))
        spoil(stated)
        return dict(stated)

    monkeypatch.setattr(crate_upload, "metadata", wrong)
    with pytest.raises(Refusal) as raised:
        registry.target(built_crate).publish()
    assert told in str(raised.value)
    assert registry.crates.crates == {}


@pytest.mark.parametrize(
    "body",
    [b"", b"\1", struct.pack("<I", 2) + b"{}", struct.pack("<I", 9) + b"{}" + struct.pack("<I", 0),
     struct.pack("<I", 2) + b"[]" + struct.pack("<I", 0), struct.pack("<I", 2) + b"{}" + struct.pack("<I", 0) + b"x"],
)  # fmt: skip
def test_the_registry_refuses_other_bodies(registry: ServedRegistry, built_crate: Path, body: bytes) -> None:
    web = registry.target(built_crate).web
    with pytest.raises(Refusal, match="answered 400"):
        web.ask("PUT", f"{registry.server.origin}{NEW}", "it", body=body or None, repeatable=False)
    assert registry.crates.crates == {}


def test_a_version_is_published_once(registry: ServedRegistry, built_crate: Path) -> None:
    """A second time, the same bytes are refused, too."""
    target = registry.target(built_crate)
    target.publish()
    file = target._file()
    assert file is not None
    content, found = target._content(file)
    body = crate_upload.body(target._metadata(found), content)
    with pytest.raises(Refusal, match=r"crate version `0\.1\.0` is already uploaded"):
        target.web.ask("PUT", f"{registry.server.origin}{NEW}", file.name, body=body, repeatable=False)
    assert registry.crates.changes == 1


# Secrets.


def test_the_token_is_nowhere(registry: ServedRegistry, built_crate: Path, tmp_path: Path) -> None:
    target = registry.target(built_crate)
    echo = Reply(status=400, body=json.dumps({"errors": [{"detail": f"{TOKEN} is not allowed"}]}).encode())
    registry.server.before = lambda number, request: echo if request.method == "PUT" else None
    with pytest.raises(ReleaseError) as raised:
        target.publish()
    shown = [*registry.said, str(raised.value), raised.value.hint, repr(target.release), *map(repr, target.state())]
    (tmp_path / "shown").write_text("\n".join([*shown, *target.web.requests, *map(str, target.preflight())]))
    assert "***" in str(raised.value)
    assert in_files(masks_of({"CRATES_TOKEN": TOKEN}), tmp_path) == []


def test_the_index_gets_the_token_of_nobody_else(registry: ServedRegistry, built_crate: Path) -> None:
    """Another server that has the index is not trusted: it is sent no token."""
    seen: list[str] = []

    def look(number: int, request: Request) -> None:
        seen.append(request.headers.get("authorization", ""))

    registry.server.after = look
    target = registry.target(built_crate, index=f"{registry.server.origin.replace('127.0.0.1', 'localhost')}/index")
    assert [item.state for item in target.state()] == [State.MISSING]
    assert seen == [""]


def test_a_wrong_token(registry: ServedRegistry, built_crate: Path) -> None:
    with pytest.raises(UnavailableError, match=r"the token may not do this \(403, authentication failed\)"):
        registry.target(built_crate, token="cio-another-token").publish()
    assert registry.crates.crates == {}
    registry.target(built_crate).publish()
    with pytest.raises(UnavailableError, match="authentication failed"):
        registry.target(built_crate, token="cio-another-token").yank("broken")
    assert registry.crates.crates[NAME, VERSION].entry["yanked"] is False
