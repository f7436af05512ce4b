"""How large an event may be: what is larger is refused with 413. What is too deep is refused as such.

`serve` passes `body_limit` to the HTTP server, which refuses a larger body before it reads it. `lambda_api` and
`http_api` check the event itself. The limit of a function's response is `RESPONSE_LIMIT` in `sandbox.invocation`.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..http_server.header_fields import HeaderFields

EVENT_LIMIT = 6 << 20  # bytes
ASYNC_EVENT_LIMIT = 1 << 20  # bytes, of an event with `X-Amz-Invocation-Type: Event`

TOO_DEEP = "nested too deeply for the emulator"
"""Said of JSON for which Python's parser raises RecursionError; it may be valid."""

LOAD_BALANCER_LIMIT = 1 << 20  # bytes, of a request's body and of what the function returns to a load balancer


def event_limit(invocation_type: "str | None") -> int:
    """The limit of an event, in bytes; `invocation_type` is the header X-Amz-Invocation-Type."""
    return ASYNC_EVENT_LIMIT if invocation_type == "Event" else EVENT_LIMIT


def body_limit(fields: "HeaderFields", *, is_lambda_path: bool) -> int:
    """The limit of a request's body, in bytes; `fields` are the header fields of the request."""
    if not is_lambda_path:
        return EVENT_LIMIT
    return event_limit(fields.first("x-amz-invocation-type"))
