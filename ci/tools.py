"""The outside tools: which are needed, where they are, what version they have."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ci.errors import ToolError
from ci.files import sha256_of, write_atomically
from ci.run import base_environment

# A plain number only where there is no dotted one: "Zstandard CLI (64-bit) v1.5.4" is not version 64.
_VERSIONS = (re.compile(r"\d+(?:\.\d+)+"), re.compile(r"\b\d+\b"))


@dataclass(frozen=True, kw_only=True)
class Tool:
    """An outside program, how to ask its version, and the oldest one that will do."""

    name: str
    minimum: str = "0"
    version_arguments: tuple[str, ...] = ("--version",)


@dataclass(frozen=True, kw_only=True)
class FoundTool:
    """A tool as it is on this machine; `sha256` is that of the program, which can change under the same version."""

    name: str
    path: str
    version: str
    sha256: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def library(name: str) -> FoundTool:
    """A Python library of this environment that makes artefacts, as the tool that it is."""
    from importlib.metadata import distribution

    found = distribution(name)
    return FoundTool(name=name, path=str(found.locate_file("")), version=found.version)


class Toolbox:
    """Looks tools up once. Versions and hashes are remembered in `cache`, by the program's path, size and time of
    change, so that a run that has nothing to do does not start a dozen programs just to ask."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._known: dict[str, str] = _read_cache(cache)
        self._found: dict[str, FoundTool] = {}

    def find(self, tool: Tool) -> FoundTool:
        """The tool on PATH. Raises `ToolError` if it is missing, silent about its version, or too old."""
        if tool.name not in self._found:
            self._found[tool.name] = self._look_up(tool)
        return self._found[tool.name]

    def faults(self, tools: Iterable[Tool]) -> list[str]:
        """What is wrong with each of the tools that cannot be used, one line each."""
        faults = []
        for tool in tools:
            try:
                self.find(tool)
            except ToolError as error:
                faults.append(str(error))
        return list(dict.fromkeys(faults))

    def _look_up(self, tool: Tool) -> FoundTool:
        path = shutil.which(tool.name)
        if path is None:
            raise ToolError(f"{tool.name}: not found on PATH", hint=_HINT)
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
        # Asking again next time is no reason to fail: a plan can be made where nothing can be written.
        with contextlib.suppress(OSError):
            write_atomically(self._cache, json.dumps(self._known, indent=1, sort_keys=True).encode())


# Programs that stand in front of others: what they answer can change while they stay the same.
_SHIMS = {"rustup"}

_HINT = "install what the sessions need with: ci/bootstrap"


def _read_cache(cache: Path) -> dict[str, str]:
    try:
        known = json.loads(cache.read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _ask_version(tool: Tool, path: str) -> str:
    try:
        asked = subprocess.run(
            [path, *tool.version_arguments],
            env=base_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolError(f"{tool.name}: {path} does not start: {error}", hint=_HINT) from error
    text = asked.stdout.decode(errors="replace")
    found = next((match for pattern in _VERSIONS if (match := pattern.search(text))), None)
    if asked.returncode or not found:
        first = text.strip().splitlines()[0] if text.strip() else "nothing"
        raise ToolError(f"{tool.name}: {path} does not tell its version; it printed: {first}", hint=_HINT)
    return found.group()


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
