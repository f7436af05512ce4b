"""What musl does in its own way: threads with small stacks, and a loader that takes more and says it differently.

The tests of libraries that are refused run without chroot, as the runtime reads /proc to know its own C library.
"""

from __future__ import annotations

import signal
import subprocess
import threading
from pathlib import Path

import pytest

from ci.core.runtime_api_stub import RuntimeApiStub
from tests.glue.support import INCLUDE, MACHINE, OLD_GLIBC, call, zig
from tests.matrix.roots import HOME, PythonRoot
from tests.runtime.check_command import check
from tests.runtime.support import ACCEPTED, Runtime, ScriptedServer, invocation
from tests.waiting import TIMEOUT_S

TASK_ROOT = Path("/var/task")
OTHER = {"x86_64": "aarch64", "aarch64": "x86_64"}[MACHINE]
FUNCTION = """\
#include <faas.h>
FAAS_EXPORT unsigned faas_abi_version(void) { return FAAS_ABI_VERSION; }
FAAS_EXPORT int handle(void);
"""
NEEDS_LIBC = "int rand(void);\nint handle(void) { return rand(); }\n"


@pytest.fixture
def launch(musl: PythonRoot) -> tuple[str, ...]:
    """The command that starts the runtime with the host's files around it."""
    python, program = musl.path / "usr" / "bin" / "python3", musl.path / HOME / "bin" / "faas-runtime"
    return (str(python), "-IS", "-X", "utf8", str(program))


def build(folder: Path, source: str, *options: str | Path, target: str = f"{MACHINE}-linux-musl") -> Path:
    """A library of the name `function`."""
    (folder / "function.c").write_text(FUNCTION + source)
    library = folder / "libfunction.so"
    command = [*zig(target), f"-I{INCLUDE}", "-O1", "-shared", "-fPIC"]  # without -O, zig adds a sanitizer
    call(*command, "-o", library, folder / "function.c", *options)
    return library


def refusal(library: Path, launch: tuple[str, ...]) -> str:
    """What the runtime says when it is to run the library; `check` says the same."""
    with RuntimeApiStub() as api, Runtime(api.address, "function.handle", library.parent, command=launch) as runtime:
        api.wait(timeout=TIMEOUT_S)
        exit_code, errors = runtime.end()
    assert exit_code == 1
    code, facts, _ = check("function.handle", library.parent, launch)
    assert code == 1
    assert facts["fix"] in errors
    return errors


@pytest.mark.parametrize("concurrency", ["1", "16"])
def test_stack_of_every_poller_is_large(musl: PythonRoot, concurrency: str) -> None:
    """The function needs 1 MiB of stack, eight times as much as musl gives to a thread."""
    many = {"AWS_LAMBDA_MAX_CONCURRENCY": concurrency}
    with RuntimeApiStub() as api, Runtime(api.address, "rough.deep", TASK_ROOT, musl.launcher, many) as runtime:
        results: list[bytes] = []
        threads = [threading.Thread(target=lambda: results.append(api.invoke(b"", timeout=10).body)) for _ in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert runtime.is_alive
    assert results == [b"deep"] * 32


@pytest.mark.parametrize("concurrency", ["1", "4"])
def test_stack_overflow(musl: PythonRoot, concurrency: str) -> None:
    many = {"AWS_LAMBDA_MAX_CONCURRENCY": concurrency}
    script = [invocation(b"1"), ACCEPTED]
    with (
        ScriptedServer(*([script] * int(concurrency))) as server,
        Runtime(server.address, "rough.overflow", TASK_ROOT, musl.launcher, many) as runtime,
    ):
        exit_code, errors = runtime.end()
    assert exit_code == -signal.SIGSEGV
    assert "Fatal Python error: Segmentation fault" in errors
    assert 'librough.so", line 0 in overflow\n' in errors


def test_exit_in_the_function(musl: PythonRoot) -> None:
    with (
        ScriptedServer([invocation(b"1"), ACCEPTED]) as server,
        Runtime(server.address, "rough.leave", TASK_ROOT, musl.launcher) as runtime,
    ):
        _, errors = runtime.end()
    assert "the function ended the process with exit() during request r-1" in errors


def test_variable_in_the_environment(musl: PythonRoot) -> None:
    """It is the C library's environment that the function reads, and the runtime changes."""
    with RuntimeApiStub() as api, Runtime(api.address, "probe.trace", TASK_ROOT, musl.launcher):
        for number in (b"1", b"2222222222"):
            trace_id = b"Root=" + number
            result = api.invoke(b"", trace_id=trace_id.decode(), timeout=TIMEOUT_S)
            assert result.body == trace_id + b"|" + trace_id


def test_own_c_library_is_known(musl: PythonRoot, launch: tuple[str, ...]) -> None:
    """By whichever of its names the loader has mapped it."""
    code = (
        f"import sys; sys.path.insert(0, {str(musl.path / HOME)!r})\n"
        "from faas_runtime.binary.inspection import this_machine; print(this_machine().description)"
    )
    found = subprocess.run([*launch[:-1], "-c", code], capture_output=True, text=True, check=True).stdout
    assert found == f"ELF, {MACHINE}, musl\n"


def test_library_for_glibc_that_is_refused(tmp_path: Path, launch: tuple[str, ...]) -> None:
    source = "const char *gnu_get_libc_version(void);\nint handle(void) { return *gnu_get_libc_version(); }\n"
    errors = refusal(build(tmp_path, source, target=OLD_GLIBC), launch)
    assert "It is built against glibc, and this system has musl; build it for musl" in errors


def test_library_for_glibc_that_is_taken(tmp_path: Path, launch: tuple[str, ...]) -> None:
    """The loader takes musl for glibc's libc.so.6, which goes well as long as the function uses little."""
    build(tmp_path, NEEDS_LIBC, target=OLD_GLIBC)
    exit_code, facts, _ = check("function.handle", tmp_path, launch)
    assert exit_code == 1
    assert "It is built against glibc, and this system has musl" in facts["WRONG"]
    assert facts["fix"] == "build it for musl"


def test_library_for_musl(tmp_path: Path, launch: tuple[str, ...]) -> None:
    build(tmp_path, NEEDS_LIBC)
    exit_code, facts, _ = check("function.handle", tmp_path, launch)
    assert (exit_code, facts["format"]) == (0, f"ELF, {MACHINE}, musl")


def test_other_processor(tmp_path: Path, launch: tuple[str, ...]) -> None:
    library = build(tmp_path, NEEDS_LIBC, target=f"{OTHER}-linux-musl")
    assert f"It is built for {OTHER}, and this machine is {MACHINE}; build it for {MACHINE}" in refusal(library, launch)


def test_other_processor_with_nothing_to_relocate(tmp_path: Path, launch: tuple[str, ...]) -> None:
    """The loader takes it, and the first call would be a crash, or worse."""
    build(tmp_path, "int handle(void) { return 0; }\n", target=f"{OTHER}-linux-musl")
    exit_code, facts, _ = check("function.handle", tmp_path, launch)
    assert (exit_code, facts["fix"]) == (1, f"build it for {MACHINE}")


def test_missing_dependency(tmp_path: Path, launch: tuple[str, ...]) -> None:
    """What the message names helps."""
    (tmp_path / "needed.c").write_text("int depth(void); int depth(void) { return 3; }\n")
    needed = tmp_path / "libneeded.so"
    source = "int depth(void);\nint handle(void) { return depth(); }\n"
    call(*zig(f"{MACHINE}-linux-musl"), "-shared", "-Wl,-soname,libneeded.so", "-o", needed, tmp_path / "needed.c")
    library = build(tmp_path, source, needed)
    assert "It needs a library that the system's loader does not find" in refusal(library, launch)
    build(tmp_path, source, needed, "-Wl,-rpath,$ORIGIN")
    assert check("function.handle", tmp_path, launch)[0] == 0


def test_unresolved_symbol(tmp_path: Path, launch: tuple[str, ...]) -> None:
    library = build(tmp_path, "int nowhere(void);\nint handle(void) { return nowhere(); }\n", "-Wl,-z,undefs")
    assert "nowhere: symbol not found. It uses a symbol that is defined nowhere" in refusal(library, launch)


def test_static_thread_local_storage(tmp_path: Path, launch: tuple[str, ...]) -> None:
    source = "_Thread_local int calls;\nint handle(void) { return calls++; }\n"
    library = build(tmp_path, source, "-ftls-model=initial-exec")
    assert "build it with -ftls-model=global-dynamic" in refusal(library, launch)
