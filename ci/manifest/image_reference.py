"""The form of an image's name: https://pkg.go.dev/github.com/distribution/reference.

    [HOST[:PORT]/]PATH[:TAG][@DIGEST]

The manifest takes a part of it, see `release.schema.json`: with host and tag, in lower case.
"""

from __future__ import annotations

import re

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?"
_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_NAME = rf"(?:{_HOST}/)?{_PART}(?:/{_PART})*"
_REFERENCE = re.compile(
    rf"(?P<name>{_NAME})(?::[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}})?(?:@sha256:[0-9a-f]{{64}}|@sha512:[0-9a-f]{{128}})?"
)
_LONGEST_NAME = 255


def is_reference(text: str) -> bool:
    """Whether every container engine reads the text as the name of an image, which may exist or not."""
    found = _REFERENCE.fullmatch(text)
    return found is not None and len(found["name"]) <= _LONGEST_NAME
