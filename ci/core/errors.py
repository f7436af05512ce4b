"""What can go wrong, and the exit code for it.

Whatever fails raises one of these; `ci.__main__` prints it and ends with its code. A message says what happened and
where, `hint` says what to do about it. The codes are stable: scripts may rely on them (docs/releasing.md, "Exit
codes").
"""

from __future__ import annotations

import os

from ci.core.masking import PROCESS


class ReleaseError(Exception):
    """The root of every fault that this tooling reports. Secrets are masked in the message and the hint."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(PROCESS.mask(message))
        self.hint = PROCESS.mask(hint)


class UsageError(ReleaseError):
    """The command line asks for something that does not exist."""

    exit_code = 2


class ManifestError(ReleaseError):
    """`release.yaml` or `CHANGELOG.md` is not valid; the message lists every fault, one per line."""

    exit_code = 10


class DriftError(ReleaseError):
    """A committed file differs from what the templates and the manifest give; the message contains the diff."""

    exit_code = 11


DRIFT_HINT = "run: nox -s bake, then remove by hand each file that is still compared with +++ /dev/null"


class ToolError(ReleaseError):
    """An outside tool is missing, too old or broken."""

    exit_code = 12


class CommandFailed(ReleaseError):
    """An outside tool ran and failed; the message has the command, its last lines and the path of the log.

    `code` is the tool's own exit code, if it ended by itself.
    """

    exit_code = 13

    def __init__(self, message: str, *, hint: str = "", code: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.code = code


class VerificationError(ReleaseError):
    """An artefact was built, and its verification found a fault."""

    exit_code = 14


class HostError(ReleaseError):
    """The machine prevents it: no space, no permission, no network."""

    exit_code = 15


def host_error(error: OSError, job: str = "") -> HostError:
    """What the system refused, and to which job: the path and the reason."""
    path = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes | os.PathLike) else ""
    in_the_way = isinstance(error, NotADirectoryError | FileExistsError | IsADirectoryError)
    return HostError(
        ": ".join(part for part in (job, path, error.strerror or str(error)) if part),
        hint=f"{'remove it or move it away' if in_the_way else 'fix that'}, and run the same command again",
    )


class BusyError(ReleaseError):
    """Another run uses the same folder."""

    exit_code = 16


class LintError(ReleaseError):
    """A packaging linter has a finding for which the manifest has no waiver."""

    exit_code = 17


class UnavailableError(ReleaseError):
    """Something that was asked for by name is not available here (a base image, an engine, an architecture)."""

    exit_code = 18


class PreflightError(ReleaseError):
    """A release cannot be made as things are; the message lists every fault, each with what to do."""

    exit_code = 19
