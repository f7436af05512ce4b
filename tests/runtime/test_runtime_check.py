"""`faas-runtime check` says what a library is, or what is wrong with it and how to fix it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from faas_runtime.binary import inspection
from faas_runtime.errors import InitError
from faas_runtime.library import Handler
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.runtime.check_command import LAUNCH, check
from tests.runtime.support import FUNCTIONS, FUZZ_FACTOR, RUNTIME, SUFFIX, compile_c, compile_library
from tests.waiting import TIMEOUT_S


def test_good_library(functions: Path) -> None:
    exit_code, facts, errors = check("hooks.handle", functions)
    assert (exit_code, errors) == (0, "")
    assert facts["library"] == f"{functions}/libhooks{SUFFIX}"
    assert facts["ABI version"] == "1"
    assert facts["handler"] == "handle"
    assert facts["hooks"] == "faas_init, faas_shutdown, faas_before_snapshot, faas_after_restore"
    assert facts["result"] == "runs here: set _HANDLER to hooks.handle"


@pytest.mark.skipif(sys.platform == "win32", reason="there, only the library itself is looked into")
def test_handler_of_another_library_is_reported(functions: Path) -> None:
    """Loaders also search the libraries that a library needs, so a symbol may be found in another library."""
    exit_code, facts, _ = check("probe.puts", functions)
    assert exit_code == 0
    assert facts["handler"].startswith("puts, which is not in this library but in /")
    assert "libprobe" not in facts["handler"]
    assert facts["hooks"] == "none"


@pytest.mark.parametrize("name", ["./librough{}", "librough{}", "{}/librough{}.crash"])
def test_paths(functions: Path, name: str) -> None:
    name = name.replace("{}/", f"{functions}/").format(SUFFIX)
    exit_code, facts, _ = check(name, functions)
    wants_crash = name.endswith("crash")
    assert facts["library"].endswith(f"librough{SUFFIX}")
    assert facts.get("handler") == ("crash" if wants_crash else None)
    assert exit_code == (0 if wants_crash else 1)  # rough has no `handle`


@pytest.mark.parametrize(
    ("name", "kind", "fix"),
    [
        ("absent", "Runtime.LibraryNotFound", "check the handler's name"),
        ("probe.absent", "Runtime.HandlerNotFound", "export it, or name another symbol"),
        ("no_version", "Runtime.AbiVersionMissing", "build it with faas.h"),
        ("wrong_version", "Runtime.AbiVersionMismatch", "rebuild it"),
        ("a b.1", "Runtime.MalformedHandlerName", "expected LIBRARY.SYMBOL"),
    ],
)
def test_faults_are_reported_with_their_fix(functions: Path, name: str, kind: str, fix: str) -> None:
    exit_code, facts, _ = check(name, functions)
    assert exit_code == 1
    assert facts["WRONG"].startswith(kind)
    assert fix in facts["fix"]


def test_missing_file(tmp_path: Path) -> None:
    """The paths that were searched are part of the fault, not of the fix, although one has a semicolon."""
    folder = tmp_path.resolve() / "first; second"
    folder.mkdir()
    _, facts, _ = check("./absent", folder)
    looked_for = f"{folder}/libabsent{SUFFIX}, {folder}/absent{SUFFIX}"
    assert facts["WRONG"] == f"Runtime.LibraryNotFound: the function's library was not found at {looked_for}"
    assert facts["fix"].startswith("check ")


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("my-function.handle", f"libmy_function{SUFFIX}"),
        ("my-function", f"my_function{SUFFIX}"),
        (f"./libmy-function{SUFFIX}.handle", f"libmy_function{SUFFIX}"),
        ("my_function.handle", f"libmy-function{SUFFIX}"),
    ],
)
def test_dashes_in_the_handler_and_underscores_in_the_file(tmp_path: Path, name: str, file: str) -> None:
    (tmp_path / file).write_bytes(b"")
    _, facts, _ = check(name, tmp_path)
    assert facts["WRONG"].endswith(f", but {tmp_path.resolve() / file} exists")
    assert facts["fix"] == "write - and _ in the handler as in the name of the file"


def test_a_folder_and_another_file_get_no_hint(tmp_path: Path) -> None:
    (tmp_path / f"libmy_function{SUFFIX}").mkdir()
    (tmp_path / f"libmy_functions{SUFFIX}").write_bytes(b"")
    _, facts, _ = check("my-function.handle", tmp_path)
    assert facts["fix"].startswith("check the handler's name")


@pytest.mark.parametrize("name", ["prog", "prog.out", "libprog.1-2"])
def test_name_without_the_suffix(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    for path in (name, f"./{name}"):
        _, facts, _ = check(path, tmp_path)
        there = f"{tmp_path.resolve()}/{name} exists, but the name of a library has to end in {SUFFIX}"
        assert facts["WRONG"] == f"Runtime.LibraryNotFound: {there}"
        assert facts["fix"] == "rename it if it is one"


def test_no_handler_is_named(tmp_path: Path) -> None:
    _, facts, _ = check("", tmp_path)
    assert facts["WRONG"].endswith("(found: none)")
    assert facts["fix"].startswith("set _HANDLER")


def test_crash_on_loading(tmp_path: Path) -> None:
    source = tmp_path / "damaged.c"
    source.write_text("#include <stdlib.h>\n__attribute__((constructor)) static void start(void) { abort(); }\n")
    compile_c(source, tmp_path / f"libdamaged{SUFFIX}", "-shared", "-fPIC", "-std=gnu99")
    exit_code, facts, _ = check("damaged", tmp_path)
    assert exit_code == 1
    assert facts["WRONG"] == "loading it crashed: SIGABRT"


@pytest.mark.parametrize("code", [0, 1, 102])
def test_end_on_loading(tmp_path: Path, code: int) -> None:
    source = tmp_path / "ending.c"
    source.write_text(
        f"#include <stdlib.h>\n__attribute__((constructor)) static void start(void) {{ _Exit({code}); }}\n"
    )
    compile_c(source, tmp_path / f"libending{SUFFIX}", "-shared", "-fPIC", "-std=gnu99")
    exit_code, facts, _ = check("ending", tmp_path)
    assert exit_code == 1
    assert facts["WRONG"] == f"loading it ended the process with exit code {code}"


def test_loading_without_an_end(tmp_path: Path) -> None:
    """The command ends, with everything that it has started."""
    library = compile_library(FUNCTIONS / "stuck.c", tmp_path)
    code = (
        f"import sys; sys.path.insert(0, {str(RUNTIME)!r})\n"
        "from faas_runtime.commands import check\n"
        "check.TIMEOUT_S = float(sys.argv[2])\n"
        "sys.exit(check.check(sys.argv[1]))\n"
    )

    def run(timeout_s: float) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", code, str(library), str(timeout_s)]
        return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        # its output ends when the child has ended too

    timeout_s = 0.5
    while not (done := run(timeout_s)).stderr and timeout_s < TIMEOUT_S / 4:
        timeout_s *= 4  # it has not begun to load
    assert done.returncode == 1
    expected = f"WRONG: loading it did not end within {timeout_s:g} seconds\n  fix: check the code that runs on loading"
    assert expected in done.stdout
    assert done.stderr == "loading\n"


@pytest.mark.parametrize("name", ["hooks", "absent"])
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_the_exit_code_is_the_verdict_also_if_nothing_can_be_printed(functions: Path, name: str, closed: str) -> None:
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", *LAUNCH, "check", name]
    done = subprocess.run(command, cwd=functions, env={}, capture_output=True, check=False)
    assert done.returncode == (0 if name == "hooks" else 1)
    assert done.stderr == b""
    assert (b": " in done.stdout) == (closed == "2>&-")


@pytest.mark.parametrize(
    "words", [("check", "./library"), ("check",), ("build",), ("invoke",), ("package", "--to", "layer+zip")]
)
def test_folder_that_is_gone(tmp_path: Path, words: tuple[str, ...]) -> None:
    script = 'mkdir gone && cd gone && rmdir ../gone && exec "$@"'
    done = subprocess.run(
        ["sh", "-c", script, "sh", *LAUNCH, *words], cwd=tmp_path, env={}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("faas-runtime: the current folder cannot be determined: ")


@pytest.mark.parametrize("words", [(), ("--for", "x86_64,arm64")])
def test_an_absolute_path_needs_no_current_folder(functions: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    library = functions / f"libprobe{SUFFIX}"
    script = 'mkdir gone && cd gone && rmdir ../gone && exec "$@"'
    command = ["sh", "-c", script, "sh", *LAUNCH, "check", f"{library}.echo", *words]
    done = subprocess.run(command, cwd=tmp_path, env={}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1 if words else 0, "")  # no library is for both processors
    assert f"library: {library}\n" in done.stdout


@settings(max_examples=200 * FUZZ_FACTOR, deadline=None)
@given(st.data())
def test_broken_headers_of_libraries_are_read_or_rejected(
    functions: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    head = (functions / f"libprobe{SUFFIX}").read_bytes()[:4096]
    at = data.draw(st.integers(0, 1024))
    noise = data.draw(st.binary(max_size=16))
    path = tmp_path_factory.getbasetemp() / "broken"
    path.write_bytes(head[:at] + noise + head[at + len(noise) : data.draw(st.integers(0, 4096))])
    found = inspection.read(str(path))
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
