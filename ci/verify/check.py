"""What a verification has at hand, and the one question that every installed artefact is asked."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ci.errors import VerificationError
from ci.jobs import Output, Project
from ci.run import Runner, base_environment, pasteable, resolve
from ci.runtime_api import NoAnswer, RuntimeApi

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
    for function in check.functions:
        _require_answer(check, command, function)


def _require_answer(check: Check, command: Command, function: Function) -> None:
    log = check.run.log.with_suffix(f".{function.language}.log")
    with RuntimeApi() as api, log.open("wb") as output:
        variables = {
            "AWS_LAMBDA_RUNTIME_API": api.address,
            "_HANDLER": function.handler,
            "LAMBDA_TASK_ROOT": str(function.library.parent),
            "AWS_LAMBDA_FUNCTION_NAME": "simple_handler",
        }
        argv, environment = command(variables, function)
        child = subprocess.Popen(
            [resolve(argv[0]), *(str(word) for word in argv[1:])],
            env=base_environment(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        check.run.children.add(child)
        # A launcher that has died will not answer: closing the API ends the wait for it.
        threading.Thread(target=_close_after, args=(child, api), daemon=True).start()
        try:
            answer = api.invoke(EVENT, timeout=_PATIENCE_S)
        except NoAnswer as error:
            raise VerificationError(
                f"{check.output.path}: no answer to the {function.language} function's event\n"
                f"{_tail(log)}\n"
                f"  command: {pasteable(argv, env=environment)}\n  log: {log}"
            ) from error
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            check.run.children.discard(child)
    expected = b'{"event":%s,"function":"simple_handler","request_id":"%s"}' % (
        EVENT,
        (answer.request_id or "").encode(),
    )
    check.require_equal((answer.kind, answer.body), ("response", expected), f"{function.language} answer")


def _close_after(child: subprocess.Popen[bytes], api: RuntimeApi) -> None:
    child.wait()
    api.close()


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-15:]
    return "\n".join(f"  | {line}" for line in lines) or "  | (it printed nothing)"
