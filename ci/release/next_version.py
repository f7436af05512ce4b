"""Which version comes next: what the words of `nox -s bump` mean, and what "goes up" means.

`major`, `minor` and `patch` count from the newest final version among the tags that HEAD can reach, or from
`release.yaml` where there is none. `rc`, `final` and `dev` start from the version in `release.yaml`, which is what this
tree is. A version with a `dev` part is open: it is never released, so it gets neither a tag nor a hash.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from packaging.version import Version as Pep440

from ci.core.errors import UsageError
from ci.manifest.versions import Version, parse

PARTS = ("major", "minor", "patch")
STAGES = ("rc", "final", "dev")
FORM = "VERSION, or major, minor or patch (with rc or dev behind it, if it is not to be final), or rc, final or dev"


def of_tags(tags: Iterable[str]) -> list[Version]:
    """The versions that tags such as `v1.2.0` name, the newest last. Other tags name none."""
    return sorted(found for tag in tags if (found := _of_tag(tag)))


def _of_tag(tag: str) -> Version | None:
    try:
        return parse(tag[1:]) if tag.startswith("v") else None
    except ValueError:
        return None


def wanted(words: Sequence[str], current: Version, released: Sequence[Version]) -> Version:
    """The version that the command line asks for.

    `current` is the version in `release.yaml`, `released` are those of the tags that HEAD can reach. Raises
    `UsageError` if the words have no meaning, or none for these versions. Whether the result goes up is not checked.
    """
    first, *more = words
    if first in PARTS and (not more or more in (["rc"], ["dev"])):
        final = [version for version in released if _is_final(version)]
        numbers = _counted(first, max(final) if final else current)
        return parse(f"{numbers}{ {'rc': 'rc1', 'dev': '.dev0'}[more[0]] if more else '' }")
    if more:
        raise UsageError(f"{' '.join(words)}: not one version", hint=f"expected {FORM}")
    if first in STAGES:
        return {"rc": _candidate, "final": _final, "dev": _opened}[first](current)
    try:
        return parse(first)
    except ValueError as error:
        raise UsageError(f"{first!r} {error}", hint=f"expected {FORM}") from error


def _is_final(version: Version) -> bool:
    return not Pep440(version.pep440).is_prerelease  # a post-release is final, too


def _counted(part: str, version: Version) -> str:
    """The numbers of a version after one of them was counted up; those behind it are zero."""
    numbers = [int(number) for number in version.release.split(".")]
    place = PARTS.index(part)
    if place >= len(numbers):
        raise UsageError(
            f"{part}: {version} has {len(numbers)} numbers, and {part} is number {place + 1}",
            hint="all versions of a project have as many numbers: name another part, or the version itself",
        )
    return ".".join(str(number) for number in (*numbers[:place], numbers[place] + 1, *[0] * (len(numbers) - place - 1)))


def _candidate(current: Version) -> Version:
    parsed = Pep440(current.pep440)
    if not parsed.is_prerelease or (parsed.pre is None and parsed.post is not None):
        raise UsageError(
            f"rc: {current.release} is final already, and a release candidate of it would be older than {current}",
            hint="say what the candidate is for: nox -s bump -- minor rc, or patch rc, or major rc",
        )
    number = parsed.pre[1] if parsed.pre and parsed.pre[0] == "rc" else 0
    unreleased = parsed.dev is not None and parsed.post is None and number > 0  # of rc2.dev0, rc2 is still to come
    return parse(f"{current.release}rc{number if unreleased else number + 1}")


def _final(current: Version) -> Version:
    parsed = Pep440(current.pep440)
    post = f".post{parsed.post}" if parsed.post is not None and parsed.pre is None else ""
    return parse(f"{current.release}{post}")


def _opened(current: Version) -> Version:
    parsed = Pep440(current.pep440)
    if parsed.dev is not None:
        raise UsageError(
            f"dev: {current} is open already",
            hint="go on with it; or open another version, such as: nox -s bump -- minor dev",
        )
    if parsed.pre:
        letter, number = parsed.pre
        return parse(f"{current.release}{letter}{number + 1}.dev0")
    *most, last = current.release.split(".")
    return parse(".".join([*most, str(int(last) + 1)]) + ".dev0")
