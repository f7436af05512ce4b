"""A function that cannot start is reported to the Runtime API and the operator; the exit code is 1."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from ci.core.runtime_api_stub import RuntimeApiStub
from tests.runtime.support import LAUNCHER, PYTHON, SUFFIX, Runtime
from tests.waiting import TIMEOUT_S


def init_error(task_root: Path, handler: str, **environment: str) -> tuple[str, str]:
    """Run a function that cannot start; returns the type and the message of its error."""
    with RuntimeApiStub() as api, Runtime(api.address, handler, task_root, environment=environment) as runtime:
        result = api.wait(timeout=TIMEOUT_S)
        exit_code, errors = runtime.end()
    document = json.loads(result.body)
    assert result.kind == "init-error"
    assert result.headers["lambda-runtime-function-error-type"] == document["errorType"]
    assert exit_code == 1
    hook = "faas_init failed: " if environment.get("INIT_FAILS") else ""
    assert f"faas-runtime: {hook}{document['errorType']}: {document['errorMessage']}\n" in errors
    assert "Traceback" not in errors
    return document["errorType"], document["errorMessage"]


def test_library_missing(functions: Path) -> None:
    error_type, message = init_error(functions, "absent.handle")
    assert error_type == "Runtime.LibraryNotFound"
    assert f"{functions}/libabsent{SUFFIX}, {functions}/absent{SUFFIX}" in message


def test_library_not_loadable(tmp_path: Path) -> None:
    (tmp_path / f"libtext{SUFFIX}").write_text("not a library")
    error_type, message = init_error(tmp_path, "text.handle")
    assert error_type == "Runtime.LibraryNotLoadable"
    assert f"{tmp_path}/libtext{SUFFIX} cannot be loaded: " in message


def test_symbol_missing(functions: Path) -> None:
    error_type, message = init_error(functions, "probe.absent")
    assert error_type == "Runtime.HandlerNotFound"
    assert f"{functions}/libprobe{SUFFIX} does not export the symbol absent; export it, or name another" in message


def test_abi_version_missing(functions: Path) -> None:
    error_type, message = init_error(functions, "no_version.handle")
    assert error_type == "Runtime.AbiVersionMissing"
    assert "does not export faas_abi_version" in message


def test_abi_version_wrong(functions: Path) -> None:
    error_type, message = init_error(functions, "wrong_version.handle")
    assert error_type == "Runtime.AbiVersionMismatch"
    assert "version 2 of the function ABI, and this runtime supports version 1" in message


@pytest.mark.parametrize("handler", ["probe.", ".handle", "probe.no-symbol", "folder/", "probe.1st"])
def test_malformed_handler_name(functions: Path, handler: str) -> None:
    error_type, message = init_error(functions, handler)
    assert error_type == "Runtime.MalformedHandlerName"
    assert repr(handler) in message


def test_no_handler_and_no_library(tmp_path: Path) -> None:
    error_type, message = init_error(tmp_path, "")
    assert error_type == "Runtime.LibraryNotFound"
    assert "found: none" in message


def test_no_handler_and_several_libraries(functions: Path) -> None:
    _, message = init_error(functions, "")
    assert f"libhooks{SUFFIX}, libno_version{SUFFIX}, libprobe{SUFFIX}, librough{SUFFIX}" in message


def test_no_task_root(tmp_path: Path) -> None:
    error_type, message = init_error(tmp_path / "absent", "")
    assert error_type == "Runtime.LibraryNotFound"
    assert str(tmp_path / "absent") in message


def test_faas_init_that_fails(functions: Path) -> None:
    error = init_error(functions, "hooks.handle", INIT_FAILS="1")
    assert error == ("Function.NoDatabase", "the database is away")


def test_init_error_without_an_api(functions: Path) -> None:
    with Runtime("127.0.0.1:9", "absent.handle", functions) as runtime:
        exit_code, errors = runtime.end()
    assert exit_code == 1
    assert "no connection to the Runtime API at 127.0.0.1:9" in errors
    assert "Runtime.LibraryNotFound" in errors


@pytest.mark.parametrize(
    ("library", "handler"),
    [
        ("libhooks{}", ""),
        ("libhooks{}", "hooks"),
        ("hooks{}", "hooks.handle"),
        ("sub/libhooks{}", "sub/hooks.handle"),
        ("sub/libhooks{}", "sub/libhooks{}"),
        ("sub/libhooks{}", "./sub/libhooks{}.handle"),
        ("libho.oks{}", "ho.oks.handle"),
    ],
)
def test_handler_names(functions: Path, tmp_path: Path, library: str, handler: str) -> None:
    target = tmp_path / library.format(SUFFIX)
    target.parent.mkdir(exist_ok=True)
    shutil.copy(functions / f"libhooks{SUFFIX}", target)
    with RuntimeApiStub() as api, Runtime(api.address, handler.format(SUFFIX), tmp_path):
        assert api.invoke(b"", timeout=TIMEOUT_S).body == b"initialised"


def test_handler_as_an_absolute_path(functions: Path, tmp_path: Path) -> None:
    with RuntimeApiStub() as api, Runtime(api.address, str(functions / "hooks.handle"), tmp_path):
        assert api.invoke(b"", timeout=TIMEOUT_S).body == b"initialised"


@pytest.mark.skipif(sys.platform == "win32", reason="its environment is Unicode")
@pytest.mark.parametrize("encoding", ["utf8=1", "utf8=0"])
def test_a_path_beyond_ascii(functions: Path, tmp_path: Path, encoding: str) -> None:
    """Also where Python uses another encoding than UTF-8 for paths: here, it is ASCII."""
    folder = tmp_path / "fünf"
    folder.mkdir()
    shutil.copyfile(functions / f"libhooks{SUFFIX}", folder / f"libhøøks{SUFFIX}")
    command = (PYTHON[0], "-I", "-S", "-X", encoding, str(LAUNCHER))
    with RuntimeApiStub() as api, Runtime(api.address, "høøks.handle", folder, command, {"LC_ALL": "C"}):
        assert api.invoke(b"", timeout=TIMEOUT_S).body == b"initialised"
