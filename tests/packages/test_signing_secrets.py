"""A passphrase and a private key, planted wherever they can come from, are seen nowhere while everything is signed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from ci.pipeline.jobs import Project
from tests import leaks
from tests.cache import CACHE
from tests.keys import PASSPHRASE, SigningKeys, signing_keys
from tests.support import ROOT

WRONG = "a-wrong-passphrase-of-tests"
# A stand-in for a gpg that says too much.
TALKATIVE = """\
#!/usr/bin/python3
import base64, os, sys
words = sys.argv[1:]
if "--version" in words:
    print("gpg (GnuPG) 2.2.40")
    sys.exit()
secret = os.read(int(words[words.index("--passphrase-fd") + 1]), 4096)
print("given:", secret.decode(), base64.b64encode(secret).decode(), secret.hex(), file=sys.stderr)
sys.exit(2)
"""


@dataclass(frozen=True, kw_only=True)
class SigningResult:
    """What came of signing everything once."""

    code: int
    printed: str
    folders: tuple[Path, ...]
    programs: leaks.Processes


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[SigningKeys]:
    with signing_keys(tmp_path / "keys") as found:
        yield found


def sign(
    built: Project,
    keys: SigningKeys,
    folder: Path,
    *,
    passphrase: Path | None = None,
    env: Mapping[str, str] | None = None,
    pass_fds: tuple[int, ...] = (),
) -> SigningResult:
    """Sign in a process of its own, and look at all processes meanwhile."""
    dist, temporary = folder / "dist", folder / "tmp"
    for name, source in (("unsigned/rpm", built.dist / "rpm"), ("msys2", built.dist / "msys2")):
        (dist / name).mkdir(parents=True)
        for package in source.iterdir():
            (dist / name / package.name).symlink_to(package)
    temporary.mkdir()
    (dist / "SHA256SUMS").write_text("sums\n")
    program = ("-m", "tests.packages.signing_program")
    words = (built.root, dist, keys.home, passphrase or keys.passphrase, keys.fingerprint)
    masks = leaks.masks_of({"passphrase": PASSPHRASE, "other": WRONG, "key": leaks.private_key_text(keys.home)})
    with leaks.Processes(masks) as processes:
        environment = {**os.environ, "TMPDIR": str(temporary), **(env or {})}
        with processes.start(
            *(sys.executable, *program, *map(str, words)),
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=pass_fds,
        ) as child:
            printed, _ = child.communicate()
    assert not masks.found_in(printed), printed
    assert not processes.found
    assert not leaks.in_files(masks, dist, temporary, CACHE / "tools.json")
    return SigningResult(code=child.returncode, printed=printed, folders=(dist, temporary), programs=processes)


def require_everything_signed(signed: SigningResult) -> None:
    assert signed.code == 0, signed.printed
    dist = signed.folders[0]
    assert (dist / "SHA256SUMS.asc").exists()
    assert len(list((dist / "rpm").glob("*.rpm"))) == 3
    assert list((dist / "msys2").glob("*.sig"))
    assert "signed with the key" in (dist / "artifacts.json").read_text()
    assert (dist / "report.html").exists()
    assert {"gpg", "rpmsign"} <= signed.programs.seen, "the test did not look often enough"


def test_a_passphrase_in_a_file(built: Project, keys: SigningKeys, tmp_path: Path) -> None:
    require_everything_signed(sign(built, keys, tmp_path))


def test_a_passphrase_in_a_variable_as_well(built: Project, keys: SigningKeys, tmp_path: Path) -> None:
    """The tools that are started do not get it."""
    variables = {"RELEASE_PASSPHRASE": PASSPHRASE, "GPG_PASSPHRASE": PASSPHRASE, "PRIVATE_KEY": "*"}
    variables["PRIVATE_KEY"] = leaks.private_key_text(keys.home)
    require_everything_signed(sign(built, keys, tmp_path, env=variables))


def test_a_passphrase_from_a_pipe(built: Project, keys: SigningKeys, tmp_path: Path) -> None:
    """As `--passphrase-file <(pass show release)` gives it: it can be read once."""
    reader, writer = os.pipe()
    os.write(writer, PASSPHRASE.encode())
    os.close(writer)
    try:
        signed = sign(built, keys, tmp_path, passphrase=Path(f"/dev/fd/{reader}"), pass_fds=(reader,))
    finally:
        os.close(reader)
    require_everything_signed(signed)


def test_a_wrong_passphrase(built: Project, keys: SigningKeys, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text(WRONG)
    signed = sign(built, keys, tmp_path, passphrase=wrong)
    assert signed.code == 13, signed.printed
    assert "Bad passphrase" in signed.printed


def test_a_gpg_that_prints_the_passphrase(built: Project, keys: SigningKeys, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "gpg").write_text(TALKATIVE)
    (programs / "gpg").chmod(0o755)
    signed = sign(built, keys, tmp_path, env={"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"})
    assert signed.code == 13, signed.printed
    assert "given: *** *** ***" in signed.printed


def test_a_private_key_without_a_passphrase(built: Project, keys: SigningKeys, tmp_path: Path) -> None:
    """Then the file of GnuPG has the private numbers as they are."""
    change = ("--pinentry-mode", "loopback", "--change-passphrase", keys.fingerprint)
    answers = f"{PASSPHRASE}\n\n"
    subprocess.run(
        ["gpg", "--homedir", keys.home, "--batch", "--no-tty", "--command-fd", "0", *change],
        input=answers, text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert any(b"(private-key" in file.read_bytes() for file in keys.home.rglob("*.key"))  # a salt is any bytes
    require_everything_signed(sign(built, keys, tmp_path))


@pytest.mark.parametrize("place", ["arguments", "environment"])
def test_a_leak_is_found(place: str, tmp_path: Path) -> None:
    """What these tests look with does find a secret."""
    masks = leaks.masks_of({"passphrase": PASSPHRASE})
    words = [PASSPHRASE] if place == "arguments" else []
    extra = {"PLANTED": f"x{PASSPHRASE}"} if place == "environment" else {}
    with leaks.Processes(masks) as processes:
        command = ["sh", "-c", "sleep 0.3; exit", "sh", *words]
        subprocess.run(command, env={**os.environ, **extra}, check=True)
    assert any(found.startswith(place) for found in processes.found)
    (tmp_path / "file").write_bytes(b"\0" + PASSPHRASE.encode().hex().encode())
    assert leaks.in_files(masks, tmp_path) == [tmp_path / "file"]
