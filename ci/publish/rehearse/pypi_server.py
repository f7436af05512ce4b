"""A stand-in for PyPI: the upload API, and the simple API in JSON (PEP 691) and HTML (PEP 503).

It is stricter than PyPI in two things: a field that nobody knows is refused, where PyPI ignores it in silence, and the
fields must say what the file's own metadata say.
"""

from __future__ import annotations

import base64
import datetime as dt
import hmac
import html
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from packaging.utils import canonicalize_name

from ci.publish.rehearse import form_data
from ci.publish.rehearse.pypi_rules import PypiRefusal, PypiUpload, check
from ci.publish.rehearse.server import Reply, Request

_JSON = "application/vnd.pypi.simple.v1+json"
_HTML = "application/vnd.pypi.simple.v1+html"
_CLOSED_AFTER = dt.timedelta(days=14)


@dataclass(kw_only=True)
class Stored:
    """A file of a project. `fields` are those of the form that it came with, `yanked` is the reason if it was."""

    upload: PypiUpload
    fields: list[tuple[str, str]]
    time: dt.datetime
    yanked: str | None = None

    @property
    def path(self) -> str:
        """Where it can be downloaded."""
        return f"/files/{self.upload.sha256}/{self.upload.name}"


@dataclass(kw_only=True)
class PyPiServer:
    """The index; `answer` is given to a `Server`. The upload API is at `/legacy/`, the simple API at `/simple/`.

    `token` is the one that may upload, `now` the clock. `files` are all files by their names; `used` are the names
    that were ever used, `begun` the time at which each release was.
    """

    token: str
    now: Callable[[], float] = time.time
    files: dict[str, Stored] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    begun: dict[tuple[str, str], dt.datetime] = field(default_factory=dict)

    def answer(self, request: Request) -> Reply:
        """Carry a request out."""
        try:
            if request.path == "/legacy/":
                return self._upload(request)
            if request.path.startswith("/simple/"):
                return self._simple(request)
            if request.path.startswith("/files/"):
                return self._file(request)
        except PypiRefusal as refused:
            return _refusal(refused.status, str(refused))
        return _refusal(404, "Not Found")

    def delete(self, name: str) -> None:
        """Delete a file, as its owner can in the web pages. Its name is used up."""
        del self.files[name]

    def yank(self, version: str, reason: str) -> None:
        """Yank a version, as its owner can in the web pages."""
        for file in self.files.values():
            if file.upload.version == version:
                file.yanked = reason

    def _upload(self, request: Request) -> Reply:
        if request.method != "POST":
            raise PypiRefusal(405, "Method Not Allowed")
        pair = base64.b64encode(f"__token__:{self.token}".encode()).decode()
        if not hmac.compare_digest(request.headers.get("authorization", ""), f"Basic {pair}"):
            raise PypiRefusal(403, "Invalid or non-existent authentication information.")
        try:
            form = form_data.parse(request.headers.get("content-type", ""), request.body)
        except ValueError as error:
            raise PypiRefusal(400, str(error)) from None
        upload = check(form)
        now = dt.datetime.fromtimestamp(self.now(), dt.UTC)
        if self._is_new(upload, now):
            self.used.add(upload.name)
            self.begun.setdefault((upload.project, upload.version), now)
            self.files[upload.name] = Stored(upload=upload, fields=form.fields, time=now)
        return Reply(status=200)

    def _is_new(self, upload: PypiUpload, now: dt.datetime) -> bool:
        """Whether a file is to be stored; the same bytes under the same name change nothing."""
        there = self.files.get(upload.name)
        if there is not None and there.upload.sha256 == upload.sha256:
            return False
        if there is not None:
            raise PypiRefusal(400, f"File already exists ('{upload.name}').")
        if upload.name in self.used:
            raise PypiRefusal(400, "This filename has previously been used, you should use a different version.")
        if now - self.begun.get((upload.project, upload.version), now) > _CLOSED_AFTER:
            raise PypiRefusal(400, "Uploading new files to releases older than 14 days is not allowed.")
        same = [one.upload for one in self.files.values() if one.upload.version == upload.version]
        if upload.type == "sdist" and any(one.type == "sdist" and one.project == upload.project for one in same):
            raise PypiRefusal(400, "Only one sdist may be uploaded per release.")
        return True

    def _simple(self, request: Request) -> Reply:
        if request.method not in ("GET", "HEAD"):
            raise PypiRefusal(405, "Method Not Allowed")
        project = request.path.removeprefix("/simple/").removesuffix("/")
        if request.path != f"/simple/{canonicalize_name(project)}/":
            return Reply(status=301, headers={"Location": f"/simple/{canonicalize_name(project)}/"})
        files = [one for one in self.files.values() if one.upload.project == project]
        if not files:
            raise PypiRefusal(404, "Not Found")
        accepted = request.headers.get("accept", "*/*")
        if _JSON in accepted:
            return Reply(status=200, body=_json_page(project, files), headers={"Content-Type": _JSON})
        if _HTML in accepted or "text/html" in accepted or "*/*" in accepted:
            return Reply(status=200, body=_html_page(files), headers={"Content-Type": "text/html; charset=utf-8"})
        raise PypiRefusal(406, "Not Acceptable")

    def _file(self, request: Request) -> Reply:
        stored = self.files.get(request.path.rpartition("/")[2])
        if stored is None or request.path != stored.path or request.method not in ("GET", "HEAD"):
            raise PypiRefusal(404, "Not Found")
        return Reply(status=200, body=stored.upload.content, headers={"Content-Type": "binary/octet-stream"})


def _refusal(status: int, words: str) -> Reply:
    """A refusal as PyPI words it: the reason is the title of a page."""
    line = html.escape(f"{status} {words}")
    page = f"<html>\n <head>\n  <title>{line}</title>\n </head>\n <body>\n  <h1>{line}</h1>\n </body>\n</html>\n"
    return Reply(status=status, body=page.encode(), headers={"Content-Type": "text/html; charset=UTF-8"})


def _json_page(project: str, files: list[Stored]) -> bytes:
    listed = [
        {
            "filename": one.upload.name,
            "url": one.path,
            "hashes": {"sha256": one.upload.sha256},
            "requires-python": one.upload.requires_python or None,
            "size": len(one.upload.content),
            "upload-time": f"{one.time:%Y-%m-%dT%H:%M:%S.%fZ}",
            "yanked": False if one.yanked is None else one.yanked or True,
            "core-metadata": False,
        }
        for one in files
    ]
    versions = sorted({one.upload.version for one in files})
    page = {"meta": {"api-version": "1.1"}, "name": project, "versions": versions, "files": listed}
    return json.dumps(page).encode()


def _html_page(files: list[Stored]) -> bytes:
    lines = []
    for one in files:
        needs = f' data-requires-python="{html.escape(one.upload.requires_python)}"'
        yanked = "" if one.yanked is None else f' data-yanked="{html.escape(one.yanked)}"'
        where = f"{one.path}#sha256={one.upload.sha256}"
        lines.append(f'<a href="{where}"{needs if one.upload.requires_python else ""}{yanked}>{one.upload.name}</a>')
    return ("<!DOCTYPE html>\n<html><body>\n" + "<br>\n".join(lines) + "\n</body></html>\n").encode()
