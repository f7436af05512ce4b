"""What can go wrong, and the exit code that tells it.

Only `ci.__main__` prints an error and exits; everything else raises. A message says what happened and where,
`hint` says what to do about it. The codes are stable: scripts may rely on them (README, "Exit codes").
"""

from __future__ import annotations


class ReleaseError(Exception):
    """The root of every fault that this tooling reports."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(ReleaseError):
    """The command line asks for something that does not exist."""

    exit_code = 2


class ManifestError(ReleaseError):
    """`release.yaml` or `CHANGELOG.md` does not say what it must; the message lists every fault, one a line."""

    exit_code = 10


class DriftError(ReleaseError):
    """A committed file is not what the templates and the manifest give; the message holds the diff."""

    exit_code = 11


DRIFT_HINT = "run: nox -s bake, and remove by hand what it calls surplus and leaves"


class ToolError(ReleaseError):
    """An outside tool is missing, too old, or present and not working."""

    exit_code = 12


class CommandFailed(ReleaseError):
    """An outside tool ran and failed; the message holds the command, its last lines and the log's path."""

    exit_code = 13


class VerificationError(ReleaseError):
    """An artefact was built and is not what it claims to be."""

    exit_code = 14


class HostError(ReleaseError):
    """The machine stands in the way: no space, no permission, no network."""

    exit_code = 15


class BusyError(ReleaseError):
    """Another run works in the same place."""

    exit_code = 16


class LintError(ReleaseError):
    """An ecosystem's own check found something that no waiver in the manifest covers."""

    exit_code = 17


class UnavailableError(ReleaseError):
    """Something that was asked for by name cannot be had here (a base image, an engine, an architecture)."""

    exit_code = 18
