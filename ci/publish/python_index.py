"""What a Python index has of a project, by its simple API in JSON (PEP 691, with the times of PEP 700)."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion, Version

from ci.core.errors import UnavailableError
from ci.core.web import Web, host_of

MEDIA_TYPE = "application/vnd.pypi.simple.v1+json"
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A file that the index lists. `uploaded` is None if the index does not say when."""

    name: str
    sha256: str
    uploaded: dt.datetime | None
    yanked: bool

    def is_of(self, version: str) -> bool:
        """Whether it belongs to a version, by its name."""
        try:
            found = (parse_wheel_filename if self.name.endswith(".whl") else parse_sdist_filename)(self.name)[1]
            return found == Version(version)
        except (InvalidWheelFilename, InvalidSdistFilename, InvalidVersion):
            return False


def page_of(index: str, project: str) -> str:
    """The address of a project's page of the simple API."""
    return f"{index.rstrip('/')}/{canonicalize_name(project)}/"


def ask(web: Web, index: str, project: str) -> dict[str, Listed] | None:
    """The files of a project by their names; None if the index does not know the project.

    `UnavailableError` for what is no answer of this API, or is about another project.
    """
    url = page_of(index, project)
    what = f"the list of the files of {project}"
    answer = web.ask("GET", url, what, expect=(200, 404), headers={"Accept": MEDIA_TYPE})
    if answer.status == 404:
        return None
    document = answer.json(what)
    try:
        version, name = document["meta"]["api-version"], document["name"]
        if not re.fullmatch(r"1\.\d+", version) or canonicalize_name(name) != canonicalize_name(project):
            raise ValueError(f"it is about {str(name)[:80]!a}, in version {str(version)[:20]!a} of the API")
        files = [_listed(one) for one in document["files"]]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        why = str(error)[:200] if type(error) is ValueError else "something is missing, or of another type"
        raise UnavailableError(
            f"{what}: the answer of {host_of(url)} is not a page of the simple API: {why}",
            hint="look at the address of the index below targets in release.yaml",
        ) from None
    return {file.name: file for file in files}


def _listed(entry: Mapping[str, Any]) -> Listed:
    name, sha256, time = entry["filename"], entry["hashes"]["sha256"], entry.get("upload-time")
    if (
        not isinstance(name, str)
        or not name.isprintable()
        or not isinstance(sha256, str)
        or not _SHA256.fullmatch(sha256)
    ):
        raise ValueError(f"{str(name)[:80]!a} has no sha256, or is no name")
    uploaded = None if time is None else _time(time)
    return Listed(name=name, sha256=sha256, uploaded=uploaded, yanked=bool(entry.get("yanked")))


def _time(text: str) -> dt.datetime:
    """A time in UTC; `ValueError` if it is so early or late that nobody can calculate with it."""
    found = dt.datetime.fromisoformat(text)
    if not dt.MINYEAR < found.year < dt.MAXYEAR:
        raise ValueError(f"{text[:80]!a} is no time of an upload")
    return found.replace(tzinfo=dt.UTC) if found.tzinfo is None else found.astimezone(dt.UTC)
