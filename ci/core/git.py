"""Git in one checkout, without hooks and without programs that its settings name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ci.core.run import Runner

_QUIET = (
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",  # neither the checkout's hooks, nor those of the user's templates
    "core.autocrlf=false",  # the bytes of a file are those that git has
    "protocol.file.allow=always",
    "gc.auto=0",
    "advice.detachedHead=false",
)


@dataclass(frozen=True, kw_only=True)
class Git:
    """Runs git in the checkout at `root`. Raises `CommandFailed` if git does."""

    root: Path
    run: Runner

    def __call__(self, *words: str | Path, env: Mapping[str, str] | None = None, stdin: str | None = None) -> str:
        """Run one command; returns what it prints, without the line break at the end."""
        # Git refuses a repository of another user, whose settings may name programs. The code of this very checkout is
        # running already, so it is safe.
        settings = [word for one in (f"safe.directory={self.root.resolve()}", *_QUIET) for word in ("-c", one)]
        given = None if stdin is None else stdin.encode()
        return self.run.output("git", *settings, "-C", self.root.resolve(), *words, env=env, stdin=given).rstrip("\n")
