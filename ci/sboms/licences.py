"""Licences as SPDX expressions: of names that distributions use, and of Debian's copyright files.

A licence that SPDX does not list gets an identifier of its own, `LicenseRef-NAME-HASH`; the hash is that of its text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping

from ci.sboms.model import Licence

_DEP5 = "https://www.debian.org/doc/packaging-manuals/copyright-format/1.0"
_TOKEN = re.compile(r"[^\s()]+")
_OPERATORS = {"AND", "OR", "WITH"}
# The GNU licences as distributions write them, such as GPL-2+ (Debian), GPLv2+ (Fedora) and GPL-2.0+ (SPDX before 3.0).
_GNU = re.compile(r"(A?GPL|LGPL|GFDL)(?:-|v)(\d(?:\.\d)?)(\+)?")
# Debian's other short names, where they differ from SPDX's in more than capitals.
_DEBIAN = {"Expat": "MIT", "Artistic": "Artistic-1.0-Perl", "PSF-2": "PSF-2.0", "Python-2": "Python-2.0"}
_LONGEST_NAME = 40


def of_text(text: str) -> Licence | None:
    """The licence that a packaging system states, such as "MIT AND BSD-2-Clause"; None if it states none."""
    text = " ".join(text.split())
    if not text or text == "NOASSERTION":
        return None
    texts: dict[str, str] = {}

    def known(found: re.Match[str]) -> str:
        token = found[0]
        if token.upper() in _OPERATORS:
            return token.upper()
        if listed := _listed(_gnu_name(token)):
            return listed
        identifier = _reference(token, token)
        texts[identifier] = token
        return identifier

    expression = _canonical(_TOKEN.sub(known, text), texts)
    if expression is None:
        identifier = _reference(text, text)
        return Licence(expression=identifier, texts={identifier: text})
    return Licence(expression=expression, texts=texts)


def of_copyright_file(data: bytes) -> Licence | None:
    """The licences in a Debian package's copyright file, all of which apply; None if there is no text in it.

    Of a file that no machine can read, the whole text is the licence.
    """
    text = data.decode("utf-8", errors="replace").strip()
    if not text:
        return None
    paragraphs = [_fields(paragraph) for paragraph in re.split(r"\n\s*\n", text)]
    if not paragraphs[0].get("Format", "").rstrip("/").replace("http:", "https:").startswith(_DEP5):
        identifier = _reference("copyright", text)
        return Licence(expression=identifier, texts={identifier: text})
    stated = [one["License"] for one in paragraphs if "License" in one]
    bodies = {name.strip(): body for name, _, body in (one.partition("\n") for one in stated) if body.strip()}
    names = sorted({one.partition("\n")[0].strip() for one in stated} - {""})
    licences = [_of_debian_name(name, bodies) for name in names]
    parts: set[str] = set()
    for one in licences:
        parts |= {f"({one.expression})"} if " OR " in one.expression else {*one.expression.split(" AND ")}
    texts = {key: value for one in licences for key, value in one.texts.items()}
    return Licence(expression=" AND ".join(sorted(parts)), texts=texts) if parts else None


def _fields(paragraph: str) -> dict[str, str]:
    """The fields of a paragraph, each with its further lines."""
    fields: dict[str, str] = {}
    name = ""
    for line in paragraph.splitlines():
        if line[:1].isspace():
            fields[name] = f"{fields.get(name, '')}\n{line.strip()}"
        else:
            name, _, value = line.partition(":")
            fields[name] = value.strip()
    return fields


def _of_debian_name(name: str, bodies: Mapping[str, str]) -> Licence:
    """The licence of a short name such as "GPL-2+ or Artistic"."""
    texts: dict[str, str] = {}
    words = []
    for word in re.split(r"(?:,? )(and|or) ", name):
        if word in ("and", "or"):
            words.append(word.upper())
            continue
        listed = _listed(_DEBIAN.get(word, _gnu_name(word)))
        if listed is None:
            text = bodies.get(word, bodies.get(name, word)).strip()
            listed = _reference(word, text)
            texts[listed] = text
        words.append(listed)
    return Licence(expression=" ".join(words), texts=texts)


def _gnu_name(name: str) -> str:
    """The name, or SPDX's if it is that of a GNU licence."""
    found = _GNU.fullmatch(name)
    if found is None:
        return name
    family, version, later = found.groups()
    full = version if "." in version else f"{version}.0"
    return f"{family}-{full}-{'or-later' if later else 'only'}"


def _reference(name: str, text: str) -> str:
    """The identifier of a licence that SPDX does not list."""
    plain = re.sub(r"[^A-Za-z0-9.]+", "-", name)[:_LONGEST_NAME].strip("-.")
    return f"LicenseRef-{plain or 'licence'}-{hashlib.sha256(text.strip().encode()).hexdigest()[:12]}"


def _listed(name: str) -> str | None:
    """The name as SPDX writes it, if it lists a licence or an exception of that name."""
    from spdx_tools.common.spdx_licensing import spdx_licensing

    symbol = spdx_licensing.known_symbols_lowercase.get(name.lower())
    return str(symbol.key) if symbol else None


def _canonical(expression: str, references: Collection[str]) -> str | None:
    """The expression in SPDX's own form; None for another text, and where SPDX and `references` lack an identifier."""
    from license_expression import ExpressionError
    from spdx_tools.common.spdx_licensing import spdx_licensing

    try:
        parsed = spdx_licensing.parse(expression)
    except ExpressionError:
        return None
    if not {*spdx_licensing.unknown_license_keys(parsed)} <= {*references} or " WITH LicenseRef-" in expression:
        return None
    return str(parsed)
