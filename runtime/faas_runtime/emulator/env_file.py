"""Files of environment variables, as `docker run --env-file` takes them.

One KEY=VALUE a line; the value is everything behind the first `=`, without any quoting. A line that starts with # is
a comment. A line of a name alone hands on the variable of this process, if it is set.
"""

import os

from ..errors import UsageError

_SHOWN = 40


def read(path: str) -> "dict[str, str]":
    """Read the file; all its faults at once are one `UsageError`, each as `FILE:LINE: what`."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise UsageError(f"{path}: the file of environment variables cannot be read: {error.strerror}") from error
    variables: dict[str, str] = {}
    faults = []
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        try:
            variables.update(_variable(line.removesuffix(b"\r")))
        except ValueError as fault:
            faults.append(f"{path}:{number}: {fault}")
    if faults:
        raise UsageError("\n".join(faults))
    return variables


def _variable(line: bytes) -> "dict[str, str]":
    """The variable of one line, or none; a `ValueError` says what is wrong with it."""
    try:
        text = line.decode().lstrip()
    except UnicodeDecodeError as error:
        raise ValueError("this line is not UTF-8; save the file as UTF-8") from error
    if not text or text.startswith("#"):
        return {}
    if "\0" in text:
        raise ValueError("a NUL byte, which no environment variable can hold")
    name, equals, value = text.partition("=")
    if not name:
        raise ValueError(f"no name before the `=` in {_cut(text)}; expected KEY=VALUE")
    if not equals:
        name = name.rstrip()
    if any(character.isspace() for character in name):
        hint = "write it without `export`" if name.startswith("export ") else "expected KEY=VALUE"
        raise ValueError(f"white space in the name {_cut(name)}; {hint}")
    if equals:
        return {name: value}
    return {name: os.environ[name]} if name in os.environ else {}


def _cut(text: str) -> str:
    """The text as it can be shown: values may be secrets, so no more than what is before them."""
    shown = text.partition("=")[0] or "="
    return repr(shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "...")
