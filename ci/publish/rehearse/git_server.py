"""A git server over HTTP: the real `git http-backend`, before bare repositories in a folder.

Everybody may read. A push needs the token, as the password of HTTP's basic authentication; a wrong token may not even
read. `git http-backend` is a CGI program (RFC 3875).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import ssl
from pathlib import Path
from urllib.parse import urlencode

from ci.core.errors import CommandFailed
from ci.core.run import Runner
from ci.publish.rehearse.server import Reply, Request, Server

_PUSH = "git-receive-pack"
_ASKS = Reply(status=401, headers={"WWW-Authenticate": 'Basic realm="tap"'})


def make_repository(folder: Path, run: Runner, branch: str = "main") -> Path:
    """Make an empty bare repository that can be pushed to."""
    run("git", "init", "--quiet", "--bare", f"--initial-branch={branch}", folder)
    run("git", "-C", folder, "config", "http.receivepack", "true")
    return folder


def git_server(folder: Path, token: str, run: Runner, context: ssl.SSLContext | None = None) -> Server:
    """A server of the repositories in a folder."""

    def answer(request: Request) -> Reply:
        if "transfer-encoding" in request.headers:
            return Reply(status=411)
        given = request.headers.get("authorization", "")
        known = hmac.compare_digest(_password(given), token.encode())
        pushes = request.path.endswith(f"/{_PUSH}") or _PUSH in request.query.get("service", ())
        if not known and (given or pushes):
            return _ASKS
        try:
            printed = run.output_bytes("git", "http-backend", env=_environment(folder, request), stdin=request.body)
        except CommandFailed:  # what it said is in the log
            return Reply(status=500)
        return _reply(printed)

    return Server(answer, context)


def _password(header: str) -> bytes:
    scheme, _, encoded = header.partition(" ")
    try:
        return base64.b64decode(encoded).partition(b":")[2] if scheme.lower() == "basic" else b""
    except binascii.Error:
        return b""


def _environment(folder: Path, request: Request) -> dict[str, str]:
    """What a web server tells the program of a request."""
    return {
        "GIT_PROJECT_ROOT": str(folder.resolve()),
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        "REMOTE_USER": "rehearsal",
        "REMOTE_ADDR": "127.0.0.1",
        "REQUEST_METHOD": request.method,
        "PATH_INFO": request.path,
        "QUERY_STRING": urlencode(request.query, doseq=True),
        "CONTENT_TYPE": request.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(request.body)),
        "HTTP_CONTENT_ENCODING": request.headers.get("content-encoding", ""),
        "GIT_PROTOCOL": request.headers.get("git-protocol", ""),
    }


def _reply(printed: bytes) -> Reply:
    head, _, body = printed.partition(b"\r\n\r\n")
    headers = {}
    for line in head.decode().split("\r\n"):
        name, _, value = line.partition(":")
        headers[name] = value.strip()
    return Reply(status=int(headers.pop("Status", "200").split()[0]), body=body, headers=headers)
