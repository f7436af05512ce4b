"""Inputs of a build that are kept for machines without a network: `dist/inputs/`.

`sha256/HASH` are the files themselves: archives of Debian packages, wheels, crates, the blobs of base images, and the
packed roots that the gates work in. `inputs.json` is the list of inputs that they belong to. `store.json` says what
they are for, and has the names of the wheels, of which pip reads the parts, and those of the roots: these decide no
byte of an artefact, so `inputs.json` does not list them.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ci.core.errors import UsageError, VerificationError
from ci.core.files import make_folder, sha256_of, write_atomically
from ci.core.state import read_json, texts
from ci.pipeline import inputs
from ci.pipeline.inputs import BaseImage, DebianPackage, Inputs

FOLDER = "inputs"
RECORD = "store.json"
FORMAT = 1
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Store:
    """The inputs that are kept in one `dist/`."""

    dist: Path

    @property
    def folder(self) -> Path:
        """The folder of everything."""
        return self.dist / FOLDER

    def path(self, sha256: str) -> Path:
        """Where a file with this hash is kept. `VerificationError` for a text that is not a hash."""
        if not _HASH.fullmatch(sha256):
            raise VerificationError(f"{sha256!a} is not a sha256")
        return self.folder / "sha256" / sha256

    def has(self, sha256: str) -> bool:
        """Whether a file with this hash is kept, and has these bytes."""
        path = self.path(sha256)
        return path.is_file() and not path.is_symlink() and sha256_of(path) == sha256

    def keep(self, file: Path, sha256: str) -> bool:
        """Keep a copy of a file, if it has this hash; returns whether it has. A file that is kept stays as it is."""
        if self.has(sha256):
            return True
        if not file.is_file() or sha256_of(file) != sha256:
            return False
        make_folder(self.path(sha256).parent)
        part = self.path(sha256).with_name(f".{sha256}.{os.getpid()}.part")
        try:
            shutil.copyfile(file, part)
            part.replace(self.path(sha256))
        finally:
            part.unlink(missing_ok=True)
        return True

    def recorded(self) -> Inputs | None:
        """The list of the inputs that are kept; None if nothing is."""
        path = self.folder / inputs.NAME
        with contextlib.suppress(UsageError):
            return inputs.read(path) if path.is_file() else None
        return None

    def write_record(self, record: Mapping[str, object]) -> None:
        """Write down what the kept files are for.

        `suite` and `python` are those of the Debian packages. `wheels` has the names of the wheels, each with its
        sha256; `requirements` is the sha256 of the file with the requirements that they fulfil, `interpreter` what
        they are for (`ci.make_environment.interpreter`). `roots` has the names of the gates' roots, each with the
        sha256 of its file.
        """
        text = json.dumps({"format": FORMAT, **record}, indent=1, sort_keys=True)
        write_atomically(self.folder / RECORD, text.encode() + b"\n")

    def wheels(self, record: Mapping[str, object]) -> dict[str, str]:
        """The names of the wheels, each with its sha256, if the record says the same of them; otherwise none."""
        found = self._record()
        known = found.get("wheels") if record.items() <= found.items() else None
        return texts(known) if isinstance(known, dict) else {}

    def roots(self) -> dict[str, str]:
        """The names of the gates' roots, each with the sha256 of its file, whether that is kept or not."""
        known = self._record().get("roots")
        return texts(known) if isinstance(known, dict) else {}

    def root(self, name: str) -> Path | None:
        """The packed root of that name, if it is kept with the recorded bytes; otherwise None."""
        sha256 = self.roots().get(name, "")
        return self.path(sha256) if _HASH.fullmatch(sha256) and self.has(sha256) else None

    def _record(self) -> dict[str, Any]:
        found = read_json(self.folder / RECORD)
        return found if isinstance(found, dict) and found.get("format") == FORMAT else {}

    def debian(self, suite: str, python: str, architecture: str) -> tuple[DebianPackage, ...]:
        """The packages of an architecture's root; empty unless the archive of every one of them is kept."""
        record, known = self._record(), self.recorded()
        if known is None or (record.get("suite"), record.get("python")) != (suite, python):
            return ()
        packages = known.debian_of(architecture)
        return packages if all(self.has(one.sha256) for one in packages) else ()

    def base(self, flavour: str, architecture: str, reference: str) -> BaseImage | None:
        """The base of an image, if every blob of it is kept and it has this reference; otherwise None."""
        known = self.recorded()
        base = known.base(flavour, architecture) if known else None
        return base if base and base.reference == reference and self.has_image(base.digest) else None

    def has_image(self, digest: str) -> bool:
        """Whether an image's manifest, its configuration and all its layers are kept."""
        sha256 = digest.removeprefix("sha256:")
        if not _HASH.fullmatch(sha256) or not self.has(sha256):
            return False
        blobs = list(blobs_of(read_json(self.path(sha256))))
        return bool(blobs) and all(_HASH.fullmatch(blob) and self.has(blob) for blob in blobs)

    def write_image(self, digest: str, folder: Path) -> None:
        """Write a kept image into a folder, in the form that skopeo calls `dir`; its blobs are links to kept files."""
        sha256 = digest.removeprefix("sha256:")
        (folder / "version").write_text("Directory Transport Version: 1.1\n", encoding="utf-8")
        (folder / "manifest.json").symlink_to(self.path(sha256).resolve())
        for blob in set(blobs_of(read_json(self.path(sha256)))):
            (folder / blob).symlink_to(self.path(blob).resolve())

    def has_all(self, hashes: Iterable[str]) -> bool:
        """Whether there are hashes, and a file is kept for each."""
        listed = list(hashes)
        return bool(listed) and all(self.has(one) for one in listed)


def blobs_of(manifest: object) -> Iterator[str]:
    """The sha256 of the configuration and of each layer that an image's manifest names."""
    if isinstance(manifest, dict):
        entries = [manifest.get("config"), *(manifest.get("layers") or ())]
        for entry in entries:
            yield str(entry["digest"]).removeprefix("sha256:") if isinstance(entry, dict) else ""
