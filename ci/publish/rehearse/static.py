"""A static web server over a folder, as those that offer package repositories: it follows links, and lists nothing."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from ci.publish.rehearse.server import Reply, Request, Server


def static_server(folder: Path) -> Server:
    """A server of the files below a folder. A link is followed at each request, and not out of the folder."""
    root = folder.resolve()

    def answer(request: Request) -> Reply:
        if request.method not in ("GET", "HEAD"):
            return Reply(status=405, headers={"Allow": "GET, HEAD"})
        try:
            path = (root / unquote(request.path).lstrip("/")).resolve()
            data = path.read_bytes() if path.is_relative_to(root) else None
        except (OSError, ValueError):  # a folder, nothing, or no name of a file
            data = None
        if data is None:
            return Reply(status=404)
        return Reply(status=200, body=data, headers={"Content-Type": "application/octet-stream"})

    return Server(answer)
