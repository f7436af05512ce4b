"""The crate for functions in Rust: its own tests, its checks, and its behaviour when a host calls a function."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.glue.debian_rust import musl_function
from tests.glue.support import CRATE, OLD_GLIBC, Host, cargo, crate_cargo, needed, rust_function, rust_project, zig
from tests.support import program

OLDEST_RUST = "1.82.0"
LEAK_KIB = 256
ROUNDS = 50_000
SIZE_LIMIT = 360_000  # 354 KB when this was written, mostly the code that prints a panic
HOOKS = """\
version 1
faas_init 0
faas_before_snapshot 1
error_type Function.Error
error_message still connected
faas_after_restore 1
error_type Function.Panic
error_message no connection
stack_trace src/lib.rs:35:9
""".splitlines()
CONTEXT = (
    'data [["r-1","i-1","arn:1","Root=1"],["{\\"w3c\\":{}}","{\\"id\\":1}","tenant"],'
    '["name","$LATEST","group","stream"],[99000000000123,512]]'
)
STREAM = ["sent text/plain: Grüße", "sent text/plain:  1", "status 0"]
FAILURES = {
    "panic": ["Function.Panic", "in a bad mood", "src/lib.rs:45:26"],
    "value": ["Function.Panic", "the function panicked", "src/lib.rs:46:26"],
    "error": ["Function.Error", "not\ufffdtoday"],
    "type": ["Function.OutOfStock", "none left"],
    "number": ["Function.Error", "invalid digit found in string"],
}


def failure(kind: str, message: str, *trace: str) -> list[str]:
    return ["status 1", f"error_type {kind}", f"error_message {message}", *(f"stack_trace {line}" for line in trace)]


def call_with(host: Host, library: Path, payload: str, *, peer: str = "") -> list[str]:
    """What the host prints about a call, which must not leak memory."""
    *lines, grown = host(library, payload, peer=peer, rounds=ROUNDS)
    assert int(grown.removeprefix("grown ")) < LEAK_KIB
    lines.remove("shut down after 111")
    assert lines[: len(HOOKS)] == HOOKS
    return lines[len(HOOKS) :]


def is_installed(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe's crate, unchanged."""
    return rust_project(tmp_path_factory.mktemp("recipe"))


@pytest.mark.parametrize("features", ["", "tokio"])
def test_own_tests_pass(features: str) -> None:
    output = crate_cargo("test", "--locked", "--features", features, RUST_BACKTRACE="0")
    assert "layout_is_that_of_the_header ... ok" in output
    assert ("all_functions_may_be_async ... ok" in output) == (features == "tokio")
    assert " 0 failed; " in output


def test_own_tests_pass_with_the_oldest_rust() -> None:
    if not is_installed(program("cargo"), f"+{OLDEST_RUST}", "--version"):
        pytest.skip(f"not run: Rust {OLDEST_RUST} is not installed")
    assert " 0 failed; " in crate_cargo(f"+{OLDEST_RUST}", "test", "--locked", RUST_BACKTRACE="0")


def test_format() -> None:
    crate_cargo("fmt", "--check")


@pytest.mark.parametrize("features", ["", "tokio"])
def test_clippy(features: str) -> None:
    """clippy also reports features that are newer than `rust-version` in Cargo.toml."""
    crate_cargo("clippy", "--locked", "--all-targets", "--features", features, "--", "-D", "warnings")


def test_clippy_of_a_function(moods_project: Path) -> None:
    cargo(moods_project, "clippy", "--locked", "--all-targets", "--", "-D", "warnings")


def test_unsafe_stays_at_the_boundary(project: Path) -> None:
    having = {file.name for file in (CRATE / "src").rglob("*.rs") if "unsafe {" in file.read_text()}
    assert having == {"call.rs", "context.rs", "crashes.rs", "export.rs", "stream.rs"}
    assert not [file for file in (project / "src").rglob("*.rs") if "unsafe" in file.read_text()]


def test_the_tests_of_a_project_are_its_authors(project: Path) -> None:
    """The copy of the crate brings no tests of its own, not even with all packages and doc tests."""
    output = cargo(project, "test", "--locked", "--workspace")
    assert output.count("test result: ok. ") == 1
    assert "test tests::greets_by_name ... ok" in output


def test_unknown_option_is_refused(tmp_path: Path) -> None:
    crate = rust_project(tmp_path)
    source = crate / "src" / "lib.rs"
    source.write_text(source.read_text().replace("export!(handle)", "export!(handle, start = handle)"))
    with pytest.raises(pytest.fail.Exception, match="there is no option `start`; expected init, shutdown,"):
        cargo(crate, "check", "--locked")


def test_size(project: Path) -> None:
    library = rust_function(project, "recipe")
    assert library.stat().st_size < SIZE_LIMIT
    assert needed(library) <= {"libc.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}


def test_context(host: Host, moods: Path) -> None:
    assert call_with(host, moods, "{}") == ["status 0", CONTEXT]


@pytest.mark.parametrize("mood", FAILURES)
def test_failures(host: Host, moods: Path, mood: str) -> None:
    assert call_with(host, moods, f'{{"mood":"{mood}"}}') == failure(*FAILURES[mood])


def test_payload_that_is_not_json(host: Host, moods: Path) -> None:
    message = "the payload is not JSON: EOF while parsing an object at line 1 column 1"
    assert call_with(host, moods, "{") == failure("Function.InvalidPayload", message)


def test_stream(host: Host, moods: Path) -> None:
    assert call_with(host, moods, '{"mood":"stream"}') == [*STREAM, "content_type text/plain"]


def test_stream_with_a_response(host: Host, moods: Path) -> None:
    assert call_with(host, moods, '{"mood":"stream","last":1}') == [*STREAM, "data 1", "content_type text/plain"]


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ("gone", [*failure("Function.Error", "the caller no longer receives the response")]),
        ("none", [*failure("Function.Error", "streaming is not available")]),
    ],
)
def test_no_stream(host: Host, moods: Path, peer: str, expected: list[str]) -> None:
    lines = call_with(host, moods, '{"mood":"stream"}', peer=peer)
    assert [line for line in lines if not line.startswith("content_type")] == expected


def test_old_glibc(host: Host, moods_project: Path) -> None:
    """Linked by zig for an older glibc, panics are still caught."""
    library = rust_function(moods_project, "moods_old_glibc", linker=zig(OLD_GLIBC))
    assert call_with(host, library, '{"mood":"panic"}') == failure(*FAILURES["panic"])


def test_musl(musl_host: Host, moods_project: Path) -> None:
    library = musl_function(moods_project, "moods_musl")
    assert needed(library) == {"libc.so"}
    assert call_with(musl_host, library, '{"mood":"panic"}') == failure(*FAILURES["panic"])
    assert call_with(musl_host, library, "{}") == ["status 0", CONTEXT]
