"""What a verification has at hand, and the one question that every installed artefact is asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from ci.errors import VerificationError
from ci.jobs import Output, Project
from ci.run import Runner, pasteable
from ci.runtime_api import Answer, NoAnswer, RuntimeApi

# Compact and with sorted keys, so that the Rust function, which writes JSON anew, answers with the same bytes.
EVENT = b'{"answer":42,"text":"gr\xc3\xbc\xc3\x9f dich"}'
_PATIENCE_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Function:
    """A built example function: `libc` is "glibc" or "musl", `machine` as in `uname -m`."""

    language: str
    library: Path
    libc: str = "glibc"
    machine: str = "x86_64"

    @property
    def handler(self) -> str:
        """What goes into `_HANDLER`."""
        return "simple_handler.handle"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One artefact under verification. `folder` is empty and goes away afterwards; `functions` are built."""

    project: Project
    output: Output
    path: Path
    folder: Path
    run: Runner
    functions: tuple[Function, ...]

    def require(self, truth: bool, claim: str) -> None:
        """Raise `VerificationError` unless the claim about the artefact is true."""
        if not truth:
            raise VerificationError(f"{self.output.path}: not true: {claim}")

    def require_equal(self, found: object, expected: object, what: str) -> None:
        """Raise `VerificationError` that shows both sides unless they are equal."""
        if found != expected:
            raise VerificationError(f"{self.output.path}: {what}: found {found!r}, expected {expected!r}")

    def require_same_set(self, found: set[str], expected: set[str], what: str) -> None:
        """Raise `VerificationError` that names what is missing and what is too many."""
        if found != expected:
            missing, extra = sorted(expected - found), sorted(found - expected)
            raise VerificationError(f"{self.output.path}: {what}: missing {missing}, not expected {extra}")


# From the Lambda variables of one function to the program to start and the environment to start it in.
Command = Callable[[Mapping[str, str], Function], tuple[Sequence[str | Path], Mapping[str, str]]]


def launcher(*argv: str | Path) -> Command:
    """The command of a launcher that runs on this host, in the function's own environment."""

    def command(variables: Mapping[str, str], _: Function) -> tuple[Sequence[str | Path], Mapping[str, str]]:
        return argv, variables

    return command


def require_answers(check: Check, command: Command) -> None:
    """Start the artefact's launcher once per function and hold its answer to one event against what it must be."""
    if not check.functions:
        raise VerificationError(f"{check.output.path}: there is no function to ask it with")
    for function in check.functions:
        _require_answer(check, command, function)


def _require_answer(check: Check, command: Command, function: Function) -> None:
    with RuntimeApi() as api:
        variables = {
            "AWS_LAMBDA_RUNTIME_API": api.address,
            "_HANDLER": function.handler,
            "LAMBDA_TASK_ROOT": str(function.library.parent),
            "AWS_LAMBDA_FUNCTION_NAME": "simple_handler",
        }
        argv, environment = command(variables, function)
        answer = _ask(check, function, api, argv, environment)
    expected = ("response", expected_answer(answer.request_id or ""))
    check.require_equal((answer.kind, answer.body), expected, f"{function.language} answer")


def expected_answer(request_id: str) -> bytes:
    """What the example functions answer to `EVENT`."""
    return b'{"event":%s,"function":"simple_handler","request_id":"%s"}' % (EVENT, request_id.encode())


def _ask(
    check: Check, function: Function, api: RuntimeApi, argv: Sequence[str | Path], environment: Mapping[str, str]
) -> Answer:
    log = check.run.log.with_suffix(f".{function.language}.log")
    log.unlink(missing_ok=True)
    with check.run.start(*argv, env=environment, log=log) as child:
        # A launcher that has died will not answer: closing the API ends the wait for it.
        threading.Thread(target=_close_after, args=(child, api), daemon=True).start()
        try:
            return api.invoke(EVENT, timeout=_PATIENCE_S)
        except NoAnswer as error:
            raise VerificationError(
                f"{check.output.path}: no answer to the {function.language} function's event\n"
                f"{tail(log)}\n"
                f"  command: {pasteable(argv, env={**check.run.env, **environment})}\n  log: {log}"
            ) from error


def _close_after(child: Popen[bytes], api: RuntimeApi) -> None:
    child.wait()
    api.close()


def tail(log: Path) -> str:
    """The last lines that a program printed, as an error shows them."""
    printed = log.read_text(errors="replace").splitlines()[1:]  # without the command
    return "\n".join(f"  | {line}" for line in printed[-15:]) or "  | (it printed nothing)"
