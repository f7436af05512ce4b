"""Has one installed runtime answer every event, and writes down what it did."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ci.core.errors import VerificationError
from ci.core.masking import Masks
from ci.core.run import Runner
from ci.core.runtime_api_stub import NoResult, RuntimeApiStub, RuntimeResult
from ci.verify.check import tail
from ci.verify.equivalence import normal
from ci.verify.equivalence.events import ANSWERED, ENDING, Ending, Event

_ANSWER_TIMEOUT_S = 60.0
_END_TIMEOUT_S = 60.0
HANDLER = "libfunction.handle"
_SETTINGS = {
    "AWS_LAMBDA_FUNCTION_NAME": "a-function",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
    "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/a-function",
    "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
}


@dataclass(frozen=True, kw_only=True)
class Installed:
    """A runtime that was installed from an artefact: how to start it, and what it calls its folders.

    `command` starts the launcher, `task` is the folder with the functions as the runtime sees it. `places` are names
    for the paths that its messages may contain. `python` starts its Python. `has_panic` says whether the Rust function
    is there.
    """

    command: tuple[str, ...]
    task: str
    places: Mapping[str, str]
    python: tuple[str, ...]
    libc: str = "glibc"
    has_panic: bool = False


@dataclass(kw_only=True)
class EventResult:
    """What came of one event: what was posted for it, what was printed, and the exit code if the process ended."""

    kind: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    log: str = ""
    exit_code: int | None = None


@dataclass(kw_only=True)
class Record:
    """All answers of one artefact. `group` has its Python and C library: within a group, answers have equal bytes."""

    artifact: str
    group: str
    answers: dict[str, EventResult]


def record(run: Runner, artifact: str, installed: Installed) -> Record:
    """Give the runtime every event; raises `VerificationError` if it does not answer one that it has to answer."""
    version = run.output(*installed.python, "-IS", "-c", "import sys; print(sys.version.split()[0])").strip()
    session = _Session(run, artifact, installed)
    answers = session.answered()
    for ending in ENDING:
        if ending.function == "c" or installed.has_panic:
            answers[ending.name] = session.ended(ending)
    return Record(artifact=artifact, group=f"Python {version}, {installed.libc}", answers=answers)


@dataclass(frozen=True)
class _Session:
    """What all processes of one artefact share."""

    run: Runner
    artifact: str
    installed: Installed

    def answered(self) -> dict[str, EventResult]:
        """The answers to the events that one process gets."""
        answers = {}
        with RuntimeApiStub() as api, self._process("answered", api, {}, (HANDLER,)) as (child, log):
            for event in ANSWERED:
                begin = log.stat().st_size
                result = self._invoke(api, event, log)
                answers[event.name] = self._answer(result, log, begin)
            if child.poll() is not None:
                raise VerificationError(f"{self.artifact}: the runtime ended after the last event\n{tail(log)}")
        return answers

    def ended(self, ending: Ending) -> EventResult:
        """What a process does that ends, and its exit code."""
        arguments = ending.arguments or ("libpanics.handle" if ending.function == "rust" else HANDLER,)
        result = None
        with (
            RuntimeApiStub() as api,
            self._process(ending.name, api, ending.variables, arguments) as (child, log),
        ):
            begin = _first_line(log)
            if ending.event is not None and ending.is_stopped:
                result = self._invoke(api, ending.event, log)
                child.send_signal(signal.SIGTERM)
            elif ending.event is not None:
                result = self._invoke_without_answer(api, ending, child)
            code = self._wait(child, ending.name, log)
            answer = self._answer(result or _posted(api), log, begin)
        answer.exit_code = code
        return answer

    @contextmanager
    def _process(
        self, name: str, api: RuntimeApiStub, variables: Mapping[str, str], arguments: tuple[str, ...]
    ) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
        given = {
            "AWS_LAMBDA_RUNTIME_API": api.address,
            "LAMBDA_TASK_ROOT": self.installed.task,
            **_SETTINGS,
            **variables,
        }
        log = self.run.log.with_suffix(f".{name}.log")
        log.unlink(missing_ok=True)
        environment = {key: value for key, value in given.items() if value}
        # Masking holds output back, and a log is read while its program runs. This one is given no secret.
        run = replace(self.run, masks=Masks())
        with run.start(*self.installed.command, *arguments, env=environment, log=log) as child:
            threading.Thread(target=_close_after, args=(child, api), daemon=True).start()
            yield child, log

    def _invoke(self, api: RuntimeApiStub, event: Event, log: Path) -> RuntimeResult:
        try:
            return api.invoke(
                event.payload, timeout=_ANSWER_TIMEOUT_S, request_id=f"request-{event.name}", **event.all_headers
            )
        except NoResult as error:
            raise VerificationError(f"{self.artifact}: {event.name}: no answer\n{tail(log)}\n  log: {log}") from error

    def _invoke_without_answer(
        self, api: RuntimeApiStub, ending: Ending, child: subprocess.Popen[bytes]
    ) -> RuntimeResult | None:
        event = ending.event
        assert event is not None
        headers, timeout, request = event.all_headers, _END_TIMEOUT_S, f"request-{event.name}"
        try:
            if not ending.seconds:
                return api.invoke(event.payload, timeout=timeout, request_id=request, **headers)
            del headers["deadline_ms"]
            return api.invoke_with_time_limit(
                event.payload, ending.seconds, timeout=timeout, request_id=request, **headers
            )
        except NoResult:
            return None

    def _wait(self, child: subprocess.Popen[bytes], name: str, log: Path) -> int:
        try:
            return child.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise VerificationError(f"{self.artifact}: {name}: the runtime does not end\n{tail(log)}") from error

    def _answer(self, result: RuntimeResult | None, log: Path, begin: int) -> EventResult:
        with log.open("rb") as file:
            file.seek(begin)
            printed = self._normal(file.read().decode("utf-8", "backslashreplace"))
        if result is None:
            return EventResult(log=printed)
        is_response = result.kind == "response"
        lengths = {} if is_response else {"content-length": str(len(result.body))}
        headers = {name: self._normal(value, lengths.get(name, "")) for name, value in sorted(result.headers.items())}
        body = result.body if is_response else self._normal(result.body.decode("utf-8", "backslashreplace")).encode()
        return EventResult(kind=result.kind, headers=headers, body=body, log=printed)

    def _normal(self, text: str, length: str = "") -> str:
        return normal.always(text, normal.Known(places=self.installed.places, length=length))


def _first_line(log: Path) -> int:
    """Where what a program prints begins: after the line with its command."""
    return log.read_bytes().index(b"\n") + 1


def _posted(api: RuntimeApiStub) -> RuntimeResult | None:
    """An init error that the runtime posted before it ended, if it did."""
    try:
        return api.wait(timeout=_END_TIMEOUT_S)  # it is closed by now, or will be
    except NoResult:
        return None


def _close_after(child: subprocess.Popen[bytes], api: RuntimeApiStub) -> None:
    child.wait()
    api.close()


def document(made: Record) -> bytes:
    """The record as JSON; bodies are compressed, as some have six megabytes."""
    answers = {name: {**asdict(answer), "body": _packed(answer.body)} for name, answer in made.answers.items()}
    loaded = {"artifact": made.artifact, "group": made.group, "answers": answers}
    return json.dumps(loaded, indent=1, ensure_ascii=False).encode() + b"\n"


def read(data: bytes) -> Record:
    """The record in a document."""
    loaded: dict[str, Any] = json.loads(data)
    answers = {
        name: EventResult(**{**answer, "body": zlib.decompress(base64.b64decode(answer["body"]))})
        for name, answer in loaded["answers"].items()
    }
    return Record(artifact=loaded["artifact"], group=loaded["group"], answers=answers)


def _packed(body: bytes) -> str:
    return base64.b64encode(zlib.compress(body, 1)).decode()
