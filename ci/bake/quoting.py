"""Quotes a text of the manifest for each packaging language, so that it can never become code there.

Every function takes one line of printable text, which the manifest guarantees, and returns what the language reads
as exactly that text. `FILTERS` has their names for the templates of `recipes/packages`.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import shlex
import textwrap
from collections.abc import Callable

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SPEC_WIDTH = 79

# rpm looks for sections and conditions (%package, %if) after it has expanded macros, so `%%` does not hide them.
_SPEC_KEYWORD = re.compile(r"%[A-Za-z]")


class Unquotable(ValueError):
    """A text that a language cannot hold, however it is quoted."""


def _one_line(text: str) -> str:
    """Return the text; raises `Unquotable` if it contains a character that no quoting keeps on one line."""
    if any(not char.isprintable() for char in text):
        raise Unquotable(f"not one line of printable text: {text!r}")
    return text


def comment(text: str) -> str:
    """Write a text after a `#` in any of the languages."""
    return _one_line(text)


def spec(text: str) -> str:
    """Write a text into a tag of an RPM spec, or after other text on a line: only `%` is special there."""
    return _one_line(text).replace("%", "%%")


def spec_definition(text: str) -> str:
    """Write a text as the value of a macro given to rpmbuild with `-D`, which becomes a tag such as Vendor.

    rpm reads a value that begins with `{` as a body in braces, and one that begins with `%` as missing.
    """
    if text.startswith("%"):
        raise Unquotable(f"an RPM's vendor or packager cannot begin with a %: {text}")
    escaped = spec(text).replace("\\", "\\\\")
    return f"%{{nil}}{escaped}" if text.startswith("{") else escaped


def spec_paragraph(text: str, start: str = "") -> str:
    """Write a text as lines of a spec's `%description` or `%changelog`, wrapped; the first begins with `start`.

    No line may begin with the name of a section, or with a `#`, which rpm would read as a comment.
    """
    lines: list[str] = []
    indent = " " * len(start)
    for line in textwrap.wrap(
        _one_line(text), _SPEC_WIDTH - len(start), break_long_words=False, break_on_hyphens=False
    ):
        if lines and (_SPEC_KEYWORD.match(line) or line.startswith("#")):
            lines[-1] += f" {line}"
        else:
            lines.append(line)
    if not start and (_SPEC_KEYWORD.match(lines[0]) or lines[0].startswith("#")):
        raise Unquotable(f"an RPM's description cannot begin with {lines[0].split()[0]!r}")
    return "\n".join(spec(f"{indent if number else start}{line}") for number, line in enumerate(lines))


def spec_date(date: dt.date) -> str:
    """Write a date in the form of `%changelog`, in English in every locale."""
    return f"{_DAYS[date.weekday()]} {_MONTHS[date.month - 1]} {date.day:02d} {date.year}"


def shell(text: str) -> str:
    """Write a text as one word of a POSIX shell or bash, always in quotes.

    They are double quotes where shellcheck would take single ones for a mistake (SC1003, SC2016).
    """
    if re.search(r"[\\$`]", text):
        return '"' + re.sub(r'([\\"$`])', r"\\\1", _one_line(text)) + '"'
    quoted = shlex.quote(_one_line(text))
    return quoted if quoted.startswith("'") else f"'{quoted}'"


def ruby(text: str) -> str:
    """Write a text as a Ruby string in double quotes, as Homebrew's style requires."""
    escaped = _one_line(text).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + re.sub(r"#(?=[{$@])", r"\\#", escaped) + '"'


def ruby_class(name: str) -> str:
    """Write a package's name as the name of its formula's class: `faas-runtime` is `FaasRuntime`."""
    return "".join(word.capitalize() for word in name.split("-"))


def label(text: str) -> str:
    """Write a text as the value of a Containerfile's LABEL or ENV, in double quotes."""
    return '"' + re.sub(r'([\\"$])', r"\\\1", _one_line(text)) + '"'


def toml(text: str) -> str:
    """Write a text as a basic string of TOML; JSON's escapes are a subset of TOML's."""
    return json.dumps(_one_line(text), ensure_ascii=False)


def json_string(text: str) -> str:
    """Write a text as a string of JSON, which is a string of Python too."""
    return json.dumps(_one_line(text))


FILTERS: dict[str, Callable[..., str]] = {
    "comment": comment,
    "spec": spec,
    "spec_paragraph": spec_paragraph,
    "spec_date": spec_date,
    "shell": shell,
    "ruby": ruby,
    "ruby_class": ruby_class,
    "label": label,
    "toml": toml,
    "json": json_string,
}
