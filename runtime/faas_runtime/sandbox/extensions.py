"""What an internal extension needs of the Extensions API: it registers, and waits for events that never come.

AWS's clients for Go and Rust register one without events, so that Lambda sends SIGTERM; here, every process gets it.
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
"""

import json

from .invocation import new_request_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

PATH = "/2020-01-01/extension"
REGISTER = f"POST {PATH}/register"
NEXT = f"GET {PATH}/event/next"
_FACTS = {
    "functionName": "AWS_LAMBDA_FUNCTION_NAME",
    "functionVersion": "AWS_LAMBDA_FUNCTION_VERSION",
    "handler": "_HANDLER",
}


def registration(variables: "Mapping[str, str]") -> bytes:
    """What an extension learns of the function, whose environment variables these are."""
    return json.dumps({name: variables.get(variable, "") for name, variable in _FACTS.items()}).encode()


def identifier_header() -> "tuple[str, str]":
    """The header with the name of a newly registered extension, which it has to send with its requests."""
    return "Lambda-Extension-Identifier", new_request_id()
