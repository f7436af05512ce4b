"""`check`, `invoke` and the MSYS2 package's .cmd on a Windows Python under wine, which stands in for Windows."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from tests.runtime.support import VERSION
from tests.windows.support import FUNCTIONS, Wine, compile_dll, windows_path

pytestmark = pytest.mark.long


@pytest.fixture
def needing(tmp_path: Path) -> Path:
    """A library that needs another one, which is in the folder `other`."""
    source = tmp_path / "needed.c"
    source.write_text("__declspec(dllexport) unsigned needed(void);\nunsigned needed(void)\n{\n    return 1;\n}\n")
    other = tmp_path / "other"
    other.mkdir()
    needed = compile_dll(source, other / "needed.dll")
    return compile_dll(FUNCTIONS / "shown.c", tmp_path / "libneeding.dll", "-DNEEDS", libraries=(needed,))


def test_check(wine: Wine, recipe: Path) -> None:
    done = wine.runtime("check", windows_path(recipe / "libsimple_handler.dll"))
    facts = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert (done.returncode, facts["format"], facts["ABI version"]) == (0, "PE, x86_64", "1"), done
    assert facts["result"] == "runs here: set _HANDLER to simple_handler.handle"


def test_check_of_one_that_needs_another(wine: Wine, needing: Path) -> None:
    """If that one is not found, the message says how to fix it, and the fix works."""
    name = f"{windows_path(needing)}.build"
    done = wine.runtime("check", name)
    assert done.returncode == 1, done
    assert "Runtime.LibraryNotLoadable" in done.stdout
    assert "put it beside this one, or name its folder in PATH" in done.stdout
    done = wine.runtime("check", name, env={"WINEPATH": windows_path(needing.parent / "other")})
    assert done.returncode == 0, done


def test_check_of_one_for_another_processor(wine: Wine, functions: Path, tmp_path: Path) -> None:
    data = bytearray((functions / "libshown.dll").read_bytes())
    (header,) = struct.unpack_from("<I", data, 0x3C)
    struct.pack_into("<H", data, header + 4, 0xAA64)
    library = tmp_path / "libarm.dll"
    library.write_bytes(data)
    done = wine.runtime("check", windows_path(library))
    assert done.returncode == 1, done
    assert "format: PE, aarch64" in done.stdout
    assert "It is built for aarch64, and this machine is x86_64\n  fix: build it for x86_64" in done.stdout


def test_check_of_one_that_crashes_on_loading(wine: Wine, tmp_path: Path) -> None:
    """The loader catches the crash and returns WinError 998."""
    library = compile_dll(FUNCTIONS / "shown.c", tmp_path / "libcrashing.dll", "-DCRASHES")
    done = wine.runtime("check", windows_path(library))
    assert done.returncode == 1, done
    assert "Code that runs on loading it failed\n  fix: check constructors" in done.stdout


def test_invoke_with_an_event_from_standard_input(wine: Wine, recipe: Path) -> None:
    done = wine.runtime("invoke", windows_path(recipe / "libsimple_handler.dll"), "--event", "-", stdin='{"a": 1}')
    assert done.returncode == 0, done
    assert json.loads(done.stdout)["event"] == {"a": 1}


def test_invoke_with_a_sample(wine: Wine, recipe: Path) -> None:
    done = wine.runtime("invoke", windows_path(recipe / "libsimple_handler.dll"), "--sample", "sqs")
    assert done.returncode == 0, done
    assert json.loads(done.stdout)["event"]["Records"][0]["eventSource"] == "aws:sqs"


def test_the_command_of_the_msys2_package(wine: Wine, recipe: Path) -> None:
    command = windows_path(wine.root / "bin" / "faas-runtime.cmd")
    done = wine.run("cmd", "/c", command, "--version")
    assert (done.returncode, done.stdout.split()[-1:]) == (0, [VERSION]), done
    done = wine.run("cmd", "/c", command, "check", windows_path(recipe / "nothing.dll"))
    assert done.returncode == 1, done
    assert "Runtime.LibraryNotFound" in done.stdout
