"""What went into a build from outside: `dist/inputs.json`, from which another build can take exactly the same.

The schema is `inputs.schema.json`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ci.core.errors import UsageError
from ci.core.state import read_regular

FORMAT = 1
NAME = "inputs.json"
_LARGEST_BYTES = 16_000_000


@dataclass(frozen=True, kw_only=True)
class DebianPackage:
    """An archive that the root of an architecture was unpacked from; `root` is that architecture."""

    name: str
    version: str
    root: str
    sha256: str
    size: int

    def entry(self) -> dict[str, Any]:
        """The package as JSON has it."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class BaseImage:
    """The base of an image: the digest is that of the image for the architecture."""

    flavour: str
    architecture: str
    reference: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class InstalledPackage:
    """A package of the distribution in an image on a base; its own list of packages has it, and no archive is kept."""

    flavour: str
    architecture: str
    name: str
    version: str


@dataclass(frozen=True, kw_only=True)
class UsedProgram:
    """A program that built something; `sha256` is that of the program itself."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class PythonPackage:
    """A package of the environment that the tooling runs in; `sha256` are the files that its requirement accepts."""

    name: str
    version: str
    sha256: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Crate:
    """A crate that the example function in Rust, or our own crate, is built with."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Everything that went in. `commit` is empty without git; `python` and `zlib` are those of the tooling.

    `debian_archive` has the day on which Debian's archive had the packages of each architecture's root, in UTC. Files
    of older versions do not say it.
    """

    name: str
    version: str
    commit: str
    modified: bool
    python: str
    zlib: str
    tools: tuple[UsedProgram, ...] = field(default=())
    python_packages: tuple[PythonPackage, ...] = field(default=())
    crates: tuple[Crate, ...] = field(default=())
    bases: tuple[BaseImage, ...] = field(default=())
    debian: tuple[DebianPackage, ...] = field(default=())
    debian_archive: Mapping[str, str] = field(default_factory=dict)
    installed: tuple[InstalledPackage, ...] = field(default=())

    def base(self, flavour: str, architecture: str) -> BaseImage | None:
        """The base of an image; None if that image was not built, or from scratch."""
        found = (one for one in self.bases if (one.flavour, one.architecture) == (flavour, architecture))
        return next(found, None)

    def debian_of(self, architecture: str) -> tuple[DebianPackage, ...]:
        """The packages in the root of an architecture."""
        return tuple(one for one in self.debian if one.root == architecture)

    def installed_in(self, flavour: str, architecture: str) -> tuple[InstalledPackage, ...]:
        """The packages of the distribution in an image on a base."""
        return tuple(one for one in self.installed if (one.flavour, one.architecture) == (flavour, architecture))

    def document(self) -> bytes:
        """The file's bytes: the same inputs give the same."""
        document = {"format": FORMAT, **asdict(self)}
        if not self.debian_archive:
            del document["debian_archive"]
        return json.dumps(document, indent=2).encode() + b"\n"


def read(path: Path) -> Inputs:
    """Read a file that a snapshot wrote; `UsageError` says what is wrong with any other."""
    try:
        data = json.loads(read_regular(path, _LARGEST_BYTES))
        if data["format"] != FORMAT:
            raise ValueError(f"its format is {data['format']!r}, and {FORMAT} is known")
        return _inputs(data)
    except OSError as error:
        raise UsageError(f"--locked {path}: {error.strerror or error}", hint=_HINT) from error
    except KeyError as error:
        why = f"it is not a list of inputs, or that of an older version: {error} is missing"
        raise UsageError(f"--locked {path}: {why}", hint=_HINT) from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(f"--locked {path}: it is not a list of inputs: {error}", hint=_HINT) from error


_HINT = "name a dist/inputs.json that nox -s snapshot has written"


def _inputs(data: dict[str, Any]) -> Inputs:
    packages = [{**one, "sha256": tuple(one["sha256"])} for one in data["python_packages"]]
    return Inputs(
        name=_text(data["name"]),
        version=_text(data["version"]),
        commit=_text(data["commit"]),
        modified=bool(data["modified"]),
        python=_text(data["python"]),
        zlib=_text(data["zlib"]),
        tools=_all(UsedProgram, data["tools"]),
        python_packages=_all(PythonPackage, packages),
        crates=_all(Crate, data["crates"]),
        bases=_all(BaseImage, data["bases"]),
        debian=_all(DebianPackage, data["debian"]),
        debian_archive={_text(root): _day(day) for root, day in data.get("debian_archive", {}).items()},
        installed=_all(InstalledPackage, data["installed"]),
    )


Listing = TypeVar("Listing")


def _all(kind: type[Listing], entries: Iterable[dict[str, Any]]) -> tuple[Listing, ...]:
    for entry in entries:
        for name, value in entry.items():
            if not isinstance(value, int if name == "size" else str | tuple):
                raise TypeError(f"{name} is {value!r}")
    return tuple(kind(**entry) for entry in entries)


def _day(value: object) -> str:
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", _text(value), re.ASCII):
        raise ValueError(f"{value!r} is no day")
    return _text(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value
