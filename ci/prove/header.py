"""The declarations of a C header, such as `faas.h`, by name: what programs that were compiled with it rely on."""

from __future__ import annotations

import re

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_MACRO = re.compile(r"#define (\w+)(.*)")
_STRUCTURE = re.compile(r"struct (\w+) \{([^}]*)\}")
_POINTER = re.compile(r"\(\*(\w+)\)")
_NAME = re.compile(r"(\w+)(?: ?\(|\[|$)")


def declarations(text: str) -> dict[str, str]:
    """From each name to its declaration. A field has its number, as a program finds it by its place.

    It reads headers whose structures contain no others. Of a macro with several definitions, it has the last.
    """
    lines = _COMMENT.sub(" ", text).replace("\\\n", " ").splitlines()
    found: dict[str, str] = {}
    code = []
    for line in lines:
        if macro := _MACRO.match(line):
            found[f"#define {macro[1]}"] = " ".join(macro[2].split())
        elif not line.startswith("#"):
            code.append(line)
    flat = " ".join(" ".join(code).split()).replace('extern "C" { ', "")
    for structure in _STRUCTURE.finditer(flat):
        for number, field in enumerate(filter(None, map(str.strip, structure[2].split(";")))):
            found[f"{structure[1]}.{_name(field)}"] = f"field {number}: {field}"
    for statement in filter(None, map(str.strip, _STRUCTURE.sub(" ", flat).split(";"))):
        if "(" in statement:  # a function, or the type of one
            found[_name(statement)] = statement
    return found


def _name(declaration: str) -> str:
    """The name that a declaration declares: of `void (*release)(int)` it is release."""
    name = _POINTER.search(declaration) or _NAME.search(declaration)
    return name[1] if name else declaration
