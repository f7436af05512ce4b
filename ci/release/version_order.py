"""Whether a version goes up: by PEP 440, and by the own comparisons of rpm and pacman.

`ci.manifest.versions` spells versions so that all package managers order them as PEP 440 does, if they have as many
numbers. Homebrew's comparison is not asked: it is part of Homebrew itself, and the tests hold a copy of its rules
against these spellings.
"""

from __future__ import annotations

from collections.abc import Sequence
from shutil import which

from ci.core.errors import ToolError, UsageError
from ci.core.run import Runner
from ci.manifest.versions import Version


def require_goes_up(version: Version, released: Sequence[Version], run: Runner) -> None:
    """Raise `UsageError` unless a version comes after all those that were released before it, in every ecosystem.

    Without a release before it, every version does. Raises `ToolError` if a program that knows an order is missing.
    """
    if not released:
        return
    newest = max(released)
    if version <= newest:
        raise UsageError(
            f"{version} does not go up: {newest.tag} is an ancestor of this commit",
            hint=f"name a version after {newest}, such as: nox -s bump -- {_after(newest)}",
        )
    if version.release.count(".") != newest.release.count("."):
        raise UsageError(
            f"{version} has not as many numbers as {newest}: package managers do not read 1.2 as 1.2.0",
            hint=f"write {newest.release.count('.') + 1} numbers",
        )
    for manager, (older, newer), order in _asked(version, newest, run):
        if order != "1":
            raise UsageError(
                f"{version} does not go up for {manager}: it does not order {newer} after {older}, which is {newest}",
                hint="name another version",
            )


def _asked(version: Version, newest: Version, run: Runner) -> list[tuple[str, tuple[str, str], str]]:
    """What the package managers say: the manager, both spellings, and "1" if the second is newer."""
    missing = [(program, manager) for program, manager in (("rpm", "rpm"), ("vercmp", "pacman")) if not which(program)]
    if missing:
        raise ToolError(
            "\n".join(f"{program}: not found on PATH; {manager}'s order is not known" for program, manager in missing),
            hint=f"install it with ci/bootstrap: {version} must go up for every package manager",
        )
    rpm, pacman = (newest.rpm, version.rpm), (newest.pacman, version.pacman)
    # Both are made of digits, letters and . ~ ^ alone, so they end no string of Lua.
    by_rpm = run.output("rpm", "--eval", f"%{{lua:print(rpm.vercmp('{rpm[1]}', '{rpm[0]}'))}}")
    by_pacman = run.output("vercmp", pacman[1], pacman[0])
    return [("rpm", rpm, by_rpm.strip()), ("pacman", pacman, by_pacman.strip())]


def _after(version: Version) -> str:
    return "final" if any(letter.isalpha() for letter in version.pep440.replace("post", "")) else "patch"
