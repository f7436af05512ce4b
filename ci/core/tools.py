"""The outside tools: which are needed, where they are, and their versions."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ci.core.errors import ToolError
from ci.core.files import sha256_of, write_atomically
from ci.core.run import ask
from ci.core.state import read_json

# A plain number counts only if there is no dotted one: "Zstandard CLI (64-bit) v1.5.4" is not version 64.
_VERSIONS = (re.compile(r"\d+(?:\.\d+)+"), re.compile(r"\b\d+\b"))

_VERSION_TIMEOUT_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Tool:
    """An outside program, its oldest version that is supported, and the arguments that print its version."""

    name: str
    minimum: str = "0"
    version_arguments: tuple[str, ...] = ("--version",)


@dataclass(frozen=True, kw_only=True)
class FoundTool:
    """A tool on this machine. `sha256` is that of the program, which can change while the version does not."""

    name: str
    path: str
    version: str
    sha256: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def library(name: str) -> FoundTool:
    """A Python library of this environment that makes artefacts, described like a tool."""
    from importlib.metadata import distribution

    found = distribution(name)
    return FoundTool(name=name, path=str(found.locate_file("")), version=found.version)


class Toolbox:
    """Looks each tool up once.

    Versions and hashes are kept in the file `cache`, by the program's path, size and time of change. So a run that has
    nothing to do does not start a dozen programs to ask for their versions.
    """

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._known: dict[str, str] = _read_cache(cache)
        self._found: dict[str, FoundTool] = {}

    def find(self, tool: Tool) -> FoundTool:
        """The tool on PATH. Raises `ToolError` if it is missing, prints no version, or is too old."""
        if tool.name not in self._found:
            self._found[tool.name] = self._look_up(tool)
        return self._found[tool.name]

    def faults(self, tools: Iterable[Tool]) -> list[str]:
        """What is wrong with the tools that cannot be used, one line for each."""
        faults = []
        for tool in tools:
            try:
                self.find(tool)
            except ToolError as error:
                faults.append(str(error))
        return list(dict.fromkeys(faults))

    def _look_up(self, tool: Tool) -> FoundTool:
        found = shutil.which(tool.name)
        if found is None:
            raise ToolError(f"{tool.name}: not found on PATH", hint=_HINT)
        path = str(Path(found).absolute())
        real = os.path.realpath(path)
        status = Path(real).stat()
        key = f"{tool.name} {' '.join(tool.version_arguments)} {real} {status.st_size} {status.st_mtime_ns}"
        if key not in self._known or Path(real).name in _SHIMS:
            self._known[key] = f"{_ask_version(tool, path)} {sha256_of(Path(real))}"
            self._remember()
        version, _, sha256 = self._known[key].partition(" ")
        if _numbers(version) < _numbers(tool.minimum):
            raise ToolError(f"{tool.name}: version {version} is too old, {tool.minimum} is needed", hint=_HINT)
        return FoundTool(name=tool.name, path=path, version=version, sha256=sha256)

    def _remember(self) -> None:
        # Without a cache, the next run asks again: a plan can be made where nothing can be written.
        with contextlib.suppress(OSError):
            write_atomically(self._cache, json.dumps(self._known, indent=1, sort_keys=True).encode())


# Programs that start others: what they print can change while they do not.
_SHIMS = {"rustup"}

_ENTRY = re.compile(r"\d[\d.]* [0-9a-f]{64}")  # a version and a hash
_HINT = "install what the sessions need with: ci/bootstrap"


def _read_cache(cache: Path) -> dict[str, str]:
    known = read_json(cache)
    entries = known.items() if isinstance(known, dict) else ()
    return {key: value for key, value in entries if isinstance(value, str) and _ENTRY.fullmatch(value)}


def _ask_version(tool: Tool, path: str) -> str:
    try:
        code, text = ask([path, *tool.version_arguments], _VERSION_TIMEOUT_SECONDS)
    except OSError as error:
        raise ToolError(f"{tool.name}: {path} does not start: {error}", hint=_HINT) from error
    found = next((match for pattern in _VERSIONS if (match := pattern.search(text))), None)
    if code or not found:
        first = text.strip().splitlines()[0] if text.strip() else "nothing"
        raise ToolError(f"{tool.name}: {path} prints no version, but: {first}", hint=_HINT)
    return found.group()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
