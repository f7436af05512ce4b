"""Callers with boto3, in a process of their own: python -m tests.emulator.boto3_callers URL THREADS EACH FORMAT NAME...

Prints the answers as a list in JSON.
"""

from __future__ import annotations

import importlib
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.emulator.mixed_events import Asked, CallerAnswer


def _ask(client: Any, caller: str, names: list[str], each: int, http_format: str) -> list[CallerAnswer]:
    answers = []
    for count in range(each):
        asked = Asked(names[count % len(names)], caller, count)
        event = json.dumps(asked.event(http_format)).encode()
        response = client.invoke(FunctionName=asked.to, Payload=event)
        assert response.get("FunctionError") is None, response["Payload"].read()
        asked.check(response["Payload"].read(), http_format)
        answers.append(CallerAnswer(asked.to, response["ResponseMetadata"]["RequestId"], None))
    return answers


def main() -> None:
    """Invoke from all threads at once; they share a client, as boto3 allows."""
    url, threads, each, http_format, *names = sys.argv[1:]
    config = importlib.import_module("botocore.config").Config  # neither is installed for the tests themselves
    settings = config(retries={"total_max_attempts": 1}, max_pool_connections=int(threads))
    client = importlib.import_module("boto3").client("lambda", endpoint_url=url, config=settings)
    with ThreadPoolExecutor(int(threads)) as executor:
        asking = [
            executor.submit(_ask, client, f"boto{number}", names, int(each), http_format)
            for number in range(int(threads))
        ]
        print(json.dumps([answer for each_one in asking for answer in each_one.result()]))


if __name__ == "__main__":
    main()
