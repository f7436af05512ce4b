"""Looks for secrets where others can see them: in files, and in the arguments and environments of all processes."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from ci.core.masking import Masks


def masks_of(secrets: Mapping[str, str]) -> Masks:
    """What finds the secrets, by their names, in all forms that programs print them in."""
    masks = Masks()
    for name, value in secrets.items():
        masks.add(name, value)
    return masks


def planted(token: str) -> str:
    """The token of a test, as this process alone has it.

    Tests of another process run at the same time, and pass theirs to programs.
    """
    return f"{token}-{os.getpid()}"


def private_key_text(home: Path) -> str:
    """The private numbers in a home folder of GnuPG, encrypted or not, as its files have them.

    The numbers are in hexadecimal. The salt of the passphrase is random bytes, which need not be text.
    """
    texts = [file.read_text(encoding="latin-1") for file in sorted((home / "private-keys-v1.d").glob("*.key"))]
    lines = [line.strip() for text in texts for line in text[text.index("#)(e ") :].split("\n")[1:]]
    return "\n".join(line for line in lines if len(line) > 40 and line.isascii())


def in_files(masks: Masks, *folders: Path) -> list[Path]:
    """The files below some folders that have a secret in their content or their name."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [file for file in files if masks.found_in(str(file)) or masks.places(file.read_bytes())]


class Processes:
    """Looks at all processes again and again while the block runs, as another user of the machine may do.

    `found` are the programs that had a secret in their arguments or environment, `seen` all programs that it saw.
    The environment of the process that `start` has started, which the test gave a variable, does not count.
    """

    def __init__(self, masks: Masks) -> None:
        self._masks = masks
        self._end = threading.Event()
        self._looking = threading.Lock()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._starter = 0
        self.seen: set[str] = set()
        self.found: set[str] = set()

    def __enter__(self) -> Processes:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()

    def start(self, *argv: str, **options: Any) -> subprocess.Popen[str]:
        """Start the process whose own environment does not count. Nothing is looked at before its number is known."""
        with self._looking:
            child = subprocess.Popen(argv, text=True, **options)
            self._starter = child.pid
        return child

    def _look(self) -> None:
        known: set[tuple[str, bytes]] = set()
        while not self._end.wait(0.001):
            with self._looking:
                self._look_once(known)

    def _look_once(self, known: set[tuple[str, bytes]]) -> None:
        for process, what, data in _visible():
            if (process, data) in known or (what == "environment" and self._is_of_starter(process, data)):
                continue
            known.add((process, data))
            name = data.split(b"\0")[0].decode(errors="replace") if what == "arguments" else process
            self.seen.add(Path(name).name)
            if self._masks.found_in(data.decode(errors="surrogateescape")):
                self.found.add(f"{what} of {name}")

    def _is_of_starter(self, process: str, environment: bytes) -> bool:
        """Whether it is the starter, or a copy of it that has not yet become the program that it is made for."""
        if process == str(self._starter):
            return True
        starter = _read(str(self._starter), "cmdline")
        return _read(process, "cmdline") == starter or _read(process, "environ") != environment


def _read(process: str, file: str) -> bytes:
    """A file of a process; empty if it has ended."""
    try:
        return Path("/proc", process, file).read_bytes()
    except OSError:
        return b""


def _visible() -> Iterator[tuple[str, str, bytes]]:
    for folder in Path("/proc").glob("[0-9]*"):
        for what, file in (("arguments", "cmdline"), ("environment", "environ")):
            try:
                data = (folder / file).read_bytes()
            except OSError:  # it has ended, or belongs to somebody else
                continue
            if data:
                yield folder.name, what, data
