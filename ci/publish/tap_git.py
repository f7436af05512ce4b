"""A branch of a git repository on a server: read over HTTP, and moved by commits of ours that are pushed without force.

Nothing of the user's own settings is read. The token is in the environment of the programs that reach the server, and
nowhere else: neither in an argument, nor in a file, nor in the address. It is sent to the origin of the address alone,
and a redirect is refused.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ci.core.errors import CommandFailed, HostError, ReleaseError, UnavailableError, UsageError
from ci.core.files import fresh_folder
from ci.core.git import Git
from ci.core.run import Runner
from ci.core.secrets import Secret
from ci.core.web import host_of, is_loopback, origin_of
from ci.publish.target import Say

USER = "x-access-token"  # GitHub takes every kind of token with it, other hosts take any name
_NOBODY = "0" * 40
_FETCHED = "refs/tap/"
_PAUSES_S = (1.0, 2.0, 4.0)
_LIMIT_S = 60.0  # git does not tell how long a server wants to be left alone
_AGAIN = "run the same command again: it goes on from where the server is"
_WRONG_SETTING = "look for typing errors below targets in release.yaml, and at the token's rights"


class Undecided(HostError):
    """The server did not answer, or not for good: it has to be asked what came of it. `pause` is in seconds."""

    def __init__(self, message: str, *, hint: str = _AGAIN, pause: float = 1.0) -> None:
        super().__init__(message, hint=hint)
        self.pause = pause


@dataclass(frozen=True, kw_only=True)
class Change:
    """A commit to make: `blob` is the new content of the file, None removes it."""

    path: str
    blob: str | None
    message: str


@dataclass(frozen=True, kw_only=True)
class Remote:
    """A branch on a server. `folder` is where its copy is made; it is emptied by `begin`.

    Commits have the time `epoch`, and are by `maintainer`: "NAME" or "NAME <ADDRESS>". `patience_s` is how long a
    server may send nothing.
    """

    url: str
    branch: str
    token: Secret | None
    folder: Path
    epoch: int
    maintainer: str
    run: Runner
    say: Say
    sleep: Callable[[float], None]
    patience_s: int

    def begin(self) -> None:
        """Make an empty copy. `UsageError` for an address that is not secure, or that has a password in it."""
        host = origin_of(self.url).rpartition("/")[2]
        if "@" in host or not host or not (self.url.startswith("https://") or is_loopback(self.url)):
            raise UsageError(
                f"tap: {host_of(self.url) or self.url}: it must be an https address without a user's name",
                hint="correct targets.tap.url in release.yaml",
            )
        fresh_folder(self.folder)
        self.run("git", "init", "--quiet", "--bare", "--object-format=sha1", self.folder, env=self._alone())

    def fetch(self) -> str:
        """The newest commit of the branch, with all that came before it; empty if the repository is empty.

        `UnavailableError` if it has other branches only. `HostError` if the server does not answer, tried four times.
        """
        words = ("fetch", "--quiet", "--prune", "--no-tags", "--no-write-fetch-head", self.url)
        for pause in (*_PAUSES_S, None):
            try:
                self._reach(f"reading {host_of(self.url)}", *words, f"+refs/heads/*:{_FETCHED}*")
                break
            except Undecided as error:
                if pause is None:
                    raise
                self.wait(error, pause)
        listed = self._git("for-each-ref", "--format=%(objectname) %(refname)", _FETCHED).splitlines()
        heads = {name.removeprefix(_FETCHED): commit for commit, _, name in (line.partition(" ") for line in listed)}
        if heads and self.branch not in heads:
            raise UnavailableError(
                f"{self.url}: it has no branch {self.branch}, only {', '.join(sorted(heads)[:5])}", hint=_WRONG_SETTING
            )
        return heads.get(self.branch, "")

    def wait(self, error: Undecided, pause: float) -> None:
        """Leave the server alone for a while, at least as long as the error says."""
        seconds = max(pause, error.pause)
        self.say(f"tap: {str(error).removeprefix('tap: ')}; again in {seconds:.0f} s")
        self.sleep(seconds)

    def blob(self, commit: str, path: str) -> str:
        """The id of a file's content in a commit; empty if it has no such file."""
        found = self._git("ls-tree", commit, "--", path).split() if commit else []
        return found[2] if found[:2] == ["100644", "blob"] or found[:2] == ["100755", "blob"] else ""

    def text(self, blob: str) -> str:
        """The content with an id."""
        return self._git("cat-file", "blob", blob)

    def store(self, data: bytes) -> str:
        """Keep a content; returns its id."""
        return self._git("hash-object", "-w", "--stdin", stdin=data)

    def history(self, commit: str, path: str) -> Iterator[tuple[str, str]]:
        """How a file has changed, the newest change first: the ids of its content before and after; empty for none."""
        words = ("--first-parent", "--diff-merges=first-parent", "--no-renames", "--raw", "--no-abbrev", "--format=")
        for line in self._git("log", *words, commit, "--", path).splitlines() if commit else ():
            _, _, old, new, *_ = line.split()
            yield ("" if old == _NOBODY else old), ("" if new == _NOBODY else new)

    def subjects(self, commit: str) -> list[str]:
        """The subjects of a commit and of those before it on its branch."""
        return self._git("log", "--first-parent", "--format=%s", commit).splitlines() if commit else []

    def commit(self, parent: str, change: Change) -> str:
        """Make a commit on top of another, or the first one; returns its id. The same call gives the same commit."""
        index = {"GIT_INDEX_FILE": str(self.folder / "new-index")}
        self._git("read-tree", *([parent] if parent else ["--empty"]), env=index)
        entry = f"100644 {change.blob}\t{change.path}\n" if change.blob else f"0 {_NOBODY}\t{change.path}\n"
        self._git("update-index", "--index-info", env=index, stdin=entry.encode())
        tree = self._git("write-tree", env=index)
        name, _, address = self.maintainer.partition("<")
        person = {"NAME": name.strip(), "EMAIL": address.rstrip("> "), "DATE": f"@{self.epoch} +0000"}
        people = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in person.items()}
        parents = ("-p", parent) if parent else ()
        return self._git("commit-tree", tree, *parents, env=people, stdin=change.message.encode())

    def push(self, commit: str, *, dry_run: bool = False) -> None:
        """Move the branch to a commit on top of it; with `dry_run`, only ask whether that may be done.

        `Undecided` if somebody else has moved it meanwhile, or the server did not answer: ask what is there.
        """
        words = ("push", "--quiet", "--porcelain", *(("--dry-run",) if dry_run else ()), self.url)
        self._reach(f"pushing to {host_of(self.url)}", *words, f"{commit}:refs/heads/{self.branch}")

    def _git(self, *words: str, env: Mapping[str, str] | None = None, stdin: bytes | None = None) -> str:
        return self._in_copy(words, {**self._alone(), **(env or {})}, stdin)

    def _reach(self, what: str, *words: str) -> None:
        try:
            self._in_copy(words, self._connected(), None)
        except CommandFailed as error:
            raise _refusal(f"tap: {what}", str(error)) from None

    def _in_copy(self, words: tuple[str, ...], env: Mapping[str, str], stdin: bytes | None) -> str:
        text = None if stdin is None else stdin.decode()
        return Git(root=self.folder, run=self.run)(*words, env=env, stdin=text)

    def _alone(self) -> dict[str, str]:
        """No settings and passwords but our own: those are in the home folder or the system's."""
        home = str(self.folder)
        return {"HOME": home, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_TERMINAL_PROMPT": "0"}

    def _connected(self) -> dict[str, str]:
        """What the programs that reach the server are given: how, and the token."""
        settings = {
            "credential.helper": "",
            "fetch.fsckObjects": "true",
            "http.followRedirects": "false",
            "http.lowSpeedLimit": "1",
            "http.lowSpeedTime": str(self.patience_s),
        }
        if is_loopback(self.url):  # which no proxy can reach
            settings["http.proxy"] = ""
        if self.token:
            login = base64.b64encode(f"{USER}:{self.token.reveal()}".encode()).decode()
            settings[f"http.{origin_of(self.url)}/.extraHeader"] = f"Authorization: Basic {login}"
        numbered = dict(self._alone(), GIT_CONFIG_COUNT=str(len(settings)))
        for number, (key, value) in enumerate(settings.items()):
            numbered |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        return numbered


def blob_id(data: bytes) -> str:
    """The id that git gives a content, which is asked for more often than it is stored."""
    return hashlib.sha1(b"blob %d\0%b" % (len(data), data), usedforsecurity=False).hexdigest()


# What git prints, what it means, and what to do. The first that is found counts.
_FOR_GOOD = (
    (
        r"error: 401|could not read (Username|Password)|Authentication failed",
        "the token is not accepted (401)",
        "is it whole, and not expired?",
    ),
    (r"error: 403", "the token may not do this (403)", "give it the right to write there"),
    (r"error: 404|repository '.*' not found", "it is not there, or the token may not see it (404)", _WRONG_SETTING),
    (
        r"error: 30[12378]|unable to update url base",
        "it redirects to another address",
        "write the new address below targets.tap in release.yaml, if you trust it",
    ),
    (
        r"[Cc]ertificate|handshake|SSL routines|wrong version number",
        "the connection is not secure",
        "if a proxy of yours has a certificate of its own, name its file in GIT_SSL_CAINFO",
    ),
)
_RACE = re.compile(r"\[rejected\]|cannot lock ref|failed to update ref|incorrect old value|remote ref .* changed")


def _refusal(what: str, printed: str) -> ReleaseError:
    """What it means that git failed."""
    lines = [line.removeprefix("  | ").strip() for line in printed.splitlines() if line.startswith("  | ")]
    said = "\n".join(lines)
    shown = next((line for line in lines if line.startswith(("!", "error:", "fatal:", "remote:"))), said[:200])
    for pattern, meaning, advice in _FOR_GOOD:
        if re.search(pattern, said):
            return UnavailableError(f"{what}: {meaning}", hint=advice)
    if _RACE.search(said):
        return Undecided(f"{what}: the branch has moved meanwhile")
    if "[remote rejected]" in said:
        reason = next((line for line in lines if "[remote rejected]" in line), shown)
        return UnavailableError(f"{what}: the server refuses it: {reason}", hint="look at the rules for this branch")
    if re.search(r"error: 429", said):
        return Undecided(f"{what}: requests are limited (429)", pause=_LIMIT_S)
    return Undecided(f"{what}: {shown}")
