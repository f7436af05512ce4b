"""One version, in PEP 440 form, as each ecosystem spells it, so that each orders it as PEP 440 does.

The order to keep, for one release number:

    1.2.dev1 < 1.2a1.dev1 < 1.2a1 < 1.2b1 < 1.2rc1 < 1.2rc1.post1 < 1.2 < 1.2.post1.dev1 < 1.2.post1

It is kept between versions with as many numbers each: PEP 440 reads `1.2` as `1.2.0`, no package
manager does. `ci.changelog` therefore holds a project to one count.
"""

from __future__ import annotations

import dataclasses
import functools

from packaging.version import InvalidVersion
from packaging.version import Version as Pep440

LONGEST = 64


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
        """The tag of an image; PEP 440 without a local part holds nothing that a tag may not."""
        return self.pep440

    @property
    def rpm(self) -> str:
        """RPM's Version: a tilde sorts before the end of a version, a caret after it and before all else.

        `dev` of a final release has two tildes, since its letters would put it between `b` and `rc`.
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
        """pacman's pkgver: letters right after the number sort before its end, after a dot behind it.

        Letters are compared as bytes, so a `DEV` in capitals sorts before `a`, `b` and `rc`.
        """
        pre, post, dev = self._parts
        text = self.release + (pre or "")
        if post is not None:
            text += f".post{post}"
        return text if dev is None else f"{text}DEV{dev}"

    @property
    def homebrew(self) -> str:
        """Homebrew's version: the PEP 440 form, save for `dev`, which Homebrew would put after the release.

        It knows the tokens `a` < `b` < `pre` < `rc`, all before the end, and `post` after it. So `dev` of
        anything is a further `pre`; of a final release it is a second `a` behind `a0`, which sorts before all
        of `a0`'s own.
        """
        pre, post, dev = self._parts
        text = self.release + (pre or "")
        if post is not None:
            text += f".post{post}"
        if dev is None:
            return text
        return f"{text}.pre{dev}" if pre or post is not None else f"{text}a0.a{dev}"

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
    """Return the version, or raise ValueError that says what is wrong and what would be right."""
    if len(text) > LONGEST:
        msg = f"is {len(text)} characters long; {LONGEST} at most"
        raise ValueError(msg)
    try:
        parsed = Pep440(text)
    except InvalidVersion:
        msg = 'is not a version in PEP 440 form; such as "1.2.0", "1.2.0rc1", "1.2.0.post1" or "1.2.0.dev1"'
        raise ValueError(msg) from None
    if parsed.epoch:
        msg = f'has an epoch, which not every ecosystem can spell; "{parsed.public.partition("!")[2]}"'
        raise ValueError(msg)
    if parsed.local is not None:
        msg = f'has a local part "+{parsed.local}", which cannot be published; "{parsed.public}"'
        raise ValueError(msg)
    if str(parsed) != text:
        msg = f'is not in the canonical form; "{parsed}"'
        raise ValueError(msg)
    return Version(text)
