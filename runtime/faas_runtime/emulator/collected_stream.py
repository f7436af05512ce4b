"""Puts a streamed response together, for a caller that takes complete responses."""

from ..sandbox.invocation import (
    RESPONSE_LIMIT,
    InvocationOutcome,
    OutcomeKind,
    PendingInvocation,
    StreamBroken,
    StreamedResponse,
    too_large_outcome,
)


async def collect(invocation: PendingInvocation, stream: StreamedResponse, content_type: str) -> InvocationOutcome:
    """The outcome with the complete response. It has the size limit of any other, as on Lambda."""
    body = bytearray()
    try:
        async for piece in stream:
            body += piece
            if len(body) > RESPONSE_LIMIT:
                stream.discard()
                await invocation.finished()
                return too_large_outcome()
    except StreamBroken as broken:
        return InvocationOutcome(OutcomeKind.ERROR, broken.details, error_type=broken.error_type)
    return InvocationOutcome(OutcomeKind.ANSWERED, bytes(body), content_type=content_type)
