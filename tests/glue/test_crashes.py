"""The crate's module that names crashes: which it names, on which threads, and where the kernel says what it needs."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.glue.support import HERE, call, zig
from tests.runtime.support import ACCEPTED, PYTHON, SUFFIX, Runtime, ScriptedServer, invocation
from tests.support import ROOT, not_there
from tests.waiting import TIMEOUT_S

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
MODULE = ROOT / "runtime" / "crate" / "src" / "crashes.rs"
OVERFLOW = "faas-function: the stack of the function overflowed\n"
ABORT = "faas-function: the function called abort()\n"
OUT_OF_MEMORY = "faas-function: the function could not allocate memory, and called abort()\n"
MANAGED = {"AWS_LAMBDA_INITIALIZATION_TYPE": "lambda-managed-instances", "AWS_LAMBDA_MAX_CONCURRENCY": "2"}
PYTHON_SAYS = {signal.SIGSEGV: "Segmentation fault", signal.SIGABRT: "Aborted"}

# The layouts that the module relies on, and the fields of C that its constants are about.
LINUX = """\
#define _GNU_SOURCE
#include <signal.h>
#include <stddef.h>
#include <ucontext.h>
#if defined __x86_64__
#define STACK_POINTER_FIELD uc_mcontext.gregs[REG_RSP]
#else
#define STACK_POINTER_FIELD uc_mcontext.sp
#endif
_Static_assert(sizeof(struct sigaction) == 152, "");
_Static_assert(offsetof(struct sigaction, sa_mask) == 8, "");
_Static_assert(offsetof(struct sigaction, sa_flags) == 136, "");
_Static_assert(offsetof(struct sigaction, sa_restorer) == 144, "");
_Static_assert(sizeof(stack_t) == 24 && offsetof(stack_t, ss_flags) == 8 && offsetof(stack_t, ss_size) == 16, "");
_Static_assert(offsetof(siginfo_t, si_code) == THE_CODE, "");
_Static_assert(offsetof(siginfo_t, si_pid) == THE_SENDER, "");
_Static_assert(offsetof(siginfo_t, si_addr) == THE_ADDRESS, "");
_Static_assert(offsetof(ucontext_t, STACK_POINTER_FIELD) == THE_STACK_POINTER, "");
_Static_assert(SI_TKILL == THE_SI_TKILL, "");
"""
MACOS = """\
#define _XOPEN_SOURCE 700
#define _DARWIN_C_SOURCE
#include <signal.h>
#include <stddef.h>
#include <sys/ucontext.h>
#if defined __x86_64__
#define STACK_POINTER_FIELD __ss.__rsp
#else
#define STACK_POINTER_FIELD __ss.__sp
#endif
_Static_assert(sizeof(struct sigaction) == 16, "");
_Static_assert(offsetof(struct sigaction, sa_mask) == 8, "");
_Static_assert(offsetof(struct sigaction, sa_flags) == 12, "");
_Static_assert(sizeof(stack_t) == 24 && offsetof(stack_t, ss_size) == 8 && offsetof(stack_t, ss_flags) == 16, "");
_Static_assert(offsetof(siginfo_t, si_pid) == THE_SENDER, "");
_Static_assert(offsetof(siginfo_t, si_addr) == THE_ADDRESS, "");
_Static_assert(offsetof(ucontext_t, uc_mcontext) == THE_MACHINE_CONTEXT, "");
_Static_assert(offsetof(struct __darwin_mcontext64, STACK_POINTER_FIELD) == THE_STACK_POINTER, "");
"""
BOTH = """\
#include <errno.h>
_Static_assert(SIGABRT == THE_SIGABRT && SIGBUS == THE_SIGBUS && SIGSEGV == THE_SIGSEGV, "");
_Static_assert(SA_SIGINFO == THE_SA_SIGINFO && SA_ONSTACK == THE_SA_ONSTACK && SS_DISABLE == THE_SS_DISABLE, "");
_Static_assert(ENOMEM == 12 && EFAULT == 14, "");
"""


@pytest.fixture(scope="module", params=["debug", "release"])
def crashing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The task root with the functions that crash."""
    if shutil.which("rustc") is None:
        not_there("rustc")
    folder = tmp_path_factory.mktemp("crashing")
    options = {"debug": ["-C", "opt-level=0"], "release": ["-C", "opt-level=s", "-C", "lto=fat", "-C", "strip=symbols"]}
    library = folder / f"libcrashing{SUFFIX}"
    call(*rustc("--crate-type", "cdylib"), *options[request.param], "-o", library, HERE / "functions" / "crashing.rs")
    return folder


def rustc(*options: str) -> tuple[str, ...]:
    """The compiler, for the oldest edition that the crate may have."""
    return ("rustc", "--edition", "2021", "-D", "warnings", *options)


def crash(folder: Path, handler: str, **variables: str) -> tuple[int, str]:
    """Call a handler that ends the process: the exit code, and what it wrote to standard error.

    With two pollers, the one that is not on the main thread gets the event.
    """
    script = [invocation(), ACCEPTED]
    with (
        ScriptedServer(*([[], script] if variables == MANAGED else [script]), lingering=True) as server,
        Runtime(server.address, f"crashing.{handler}", folder, environment=variables) as runtime,
    ):
        return runtime.end()


@pytest.mark.parametrize("variables", [{}, MANAGED], ids=["main thread", "pollers"])
@pytest.mark.parametrize(
    ("handler", "number", "line"),
    [
        ("small_frames", signal.SIGSEGV, OVERFLOW),
        ("large_frames", signal.SIGSEGV, OVERFLOW),
        ("protected_thread", signal.SIGSEGV, OVERFLOW),
        ("call_abort", signal.SIGABRT, ABORT),
        ("abort_after_another_error", signal.SIGABRT, ABORT),
        ("allocate", signal.SIGABRT, OUT_OF_MEMORY),
        ("wild_write", signal.SIGSEGV, ""),
        ("overrun", signal.SIGSEGV, ""),
    ],
)
def test_one_line_before_that_of_python_names_the_crash(
    crashing: Path, handler: str, number: int, line: str, variables: dict[str, str]
) -> None:
    exit_code, errors = crash(crashing, handler, **variables)
    assert exit_code == -number
    before, python, after = errors.partition(f"Fatal Python error: {PYTHON_SAYS[signal.Signals(number)]}\n")
    assert python, errors
    assert re.findall("^faas-function: .*\n", before, re.MULTILINE) == ([line] if line else [])
    assert "faas-function" not in after
    assert handler == "protected_thread" or f" in {handler}\n" in after


def test_a_stack_that_is_overwritten_to_its_other_end_has_not_overflowed(crashing: Path) -> None:
    """How far that end is differs from one process to the next, and by the variables of the environment."""
    for _ in range(8):
        exit_code, errors = crash(crashing, "overwrite")
        assert exit_code == -signal.SIGSEGV
        assert "faas-function" not in errors


@pytest.mark.parametrize("handler", ["small_frames", "call_abort", "allocate"])
def test_nothing_is_named_without_it(crashing: Path, handler: str) -> None:
    _, errors = crash(crashing, handler, NOT_INSTALLED="1")
    assert "Fatal Python error" in errors
    assert "faas-function" not in errors


def test_a_thread_without_a_stack_for_signals_ends_the_process_without_a_line(crashing: Path) -> None:
    exit_code, errors = crash(crashing, "unprotected_thread")
    assert (exit_code, errors) == (-signal.SIGSEGV, "")


def test_an_abort_from_outside_is_not_the_function_s(crashing: Path) -> None:
    with (
        ScriptedServer([invocation()], lingering=True) as server,
        Runtime(server.address, "crashing.hang", crashing) as runtime,
    ):
        seen = ""
        while "hanging\n" not in seen:
            seen += runtime.read_errors()
        runtime.signal(signal.SIGABRT)
        exit_code, errors = runtime.end()
    assert exit_code == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in errors
    assert "faas-function" not in errors


@pytest.mark.parametrize(
    ("handler", "number", "line"), [("call_abort", signal.SIGABRT, ABORT), ("wild_write", signal.SIGSEGV, "")]
)
def test_the_process_ends_where_nobody_else_handles_the_signal(
    crashing: Path, handler: str, number: int, line: str
) -> None:
    """As in another host of the library: there is no handler to pass the signal on to."""
    code = f"import ctypes\nfunction = ctypes.CDLL({str(crashing / f'libcrashing{SUFFIX}')!r})\n"
    code += f"function.faas_init(None)\nfunction.{handler}(None, None)\n"
    done = subprocess.run([*PYTHON, "-c", code], capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    assert (done.returncode, done.stderr) == (-number, line)


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of the process is in /proc")
def test_protected_threads_leave_no_memory_behind(crashing: Path) -> None:
    """Each has a stack of 64 KiB: a thousand of them would be seen."""
    with (
        ScriptedServer([invocation(), ACCEPTED], lingering=True) as server,
        Runtime(server.address, "crashing.many_threads", crashing) as runtime,
    ):
        server.wait(2)
        body = server.requests[1].body
        assert server.requests[1].action == "POST response", body
        assert int(body) < 16 << 10, "KiB"
        assert runtime.is_alive


def test_what_it_says(tmp_path: Path) -> None:
    """The module's own tests."""
    if shutil.which("rustc") is None:
        not_there("rustc")
    program = tmp_path / "crashes"
    call(*rustc("--test"), "-o", program, MODULE)
    assert "test result: ok. 3 passed" in call(program)


def test_its_style() -> None:
    if shutil.which("rustfmt") is None:
        not_there("rustfmt")
    config = ("--edition", "2021", "--config-path", MODULE.parents[1])
    call("rustfmt", *config, "--check", HERE / "functions" / "crashing.rs")


@pytest.mark.parametrize(
    "target", ["x86_64-linux-gnu", "aarch64-linux-gnu", "x86_64-linux-musl", "aarch64-linux-musl",
               "x86_64-macos", "aarch64-macos"],
)  # fmt: skip
def test_its_numbers_are_those_of_the_system(target: str, tmp_path: Path) -> None:
    assert is_right(target, tmp_path)


@pytest.mark.parametrize("target", ["x86_64-linux-gnu", "aarch64-macos"])
def test_a_wrong_number_is_noticed(target: str, tmp_path: Path) -> None:
    for name in numbers(target):
        assert not is_right(target, tmp_path, **{name: 77}), name


def is_right(target: str, folder: Path, **wrong: int) -> bool:
    """Whether a compiler for the target agrees with the numbers of the module, some of which may be set otherwise."""
    macros = [f"-DTHE_{name}={value}" for name, value in {**numbers(target), **wrong}.items()]
    source = folder / "numbers.c"
    source.write_text((LINUX if "linux" in target else MACOS) + BOTH)
    command = [
        *zig(target),
        "-std=c11",
        "-Wall",
        "-Werror",
        *macros,
        "-c",
        "-o",
        str(folder / "numbers.o"),
        str(source),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    assert done.returncode == 0 or "static assertion failed" in done.stderr, done.stderr
    return done.returncode == 0


def numbers(target: str) -> dict[str, int]:
    """The numbers of the module for the target, by their names."""
    machine, system, *_ = target.split("-")
    (module,) = re.findall(
        rf'cfg\(all\(\s*target_os = "{system}".*?^mod system \{{(.*?)^\}}', MODULE.read_text(), re.M | re.S
    )
    found = re.findall(
        r'(?:#\[cfg\(target_arch = "(\w+)"\)\]\s+)?(?:pub\(super\) )?const (\w+): \w+ = ([-\w]+);', module
    )
    return {name: int(value.replace("_", ""), 0) for only, name, value in found if only in ("", machine)}
