"""The formats in which `serve` passes on HTTP requests, and takes the responses: those of API Gateway and of ALB."""

from . import http_api_event, load_balancer_event, rest_api_event
from .options import DEFAULT_HTTP_FORMAT
from .response_document import to_complete_response, to_response
from .size_limits import EVENT_LIMIT, LOAD_BALANCER_LIMIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from ..http_server.messages import HttpResponse


class HttpFormat:
    """How a request becomes an event, and a response document a response."""

    __slots__ = ("body_limit", "encode_event", "response_limit", "takes_streams", "to_response")

    def __init__(
        self,
        encode_event: "Callable[..., bytes]",
        to_response: "Callable[[bytes], HttpResponse]",
        *,
        body_limit: int = EVENT_LIMIT,
        response_limit: "int | None" = None,
        takes_streams: bool = True,
    ) -> None:
        self.encode_event = encode_event
        self.to_response = to_response
        """Raises `InvalidResponseDocument`."""
        self.body_limit = body_limit
        """Of a request, in bytes."""
        self.response_limit = response_limit
        """Of what the function returns, in bytes; None: that of the platform."""
        self.takes_streams = takes_streams
        """Whether a streamed response is passed on as it arrives, or else put together first."""


HTTP_FORMATS = {
    DEFAULT_HTTP_FORMAT: HttpFormat(http_api_event.encode_event, to_response),
    "1.0": HttpFormat(rest_api_event.encode_event, to_complete_response),
    "alb": HttpFormat(
        load_balancer_event.encode_event,
        to_complete_response,
        body_limit=LOAD_BALANCER_LIMIT,
        response_limit=LOAD_BALANCER_LIMIT,
        takes_streams=False,  # it uses Invoke, not InvokeWithResponseStream
    ),
}
"""By their names on the command line."""
