"""A version in PEP 440 form, and its spelling for each packaging system, so that all order versions as PEP 440 does.

The order for one release number is:

    1.2.dev1 < 1.2a1.dev1 < 1.2a1 < 1.2b1 < 1.2rc1 < 1.2rc1.post1 < 1.2 < 1.2.post1.dev1 < 1.2.post1

This holds for versions with as many numbers each: PEP 440 reads `1.2` as `1.2.0`, and no package manager does.
Therefore `ci.manifest.changelog` requires that all versions of a project have as many numbers.
"""

from __future__ import annotations

import dataclasses
import functools

from packaging.version import InvalidVersion
from packaging.version import Version as Pep440

MAX_LENGTH = 64


@functools.total_ordering
@dataclasses.dataclass(frozen=True)
class Version:
    """A version in its canonical PEP 440 form, without epoch and local part. Make one with `parse`."""

    pep440: str

    def __str__(self) -> str:
        """Return the PEP 440 form."""
        return self.pep440

    def __lt__(self, other: Version) -> bool:
        """Order as PEP 440 does."""
        return self._parsed < other._parsed

    @property
    def tag(self) -> str:
        """The git tag: `v1.2rc1`."""
        return f"v{self.pep440}"

    @property
    def oci(self) -> str:
        """The tag of an image: PEP 440 without a local part has only characters that a tag may have."""
        return self.pep440

    @property
    def rpm(self) -> str:
        """RPM's Version: a tilde sorts before the end of a version, a caret after it and before everything else.

        `dev` of a final release has two tildes, since its letters would sort it between `b` and `rc`.
        """
        pre, post, dev = self._parts
        text = self.release
        if pre:
            text += f"~{pre}"
        if post is not None:
            text += f"^post{post}"
        if dev is not None:
            text += f"~dev{dev}" if pre or post is not None else f"~~dev{dev}"
        return text

    @property
    def pacman(self) -> str:
        """pacman's pkgver: letters right after the number sort before its end, letters after a dot sort after it.

        Letters are compared as bytes, so a `DEV` in capitals sorts before `a`, `b` and `rc`.
        """
        pre, post, dev = self._parts
        text = self.release + (pre or "")
        if post is not None:
            text += f".post{post}"
        return text if dev is None else f"{text}DEV{dev}"

    @property
    def homebrew(self) -> str:
        """Homebrew's version: the PEP 440 form, except for `dev`, which Homebrew would sort after the release.

        It has the tokens `a` < `b` < `pre` < `rc`, all before the end, and `post` after it. So `dev` of a pre- or
        post-release becomes another `pre`; of a final release it becomes a second `a` after `a0`, which sorts before
        everything else that begins with `a0`.
        """
        pre, post, dev = self._parts
        text = self.release + (pre or "")
        if post is not None:
            text += f".post{post}"
        if dev is None:
            return text
        return f"{text}.pre{dev}" if pre or post is not None else f"{text}a0.a{dev}"

    @property
    def cargo(self) -> str:
        """The version of the crate, with three numbers as cargo wants them: `1.2.0-rc.1` of `1.2rc1`.

        Cargo has no post-releases: what follows a plus sign does not count, so such a crate cannot be published. `dev`
        of a pre-release sorts after it, which does not matter: a version under development is not released.
        """
        pre, post, dev = self._parts
        numbers = [*self.release.split("."), "0", "0"][: max(3, len(self._parsed.release))]
        before = [*(str(part) for part in self._parsed.pre or ()), *(["dev", str(dev)] if dev is not None else [])]
        if before and not pre:
            before.insert(0, "0")  # a number sorts before `a`, `b` and `rc`
        after = [*numbers[3:], *(["post", str(post)] if post is not None else [])]
        text = ".".join(numbers[:3]) + (f"-{'.'.join(before)}" if before else "")
        return f"{text}+{'.'.join(after)}" if after else text

    @property
    def is_open(self) -> bool:
        """Whether it is under development, with a `dev` part: such a version is not released."""
        return self._parsed.is_devrelease

    @property
    def is_prerelease(self) -> bool:
        """Whether it comes before a final version: it has an `a`, `b`, `rc` or `dev` part."""
        return self._parsed.is_prerelease

    @property
    def release(self) -> str:
        """The numbers alone: `1.2` of `1.2rc1`."""
        return ".".join(str(number) for number in self._parsed.release)

    @functools.cached_property
    def _parsed(self) -> Pep440:
        return Pep440(self.pep440)

    @property
    def _parts(self) -> tuple[str, int | None, int | None]:
        pre = "".join(str(part) for part in self._parsed.pre or ())
        return pre, self._parsed.post, self._parsed.dev


def parse(text: str) -> Version:
    """Return the version; raises `ValueError` with what is wrong and what is expected."""
    if len(text) > MAX_LENGTH:
        msg = f"is {len(text)} characters long; the limit is {MAX_LENGTH}"
        raise ValueError(msg)
    try:
        parsed = Pep440(text)
    except InvalidVersion:
        examples = '"1.2.0", "1.2.0rc1", "1.2.0.post1" or "1.2.0.dev1"'
        msg = f"is not a version in PEP 440 form; expected one such as {examples}"
        raise ValueError(msg) from None
    if parsed.epoch:
        msg = f'has an epoch, which not every packaging system supports; write "{parsed.public.partition("!")[2]}"'
        raise ValueError(msg)
    if parsed.local is not None:
        msg = f'has a local part "+{parsed.local}", which cannot be published; write "{parsed.public}"'
        raise ValueError(msg)
    if str(parsed) != text:
        msg = f'is not in the canonical form; write "{parsed}"'
        raise ValueError(msg)
    return Version(text)
