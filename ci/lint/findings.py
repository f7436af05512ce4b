"""The findings of linters, and which of them the manifest accepts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ci.core.errors import CommandFailed
from ci.core.program_environment import Argument
from ci.core.run import Runner
from ci.manifest.release import Waiver


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One finding. `file` is relative to the repository, `rule` has the name that a waiver for it would have."""

    tool: str
    rule: str
    file: str
    line: int = 0
    text: str

    def __str__(self) -> str:
        """Return the line that a person reads."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.tool} {self.rule}: {self.text}"


def findings_of(
    run: Runner, *argv: Argument, read: Callable[[str], Iterable[Finding]], cwd: Path | None = None
) -> list[Finding]:
    """Run a linter and return the findings that `read` makes of its output.

    Raises `CommandFailed` if the linter fails without a finding or prints something that cannot be read: then it did
    not work, and the file was not checked.
    """
    begin = run.log.stat().st_size if run.log.exists() else 0
    failure = None
    try:
        run(*argv, cwd=cwd)
    except CommandFailed as error:
        failure = error
    # The log has the output of a program between the command and the exit code.
    part = run.log.read_bytes()[begin:].decode(errors="replace")
    output = part.partition("\n")[2].rpartition("# exit ")[0]
    try:
        findings = list(read(output))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise failure or CommandFailed(
            f"{_name(argv)}: its report cannot be read: {error}\n  log: {run.log}"
        ) from error
    if failure and not findings:
        raise failure
    return findings


def _name(argv: Sequence[Argument]) -> str:
    """The name of a linter, which may be a module of Python."""
    return str(argv[2] if argv[1:2] == ("-m",) else argv[0])


def faults(findings: Iterable[Finding], waivers: Sequence[Waiver], *, to_be_used: Iterable[Waiver]) -> list[str]:
    """Return a line for each finding that no waiver covers, and for each waiver `to_be_used` that covers none."""
    findings = list(dict.fromkeys(findings))
    lines = [str(finding) for finding in findings if not any(_covers(waiver, finding) for waiver in waivers)]
    lines += [
        f"release.yaml: waivers: {waiver} is not found any more; remove the waiver"
        for waiver in to_be_used
        if not any(_covers(waiver, finding) for finding in findings)
    ]
    return lines


def _covers(waiver: Waiver, finding: Finding) -> bool:
    return (waiver.tool, waiver.rule) == (finding.tool, finding.rule) and waiver.file in (None, finding.file)
