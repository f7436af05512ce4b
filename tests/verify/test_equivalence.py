"""The gate `equivalence`: two runtimes that are the same pass, and a difference is named."""

from __future__ import annotations

import copy
import dataclasses
import re
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from ci.core import program_log
from ci.core.masking import Masks
from ci.core.run import Runner
from ci.pipeline.jobs import Job, Output, Project, Verdict, Workspace
from ci.release.not_run import may_be_published
from ci.verify import in_root, roots
from ci.verify.equivalence import compare, gate, normal
from ci.verify.equivalence.events import ANSWERED, ENDING
from ci.verify.equivalence.record import EventResult, Record, document, read
from tests.verify.records import good, recorded

__all__ = ["good"]

LOGGED = ("faas_runtime/log.py", 'f"faas-runtime: {message}"', 'f"faas_runtime: {message}"')


def other(record: Record, group: str = "") -> Record:
    second = copy.deepcopy(record)
    second.artifact, second.group = "the other", group or record.group
    return second


def test_the_table_has_what_can_happen_to_an_event() -> None:
    names = [event.name for event in ANSWERED] + [ending.name for ending in ENDING]
    assert len(names) == len(set(names)) >= 24


def test_every_event_has_the_answer_that_its_name_says(good: Record) -> None:
    answers = good.answers
    events = {event.name: event for event in ANSWERED}
    echoed = ("empty", "small", "six-megabytes", "every-byte", "line-ends", "deep-json", "unicode", "small-again")
    for name in echoed:
        assert (answers[name].kind, answers[name].body) == ("response", events[name].payload), name
    for name in ("error", "error-without-words", "error-of-own-type", "error-of-300-kB", "response-without-data"):
        assert answers[name].kind == "error", name
    assert answers["streamed"].body == b"first,second,last"
    assert "lambda-runtime-function-error-body" in answers["stream-that-breaks"].headers
    assert b"tenant_id=tenant-1\n" in answers["all-headers"].body
    assert "to standard error: gr\u00fc\u00df dich\n" in answers["printed"].log
    codes = {name: answer.exit_code for name, answer in answers.items() if answer.exit_code is not None}
    assert codes == {
        **{"crash": -11, "abort": -6, "exit": 3, "time-out": 4, "stop": 0, "error-logged-as-json": 0},
        **dict.fromkeys(("no-such-handler", "no-such-library", "not-a-library", "malformed-handler"), 1),
        **{"no-runtime-api": 2, "address-that-is-none": 2, "version": 0, "unknown-option": 2},
    }
    assert answers["no-such-library"].kind == "init-error"
    assert "function: shut down\n" in answers["stop"].log


def test_a_record_is_the_same_after_it_was_written_and_read(good: Record) -> None:
    assert read(document(good)) == good


@pytest.mark.mutant
def test_a_second_run_does_the_same_and_another_log_line_is_named(good: Record, built: Project, tmp_path: Path) -> None:
    again = recorded(built, tmp_path / "again")
    assert compare.differences([good, again]) == []
    spoilt = recorded(built, tmp_path / "spoilt", LOGGED, name="spoilt")
    lines = compare.differences([good, spoilt])
    assert re.match(r"spoilt and sdist: [\w-]+: log: they differ from byte 4 on: '", lines[0])


def test_only_a_right_length_of_an_error_document_is_replaced(good: Record) -> None:
    """Were it always replaced, a runtime that says a wrong one would pass."""
    for name, answer in good.answers.items():
        if "content-length" in answer.headers:
            length = "LENGTH" if answer.kind != "response" else str(len(answer.body))
            assert answer.headers["content-length"] == length, name


def test_what_is_printed_is_read_at_once_although_there_are_secrets(
    good: Record, built: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Masked logs are written by a thread, which may be late: here it always is."""
    write = program_log._write_all

    def late(descriptor: int, data: bytes) -> None:
        threading.Event().wait(0.1)
        write(descriptor, data)

    monkeypatch.setattr(program_log, "_write_all", late)
    masks = Masks()
    masks.add("a passphrase", "the-secret-of-a-release")
    assert compare.differences([good, recorded(built, tmp_path / "again", masks=masks)]) == []


@pytest.mark.mutant
def test_a_difference_names_both_artefacts_the_event_and_the_byte(good: Record) -> None:
    spoilt = other(good)
    spoilt.answers["every-byte"].body = spoilt.answers["every-byte"].body[:300] + b"x" * 3796
    spoilt.answers["exit"].exit_code = 0
    spoilt.answers["error"].headers["content-type"] = "text/plain"
    del spoilt.answers["crash"]
    lines = sorted(compare.differences([good, spoilt]))
    assert [line.partition(": they differ from")[0] for line in lines] == [
        "the other and sdist: crash: only one of them has this event",
        "the other and sdist: error: headers",
        "the other and sdist: every-byte: answer",
        "the other and sdist: exit: exit code",
    ]
    assert "from byte 300 on" in lines[2]


def test_across_groups_only_the_listed_fields_may_differ(good: Record) -> None:
    spoilt = other(good, "Python 4, musl")
    crash = spoilt.answers["crash"]
    crash.log = crash.log.replace("Current thread ADDRESS (", "Current thread ADDRESS [Main] (")
    assert crash.log != good.answers["crash"].log
    crash.log += '  File "<frozen runpy>", line 88 in _run_code\n\nExtension modules: _x (total: 1)\n'
    assert compare.differences([good, spoilt]) == []
    spoilt.group = good.group
    assert compare.differences([good, spoilt])
    spoilt.group = "Python 4, musl"
    spoilt.answers["small"].body += b" "
    (line,) = compare.differences([good, spoilt])
    assert "small: answer" in line


THREADS = "Current thread ADDRESS [MainThread] (most recent call first):\n"
ALWAYS = [
    ("Current thread 0x00007f3c1a2b3c40 (most", "Current thread ADDRESS (most"),
    ('Thread 0x00007f3c1a2b3c40 (most recent call first):\n  File "watcher.py", line 1 in wait\n\nCurrent', "Current"),
    ("cannot connect to 127.0.0.1:40321: refused", "cannot connect to 127.0.0.1:PORT: refused"),
    ('"timestamp":"2026-11-23T01:02:03.004Z"', '"timestamp":"TIME"'),
]
PLACES = {"/x/lib/faas-runtime": "PAYLOAD", "/x/lib/faas-runtime/bin/..": "PAYLOAD", "/x": "TASK"}
KNOWN = [
    ("cannot load /x/libf.so", "cannot load TASK/libf.so"),
    ('File "/x/lib/faas-runtime/bin/../faas_runtime/a.py"', 'File "PAYLOAD/faas_runtime/a.py"'),
    ("123", "LENGTH"),
    ("1234", "1234"),
]
ACROSS = [
    ('  File "PAYLOAD/faas_runtime/__main__.py", line 9 in main\n', ""),
    (THREADS, "Current thread ADDRESS (most recent call first):\n"),
    ("\nCurrent thread's C stack trace (most recent call first):\n  Binary file x\n", "\n"),
    ("\n\nExtension modules: _ctypes (total: 1)\n", "\n"),
    ("text.so cannot be loaded: invalid ELF header. It is", "text.so cannot be loaded: REASON. It is"),
    ('{"b":1,"a":2}', '{"a": 2, "b": 1}'),
]


@pytest.mark.parametrize(("text", "expected"), ALWAYS)
def test_what_always_differs_is_replaced(text: str, expected: str) -> None:
    assert normal.always(text) == expected


@pytest.mark.parametrize(("text", "expected"), KNOWN)
def test_what_an_installation_and_an_answer_know_of_themselves_is_replaced(text: str, expected: str) -> None:
    assert normal.always(text, normal.Known(places=PLACES, length="123")) == expected
    assert normal.always(text) == text


def test_every_field_says_why_it_may_differ() -> None:
    assert all(one.reason for one in (*normal.ALWAYS, *normal.ACROSS))


@pytest.mark.parametrize(("text", "expected"), ACROSS)
def test_what_differs_between_pythons_is_replaced_there_only(text: str, expected: str) -> None:
    assert normal.across(text) == expected
    assert normal.always(text) == text


def workspace(project: Project, folder: Path, **files: bytes) -> Workspace:
    """The workspace of a job of the gate, with records that others have made."""
    dist = folder / "dist"
    for name, data in files.items():
        (dist / "equivalence").mkdir(parents=True, exist_ok=True)
        (dist / "equivalence" / f"{name}.json").write_bytes(data)
    for name in ("work", "out"):
        (folder / name).mkdir()
    return Workspace(
        project=dataclasses.replace(project, dist=dist),
        job="equivalence",
        folder=folder / "work",
        out=folder / "out",
        run=Runner(log=folder / "log"),
        needs=frozenset(f"equivalence/{name}.json" for name in files),
    )


def test_the_comparison_says_where_no_panic_was_tried(good: Record, built: Project, tmp_path: Path) -> None:
    panicked = copy.deepcopy(good)
    panicked.answers["panic"] = EventResult(kind="error")
    records = {"first": document(panicked), "second": document(other(good)), "third": document(panicked)}
    verdict = gate._compare(workspace(built, tmp_path, **records))
    assert verdict.untried == ("a panic was not compared: it was not tried with the other",)
    assert verdict.passed


def test_a_c_library_without_a_rust_function_is_told(
    built: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "resolve", lambda _: lambda _: None)
    monkeypatch.setattr(gate, "_write_record", lambda *_: Verdict(notes=("40 events",)))
    output = Output(kind="image", path="images/alpine.oci.tar")
    build = Job(id="image", builder="images", outputs=(output,), build=lambda _: None)
    work = workspace(built, tmp_path)
    found = {libc: gate._record(work, build=build, output=output, libc=libc) for libc in ("musl", "glibc")}
    note = "a panic: no Rust function is built for musl"
    assert found["musl"] == Verdict(untried=(note,), notes=("40 events",))
    assert found["glibc"] == Verdict(not_run="a panic: the Rust function could not be built here")
    assert may_be_published(built.release, "equivalence", note)
    assert not may_be_published(built.release, "equivalence", found["glibc"].not_run)


def test_a_root_that_is_too_old_for_the_rust_function_is_told(
    built: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = b"GLIBC_2.31\0"
    root = tmp_path / "root" / "lib" / "x86_64-linux-gnu"
    root.mkdir(parents=True)
    (root / "libc.so.6").write_bytes(old)
    libraries = {"libfunction.so": old, "libpanics.so": b"GLIBC_2.34\0"}
    for name, data in libraries.items():
        (tmp_path / name).write_bytes(data)
    tried: list[set[str]] = []
    place = SimpleNamespace(folder=tmp_path / "root", python="/usr/bin/python3.9")
    monkeypatch.setattr(in_root, "unpack", lambda *_: place)
    monkeypatch.setattr(gate, "_functions", lambda *_: {name: tmp_path / name for name in libraries})
    monkeypatch.setattr(gate, "rpm_in_root", lambda artifact, *_: tried.append(set(artifact.functions)))
    monkeypatch.setattr(gate, "_write_record", lambda *_: Verdict())
    output = Output(kind="rpm", path="rpm/x.rpm")
    build = Job(id="rpm", builder="rpm", outputs=(output,), build=lambda _: None)

    def record(folder: str) -> Verdict:
        (tmp_path / folder).mkdir()
        work = workspace(built, tmp_path / folder)
        return gate._record_in_root(work, build=build, output=output, suite=roots.SUITES[0])

    (note,) = record("first").untried
    assert note == "a panic: the Rust function was not tried: it needs glibc 2.34 of this machine"
    assert may_be_published(built.release, "equivalence", note)
    (root / "libc.so.6").write_bytes(b"GLIBC_2.34\0")
    assert record("second") == Verdict()
    assert tried == [{"libfunction.so"}, {*libraries}]
