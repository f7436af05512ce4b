"""The file with the code of every start: what is in it, when it is used, and that no tool notices it."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ci.builders.sdist import DIGEST, digest_of
from tests.runtime.support import (
    ACCEPTED,
    LAUNCHER,
    OVER,
    PYTHON,
    RUNTIME,
    VERSION,
    Runtime,
    ScriptedServer,
    invocation,
)
from tests.runtime.test_runtime_extension import Platform, end

# What the tests ask an installed package about itself: in its own process, as the launcher starts it.
PROBE = """\
import gc, inspect, io, json, re, runpy, sys, traceback
sys.argv[1:] = ["--version"]
sys.stdout = io.StringIO()
try:
    runpy.run_path(LAUNCHER, run_name="__main__")
except SystemExit:
    sys.stdout = sys.__stdout__
import _ctypes, _socket
from faas_runtime import environment
lines = set()
def trace(frame, event, _):
    lines.add((frame.f_code.co_filename, frame.f_lineno))
    return trace
sys.settrace(trace)
try:
    environment.Endpoint.parse("a b")
except environment.UsageError:
    sys.settrace(None)
    shown = traceback.format_exc()
print(json.dumps({
    "collects": gc.isenabled(),
    "extensions": [re.sub(" at 0x[0-9a-f]+", "", repr(sorted(vars(m.__spec__).items()))) for m in (_ctypes, _socket)],
    "loader": type(environment.__spec__.loader).__name__,
    "file": environment.__file__,
    "cached": environment.__cached__,
    "package": list(sys.modules["faas_runtime"].__path__),
    "source": inspect.getsource(environment.Endpoint),
    "doc": inspect.getdoc(environment.Endpoint),
    "traceback": shown,
    "lines": sorted(line for file, line in lines if file == environment.__file__),
}))
"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A package as it is installed: its payload, and what Python compiled of it."""
    target = tmp_path / "faas-runtime"
    for part in ("bin", "faas_runtime"):
        shutil.copytree(RUNTIME / part, target / part, ignore=shutil.ignore_patterns("__pycache__"))
    files = {path.relative_to(target).as_posix(): path.read_bytes() for path in target.rglob("*.*")}
    (target / DIGEST).write_bytes(digest_of(files))
    compile_all = ("-m", "compileall", "-q", "--invalidation-mode", "checked-hash")
    subprocess.run([*PYTHON, *compile_all, str(target / "faas_runtime")], check=True)
    make(target)
    return target


def make(installed: Path) -> None:
    subprocess.run([*PYTHON, str(installed / "faas_runtime" / "start_file.py")], check=True)


def start_file(installed: Path) -> Path:
    (found,) = (installed / "faas_runtime" / "__pycache__").glob("start.*")
    return found


def loader(launcher: Path) -> str:
    """The loader of the package's modules."""
    return str(probe(launcher)["loader"])


def probe(launcher: Path) -> dict[str, object]:
    code = f"LAUNCHER = {str(launcher)!r}\n{PROBE}"
    done = subprocess.run([*PYTHON, "-c", code], capture_output=True, text=True, check=True)
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def test_the_modules_of_an_installed_package_come_from_it(installed: Path) -> None:
    assert loader(installed / "bin" / "faas-runtime") == "StartLoader"
    link = installed.parent / "link"
    link.symlink_to("faas-runtime/bin/faas-runtime")
    assert loader(link) == "StartLoader"


def test_a_checkout_runs_from_its_sources(tmp_path: Path) -> None:
    assert loader(LAUNCHER) == "SourceFileLoader"
    copy = tmp_path / "faas_runtime"
    shutil.copytree(RUNTIME / "faas_runtime", copy, ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run([*PYTHON, str(copy / "start_file.py")], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "payload.sha256" in done.stderr
    assert not (copy / "__pycache__").exists()


def groups() -> list[list[str]]:
    """The modules in the file, as `start_file.py` lists them."""
    code = f"import sys; sys.path.append({str(RUNTIME / 'faas_runtime')!r})\n"
    code += "import json, start_file; print(json.dumps(start_file.GROUPS))"
    found: list[list[str]] = json.loads(subprocess.run([*PYTHON, "-c", code], capture_output=True, check=True).stdout)
    return found


def plain_run(installed: Path, functions: Path, *options: str) -> str:
    """What a run says on standard error: from the start over two invocations until the connection ends."""
    command = (*PYTHON, *options, str(installed / "bin" / "faas-runtime"))
    events = [invocation(b"1"), ACCEPTED, invocation(b"2"), ACCEPTED]
    with ScriptedServer(events, [OVER]) as server, Runtime(server.address, "probe.echo", functions, command) as runtime:
        _, errors = runtime.end()
    assert [request.action for request in server.requests].count("POST response") == 2
    return errors


def test_it_has_exactly_the_modules_of_a_plain_run(installed: Path, functions: Path) -> None:
    """In the order in which Python completes them: each comes after those that it imports."""
    start_file(installed).unlink()
    errors = plain_run(installed, functions, "-X", "importtime")
    imported = [name or "__init__" for name in re.findall(r"^import time:.*\| +faas_runtime\.?(\S*)$", errors, re.M)]
    assert imported == [name for group in groups() for name in group]


def test_python_finds_one_module_of_a_group(installed: Path, functions: Path) -> None:
    """The others are made without Python's import system, which takes longer than reading their code."""
    errors = plain_run(installed, functions, "-v")
    found = re.findall(r"^import 'faas_runtime\.?(\S*)' # <\S*StartLoader", errors, re.MULTILINE)
    assert found == ["bootstrap", "pollers", "fast_path", "log"]
    assert [[name for name in found if name in group] for group in groups()] == [[], *([name] for name in found)]


@pytest.mark.parametrize("fault", ["missing", "python", "digest", "no digest"])
def test_it_is_ignored_if_it_is_not_of_this_python_and_these_sources(installed: Path, fault: str) -> None:
    made = start_file(installed)
    if fault == "missing":
        made.unlink()
    elif fault == "python":
        made.write_bytes(b"\0\0\r\n" + made.read_bytes()[4:])
    elif fault == "digest":
        (installed / DIGEST).write_bytes(b"0" * 64 + b"\n")
    else:
        (installed / DIGEST).unlink()
    assert loader(installed / "bin" / "faas-runtime") == "SourceFileLoader"


def test_an_edit_by_hand_is_not_noticed(installed: Path) -> None:
    """As the manual says. Python itself, which compares hashes, would notice it."""
    version = installed / "faas_runtime" / "_version.py"
    version.write_text(version.read_text().replace(VERSION, "9.9.9"))
    command = [*PYTHON, str(installed / "bin" / "faas-runtime"), "--version"]
    assert subprocess.run(command, capture_output=True, text=True).stdout == f"faas-runtime {VERSION}\n"
    start_file(installed).unlink()
    assert subprocess.run(command, capture_output=True, text=True).stdout == "faas-runtime 9.9.9\n"


def test_python_does_not_look_for_what_each_start_needs(installed: Path, functions: Path) -> None:
    """It would list the folders of its modules, which takes a fifth of the time of such an import."""
    wanted = re.compile("^# trying .*/(_ctypes|_socket)[.a-z]*$", re.MULTILINE)
    assert not wanted.findall(plain_run(installed, functions, "-vv"))
    start_file(installed).unlink()
    assert wanted.findall(plain_run(installed, functions, "-vv"))


def test_it_has_nothing_for_type_checkers(installed: Path) -> None:
    content = start_file(installed).read_bytes()
    for word in (b"collections.abc", b"InvocationHandler", b"bytes | memoryview"):
        assert word not in content
    assert b"lambda-runtime-aws-request-id" in content.lower()


def test_nothing_is_written_at_run_time(installed: Path, functions: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in installed.rglob("*")}
    with ScriptedServer([invocation(b"1"), ACCEPTED], [OVER]) as server:
        command = (*PYTHON, str(installed / "bin" / "faas-runtime"))
        with Runtime(server.address, "probe.echo", functions, command) as runtime:
            runtime.end()
    assert {path: path.stat().st_mtime_ns for path in installed.rglob("*")} == before


def test_the_same_sources_give_the_same_bytes(installed: Path, tmp_path: Path) -> None:
    """Wherever they are: a package may be compiled at another place than where it is installed."""
    first = start_file(installed).read_bytes()
    moved = installed.rename(tmp_path / "moved")
    start_file(moved).unlink()
    make(moved)
    assert start_file(moved).read_bytes() == first
    assert str(tmp_path).encode() not in first
    assert loader(moved / "bin" / "faas-runtime") == "StartLoader"


def plant(installed: Path, module: str, behind: str, line: str) -> None:
    """Put a line into a module, and make the file again."""
    source = installed / "faas_runtime" / f"{module}.py"
    text = source.read_text()
    assert text.count(behind) == 1
    source.write_text(text.replace(behind, behind + line))
    make(installed)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_signal_leaves_no_half_of_a_module(installed: Path, functions: Path) -> None:
    """What ends the process looks for `exit_guard` among the modules."""
    plant(installed, "exit_guard", "_guarded_process = 0\n", "import _signal; _signal.raise_signal(15)\n")
    command = (*PYTHON, str(installed / "bin" / "faas-runtime"))
    with (
        ScriptedServer([invocation(b"1")]) as server,
        Runtime(server.address, "probe.echo", functions, command) as runtime,
    ):
        assert runtime.end() == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(("module", "initialization"), [("serving", ""), ("snapstart", "snap-start")])
def test_a_signal_that_python_drops_ends_the_process_all_the_same(
    installed: Path, functions: Path, module: str, initialization: str
) -> None:
    """Python itself has such a callback: at the end of each import. No request is answered here."""
    dropped = "import _signal, _weakref\nclass Dropped: pass\n"
    dropped += "kept = _weakref.ref(Dropped(), lambda _: _signal.raise_signal(15))\n"
    plant(installed, module, "TYPE_CHECKING = False\n", dropped)
    command = (*PYTHON, str(installed / "bin" / "faas-runtime"))
    variables = {"AWS_LAMBDA_INITIALIZATION_TYPE": initialization}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with Runtime(address, "probe.echo", functions, command, variables) as runtime:
            exit_code, errors = runtime.end()
    assert (exit_code, errors) == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_two_threads_do_not_make_the_same_group(installed: Path, functions: Path) -> None:
    """The registration of a function with `faas_shutdown` is finished by another thread. Here, a group takes longer to
    make than that one is waited for."""
    plant(installed, "caller", "TYPE_CHECKING = False\n", "import time; time.sleep(0.3)\n")
    command = (*PYTHON, str(installed / "bin" / "faas-runtime"))
    with Platform() as platform, Runtime(platform.address, "rough.echo_aloud", functions, command) as runtime:
        exit_code, errors = end(runtime, platform)
    assert exit_code == 0
    assert errors.endswith("shut down\n")


def test_tools_find_the_sources(installed: Path) -> None:
    """`inspect`, tracebacks and what follows each line, as coverage does, tell what they tell of a checkout."""
    found, expected = probe(installed / "bin" / "faas-runtime"), probe(LAUNCHER)
    assert (found.pop("loader"), expected.pop("loader")) == ("StartLoader", "SourceFileLoader")
    assert found.pop("cached") == str(start_file(installed)).replace("/faas_runtime/", "/bin/../faas_runtime/")
    expected.pop("cached")
    assert expected["lines"]
    assert "raise _not_an_address(text)" in str(expected["traceback"])
    assert json.dumps(found).replace(str(installed), str(RUNTIME)) == json.dumps(expected)


def test_faulthandler_shows_the_lines_of_a_crash(installed: Path, functions: Path) -> None:
    with ScriptedServer([invocation(b"")]) as server:
        command = (*PYTHON, str(installed / "bin" / "faas-runtime"))
        with Runtime(server.address, "rough.crash", functions, command) as runtime:
            _, errors = runtime.end()
    assert re.search(r'File ".*/librough\.\w+", line 0 in crash', errors)
    (line,) = re.findall(r'File "(.*/faas_runtime/caller\.py)", line (\d+) in call', errors)
    assert "self.function_call(" in Path(line[0]).read_text().splitlines()[int(line[1]) - 1]


def test_the_package_is_a_command_too(installed: Path) -> None:
    code = f"import sys, runpy; sys.path.append({str(installed)!r}); sys.argv[1:] = ['--version']\n"
    code += "runpy.run_module('faas_runtime', run_name='__main__', alter_sys=True)"
    done = subprocess.run([*PYTHON, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"faas-runtime {VERSION}\n")
