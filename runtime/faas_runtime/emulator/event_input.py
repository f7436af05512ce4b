"""The event for `faas-runtime invoke`: from the command line, a file, standard input, or one of the samples."""

import difflib
import json
import os
import sys

from ..errors import UsageError
from .size_limits import EVENT_LIMIT, TOO_DEEP

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .options import EventOptions

SAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "samples")
_SUFFIX = ".json"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_event(options: "EventOptions") -> bytes:
    """The event, which is valid JSON; raises UsageError with the place of the fault."""
    if options.sample:
        return _read_sample(options.sample)
    if options.data and not options.data.startswith("@"):
        return _checked(os.fsencode(options.data), "--data")
    name = options.data[1:] or options.event
    if options.data and not name:
        raise UsageError("--data @ names no file; give @FILE, or @- for standard input")
    if not name:
        return b"{}"
    source = "standard input" if name == "-" else name
    return _checked(_read(name, source), source)


def _checked(data: bytes, source: str) -> bytes:
    """The event without a byte order mark, if it is one."""
    if len(data) > EVENT_LIMIT:
        raise UsageError(f"{source}: the event is larger than {EVENT_LIMIT} bytes, the limit of Lambda")
    data = data.removeprefix(_BYTE_ORDER_MARK)
    _check_json(data, source)
    return data


def sample_names() -> "list[str]":
    """The names of the samples, in alphabetical order."""
    return sorted(name[: -len(_SUFFIX)] for name in os.listdir(SAMPLES) if name.endswith(_SUFFIX))


def _read_sample(name: str) -> bytes:
    names = sample_names()
    if name not in names:
        similar = difflib.get_close_matches(name, names, 1)
        hint = f" Did you mean {similar[0]}?" if similar else ""
        raise UsageError(f"there is no sample event {name!r}.{hint} The samples are: {', '.join(names)}")
    with open(os.path.join(SAMPLES, name + _SUFFIX), "rb") as file:
        return file.read()


def _read(name: str, source: str) -> bytes:
    """The data, but no more than is needed to see that it is too large."""
    try:
        if name != "-":
            with open(name, "rb") as file:
                return file.read(EVENT_LIMIT + 1)
        if sys.stdin is None:
            raise UsageError("standard input is closed; give the event in a file, or as --event - < FILE")
        return sys.stdin.buffer.read(EVENT_LIMIT + 1)
    except OSError as error:
        hint = ""
        if isinstance(error, FileNotFoundError):
            hint = "; --event expects a file, or - for standard input, and --data the event itself"
        raise UsageError(f"{source}: the event cannot be read: {error.strerror}{hint}") from error


def _check_json(data: bytes, source: str) -> None:
    try:
        text = data.decode()
        if not text.strip():
            raise UsageError(f"{source}:1:1: the event is empty; an event without content is {{}}")
        # JSON allows numbers of any length; their values are not needed.
        json.loads(text, parse_constant=_refuse_constant, parse_int=len, parse_float=len)
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        raise UsageError(f"{source}:{line}:{column}: the event is not UTF-8, which JSON has to be") from error
    except json.JSONDecodeError as error:
        raise UsageError(f"{source}:{error.lineno}:{error.colno}: the event is not JSON: {error.msg}") from error
    except ValueError as error:
        raise UsageError(f"{source}: the event is not JSON: {error}") from error
    except RecursionError as error:
        raise UsageError(f"{source}: the event is {TOO_DEEP}") from error


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON value")
