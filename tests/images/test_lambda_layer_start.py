"""The start script of the layer finds the layer's files, wherever it is. A script stands in for the layer's loader."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ci.core.architectures import host_name, named
from ci.images.lambda_layer import FOLDER, start_script
from tests.recipes.support import script

ECHO = "#!/bin/sh\nprintf '%s\\n' \"$@\"\n"


def unpacked(folder: Path) -> Path:
    """The start script below a folder, with what stands in for the loader."""
    architecture = named(host_name())
    text = start_script(architecture, "3.13")
    name = next(word for word in text.split() if word.startswith('"$libraries/ld-')).strip('"').removeprefix("$")
    libraries = folder / FOLDER / "usr" / "lib" / architecture.triplet
    libraries.mkdir(parents=True)
    script(libraries / name.removeprefix("libraries/"), ECHO)
    script(folder / "bootstrap", text)
    return folder / "bootstrap"


def started(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"]}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["opt", "a b", "a%s", "q\"x'", "-x", "*"])
def test_folder_of_any_name(tmp_path: Path, name: str) -> None:
    bootstrap = unpacked(tmp_path / name)
    done = started(bootstrap, "a word", cwd=tmp_path)
    words = done.stdout.splitlines()
    root = f"{tmp_path}/{name}/{FOLDER}"
    assert words[3] == f"{root}/usr/bin/python3.13", done.stderr
    assert words[-2:] == [f"{root}/var/runtime/bootstrap", "a word"]


@pytest.mark.parametrize("relative", [False, True])
def test_start_through_links(tmp_path: Path, relative: bool) -> None:
    bootstrap = unpacked(tmp_path / "opt")
    (tmp_path / "first").symlink_to("opt/bootstrap" if relative else bootstrap)
    (tmp_path / "second").symlink_to("first" if relative else tmp_path / "first")
    done = started("./second" if relative else tmp_path / "second", cwd=tmp_path)
    assert done.stdout.splitlines()[3:4] == [f"{tmp_path}/opt/{FOLDER}/usr/bin/python3.13"], done.stderr


@pytest.mark.parametrize("name", ["a:b", "a;b", "a$LIB"])
def test_folder_that_the_loader_cannot_name(tmp_path: Path, name: str) -> None:
    """`--library-path` has no way to quote these characters, so other libraries than the layer's would be loaded."""
    bootstrap = unpacked(tmp_path / name)
    for done in (started(bootstrap, cwd=tmp_path), started("./bootstrap", cwd=bootstrap.parent)):
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("bootstrap: the loader takes no path with a colon, a semicolon or a dollar sign")
        assert f": move {tmp_path}/{name}" in done.stderr
