"""Debian's docker-registry, the reference implementation, on the loopback: with a token server or open to all."""

from __future__ import annotations

import http.client
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import program
from tests.waiting import wait_until

CONFIG = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {folder}}}
  delete: {{enabled: true}}
http: {{addr: "{address}"}}
"""


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A registry that keeps its blobs in the folder; its address, HOST:PORT."""
    server = program("docker-registry")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    config = folder / "config.yml"
    config.write_text(CONFIG.format(folder=folder / "blobs", address=address))
    log = (folder / "log").open("wb")
    with log, subprocess.Popen([server, "serve", config], stdout=log, stderr=log) as child:
        try:
            wait_until(lambda: child.poll() is not None or answers(address), "the registry does not answer")
            assert child.poll() is None, (folder / "log").read_text()
            yield address
        finally:
            child.kill()


def answers(address: str) -> bool:
    connection = http.client.HTTPConnection(address, timeout=5)
    try:
        connection.request("GET", "/v2/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def push(archive: Path, address: str, name: str) -> None:
    """Push an archive with all its images under a name such as "base:1"."""
    subprocess.run(
        ["skopeo", "copy", "-q", "--multi-arch", "all", "--preserve-digests", "--dest-tls-verify=false",
         f"oci-archive:{archive}", f"docker://{address}/{name}"],
        check=True,
    )  # fmt: skip
