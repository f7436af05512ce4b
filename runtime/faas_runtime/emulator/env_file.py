"""Files of environment variables, in the format of `docker run --env-file`.

Each line is KEY=VALUE. The value is everything after the first `=`; quotes are part of it. A line that starts with #
is a comment. A line that holds only a name passes on the variable of this process, if it is set.
"""

import os

from ..errors import UsageError

_SHOWN = 40


def read(path: str) -> "dict[str, str]":
    """Read the file. One `UsageError` reports all its faults, each as `FILE:LINE: fault`."""
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


class EnvFiles:
    """The files of one run. Each is read once, as what was read from a pipe is gone, and the next read may wait."""

    def __init__(self) -> None:
        self._found: dict[str, dict[str, str] | UsageError] = {}

    def read(self, path: str) -> "dict[str, str]":
        """The variables in a file. Raises `UsageError`."""
        if path not in self._found:
            try:
                self._found[path] = read(path)
            except UsageError as error:
                self._found[path] = error
        found = self._found[path]
        if isinstance(found, UsageError):
            raise found
        return found


def _variable(line: bytes) -> "dict[str, str]":
    """The variable in one line, if there is one; raises ValueError with the fault."""
    try:
        text = line.decode().lstrip()
    except UnicodeDecodeError as error:
        raise ValueError("this line is not UTF-8; save the file as UTF-8") from error
    if not text or text.startswith("#"):
        return {}
    if "\0" in text:
        raise ValueError("there is a NUL byte, which an environment variable cannot hold")
    name, equals, value = text.partition("=")
    if not name:
        raise ValueError(f"there is no name before the `=` in {_cut(text)}; expected KEY=VALUE")
    if not equals:
        name = name.rstrip()
    if any(character.isspace() for character in name):
        hint = "write it without `export`" if name.startswith("export ") else "expected KEY=VALUE"
        raise ValueError(f"there is white space in the name {_cut(name)}; {hint}")
    if equals:
        return {name: value}
    return {name: os.environ[name]} if name in os.environ else {}


def _cut(text: str) -> str:
    """The part of the text that may be shown: not the value, which may be a secret."""
    shown = text.partition("=")[0] or "="
    return repr(shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "...")
