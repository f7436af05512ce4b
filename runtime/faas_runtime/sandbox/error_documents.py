"""The JSON documents with which the platform itself reports failures."""

import json

# Error types of the platform. They go to clients, so their spelling is Lambda's.
TIMED_OUT = "Sandbox.Timedout"
EXITED = "Runtime.ExitError"


def error_document(error_type: str, message: str) -> bytes:
    """A document of the same form as those that functions send."""
    return json.dumps(
        {"errorType": error_type, "errorMessage": message}, ensure_ascii=False, separators=(",", ":")
    ).encode("utf-8", "replace")


def invocation_error_document(error_type: str, message: str, request_id: str) -> bytes:
    """A document about a failed invocation; its message begins with the id of the request."""
    return error_document(error_type, f"RequestId: {request_id} Error: {message}")


def error_text(document: bytes) -> str:
    """An error document as text for a person."""
    try:
        found = json.loads(document)
        return f"{found['errorType']}: {found['errorMessage']}"
    except (ValueError, KeyError, TypeError, RecursionError):
        return document.decode("utf-8", "replace")


def timeout_message(seconds: float) -> str:
    """The platform's message about an invocation that took too long."""
    return f"Task timed out after {seconds:.2f} seconds"


def exit_message(reason: str) -> str:
    """The platform's message about a process that has ended; `reason` as Go words it, empty if there is none."""
    return f"Runtime exited with error: {reason}" if reason else "Runtime exited without providing a reason"
