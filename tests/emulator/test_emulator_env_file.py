"""Files of environment variables: what is read from them, and faults with their lines."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from faas_runtime.emulator import env_file
from faas_runtime.emulator.cli import read_serve
from faas_runtime.errors import UsageError

from tests.runtime.support import SUFFIX


def written(folder: Path, data: bytes) -> str:
    path = folder / "variables.env"
    path.write_bytes(data)
    return str(path)


@pytest.mark.parametrize(
    ("data", "variables"),
    [
        (b"", {}),
        (b"A=1\nB=two words\n", {"A": "1", "B": "two words"}),
        (b"A=1\nA=2", {"A": "2"}),
        (b"# A=1\n\n   \n  # more\n  A=1", {"A": "1"}),
        (b"A='quoted'\nB=\"too\"", {"A": "'quoted'", "B": '"too"'}),
        (b"A=b=c", {"A": "b=c"}),
        (b"A=\nB= x \n", {"A": "", "B": " x "}),
        (b"A=1 # no comment\r\nB=2\r\n", {"A": "1 # no comment", "B": "2"}),
        (b"\xef\xbb\xbfA=1", {"A": "1"}),
        ("A=grüße".encode(), {"A": "grüße"}),
        (b"a.b-c=1", {"a.b-c": "1"}),
    ],
)
def test_variables_are_read(tmp_path: Path, data: bytes, variables: dict[str, str]) -> None:
    assert env_file.read(written(tmp_path, data)) == variables


def test_a_name_alone_passes_on_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAAS_TEST_GIVEN", "from here")
    monkeypatch.delenv("FAAS_TEST_MISSING", raising=False)
    data = b"FAAS_TEST_GIVEN  \nFAAS_TEST_MISSING\n"
    assert env_file.read(written(tmp_path, data)) == {"FAAS_TEST_GIVEN": "from here"}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"=secret", "no name before the `="),
        (b"A B=secret", "white space in the name 'A B'"),
        (b"A =secret", "white space in the name 'A '"),
        (b"export A=secret", "without `export`"),
        (b"A=\xffsecret", "not UTF-8"),
        (b"A=secret\0", "NUL byte"),
        (b"A" * 1000 + b" =secret", "white space"),
    ],
)
def test_faults_have_file_and_line_but_no_value(tmp_path: Path, line: bytes, fault: str) -> None:
    path = written(tmp_path, b"# first\nGOOD=1\n" + line + b"\n")
    with pytest.raises(UsageError, match=re.escape(f"{path}:3: ")) as caught:
        env_file.read(path)
    assert fault in str(caught.value)
    assert "secret" not in str(caught.value)
    assert len(str(caught.value)) < 300 + len(path)


def test_all_faults_are_reported_at_once(tmp_path: Path) -> None:
    path = written(tmp_path, b"=1\nA=1\nB C=1\n")
    with pytest.raises(UsageError) as caught:
        env_file.read(path)
    places = [line.partition(": ")[0] for line in str(caught.value).splitlines()]
    assert places == [f"{path}:1", f"{path}:3"]


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        env_file.read(str(tmp_path / "none.env"))
    with pytest.raises(UsageError, match="cannot be read"):
        env_file.read(str(tmp_path))


@pytest.fixture
def piped() -> Iterator[str]:
    """The path of a pipe with a variable. What is read from it is gone, as with `--env-file <(command)` in a shell."""
    if not os.path.isdir("/dev/fd"):  # noqa: PTH112
        pytest.skip("not run: descriptors have no paths here")
    reader, writer = os.pipe()
    os.write(writer, b"EXTRA=piped\n")
    os.close(writer)
    yield f"/dev/fd/{reader}"
    os.close(reader)


def extras(*arguments: str) -> list[str | None]:
    """The variable EXTRA of each function that `serve` would run."""
    return [each.environment.get("EXTRA") for each in read_serve(arguments, {}).functions]


def test_every_function_gets_the_variables_of_a_pipe(tmp_path: Path, piped: str) -> None:
    functions = [f"{name}={tmp_path}/lib{name}.so" for name in ("api", "jobs")]
    assert extras(*functions, "--env-file", piped) == ["piped", "piped"]


def test_the_only_function_of_the_folder_gets_the_variables_of_a_pipe(
    tmp_path: Path, piped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are looked at before, as they may say which function is meant."""
    (tmp_path / f"libmine{SUFFIX}").touch()
    monkeypatch.chdir(tmp_path)
    assert extras("--env-file", piped) == ["piped"]


def test_the_functions_of_a_file_get_the_variables_of_a_pipe(tmp_path: Path, piped: str) -> None:
    entry = {"library": "libmine.so", "environmentFile": piped}
    config = tmp_path / "functions.json"
    config.write_text(json.dumps({"functions": {"api": entry, "jobs": entry}}))
    assert extras("--config", str(config)) == ["piped", "piped"]


def test_a_file_that_could_not_be_read_is_not_read_again(tmp_path: Path) -> None:
    files, path = env_file.EnvFiles(), tmp_path / "later.env"
    with pytest.raises(UsageError, match="No such file"):
        files.read(str(path))
    path.touch()
    with pytest.raises(UsageError, match="No such file"):
        files.read(str(path))
