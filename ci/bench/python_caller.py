"""Calls an invoke API from Python, one event after the other, as an SDK does.

    python_caller.py PORT PATH INVOKES WARMUP new|kept

With `new`, each call has a connection of its own. The first ones, WARMUP, do not count. Prints one JSON object; a wrong
answer ends it with exit code 1.
"""

from __future__ import annotations

import http.client
import json
import sys
import time

TIMEOUT_S = 60


def main() -> int:
    """Make the calls and print how long they took."""
    port, path, invokes, warmup, kind = sys.argv[1:]
    latencies = []
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=TIMEOUT_S)
    for number in range(-int(warmup), int(invokes)):
        event = b'"%098d"' % number
        begun = time.perf_counter()
        connection.request("POST", path, event, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
        if kind == "new":
            connection.close()
        latencies.append(time.perf_counter() - begun)
        if response.status != 200 or answer != event:
            print(f"a wrong answer: {response.status} {answer[:200]!r}", file=sys.stderr)
            return 1
    ordered = sorted(latencies[int(warmup) :])
    p50, p99 = (ordered[len(ordered) * percent // 100] * 1e6 for percent in (50, 99))
    print(json.dumps({"invokes": len(ordered), "p50_us": p50, "p99_us": p99}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
