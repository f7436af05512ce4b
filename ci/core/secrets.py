"""Secrets: tokens, passwords and private keys that a program of ours needs and that nobody may read.

    token = register("GITHUB_TOKEN", os.environ["GITHUB_TOKEN"])
    run("gh", "release", "upload", tag, path, env={"GH_TOKEN": token.reveal()})

From `register` on, the value is masked in logs, errors, commands and on the console (`ci.core.masking`). The runner
refuses it as an argument of a program. A program is given it on standard input, in the environment of this one
program, or by a file descriptor:

    with passphrase.descriptor() as number:
        replace(run, keep_open=(*run.keep_open, number))("gpg", "--passphrase-fd", str(number), ...)

Register a secret before the first program starts that could print it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ci.core.errors import HostError
from ci.core.masking import MASK, PROCESS, SHORTEST, Masks

_PIPE_BYTES = 4096  # what a pipe holds on every system before anybody reads it


@dataclass(frozen=True)
class Secret:
    """A value that is masked, and the name that messages may use for it."""

    name: str
    _value: str = field(repr=False)

    def __str__(self) -> str:
        """The mask: a secret does not get into a text by accident."""
        return MASK.decode()

    def reveal(self) -> str:
        """The value itself."""
        return self._value

    @contextmanager
    def descriptor(self) -> Iterator[int]:
        """A file descriptor from which one program can read the value, once; it must be named in `keep_open`."""
        data = self._value.encode()
        if len(data) > _PIPE_BYTES:
            raise HostError(f"{self.name} has {len(data)} bytes; a file descriptor can hand over {_PIPE_BYTES}")
        reader, writer = os.pipe()
        try:
            os.write(writer, data)
            os.close(writer)
            yield reader
        finally:
            os.close(reader)


def register(name: str, value: str, *users: str, masks: Masks = PROCESS) -> Secret:
    """Make a secret of a value and mask it from now on. Line breaks around it are not part of it.

    `users` are the names that it is sent with in HTTP's basic authentication. A value that is empty or too short to
    be masked raises `HostError`.
    """
    try:
        masks.add(name, value, *users)
    except ValueError:
        raise HostError(
            f"{name} is {'too short for a secret' if value.strip() else 'empty'}",
            hint=f"set it to the secret itself, with a line of {SHORTEST} characters or more",
        ) from None
    return Secret(name, value.strip("\r\n"))
