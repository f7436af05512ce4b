"""The documents that report failures to the Runtime API.

The JSON is written by code of ours, as the module `json` alone takes longer to import than the runtime.
"""

from .environment import system
from .errors import FunctionError

UNKNOWN_TYPES = {"Runtime": "Runtime.Unknown", "Function": "Function.Unknown"}
CAUSE_LIMIT = 1 << 15  # bytes; the platform drops a cause of 1 MiB, and other servers refuse a head of 64 KiB
_CAUSE_MESSAGE_LIMIT = 1 << 12  # characters; the body has more of it
_CAUSE_FRAMES_LIMIT = 64
MESSAGE_LIMIT = 1 << 17  # characters, of up to six bytes once escaped; managed instances take bodies up to 1 MiB
TYPE_LIMIT = 256  # characters
STACK_LIMIT = 1 << 15  # characters, with a few for the JSON around each frame
TRAILER_LIMIT = 2700  # bytes; servers written in Go take 4 KiB of trailers, with their names and in base64
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")

# JSON requires these to be escaped, and no others (RFC 8259, section 7).
_ESCAPES = {code: f"\\u{code:04x}" for code in range(0x20)}
_ESCAPES.update({ord('"'): '\\"', ord("\\"): "\\\\", ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t"})


def header_type(error_type: str) -> str:
    """The type for the header Lambda-Runtime-Function-Error-Type.

    The platform accepts `(Runtime|Function).[A-Z][a-zA-Z]+` only. The body has the function's own type in any case.
    """
    origin, _, name = error_type.partition(".")
    fits = origin in UNKNOWN_TYPES and 1 < len(name) < TYPE_LIMIT and name[0].isupper() and _LETTERS.issuperset(name)
    return error_type if fits else UNKNOWN_TYPES.get(origin, "Function.Unknown")


def shortened(error: FunctionError) -> "dict[str, object]":
    """The fields of an error, cut where it would be refused for its size."""
    stack, size = [], 0
    for frame in error.stack_trace:
        size += len(frame) + 4
        if size > STACK_LIMIT:
            break
        stack.append(frame)
    return {
        "errorMessage": error.message[:MESSAGE_LIMIT],
        "errorType": error.error_type[:TYPE_LIMIT],
        "stackTrace": stack,
    }


def error_document(error: FunctionError) -> bytes:
    """The JSON body of an error."""
    return json_text(shortened(error)).encode("utf-8", "replace")


def trailer_document(error: FunctionError) -> bytes:
    """The same for a trailer, cut to the size that fits there: first the stack, then the message."""
    message, stack = error.message[:TRAILER_LIMIT], error.stack_trace
    while len(document := error_document(FunctionError(error.error_type, message, stack))) > TRAILER_LIMIT:
        if stack:
            stack = stack[: len(stack) // 2]
        else:
            message = message[: len(message) // 2]
    return document


def error_headers(error: FunctionError) -> bytes:
    """The headers of an error: its type, and its cause as X-Ray shows it."""
    kind = header_type(error.error_type)
    fields = f"Content-Type: application/json\r\nLambda-Runtime-Function-Error-Type: {kind}\r\n".encode()
    cause = _cause(error)
    if len(cause) < CAUSE_LIMIT:
        fields += b"Lambda-Runtime-Function-XRay-Error-Cause: " + cause + b"\r\n"
    return fields


def _cause(error: FunctionError) -> bytes:
    try:
        folder = system.getcwd()
    except OSError:
        folder = ""
    stack = [_frame(text) for text in error.stack_trace[:_CAUSE_FRAMES_LIMIT]]
    kind, message = error.error_type[:TYPE_LIMIT], error.message[:_CAUSE_MESSAGE_LIMIT]
    cause = {
        "working_directory": folder,
        "exceptions": [{"type": kind, "message": message, "stack": stack}],
        "paths": sorted({str(frame["path"]) for frame in stack}),
    }
    return _ascii(json_text(cause))


def _frame(text: str) -> "dict[str, object]":
    """A frame for X-Ray from a line of a stack trace, such as `src/lib.rs:12:26`, `main.c:7` or any text."""
    path, line = text, 0
    parts = text.rsplit(":", 2)
    for end in (3, 2):
        if len(parts) >= end and all(part.isascii() and part.isdigit() for part in parts[-end + 1 :]):
            path, line = ":".join(parts[: -end + 1]), int(parts[-end + 1][:9])
            break
    return {"path": path, "line": line, "label": ""}


def json_text(value: object) -> str:
    """The value as JSON: strings, numbers, lists and dictionaries of them."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{json_text(key)}:{json_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(json_text, value)) + "]"
    return str(value) if isinstance(value, int) else f'"{str(value).translate(_ESCAPES)}"'


def _ascii(text: str) -> bytes:
    """JSON for a header: other characters than ASCII are escaped in UTF-16, as JSON does.

    Without that codec, which images leave out, as `codecs` imports each from a module of its own.
    """
    if text.isascii():
        return text.replace("\x7f", "\\u007f").encode()
    escaped = []
    for character in text:
        if " " <= character < "\x7f":
            escaped.append(character)
            continue
        code = ord(character)
        above = code - 0x10000  # of a character that takes a pair of surrogates
        units = (code,) if above < 0 else (0xD800 + (above >> 10), 0xDC00 + (above & 0x3FF))
        escaped += [f"\\u{unit:04x}" for unit in units]
    return "".join(escaped).encode()
