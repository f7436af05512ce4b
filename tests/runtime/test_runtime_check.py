"""`faas-runtime check` says what a library is, or what is wrong with it and how to mend it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from faas_runtime import binary
from faas_runtime.errors import InitError
from faas_runtime.library import Handler
from hypothesis import given, settings
from hypothesis import strategies as st

from ci.runtime_api import RuntimeApi
from tests.runtime.support import (
    FUNCTIONS,
    FUZZ_FACTOR,
    LAUNCHER,
    PYTHON,
    RUNTIME,
    SUFFIX,
    TIMEOUT_S,
    Runtime,
    compile_c,
    compile_library,
)
from tests.support import not_there

LAUNCH = (*PYTHON, str(LAUNCHER))
MACHINE = 18  # where an ELF file says which processor it is for
AARCH64 = (183).to_bytes(2, "little")


def check(name: str, folder: Path, command: Sequence[str] = LAUNCH) -> tuple[int, dict[str, str], str]:
    done = subprocess.run(
        [*command, "check", name], cwd=folder, env={}, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert "Traceback" not in done.stderr
    facts = dict(line.strip().split(": ", 1) for line in done.stdout.splitlines())
    return done.returncode, facts, done.stderr


def test_good_library(functions: Path) -> None:
    exit_code, facts, errors = check("hooks.handle", functions)
    assert (exit_code, errors) == (0, "")
    assert facts["library"] == f"{functions}/libhooks{SUFFIX}"
    assert facts["ABI version"] == "1"
    assert facts["handler"] == "handle"
    assert facts["hooks"] == "faas_init, faas_shutdown, faas_before_snapshot, faas_after_restore"
    assert facts["result"] == "runs here: set _HANDLER to hooks.handle"


@pytest.mark.parametrize("name", ["./librough{}", "librough{}", "{}/librough{}.crash"])
def test_paths(functions: Path, name: str) -> None:
    name = name.replace("{}/", f"{functions}/").format(SUFFIX)
    exit_code, facts, _ = check(name, functions)
    wants_crash = name.endswith("crash")
    assert facts["library"].endswith(f"librough{SUFFIX}")
    assert facts.get("handler") == ("crash" if wants_crash else None)
    assert exit_code == (0 if wants_crash else 1)  # rough has no `handle`


@pytest.mark.parametrize(
    ("name", "kind", "mend"),
    [
        ("absent", "Runtime.LibraryNotFound", "looked at"),
        ("probe.absent", "Runtime.HandlerNotFound", "export it, or name another symbol"),
        ("no_version", "Runtime.AbiVersionMissing", "build it with faas.h"),
        ("wrong_version", "Runtime.AbiVersionMismatch", "rebuild it"),
        ("a b.1", "Runtime.MalformedHandlerName", "expected LIBRARY.SYMBOL"),
    ],
)
def test_what_is_wrong(functions: Path, name: str, kind: str, mend: str) -> None:
    exit_code, facts, _ = check(name, functions)
    assert exit_code == 1
    assert facts["WRONG"].startswith(kind)
    assert mend in facts["mend"]


@pytest.fixture
def echo(functions: Path, tmp_path: Path) -> Path:
    """A copy of a good library, to be spoilt."""
    if SUFFIX != ".so":
        pytest.skip("not a system with ELF libraries")
    return Path(shutil.copy(functions / "libprobe.so", tmp_path / "libspoilt.so"))


def refusal(library: Path, handler: str = "spoilt.echo", command: Sequence[str] = LAUNCH) -> str:
    """What the runtime says when it is to run the library: the same as the check."""
    with RuntimeApi() as api, Runtime(api.address, handler, library.parent, command=command) as runtime:
        api.wait(timeout=TIMEOUT_S)
        exit_code, errors = runtime.end()
    assert exit_code == 1
    _, facts, _ = check(handler, library.parent, command)
    assert facts["mend"] in errors or facts["mend"] in facts["WRONG"]
    return errors


def test_other_processor(echo: Path) -> None:
    data = echo.read_bytes()
    other = AARCH64 if data[MACHINE : MACHINE + 2] != AARCH64 else (62).to_bytes(2, "little")
    echo.write_bytes(data[:MACHINE] + other + data[MACHINE + 2 :])
    here = binary.this_machine().machine
    assert f"and this machine is {here}; build it for {here}" in refusal(echo)


def test_other_c_library(tmp_path: Path) -> None:
    if binary.this_machine().libc != "glibc":
        pytest.skip("a musl library is at home on this machine")
    if shutil.which("musl-gcc") is None:
        not_there("musl-gcc")
    library = tmp_path / "libspoilt.so"
    include = f"-I{LAUNCHER.parent.parent / 'include'}"
    command = ["musl-gcc", "-shared", "-fPIC", include, "-o", str(library), str(FUNCTIONS / "probe.c")]
    subprocess.run(command, check=True)
    assert "It is built against musl, and this system has glibc; build it for glibc" in refusal(library)


def test_other_operating_system(tmp_path: Path) -> None:
    library = tmp_path / f"libspoilt{SUFFIX}"
    library.write_bytes(b"MZ" + bytes(58) + (64).to_bytes(4, "little") + b"PE\0\0" + (0x8664).to_bytes(2, "little"))
    assert "made for another operating system (PE); build it for this one" in refusal(library)


def test_program(tmp_path: Path) -> None:
    source = tmp_path / "program.c"
    source.write_text("int main(void) { return 0; }\n")
    compile_c(source, tmp_path / f"libspoilt{SUFFIX}")
    assert "build it as a shared library" in refusal(tmp_path / f"libspoilt{SUFFIX}")


def test_text_file(tmp_path: Path) -> None:
    (tmp_path / f"libspoilt{SUFFIX}").write_text("#!/bin/sh\n")
    assert "It is no shared library" in refusal(tmp_path / f"libspoilt{SUFFIX}")


def test_unreadable(echo: Path) -> None:
    echo.chmod(0)
    powerless: tuple[str, ...] = ()
    if os.geteuid() == 0:  # who reads everything, unless that power is taken away
        powers = "-dac_override,-dac_read_search"
        powerless = (
            shutil.which("setpriv") or not_there("setpriv"),
            f"--bounding-set={powers}",
            f"--inh-caps={powers}",
        )
    assert "make it readable" in refusal(echo, command=(*powerless, *LAUNCH))


def test_unresolved_symbol(tmp_path: Path) -> None:
    source = tmp_path / "spoilt.c"
    source.write_text("int nowhere(void); int handle(void) { return nowhere(); }\n")
    compile_c(source, tmp_path / f"libspoilt{SUFFIX}", "-shared", "-fPIC")
    assert "undefined symbol: nowhere" in refusal(tmp_path / f"libspoilt{SUFFIX}", "spoilt.handle")


def test_crash_on_loading(tmp_path: Path) -> None:
    source = tmp_path / "spoilt.c"
    source.write_text("#include <stdlib.h>\n__attribute__((constructor)) static void start(void) { abort(); }\n")
    compile_c(source, tmp_path / f"libspoilt{SUFFIX}", "-shared", "-fPIC", "-std=gnu99")
    exit_code, facts, _ = check("spoilt", tmp_path)
    assert exit_code == 1
    assert facts["WRONG"] == "loading it crashed: SIGABRT"


def test_loading_without_an_end(tmp_path: Path) -> None:
    """The command ends, and with it what it has started."""
    library = compile_library(FUNCTIONS / "stuck.c", tmp_path)
    code = (
        f"import sys; sys.path.insert(0, {str(RUNTIME)!r})\n"
        "from faas_runtime import check\n"
        "check.TIME_LIMIT_S = 0.5\n"
        "sys.exit(check.check(sys.stdout, sys.argv[1]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(library)], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )  # whose output has an end when the child has one, too
    assert done.returncode == 1
    assert "WRONG: loading it has not ended within 0.5 seconds\n  mend: look at what runs on loading" in done.stdout
    assert done.stderr == "loading\n"


def test_folder_that_is_gone(tmp_path: Path) -> None:
    script = f'mkdir gone && cd gone && rmdir ../gone && exec "$@" check ./{tmp_path.name}'
    done = subprocess.run(
        ["sh", "-c", script, "sh", *LAUNCH], cwd=tmp_path, env={}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("faas-runtime: the current folder cannot be told: ")


@settings(max_examples=200 * FUZZ_FACTOR, deadline=None)
@given(st.data())
def test_broken_heads_are_read_or_not(
    functions: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    head = (functions / f"libprobe{SUFFIX}").read_bytes()[:4096]
    at = data.draw(st.integers(0, 1024))
    noise = data.draw(st.binary(max_size=16))
    path = tmp_path_factory.getbasetemp() / "broken"
    path.write_bytes(head[:at] + noise + head[at + len(noise) : data.draw(st.integers(0, 4096))])
    found = binary.read(str(path))
    assert found is None or found.file_format in ("ELF", "Mach-O", "PE")


@settings(max_examples=300 * FUZZ_FACTOR, deadline=None)
@given(st.text(max_size=40), st.sampled_from(["", "x", "x.y", SUFFIX, "./", "/", "\0"]))
def test_any_handler_name_is_read_or_refused(text: str, ending: str) -> None:
    try:
        handler = Handler.parse(text + ending or "x", "/task")
    except InitError as error:
        if error.error_type != "Runtime.MalformedHandlerName":
            raise
        return
    assert handler.symbol.isascii()
    assert handler.symbol.isidentifier()
    for path in handler.paths:
        assert path.startswith("/")
        assert path.endswith(SUFFIX)
        assert "\0" not in path
