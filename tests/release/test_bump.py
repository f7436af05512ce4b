"""`nox -s bump`, in checkouts under a real git: one commit and one tag, or nothing at all."""

from __future__ import annotations

import datetime as dt
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from ci.bake.render import bake, drift
from ci.builders import sdist
from ci.command_line import parse
from ci.commands.bump import bump
from ci.core.console import Console
from ci.core.errors import CommandFailed, HostError, ManifestError, ReleaseError, UsageError
from ci.core.files import sha256_of
from ci.manifest.editing import write_values
from ci.manifest.reader import load
from ci.manifest.release import Release
from ci.manifest.yaml_nodes import KeyPath
from ci.release import bump as stage
from tests.keys import PASSPHRASE, signing_keys
from tests.packages.support import build, checkout_of, open_project
from tests.support import ROOT, copy_checkout, run_ci

DATE = "2026-12-24"
ZEROS = "0" * 64
ITEM = "### Fixed\n\n- Something.\n"


def git(checkout: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=checkout, check=True, capture_output=True, text=True)
    return done.stdout.rstrip("\n")


def committed(checkout: Path) -> None:
    """Put a folder under git, with all that is in it."""
    git(checkout, "init", "--initial-branch", "main", "--template=")
    git(checkout, "config", "user.name", "Tests")
    git(checkout, "config", "user.email", "tests@localhost")
    git(checkout, "add", ".")
    git(checkout, "commit", "--message", "all")
    git(checkout, "gc", "--quiet")


def write(checkout: Path, name: str, old: str, new: str) -> None:
    """Change a file, and commit it."""
    text = (checkout / name).read_text()
    assert old in text
    (checkout / name).write_text(text.replace(old, new, 1))
    git(checkout, "commit", "--all", "--message", f"change {name}")


def note(checkout: Path) -> None:
    """Commit an unreleased change to the changelog."""
    is_there = "\n## [Unreleased]\n" in (checkout / "CHANGELOG.md").read_text()
    old, new = ("## [Unreleased]\n\n", "") if is_there else ("## [", "## [")
    write(checkout, "CHANGELOG.md", old, f"## [Unreleased]\n\n{ITEM}\n{new}")


def bumped(checkout: Path, *arguments: str) -> Release:
    """Run the command in this process; returns the manifest afterwards."""
    bump(checkout, Console(), parse(["bump", "--date", DATE, *arguments]))
    return load(checkout / "release.yaml")


def state(checkout: Path) -> tuple[str, ...]:
    """Where every ref is, and how the files differ from HEAD."""
    head = git(checkout, "symbolic-ref", "HEAD")
    return head, git(checkout, "for-each-ref"), git(checkout, "status", "--porcelain"), git(checkout, "stash", "list")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command reads of a checkout, committed, with an unreleased change."""
    checkout = checkout_of(tmp_path_factory.mktemp("original") / "checkout")
    (checkout / ".gitignore").write_text("/dist/\n")
    manifest = checkout / "release.yaml"
    text = manifest.read_text()
    first, second = (found.start() for found in list(re.finditer("(?m)^  - tool", text))[:2])
    assert first < second
    manifest.write_text(text[:second])  # one waiver is enough, and the others take time to read
    release = load(manifest)
    values: dict[KeyPath, str] = {
        ("version",): '"0.1.0"',
        ("date",): '"2026-11-23"',
        ("source", "url"): f"{release.home}/releases/download/v0.1.0/faas_runtime-0.1.0.tar.gz",
    }
    write_values(manifest, values)
    (checkout / "CHANGELOG.md").write_text(
        f"# Changelog\n\n## [Unreleased]\n\n{ITEM}\n## [0.1.0] - 2026-11-23\n\n### Added\n\n- All.\n"
    )
    bake(checkout, load(checkout / "release.yaml"), checkout)
    committed(checkout)
    return checkout


@pytest.fixture
def checkout(original: Path, tmp_path: Path) -> Path:
    return shutil.copytree(original, tmp_path / "checkout", symlinks=True)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The source tarball is not built: its hash is another test's matter."""
    monkeypatch.setattr(sdist, "hash_of_checkout", lambda _: "ab" * 32)


# --- what is done ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("at_once")
def test_one_commit_and_one_annotated_tag(checkout: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(checkout, "release.yaml", "rpm:\n  release: 1", "rpm:\n  release: 4")
    before = git(checkout, "rev-parse", "HEAD")
    release = bumped(checkout, "minor")
    assert (str(release.version), str(release.date), release.source.sha256) == ("0.2.0", DATE, "ab" * 32)
    assert release.source.url.endswith("/releases/download/v0.2.0/faas_runtime-0.2.0.tar.gz")
    assert (release.rpm.release, release.msys2.release) == (1, 1)
    assert drift(checkout, release) == ""
    assert "0.2.0" in (checkout / "runtime" / "faas_runtime" / "_version.py").read_text()
    for name in ("Cargo.toml", "Cargo.lock"):
        assert 'name = "faas-function"\nversion = "0.2.0"\n' in (checkout / "runtime" / "crate" / name).read_text()
    assert f"\n## [0.2.0] - {DATE}\n\n{ITEM}\n## [0.1.0] - 2026-11-23\n" in (checkout / "CHANGELOG.md").read_text()
    # The commit is complete, its only parent is the one before, and the branch is where it was.
    assert git(checkout, "status", "--porcelain") == ""
    assert git(checkout, "log", "--format=%s %P", "-1") == f"Release 0.2.0 {before}"
    assert git(checkout, "log", "--format=%an %ae %cn %ce", "-1") == "Tests tests@localhost Tests tests@localhost"
    assert git(checkout, "symbolic-ref", "HEAD") == "refs/heads/main"
    assert git(checkout, "cat-file", "-t", "v0.2.0") == "tag"
    assert git(checkout, "rev-parse", "v0.2.0^{commit}") == git(checkout, "rev-parse", "HEAD")
    assert git(checkout, "for-each-ref", "--format=%(contents)", "refs/tags/v0.2.0").strip() == (
        f"faas-runtime 0.2.0\n\n{ITEM}".strip()
    )
    git(checkout, "fsck", "--strict")
    shown = capfd.readouterr()
    assert '\n-version: "0.1.0"\n' in shown.out
    assert '\n+version: "0.2.0"\n' in shown.out
    assert "git tag --delete v0.2.0" in shown.err


@pytest.mark.usefixtures("at_once")
def test_the_printed_commands_undo_it_and_keep_later_changes(checkout: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = state(checkout)
    bumped(checkout, "0.1.1")
    (checkout / "README.md").write_text("begun since\n")
    git(checkout, "add", "README.md")
    commands = [line.strip() for line in capfd.readouterr().err.splitlines() if line.startswith("  git ")]
    assert len(commands) == 2
    for command in commands:
        git(checkout, *shlex.split(command)[1:])
    assert state(checkout) == (*before[:2], "?? README.md", "")
    assert str(load(checkout / "release.yaml").version) == "0.1.0"


@pytest.mark.usefixtures("at_once")
def test_a_dry_run_shows_the_diff_and_changes_nothing(checkout: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before, objects = state(checkout), git(checkout, "count-objects", "-v")
    bumped(checkout, "minor", "--dry-run")
    assert (state(checkout), git(checkout, "count-objects", "-v")) == (before, objects)
    shown = capfd.readouterr()
    assert f"-## [Unreleased]\n+## [0.2.0] - {DATE}\n" in shown.out
    assert "nothing was changed" in shown.err
    bumped(checkout, "minor")
    assert capfd.readouterr().out == shown.out


@pytest.mark.usefixtures("at_once")
def test_from_an_open_version_over_candidates_to_the_final_one(checkout: Path) -> None:
    bumped(checkout, "patch")
    release = bumped(checkout, "minor", "dev")
    assert (str(release.version), release.source.sha256) == ("0.2.0.dev0", ZEROS)
    assert drift(checkout, release) == ""
    assert git(checkout, "log", "--format=%s", "-1") == "Open 0.2.0.dev0"
    assert git(checkout, "tag", "--list") == "v0.1.1"
    assert (checkout / "CHANGELOG.md").read_text().startswith("# Changelog\n\n## [Unreleased]\n\n## [0.1.1] - ")
    assert str(release.changelog[0].version) == "0.2.0.dev0"
    with pytest.raises(ManifestError, match=r'^CHANGELOG.md: no item below "## \[Unreleased\]"'):
        bumped(checkout, "rc")
    for words, version in ((["rc"], "0.2.0rc1"), (["rc"], "0.2.0rc2"), (["final"], "0.2.0")):
        note(checkout)
        assert str(bumped(checkout, *words).version) == version
    assert git(checkout, "tag", "--list").split() == ["v0.1.1", "v0.2.0", "v0.2.0rc1", "v0.2.0rc2"]
    git(checkout, "tag", "unrelated")
    assert str(bumped(checkout, "dev").version) == "0.2.1.dev0"


@pytest.mark.usefixtures("at_once")
def test_a_branch_of_an_older_version_goes_on_from_its_own_tag(checkout: Path) -> None:
    git(checkout, "tag", "v0.1.0")
    bumped(checkout, "minor")
    git(checkout, "switch", "--create", "0.1", "v0.1.0")
    with pytest.raises(UsageError, match=r"^the tag v0\.2\.0 exists already"):
        bumped(checkout, "minor")
    assert str(bumped(checkout, "patch").version) == "0.1.1"
    assert git(checkout, "log", "--format=%D", "-1") == "HEAD -> 0.1, tag: v0.1.1"


@pytest.mark.usefixtures("at_once")
def test_the_tag_is_signed_by_the_first_key(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with signing_keys(tmp_path / "keys") as keys:
        listed = [f'{{openpgp: "{one}", file: ci/keys/{one[:4]}.asc, until: "2029-01-01"}}'
                  for one in (keys.fingerprint, keys.stranger)]  # fmt: skip
        write(checkout, "release.yaml", "packages: []", f"packages: [{', '.join(listed)}]")
        options = ("--gnupg-home", str(keys.home), "--passphrase-file", str(keys.passphrase))
        bumped(checkout, "minor", "--dry-run")
        before = state(checkout)
        with pytest.raises(CommandFailed, match="No secret key"):
            bumped(checkout, "minor", "--gnupg-home", str(tmp_path), *options[2:])
        assert state(checkout) == before
        bumped(checkout, "minor", *options)
        monkeypatch.setenv("GNUPGHOME", str(keys.home))
        said = subprocess.run(
            ["git", "verify-tag", "--raw", "v0.2.0"], cwd=checkout, capture_output=True, text=True, check=True
        )
        assert f"VALIDSIG {keys.fingerprint}" in said.stderr
        assert PASSPHRASE not in (checkout / "dist" / "logs" / "bump.log").read_text()
    assert git(checkout, "for-each-ref", "--format=%(contents:subject)", "refs/tags") == "faas-runtime 0.2.0"


# --- what is refused ------------------------------------------------------------------------------------------


def modified(checkout: Path) -> None:
    (checkout / "release.yaml").open("a").write("\n")


def untracked(checkout: Path) -> None:
    (checkout / "notes.txt").write_text("mine\n")


def detached(checkout: Path) -> None:
    git(checkout, "switch", "--detach")


def unborn(checkout: Path) -> None:
    git(checkout, "switch", "--orphan", "new")
    git(checkout, "checkout", "main", "--", ".")
    git(checkout, "rm", "-rq", "--cached", ".")


def tagged(checkout: Path) -> None:
    git(checkout, "tag", "v0.1.0")
    git(checkout, "tag", "v0.2.0", git(checkout, "commit-tree", "HEAD^{tree}", "-m", "elsewhere"))


def ahead(checkout: Path) -> None:
    git(checkout, "tag", "v0.3.0")


def empty(checkout: Path) -> None:
    write(checkout, "CHANGELOG.md", ITEM, "")


def without(checkout: Path) -> None:
    write(checkout, "CHANGELOG.md", f"## [Unreleased]\n\n{ITEM}\n", "")


def nobody(checkout: Path) -> None:
    git(checkout, "config", "--unset", "user.email")


def no_git(checkout: Path) -> None:
    shutil.rmtree(checkout / ".git")


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (modified, "has changes that are not committed:\n   M release.yaml"),
        (untracked, "has changes that are not committed:\n  ?? notes.txt"),
        (detached, "HEAD is detached: the new commit would belong to no branch"),
        (unborn, "refs/heads/new has no commit yet"),
        (tagged, "the tag v0.2.0 exists already"),
        (ahead, "0.2.0 does not go up: v0.3.0 is an ancestor of this commit"),
        (empty, 'CHANGELOG.md: no item below "## [Unreleased]"'),
        (without, 'CHANGELOG.md: no "## [Unreleased]"'),
        (nobody, "git does not know who is the author of the commit"),
        (no_git, "is not a git checkout"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
@pytest.mark.usefixtures("nobodys_home")
def test_refused(checkout: Path, prepare: Callable[[Path], None], said: str) -> None:
    prepare(checkout)
    files = {path: path.read_bytes() for path in checkout.rglob("*.*") if path.is_file() and "dist" not in path.parts}
    for options in ([], ["--dry-run"]):
        with pytest.raises(ReleaseError) as caught:
            bump(checkout, Console(), parse(["bump", "--date", DATE, "0.2.0", *options]))
        assert said in str(caught.value)
        assert caught.value.hint
    assert {path: path.read_bytes() for path in files} == files


@pytest.fixture
def nobodys_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home without settings of git: those of the checkout alone count."""
    monkeypatch.setenv("HOME", str(tmp_path))


def test_a_version_with_an_entry_that_was_never_tagged(checkout: Path) -> None:
    with pytest.raises(ManifestError, match=r"^CHANGELOG\.md: 0\.1\.0 has an entry already") as caught:
        bumped(checkout, "final")
    assert "remove its heading" in caught.value.hint


def test_a_shallow_clone_cannot_see_earlier_versions(checkout: Path, tmp_path: Path) -> None:
    note(checkout)
    git(tmp_path, "clone", "--depth", "1", checkout.as_uri(), "shallow")
    with pytest.raises(UsageError, match="this clone is shallow"):
        bumped(tmp_path / "shallow", "minor")


@pytest.mark.usefixtures("nobodys_home")
def test_every_fault_at_once(checkout: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for prepare in (empty, tagged, nobody, untracked):
        prepare(checkout)
    with pytest.raises(UsageError, match="has changes that are not committed"):
        bumped(checkout, "minor")
    said = capfd.readouterr().err
    assert [re.split(r"[ :]+", line)[1] for line in said.splitlines() if line.startswith("error: ")] == [
        "git", "the", "CHANGELOG.md",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('until: "2027-11-30"', 'until: "2026-12-23"', "the waiver ended on 2026-12-23, before this release's date"),
        ("## [0.1.0] - 2026-11-23", "## [0.1.0] - 2026-12-25", "2026-12-25 is later than 2026-12-24 above it"),
    ],
)
def test_a_result_that_is_no_valid_manifest(checkout: Path, old: str, new: str, said: str) -> None:
    name = "release.yaml" if "until" in old else "CHANGELOG.md"
    write(checkout, name, old, new)
    if name == "CHANGELOG.md":
        write(checkout, "release.yaml", 'date: "2026-11-23"', 'date: "2026-12-25"')
    before = state(checkout)
    with pytest.raises(ManifestError, match=said):
        bumped(checkout, "minor")
    assert state(checkout) == before


# --- all or nothing -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("at_once")
def test_a_tag_that_appears_meanwhile_brings_the_files_back(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    move_over = stage.move_over

    def late(*arguments: object) -> None:
        git(checkout, "tag", "v0.2.0")
        move_over(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(stage, "move_over", late)
    head, _, *files = state(checkout)
    commit = git(checkout, "rev-parse", "HEAD")
    with pytest.raises(ReleaseError, match=r"refs/tags/v0\.2\.0"):
        bumped(checkout, "minor")
    assert state(checkout)[0] == head
    assert list(state(checkout)[2:]) == files
    assert git(checkout, "rev-parse", "HEAD", "v0.2.0").split() == [commit, commit]


@pytest.mark.usefixtures("at_once")
def test_a_file_that_is_edited_meanwhile_stays(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    move_over = stage.move_over

    def late(*arguments: object) -> None:
        (checkout / "CHANGELOG.md").write_text("a new thought\n")
        move_over(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(stage, "move_over", late)
    before = state(checkout)
    with pytest.raises(ReleaseError, match=r"CHANGELOG\.md"):
        bumped(checkout, "minor")
    assert state(checkout) == (*before[:2], " M CHANGELOG.md", "")
    assert (checkout / "CHANGELOG.md").read_text() == "a new thought\n"


def interrupting(folder: Path, what: str, action: str) -> Mapping[str, str]:
    """An environment in which git, when it is about to do one thing, runs a line of shell first.

    Temporary files go into the folder, too: what is killed leaves them.
    """
    real = shutil.which("git")
    folder.mkdir()
    stand_in = folder / "git"
    stand_in.write_text(f'#!/bin/sh\ncase "$*" in *"{what}"*) {action};; esac\nexec {real} "$@"\n')
    stand_in.chmod(0o755)
    own = {"PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
    return {**os.environ, **own}


def in_a_process(checkout: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Open a version in a process of its own."""
    code = (
        "import sys, pathlib; from ci.commands.bump import bump; from ci.core.console import Console\n"
        "from ci.command_line import parse\n"
        "bump(pathlib.Path(sys.argv[1]), Console(), parse(['bump', 'dev', '--date', sys.argv[2]]))"
    )
    argv = [sys.executable, "-c", code, str(checkout), DATE]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("what", ["commit-tree", "fetch", "read-tree"])
def test_killed_before_the_files_change(checkout: Path, tmp_path: Path, what: str) -> None:
    before = state(checkout)
    done = in_a_process(checkout, interrupting(tmp_path / "bin", f"{what} ", "kill -9 $PPID; exit 1"))
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert state(checkout) == before


def test_killed_before_the_branch_moves_it_has_said_how_to_go_back(checkout: Path, tmp_path: Path) -> None:
    before = state(checkout)
    done = in_a_process(checkout, interrupting(tmp_path / "bin", "update-ref -m", "kill -9 $PPID; exit 1"))
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert state(checkout)[1] == before[1]
    assert state(checkout) != before
    (command,) = (line.partition(": ")[2] for line in done.stderr.splitlines() if "cut off" in line)
    git(checkout, *shlex.split(command)[1:])
    assert state(checkout) == before


def test_interrupted_before_the_branch_moves_it_goes_back_by_itself(checkout: Path, tmp_path: Path) -> None:
    before = state(checkout)
    done = in_a_process(checkout, interrupting(tmp_path / "bin", "update-ref -m", "kill -INT $PPID; sleep 60"))
    assert "KeyboardInterrupt" in done.stderr
    assert state(checkout) == before


def test_files_that_cannot_be_brought_back_are_said_with_the_command(checkout: Path, tmp_path: Path) -> None:
    environment = interrupting(tmp_path / "bin", "read-tree -m -u", "echo >> $3/release.yaml; exit 1")
    stand_in = tmp_path / "bin" / "git"
    stand_in.write_text(stand_in.read_text().replace("$3", str(checkout)))
    done = in_a_process(checkout, environment)
    assert f"{HostError.__module__}.HostError" in done.stderr
    assert "the files could not be brought back" in done.stderr


def test_no_hook_runs_and_no_setting_signs(checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = tmp_path / "ran"
    for folder in (checkout / ".git" / "hooks", tmp_path / "hooks"):
        folder.mkdir()
        for name in ("pre-commit", "post-checkout", "reference-transaction", "post-index-change", "post-merge"):
            (folder / name).write_text(f"#!/bin/sh\ntouch {ran}\n")
            (folder / name).chmod(0o755)
    (tmp_path / ".gitconfig").write_text(
        f"[core]\n\thooksPath = {tmp_path}/hooks\n[commit]\n\tgpgsign = true\n[tag]\n\tgpgsign = true\n"
        "[gpg]\n\tprogram = false\n[diff]\n\texternal = false\n[core]\n\tpager = false\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    bumped(checkout, "dev")
    assert not ran.exists()
    assert git(checkout, "status", "--porcelain") == ""


# --- this repository ------------------------------------------------------------------------------------------


@pytest.mark.long
def test_the_tarball_built_from_the_tag_has_the_hash_in_the_manifest(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path / "checkout")
    committed(checkout)
    note(checkout)
    done = run_ci(checkout, "bump", "major")
    assert done.returncode == 0, done.stderr
    release = load(checkout / "release.yaml")
    today = dt.datetime.now(dt.UTC).date()
    assert f"\n## [{release.version}] - {today}\n" in (checkout / "CHANGELOG.md").read_text()
    done = run_ci(checkout, "check")
    assert done.returncode == 0, done.stderr
    git(tmp_path, "clone", "--branch", release.version.tag, str(checkout), "clone")
    project = build(open_project(tmp_path / "clone", tmp_path / "dist"), "sdist")
    assert sha256_of(project.sdist) == release.source.sha256 != ZEROS
