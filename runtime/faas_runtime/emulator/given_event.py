"""The event that `faas-runtime invoke` is given: a file, standard input, or one of the samples."""

import difflib
import json
import os
import sys

from ..errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .command import Options

LIMIT = 6 << 20  # bytes, as of the platform
SAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "samples")
_SUFFIX = ".json"


def read(options: "Options") -> bytes:
    """The event as it was given, checked to be JSON; a `UsageError` says where it is not."""
    if options.sample:
        return _sample(options.sample)
    if not options.event:
        return b"{}"
    place = "standard input" if options.event == "-" else options.event
    data = _data(options.event, place)
    if len(data) > LIMIT:
        raise UsageError(f"{place}: the event is larger than {LIMIT} bytes, which is all that Lambda takes")
    data = data.removeprefix(b"\xef\xbb\xbf")
    _check(data, place)
    return data


def sample_names() -> "list[str]":
    """The names of the samples, in alphabetical order."""
    return sorted(name[: -len(_SUFFIX)] for name in os.listdir(SAMPLES) if name.endswith(_SUFFIX))


def _sample(name: str) -> bytes:
    names = sample_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, 1)
        hint = f". Did you mean {near[0]}?" if near else "."
        raise UsageError(f"there is no sample event {name!r}{hint} There are: {', '.join(names)}")
    with open(os.path.join(SAMPLES, name + _SUFFIX), "rb") as file:
        return file.read()


def _data(name: str, place: str) -> bytes:
    """What there is, but no more than it takes to see that it is too much."""
    try:
        if name != "-":
            with open(name, "rb") as file:
                return file.read(LIMIT + 1)
        if sys.stdin is None:
            raise UsageError("standard input is closed; give the event in a file, or as --event - < FILE")
        return sys.stdin.buffer.read(LIMIT + 1)
    except OSError as error:
        hint = "; --event wants a file, or - for standard input" if isinstance(error, FileNotFoundError) else ""
        raise UsageError(f"{place}: the event cannot be read: {error.strerror}{hint}") from error


def _check(data: bytes, place: str) -> None:
    try:
        text = data.decode()
        if not text.strip():
            raise UsageError(f"{place}:1:1: the event is empty; an event without content is {{}}")
        # Numbers of any length are JSON, and nobody needs them here.
        json.loads(text, parse_constant=_refuse, parse_int=len, parse_float=len)
    except UnicodeDecodeError as error:
        before = data[: error.start]
        column = error.start - before.rfind(b"\n")
        raise UsageError(
            f"{place}:{before.count(10) + 1}:{column}: the event is not UTF-8, as JSON has to be"
        ) from error
    except json.JSONDecodeError as error:
        raise UsageError(f"{place}:{error.lineno}:{error.colno}: the event is not JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{place}: the event is not JSON: {error}") from error


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON value")
