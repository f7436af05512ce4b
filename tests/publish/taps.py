"""Sets that are no more than a formula, and a tap on a server of git's own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ci.core.files import sha256_of
from ci.core.run import Runner
from ci.core.secrets import Secret
from ci.publish.rehearse.git_server import git_server, make_repository
from ci.publish.rehearse.server import Server
from ci.publish.release_set import ReleaseSet, SetFile
from ci.publish.tap import Tap
from tests.leaks import planted

TOKEN = planted("a/token+of=the.tests")
FORMULA = """\
class FaasRuntime < Formula
  desc "{about}"
  url "https://example.org/releases/download/v{version}/faas_runtime-{version}.tar.gz"
  sha256 "{zeros}"
end
"""


def make_set(folder: Path, version: str, about: str = "Functions") -> Path:
    """A set with the formula of a version."""
    folder.mkdir()
    (folder / "faas-runtime.rb").write_text(FORMULA.format(version=version, about=about, zeros="0" * 64))
    (folder / "version").write_text(version)
    return folder


def tap(release: Path, url: str, scratch: Path, token: Secret | None, said: list[str] | None = None) -> Tap:
    """The target for the set in a folder. It waits for nothing."""
    path = release / "faas-runtime.rb"
    file = SetFile(path=path, size=path.stat().st_size, sha256=sha256_of(path), kind="formula")
    version = (release / "version").read_text()
    return Tap(
        release=ReleaseSet(folder=release, name="faas-runtime", version=version, commit="", files=(file,), document={}),
        url=url,
        formula="faas-runtime",
        branch="main",
        token=token,
        run=Runner(log=scratch / "log"),
        scratch=scratch,
        epoch=1795392000,
        maintainer="Maintainers",
        say=print if said is None else said.append,
        sleep=lambda seconds: None,
        patience_s=1,
    )


@dataclass(kw_only=True)
class Served:
    """A tap on a server, and targets for it."""

    repository: Path
    server: Server
    scratch: Path
    token: Secret
    said: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"{self.server.origin}/{self.repository.name}"

    def tap(self, version: str, about: str = "Functions") -> Tap:
        """The target for a version."""
        folder = self.scratch / f"{version}-{about}"
        if not folder.exists():
            make_set(folder, version, about)
        return tap(folder, self.url, self.scratch, self.token, self.said)

    def git(self, *words: str) -> str:
        """Ask the server's repository."""
        command = ["git", "-c", "safe.directory=*", "-C", str(self.repository), *words]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=_environment())
        return done.stdout.rstrip("\n")

    def formula(self) -> str:
        """The formula that the tap has."""
        return self.git("show", "main:Formula/faas-runtime.rb") + "\n"

    def subjects(self) -> list[str]:
        """The commits of the tap, the newest first."""
        return self.git("log", "--format=%s", "main").splitlines()

    def everything(self) -> str:
        """All refs with their objects: what has to be the same after an undisturbed run."""
        return self.git("for-each-ref")

    def push_file(self, path: str, text: str) -> None:
        """A commit by somebody else."""
        command = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-C", str(self.scratch / "other")]
        shutil.rmtree(self.scratch / "other", ignore_errors=True)
        clone = ["git", "clone", "-q", str(self.repository), str(self.scratch / "other")]
        subprocess.run(clone, check=True, capture_output=True, env=_environment())
        place = self.scratch / "other" / path
        place.parent.mkdir(exist_ok=True)
        place.write_text(text)
        for words in (["add", "."], ["commit", "-qm", f"Change {path}"], ["push", "-q", "origin", "HEAD:main"]):
            subprocess.run([*command, *words], check=True, capture_output=True, env=_environment())


def _environment() -> dict[str, str]:
    """No settings of whoever runs the tests."""
    return {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}


@contextmanager
def served(folder: Path, token: Secret, before: Path | None = None) -> Iterator[Served]:
    """A tap on a server: an empty one, or a copy of a repository."""
    run = Runner(log=folder / "server.log")
    repository = folder / "git" / "homebrew-tap.git"
    if before:
        shutil.copytree(before, repository)
    else:
        make_repository(repository, run)
    (folder / "scratch").mkdir()
    with git_server(folder / "git", token.reveal(), run) as server:
        yield Served(repository=repository, server=server, scratch=folder / "scratch", token=token)


def kill(process: int) -> None:
    """Kill a process that we started, and all that it started."""
    for one in [process, *_descendants(process)]:
        try:
            os.kill(one, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _descendants(process: int) -> list[int]:
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found, new = [], [process]
    while new:
        new = [child for child, parent in parents.items() if parent in new]
        found += new
    return found
