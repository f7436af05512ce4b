"""From the keys to a set that its users verify, by the commands of docs/releasing.md; and again without a network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.docs import release_steps
from tests.docs.release_steps import StepCommand
from tests.keys import SigningKeys
from tests.release.fixtures_of_sets import signing
from tests.release.sets import make_pem
from tests.support import ROOT, program, run_ci

pytestmark = pytest.mark.long
__all__ = ["signing"]

_IDENTITY = {
    "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org",
}  # fmt: skip
# No registry can be reached here, so the flavours on foreign bases are left out, on purpose.
_MISSING = ("--allow-missing", "ubi", "--allow-missing", "alpine", "--allow-missing", "image-index")
# A network of its own that reaches nobody else; what answers events does so on the loopback.
_ALONE = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True, env={**os.environ, **_IDENTITY})


def ci(checkout: Path, *words: str) -> str:
    done = run_ci(checkout, *words)
    assert done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def key_of(signing: SigningKeys) -> Path:
    """The private key of the statements."""
    return signing.home.parent / "release.pem"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, signing: SigningKeys) -> Path:
    """A clone with keys in its manifest, after a first version."""
    checkout = tmp_path_factory.mktemp("prepared") / "checkout"
    git(ROOT, "clone", "--quiet", "--no-tags", str(ROOT), str(checkout))
    for name, value in (("user.name", "a"), ("user.email", "a@example.org")):
        git(checkout, "config", name, value)
    public = make_pem(key_of(signing)).with_suffix(".pub")
    ci(checkout, "keys", "--gnupg-home", str(signing.home), "--rotate", signing.fingerprint)
    ci(checkout, "keys", "--gnupg-home", str(signing.home), "--rotate", str(public))
    git(checkout, "add", "release.yaml", "ci/keys")
    git(checkout, "commit", "--quiet", "--message", "Add keys")
    git(checkout, "tag", "--annotate", "--message", "The first one", "v0.1.0")
    return checkout


def filled_in(command: StepCommand, signing: SigningKeys) -> list[str]:
    """The words of a command, with what the page leaves to its reader."""
    files = {"--passphrase-file": str(signing.passphrase), "--attestation-key": str(key_of(signing))}
    words: list[str] = []
    for word in command.words:
        if word == "FILE":
            word = files[words[-1]]
        if word == "DIR":
            words.pop()  # nothing was published before, so the option is left out
        else:
            words.append(word)
    if command.words[0] in ("bump", "release"):
        words += ["--gnupg-home", str(signing.home)]
    if command.words[0] == "bump":
        words += ["--passphrase-file", str(signing.passphrase)]  # nobody is here whom the agent could ask
    return [*words, *(_MISSING if command.words[0] == "release" else ())]


def follow(checkout: Path, command: StepCommand, words: Sequence[str]) -> None:
    if command.session:
        ci(checkout, *words)
        return
    assert words[0] == "python3"
    done = subprocess.run([sys.executable, *words[1:]], cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"


@pytest.fixture(scope="module")
def followed(prepared: Path, signing: SigningKeys) -> Path:
    """The clone after every command of the page, in its order."""
    commands = release_steps.commands()
    assert {"plan", "snapshot", "verify", "compare", "reproduce", "bump", "release", "bundle", "rebuild"} <= {
        command.words[0] for command in commands
    }
    for command in commands:
        follow(prepared, command, filled_in(command, signing))
    return prepared


def test_the_commands_of_the_page_lead_to_a_set_that_verifies(followed: Path, signing: SigningKeys) -> None:
    folder = followed / "dist" / "release"
    listed = json.loads((folder / "artifacts.json").read_bytes())["artifacts"]
    assert {one["kind"] for one in listed if "digest" in one} >= {"image"}
    verify = [sys.executable, str(folder / "verify.py"), "--key", str(signing.public), str(folder)]
    checked = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert (followed / "dist" / "rebuild.dsse.json").exists(), "the last command signs the statement"
    (bundle,) = (followed / "dist").glob("*-bundle.tar")
    assert bundle.stat().st_size


def test_the_same_release_elsewhere_without_a_network(followed: Path, signing: SigningKeys, tmp_path: Path) -> None:
    """From the inputs in the bundle, all gates included; the bytes are the same, those of signatures too."""
    program("ip")
    (bundle,) = (followed / "dist").glob("*-bundle.tar")
    unpacked = tmp_path / "unpacked"
    ci(followed, "bundle", "--unpack", str(bundle), str(unpacked))
    elsewhere = tmp_path / "another place" / "checkout"
    elsewhere.parent.mkdir()
    git(ROOT, "clone", "--quiet", str(followed), str(elsewhere))
    (elsewhere / "dist").mkdir(exist_ok=True)
    shutil.move(unpacked / "inputs", elsewhere / "dist" / "inputs")
    words = ("release", "--gnupg-home", str(signing.home), "--passphrase-file", str(signing.passphrase))
    command = (sys.executable, "-m", "ci", *words, "--attestation-key", str(key_of(signing)), *_MISSING)
    done = subprocess.run([*_ALONE, *command], cwd=elsewhere, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    one, other = files_of(followed / "dist" / "release"), files_of(elsewhere / "dist" / "release")
    assert one.keys() == other.keys()
    assert [name for name in one if one[name] != other[name]] == []


def test_the_set_is_rehearsed_without_a_network(followed: Path) -> None:
    """From `bump` to what a stranger installs: the set of the page goes to servers of this machine alone."""
    program("ip")
    command = (*_ALONE, sys.executable, "-m", "ci", "publish", "--rehearse")
    done = subprocess.run(command, cwd=followed, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "published a second time: nothing was sent" in done.stderr
    seen = done.stdout.partition("Installed from")[2]
    for place in ("release page", "layer", "yum", "pacman", "pypi", "crates", "image micro", "tap"):
        assert f"\n  {place} " in seen, done.stdout


def test_one_command_rehearses_from_bump_to_installs() -> None:
    """It leaves the checkout as it was, but for its log."""

    def state() -> str:
        words = ("git", "-C", ROOT, "log", "--all", "--format=%H %D")
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout

    before = state()
    done = run_ci(ROOT, "rehearse", "99.0.0", *_MISSING)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\n  image micro " in done.stdout.partition("Installed from")[2]
    assert state() == before
