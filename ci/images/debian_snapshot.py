"""Archives of Debian packages that the mirrors have dropped, from Debian's snapshot service, by the day of a build.

The service has every state of the archive, and limits how often it is asked. So it is asked only for packages that the
mirrors do not have any more, in one connection, one thing after the other. What it sends is taken if it has the
recorded sha256, and by no other sign. No answer can lead to another address than the one below.
"""

from __future__ import annotations

import hashlib
import lzma
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from ci.core import web_session
from ci.core.errors import UnavailableError
from ci.core.web import address_of
from ci.pipeline.inputs import DebianPackage

if TYPE_CHECKING:
    import requests

ADDRESS = "https://snapshot.debian.org"
# The end of the day comes first. A package that was replaced on that very day is in the state of its beginning.
_MOMENTS = ("T235959Z", "T000000Z")
_SECONDS = (10.0, 60.0)  # to connect, and to wait for the next bytes
_INDEX_BYTES = 200_000_000  # of Packages, unpacked; that of a suite has 60 million
_CHUNK = 1 << 20
_MOST_REDIRECTS = 5
_FILENAME = re.compile(r"(?m)^Filename: (pool/[\w.+~/:-]+\.deb)$", re.ASCII)


def archives(packages: Iterable[DebianPackage], suite: str, day: str) -> Iterator[tuple[DebianPackage, bytes]]:
    """The archives of packages of one root, as the service had them on a day, such as "2026-11-29".

    Packages that it did not have on that day are left out. Raises `UnavailableError` if it does not answer.
    """
    missing = {package.sha256: package for package in packages}
    with web_session.new() as session:
        service = _Service(session=session)
        for place, index in _indexes(suite, day, next(iter(missing.values())).root if missing else ""):
            if not missing:
                return
            text = service.index(f"{place}/{index}")
            for sha256, filename in list(_listed(text, missing)):
                package = missing[sha256]
                data = service.get(f"{place}/{quote(filename)}", package.size)
                if data is not None and hashlib.sha256(data).hexdigest() == sha256:
                    del missing[sha256]
                    yield package, data


def _indexes(suite: str, day: str, architecture: str) -> Iterator[tuple[str, str]]:
    """Where the service has the archive, and the path of the list of packages there, for all that mmdebstrap takes."""
    for moment in _MOMENTS:
        for archive, name in (
            ("debian", suite),
            ("debian", f"{suite}-updates"),
            ("debian-security", f"{suite}-security"),
        ):
            place = f"archive/{archive}/{day.replace('-', '')}{moment}"
            yield place, f"dists/{name}/main/binary-{architecture}/Packages.xz"


def _listed(text: str, wanted: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The sha256 and the path of each wanted package that a list of packages has."""
    for sha256 in wanted:
        at = text.find(f"\nSHA256: {sha256}\n")
        if at < 0:
            continue
        end = text.find("\n\n", at)
        paragraph = text[text.rfind("\n\n", 0, at) + 1 : end if end >= 0 else None]
        if (found := _FILENAME.search(paragraph)) and ".." not in found[1]:
            yield sha256, found[1]


@dataclass(frozen=True, kw_only=True)
class _Service:
    session: requests.Session

    def index(self, path: str) -> str:
        """A list of packages; empty if the service does not have it."""
        packed = self.get(path, _INDEX_BYTES)
        if packed is None:
            return ""
        try:
            text = lzma.LZMADecompressor().decompress(packed, _INDEX_BYTES)
        except lzma.LZMAError as error:
            raise UnavailableError(f"{ADDRESS}/{path}: it cannot be unpacked: {error}", hint=_HINT) from error
        return text.decode(errors="replace")

    def get(self, path: str, most: int) -> bytes | None:
        """A file; None if the service does not have it, or if it has more bytes than that."""
        url = f"{ADDRESS}/{path}"
        for _ in range(_MOST_REDIRECTS):
            with self._send(url) as answer:
                if answer.is_redirect:  # to the state of the archive that is next to the moment
                    url = _same_address(url, answer.headers["Location"])
                    continue
                if answer.status_code == 404:
                    return None
                if answer.status_code != 200:
                    limits = ": it limits requests" if answer.status_code in (429, 503) else ""
                    raise UnavailableError(f"{url}: the answer is {answer.status_code}{limits}", hint=_HINT)
                return self._body(answer, url, most)
        raise UnavailableError(f"{ADDRESS}/{path}: it was redirected {_MOST_REDIRECTS} times", hint=_HINT)

    def _send(self, url: str) -> requests.Response:
        import requests

        try:
            return self.session.get(url, timeout=_SECONDS, allow_redirects=False, stream=True)
        except requests.exceptions.RequestException as error:
            raise UnavailableError(f"{url}: it cannot be reached: {type(error).__name__}", hint=_HINT) from error

    def _body(self, answer: requests.Response, url: str, most: int) -> bytes | None:
        import requests

        data = bytearray()
        try:
            for part in answer.iter_content(_CHUNK):
                data += part
                if len(data) > most:
                    return None
        except requests.exceptions.RequestException as error:
            raise UnavailableError(f"{url}: the answer broke off: {type(error).__name__}", hint=_HINT) from error
        return bytes(data)


_HINT = "wait some minutes, and run it again: what was fetched is kept"


def _same_address(url: str, location: str) -> str:
    """Where an answer leads to; `UnavailableError` if that is another server than the service."""
    target, known = urlsplit(address_of(url, location)), urlsplit(ADDRESS)
    if (target.scheme, target.netloc) != (known.scheme, known.netloc):
        raise UnavailableError(f"{url}: it leads to another address, {target.netloc!a:.100}", hint=_HINT)
    return target.geturl()
