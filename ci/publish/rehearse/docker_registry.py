"""Debian's docker-registry on the loopback: a real registry without the referrers API."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ci.core.errors import ToolError
from ci.core.run import Runner

# It chooses a free port by itself, and names it in its log: a port that we chose could be taken before it starts.
_CONFIGURATION = """\
version: 0.1
log: {{level: info, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: "{folder}"}}}}
http: {{addr: "127.0.0.1:0"}}
"""
_ADDRESS = re.compile(rb"listening on (127\.0\.0\.1:\d+)")
_SECONDS = 60.0


@contextmanager
def serving(folder: Path, run: Runner) -> Iterator[str]:
    """Start it with its storage below a new folder; gives its origin. It ends with the block.

    `ToolError` if it is not installed, or does not answer.
    """
    folder.mkdir()
    configuration, log = folder / "registry.yml", folder / "registry.log"
    configuration.write_text(_CONFIGURATION.format(folder=folder / "storage"))
    # It would otherwise send what it measures to an address of its own choice.
    env = {"OTEL_TRACES_EXPORTER": "none"}
    with run.start("docker-registry", "serve", configuration, env=env, log=log) as program:
        deadline = time.monotonic() + _SECONDS
        while not (found := _ADDRESS.search(log.read_bytes() if log.exists() else b"")):
            if program.poll() is not None or time.monotonic() > deadline:
                raise ToolError("docker-registry does not answer", hint=f"see {log}")
            time.sleep(0.01)
        yield f"http://{found[1].decode()}"
