"""A program that speaks the Runtime API by itself, as those in Go, Swift or .NET do.

It answers with its event, the name of the function, the variable EXTRA, its arguments and the id of its process. An
event `{"fail": ...}` is an error, and `{"end": CODE}` ends the process. With the variable IS_WEB, it answers over HTTP,
with the event as the body.
"""

import http.client
import json
import os
import signal
import sys
import threading

EXTENSION = "/2020-01-01/extension"
NEXT = "/2018-06-01/runtime/invocation/next"


def register() -> None:
    """As AWS's clients do that want SIGTERM: an internal extension without events, which waits in a thread."""
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request("POST", f"{EXTENSION}/register", b'{"events":[]}', {"Lambda-Extension-Name": "internal"})
    response = connection.getresponse()
    assert response.status == 200
    print("registered for", json.loads(response.read())["functionName"], flush=True)
    headers = {"Lambda-Extension-Identifier": response.headers["Lambda-Extension-Identifier"]}
    connection.request("GET", f"{EXTENSION}/event/next", headers=headers)
    threading.Thread(target=connection.getresponse, daemon=True).start()
    signal.signal(signal.SIGTERM, shut_down)


def shut_down(number: int, frame: object) -> None:
    print("shut down", flush=True)
    os._exit(0)


def main() -> None:
    if os.environ.get("REGISTERS"):
        register()
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    while True:
        connection.request("GET", NEXT)
        response = connection.getresponse()
        event = json.loads(response.read())
        request_id = response.headers["Lambda-Runtime-Aws-Request-Id"]
        path, answer = answer_to(event)
        headers = {"Lambda-Runtime-Function-Error-Type": "Function.Asked"} if path == "error" else {}
        body = json.dumps(answer).encode()
        connection.request("POST", f"/2018-06-01/runtime/invocation/{request_id}/{path}", body, headers)
        connection.getresponse().read()


def answer_to(event: object) -> "tuple[str, object]":
    if isinstance(event, dict) and "fail" in event:
        return "error", {"errorType": "Function.Asked", "errorMessage": event["fail"]}
    if isinstance(event, dict) and "end" in event:
        os._exit(event["end"])
    if os.environ.get("IS_WEB"):
        return "response", {"statusCode": 200, "body": json.dumps(event)}
    return "response", {
        "event": event,
        "name": os.environ["AWS_LAMBDA_FUNCTION_NAME"],
        "extra": os.environ.get("EXTRA", ""),
        "root": os.environ["LAMBDA_TASK_ROOT"],
        "handler": os.environ["_HANDLER"],
        "arguments": sys.argv[1:],
        "pid": os.getpid(),
    }


if __name__ == "__main__":
    main()
