"""The JSON documents about failures that the platform itself answers."""

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .invocation import Invocation


def error_document(error_type: str, message: str) -> bytes:
    """A document as functions send it, and the platform in their place."""
    return json.dumps(
        {"errorType": error_type, "errorMessage": message}, ensure_ascii=False, separators=(",", ":")
    ).encode("utf-8", "replace")


def platform_error(error_type: str, message: str, invocation: "Invocation | None" = None) -> bytes:
    """A document about what the platform saw; it begins with the request's id where there is a request."""
    return error_document(error_type, f"RequestId: {invocation.request_id} Error: {message}" if invocation else message)


def told(document: bytes) -> str:
    """A document about an error, for a person."""
    try:
        found = json.loads(document)
        return f"{found['errorType']}: {found['errorMessage']}"
    except (ValueError, KeyError, TypeError, RecursionError):
        return document.decode("utf-8", "replace")


def timed_out(seconds: float) -> str:
    """The platform's words, as in its log."""
    return f"Task timed out after {seconds:.2f} seconds"


def exited(how: str) -> str:
    """The platform's words for a process that has ended; `how` as Go says it, or nothing."""
    return f"Runtime exited with error: {how}" if how else "Runtime exited without providing a reason"
