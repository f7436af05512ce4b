"""`verify.py` as users of a release run it: on a folder, on a server, with few tools, and on what was tampered with."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ci.manifest.release import Release
from tests.release import sets
from tests.release.fixtures_of_sets import (
    _tools_of_the_environment,
    built,
    finished,
    keys,
    release,
    release_set,
    signing,
    stranger,
)
from tests.release.sets import VERIFY, OwnerKeys, verify
from tests.release.site import served
from tests.release.tampering import FEW, TAMPERINGS, Tampering
from tests.support import ROOT, search_path

__all__ = ["_tools_of_the_environment", "built", "finished", "keys", "release", "release_set", "signing", "stranger"]


def test_a_finished_release_is_right(finished: Path, keys: OwnerKeys) -> None:
    done = verify(finished, keys.public)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [re.split(r" {2,}", line) for line in done.stdout.splitlines()]
    assert [line[1] for line in lines[:-1]] == [
        "SHA256SUMS", "files", "yum/", "pacman/", "pacman packages", "RPMs", "SBOMs", "provenance",
        "gate consistency", "gate install", "gate reproduce", "gate verify",
    ]  # fmt: skip
    assert {line[0] for line in lines[:-1]} == {"checked"}
    assert lines[0][2] == f"signed by {keys.fingerprint}"
    assert lines[-1] == ["faas-runtime 0.1.0: nothing is wrong"]


def test_a_rehearsal_on_another_base_is_told(release_set: Path, keys: OwnerKeys, release: Release) -> None:
    path = release_set / "artifacts.json"
    stand_ins = [{"flavour": "ubi", "reference": "localhost/u:1"}]
    sets.write_json(path, {**json.loads(path.read_bytes()), "stand_in_bases": stand_ins})
    sets.seal(release_set, release, keys)
    done = verify(release_set, keys.public)
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"^not checked +base +ubi is built on localhost/u:1: this is a rehearsal$", done.stdout, re.MULTILINE
    )


def test_the_key_of_the_statements_can_be_given_too(finished: Path, keys: OwnerKeys, stranger: OwnerKeys) -> None:
    assert verify(finished, keys.public, keys.attestations_public).returncode == 0
    done = verify(finished, keys.public, stranger.attestations_public)
    assert done.returncode == 1
    assert "attestations.pub: it has another key than the one that was given" in done.stderr


def test_it_leaves_nothing_behind(finished: Path, keys: OwnerKeys, tmp_path: Path) -> None:
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    home.mkdir()
    temporary.mkdir()
    env = {"HOME": str(home), "TMPDIR": str(temporary), "GNUPGHOME": str(home / "keys")}
    before = running_agents()
    assert verify(finished, keys.public, env=env).returncode == 0
    assert verify(finished, VERIFY, env=env).returncode == 64
    assert [*home.iterdir(), *temporary.iterdir()] == []
    assert running_agents() <= before


def test_the_path_of_temporary_files_may_be_long(finished: Path, keys: OwnerKeys, tmp_path: Path) -> None:
    place = tmp_path / ("long " * 30)
    place.mkdir()
    done = verify(finished, keys.public, env={"TMPDIR": str(place)})
    assert (done.returncode, done.stderr) == (0, "")


def running_agents() -> set[str]:
    """The processes of GnuPG that go on in the background, with their arguments."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if words.startswith(("gpg-agent", "dirmngr", "keyboxd")):
            found.add(f"{process.name} {words}")
    return found


@pytest.mark.parametrize("name", FEW)
def test_tampering_is_found(
    name: str, release_set: Path, release: Release, keys: OwnerKeys, stranger: OwnerKeys
) -> None:
    change, expected = TAMPERINGS[name]
    change(Tampering(folder=release_set, release=release, keys=keys, stranger=stranger))
    done = verify(release_set, keys.public)
    assert done.returncode == 1
    assert done.stderr.startswith("verify.py: wrong: ")
    assert expected in done.stderr
    assert done.stdout == ""


def test_without_rpm_the_rpms_are_named_as_not_checked(finished: Path, keys: OwnerKeys, tmp_path: Path) -> None:
    path = search_path(tmp_path / "bin", without=["rpm", "rpmkeys"])
    done = verify(finished, keys.public, env={"PATH": str(path)})
    assert done.returncode == 0
    assert re.search(r"^not checked  RPMs +3; rpm is not installed", done.stdout, re.MULTILINE)


def test_a_key_that_has_expired_since_is_taken_only_when_asked(
    finished: Path, keys: OwnerKeys, stranger: OwnerKeys, tmp_path: Path
) -> None:
    later = tmp_path / "bin"
    later.mkdir()
    (later / "gpg").write_text('#!/bin/sh\nexec /usr/bin/gpg --faked-system-time=20300101T000000 "$@"\n')
    (later / "gpg").chmod(0o755)
    env = {"PATH": f"{later}:/usr/bin:/bin"}
    done = verify(finished, keys.public, env=env)
    assert done.returncode == 1
    assert "SHA256SUMS.asc: the key that signed it has expired" in done.stderr
    done = verify(finished, keys.public, env=env, options=["--expired-key"])
    assert (done.returncode, done.stderr) == (0, "")
    assert verify(finished, stranger.public, env=env, options=["--expired-key"]).returncode == 1


@pytest.fixture
def without_cryptography(tmp_path: Path) -> dict[str, str]:
    """The environment of a Python without the package cryptography."""
    folder = tmp_path / "python"
    folder.mkdir()
    (folder / "cryptography.py").write_text("raise ImportError\n")
    return {"PYTHONPATH": str(folder)}


def test_openssl_checks_the_statements_too(
    release_set: Path, release: Release, keys: OwnerKeys, stranger: OwnerKeys, without_cryptography: dict[str, str]
) -> None:
    done = verify(release_set, keys.public, env=without_cryptography)
    assert done.returncode == 0
    assert "checked      " not in done.stdout
    change, expected = TAMPERINGS["a statement by another key under our id"]
    change(Tampering(folder=release_set, release=release, keys=keys, stranger=stranger))
    done = verify(release_set, keys.public, env=without_cryptography)
    assert (done.returncode, expected in done.stderr) == (1, True)


def test_without_a_tool_for_the_statements_it_says_so(
    release_set: Path, keys: OwnerKeys, tmp_path: Path, without_cryptography: dict[str, str]
) -> None:
    path = search_path(tmp_path / "bin", without=["openssl"])
    env = {**without_cryptography, "PATH": str(path)}
    done = verify(release_set, keys.public, env=env)
    assert done.returncode == 2
    assert "not checked: neither the Python package cryptography nor openssl 3 is installed" in done.stderr
    assert re.search(r"^checked +SBOMs", done.stdout, re.MULTILINE)
    assert re.search(r"^not checked +statements", done.stdout, re.MULTILINE)
    (release_set / "x").touch()
    assert verify(release_set, keys.public, env=env).returncode == 1  # what is wrong comes first


def test_an_openssl_that_is_too_old_counts_as_none(
    finished: Path, keys: OwnerKeys, tmp_path: Path, without_cryptography: dict[str, str]
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "openssl").write_text("#!/bin/sh\nexit 0\n")  # a stand-in that accepts everything
    (folder / "openssl").chmod(0o755)
    env = {**without_cryptography, "PATH": f"{folder}:/usr/bin:/bin"}
    assert verify(finished, keys.public, env=env).returncode == 2


def test_without_gpg_nothing_is_checked(finished: Path, keys: OwnerKeys, tmp_path: Path) -> None:
    path = search_path(tmp_path / "bin", without=["gpg"])
    done = verify(finished, keys.public, env={"PATH": str(path)})
    assert (done.returncode, done.stdout) == (2, "")
    assert "not checked: gpg is not installed" in done.stderr


def test_wrong_usage(finished: Path, keys: OwnerKeys, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\0\xff" * 40)
    secret = tmp_path / "secret"
    unlocking = ("--batch", "--pinentry-mode=loopback", "--passphrase-file", str(keys.signing.passphrase))
    words = ("gpg", "--homedir", str(keys.signing.home), *unlocking, "--output", str(secret), "--export-secret-keys")
    subprocess.run(words, check=True)
    for arguments, why in (
        ([], "--key"),
        (["--key", keys.public], "DIR_OR_URL"),
        (["--key", keys.public, tmp_path / "none"], "there is no such folder"),
        (["--key", tmp_path / "none", finished], "No such file"),
        (["--key", tmp_path / "key", finished], "neither an OpenPGP public key nor"),
        (["--key", secret, finished], "a secret key"),
        (["--key", keys.attestations_public, finished], "the OpenPGP public key is needed"),
        (["--key", keys.public, "http://example.org/"], "https"),
        (["--key", keys.public, "file:///tmp"], "https"),
        (["--key", keys.public, "https://user@example.org/"], "https"),
        (["--key", keys.public, "https://example.org/?x"], "https"),
    ):
        done = subprocess.run(
            [sys.executable, VERIFY, *map(str, arguments)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 64, arguments
        assert why in done.stderr
        assert "Traceback" not in done.stderr


@pytest.fixture
def site(finished: Path, tmp_path: Path) -> Path:
    """A site with the files of a release page: no folders."""
    (tmp_path / "site").mkdir()
    shutil.copytree(finished, tmp_path / "site" / "releases", ignore=shutil.ignore_patterns("yum", "pacman"))
    return tmp_path / "site"


def test_a_release_on_a_server(site: Path, keys: OwnerKeys) -> None:
    with served(site) as url:
        done = verify(url, keys.public, env={"http_proxy": "http://127.0.0.1:9/"})
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^not checked +yum/ +the folder is not here", done.stdout, re.MULTILINE)
    with served(site, **{"inputs.json": "to /releases/artifacts.json"}) as url:
        done = verify(url, keys.public)
    assert (done.returncode, "inputs.json: its sha256" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("name", "what", "code", "message"),
    [
        ("SHA256SUMS", "404", 1, "SHA256SUMS: it is missing"),
        ("provenance.dsse.json", "404", 1, "provenance.dsse.json: it is missing"),
        ("artifacts.json", "500", 2, "artifacts.json: http://127.0.0.1"),
        ("faas-runtime.rb", "endless", 1, "faas-runtime.rb: it has more than"),
        ("faas-runtime.rb", "short", 2, "faas-runtime.rb: "),
        ("faas-runtime.rb", "to file:///etc/passwd", 2, "releases answers 302"),
        ("faas-runtime.rb", "to http://example.org/x", 2, "redirects to something else than https"),
        ("faas-runtime.rb", "to http://[/", 2, "faas-runtime.rb: "),
    ],
)
def test_a_server_that_is_faulty_or_hostile(
    name: str, what: str, code: int, message: str, site: Path, keys: OwnerKeys, tmp_path: Path
) -> None:
    (tmp_path / "tmp").mkdir()
    with served(site, **{name: what}) as url:
        done = verify(url, keys.public, env={"TMPDIR": str(tmp_path / "tmp")})
    assert (done.returncode, message in done.stderr) == (code, True), done.stderr
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("name", ["SHA256SUMS", "SHA256SUMS.asc", "provenance.dsse.json"])
def test_hostile_files(name: str, release_set: Path, keys: OwnerKeys) -> None:
    path = release_set / name
    for data in (
        b"",
        b"\xff\xfe\0",
        b"[" * 100_000,
        b'{"a":' * 2000,
        b"-----BEGIN PGP SIGNATURE-----\n\n=\n",
        b"1e9999",
    ):
        path.write_bytes(data)
        done = verify(release_set, keys.public)
        assert done.returncode == 1
        assert f" {name if name.endswith('.json') else 'SHA256SUMS'}" in done.stderr
    path.unlink()
    os.mkfifo(path)
    assert "it is not a regular file" in verify(release_set, keys.public).stderr
    path.unlink()
    path.mkdir()
    assert f"{name}: it cannot be read: Is a directory" in verify(release_set, keys.public).stderr
    path.rmdir()
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert "bytes, and at most" in verify(release_set, keys.public).stderr


def test_names_cannot_change_the_terminal(release_set: Path, keys: OwnerKeys) -> None:
    (release_set / "\x1b]0;x\x07\u202e").touch()
    done = verify(release_set, keys.public)
    assert done.returncode == 1
    assert r"\x1b]0;x\x07\u202e" in done.stderr


def test_the_oldest_python_reads_it() -> None:
    ast.parse(VERIFY.read_text(), feature_version=(3, 9))


@pytest.mark.parametrize("page", ["README.md", "SECURITY.md", "docs/verifying.md"])
def test_the_pages_have_its_sha256(page: str) -> None:
    found = set(re.findall(r"\b[0-9a-f]{64}\b", (ROOT / page).read_text()))
    assert found == {hashlib.sha256(VERIFY.read_bytes()).hexdigest()}
