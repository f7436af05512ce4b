"""What a verification works with, and the one event that every installed artefact has to answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any

from ci.core.architectures import MACHINES, host_name
from ci.core.errors import VerificationError
from ci.core.program_environment import pasteable
from ci.core.run import Runner
from ci.core.runtime_api_stub import NoResult, RuntimeApiStub, RuntimeResult
from ci.pipeline.jobs import Job, Output, Project, Variant, Workspace

EVENT = '{"answer":42,"name":"Grüße","text":"grüß dich"}'.encode()
_ANSWER_TIMEOUT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class BuiltFunction:
    """A built example function: `libc` is "glibc" or "musl", `machine` as in `uname -m`."""

    language: str
    library: Path
    libc: str = "glibc"
    machine: str = "x86_64"

    @property
    def handler(self) -> str:
        """The value of `_HANDLER`."""
        return "simple_handler.handle"


def can_run(variant: Variant, job: Job) -> bool:
    """Whether the function that a job builds runs in an artefact: in one with its libc and architecture.

    Packages, which have no libc, run on this host.
    """
    artefact = (variant.libc or "glibc", variant.architecture or host_name())
    own = (job.variant.libc, job.variant.architecture)
    return bool(job.variant.language) and not job.unavailable and own == artefact


def built_function(work: Workspace, job: Job) -> BuiltFunction:
    """The function that a job has built."""
    (library,) = job.outputs
    machine = MACHINES.get(job.variant.architecture, job.variant.architecture)
    return BuiltFunction(
        language=job.variant.language, library=work.built(library.path), libc=job.variant.libc, machine=machine
    )


@dataclass(frozen=True, kw_only=True)
class Check:
    """One artefact under verification. `folder` is empty, and removed afterwards.

    `functions` are the example functions that the artefact can run and that could be built here.
    """

    project: Project
    output: Output
    variant: Variant = field(default_factory=Variant)
    path: Path
    folder: Path
    run: Runner
    functions: tuple[BuiltFunction, ...]

    def require(self, truth: bool, claim: str) -> None:
        """Raise `VerificationError` unless the claim about the artefact is true."""
        if not truth:
            raise VerificationError(f"{self.output.path}: not true: {claim}")

    def require_equal(self, found: object, expected: object, what: str) -> None:
        """Raise a `VerificationError` that shows both values, unless they are equal."""
        if found == expected:
            return
        if isinstance(found, Mapping) and isinstance(expected, Mapping):
            raise VerificationError(f"{self.output.path}: {what}: {_differences(found, expected, what)}")
        raise VerificationError(
            f"{self.output.path}: {what}: found {_shown(found, what)}, expected {_shown(expected, what)}"
        )

    def require_same_set(self, found: set[str], expected: set[str], what: str) -> None:
        """Raise a `VerificationError` that lists what is missing and what was not expected, unless both are equal."""
        if found != expected:
            missing, extra = (_shown(sorted(names), what) for names in (expected - found, found - expected))
            raise VerificationError(f"{self.output.path}: {what}: missing {missing}, not expected {extra}")


def check_of(
    work: Workspace, output: Output, functions: Iterable[BuiltFunction] = (), variant: Variant | None = None
) -> Check:
    """The check of an artefact in the job that looks at it."""
    return Check(
        project=work.project,
        output=output,
        variant=variant or Variant(),
        path=work.built(output.path),
        folder=work.folder,
        run=work.run,
        functions=tuple(functions),
    )


_MOST_DIFFERENCES = 10
_LONGEST_VALUE = 500


def _differences(found: Mapping[Any, object], expected: Mapping[Any, object], what: str) -> str:
    """A line for each key whose values differ, the first few of them."""
    nothing = object()
    keys = [
        key for key in sorted({*found, *expected}, key=str) if found.get(key, nothing) != expected.get(key, nothing)
    ]

    def value(values: Mapping[Any, object], key: object) -> str:
        return _shown(values[key], what) if key in values else "nothing"

    lines = [f"{key}: found {value(found, key)}, expected {value(expected, key)}" for key in keys[:_MOST_DIFFERENCES]]
    rest = len(keys) - len(lines)
    return "\n  ".join([*lines, f"and {rest} more"] if rest else lines)


def _shown(value: object, what: str) -> str:
    """A value as a person reads it: modes are octal numbers, and what is very long is cut."""
    text = f"{value & 0o7777:04o}" if isinstance(value, int) and what.startswith("mode") else repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}… ({len(text)} characters)"


# From the Lambda variables of one function to the program to start and its environment.
MakeCommand = Callable[[Mapping[str, str], BuiltFunction], tuple[Sequence[str | Path], Mapping[str, str]]]


def launcher(*argv: str | Path) -> MakeCommand:
    """The command of a launcher that runs on this host, with the function's Lambda variables as environment."""

    def command(variables: Mapping[str, str], _: BuiltFunction) -> tuple[Sequence[str | Path], Mapping[str, str]]:
        return argv, variables

    return command


def require_answers(check: Check, command: MakeCommand) -> None:
    """Start the artefact's launcher once for each function, and compare its answer to one event with the right one."""
    if not check.functions:
        raise VerificationError(f"{check.output.path}: there is no function that it could run")
    for function in check.functions:
        _require_answer(check, command, function)


def _require_answer(check: Check, command: MakeCommand, function: BuiltFunction) -> None:
    with RuntimeApiStub() as api:
        variables = {
            "AWS_LAMBDA_RUNTIME_API": api.address,
            "_HANDLER": function.handler,
            "LAMBDA_TASK_ROOT": str(function.library.parent),
            "AWS_LAMBDA_FUNCTION_NAME": "simple_handler",
        }
        argv, environment = command(variables, function)
        answer = _invoke(check, function, api, argv, environment)
    expected = ("response", expected_answer(function, answer.request_id or ""))
    check.require_equal((answer.kind, answer.body), expected, f"{function.language} answer")


def expected_answer(function: BuiltFunction, request_id: str) -> bytes:
    """The right answer of an example function to `EVENT`: that in C returns the event, that in Rust greets by name."""
    if function.language == "rust":
        return f'{{"greeting":"Hello, Grüße.","request_id":"{request_id}"}}'.encode()
    return b'{"event":%s,"function":"simple_handler","request_id":"%s"}' % (EVENT, request_id.encode())


def _invoke(
    check: Check,
    function: BuiltFunction,
    api: RuntimeApiStub,
    argv: Sequence[str | Path],
    environment: Mapping[str, str],
) -> RuntimeResult:
    log = check.run.log.with_suffix(f".{function.language}.log")
    log.unlink(missing_ok=True)
    with check.run.start(*argv, env=environment, log=log) as child:
        # A launcher that has ended will not answer: closing the API ends the wait for its answer.
        threading.Thread(target=_close_after, args=(child, api), daemon=True).start()
        try:
            return api.invoke(EVENT, timeout=_ANSWER_TIMEOUT_S)
        except NoResult as error:
            raise VerificationError(
                f"{check.output.path}: no answer to the {function.language} function's event\n"
                f"{tail(log)}\n"
                f"  command: {pasteable(argv, env={**check.run.env, **environment})}\n  log: {log}"
            ) from error


def _close_after(child: Popen[bytes], api: RuntimeApiStub) -> None:
    child.wait()
    api.close()


def tail(log: Path) -> str:
    """The last lines that a program printed, in the form that errors have."""
    printed = log.read_text(encoding="utf-8", errors="replace").splitlines()[1:]  # without the command
    return "\n".join(f"  | {line}" for line in printed[-15:]) or "  | (it printed nothing)"
