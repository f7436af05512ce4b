"""The version that a Homebrew formula installs."""

from __future__ import annotations

import re

from ci.manifest.versions import Version, parse

_URL = re.compile(r'^  url "([^"]+)"', re.MULTILINE)
_VERSION = re.compile(r'^  version "([^"]+)"', re.MULTILINE)
_ENDS = re.compile(r"\.(tar\.(gz|xz|bz2|zst)|tgz|zip)$")


def version_of(formula: str) -> Version | None:
    """The version in the name of its source, or else in its line `version`; None if there is none that can be read.

    The name comes first: Homebrew has a spelling of its own for some versions, and the name does not.
    """
    for pattern in (_URL, _VERSION):
        if found := pattern.search(formula):
            name = _ENDS.sub("", found[1].rpartition("/")[2])
            try:
                return parse(name.rpartition("-")[2].removeprefix("v"))
            except ValueError:
                continue
    return None
