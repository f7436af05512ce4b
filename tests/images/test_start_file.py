"""The images take the code of every start from one file, which is of their own Python and payload."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from ci.core.run import Runner
from ci.images import engines, oci
from ci.images.engines import Engine
from tests.images.test_flavours import archive

PACKAGE = "usr/lib/faas-runtime/faas_runtime"


@pytest.mark.parametrize("flavour", ["micro", "ubi", "alpine"])
def test_it_is_in_the_image_and_used(built: Path, run: Runner, flavour: str) -> None:
    image, _ = oci.read_archive(archive(built, flavour))
    tree = oci.added_by(image)
    (name,) = [name for name in tree if name.startswith(f"{PACKAGE}/__pycache__/start.cpython-")]
    assert tree[f"{PACKAGE}/payload.sha256"].data in tree[name].data
    if flavour != "ubi":  # which has a whole Python
        assert [path for path in tree if path.endswith("/ast.pyc")] == []  # what makes the file needs it, outside
    engine = Engine(name="buildah")
    tag = engines.temporary("start", "build", flavour)
    container = engines.container_of(tag)
    engine.load(run, archive(built, flavour), tag)
    try:
        engine.prepare(run, tag, container)
        words = ("/usr/bin/python3", "-v", "-IS", "/var/runtime/bootstrap", "--version")
        command = engine.start_command(tag, *words, name=container)
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    finally:
        engine.end(run, container)
        engine.remove(run, tag)
    # Python finds the modules of a command, but not those of every start, which are made of the file.
    assert set(re.findall(r"^import 'faas_runtime\.(__main__|commands\.main)'", done.stderr, re.MULTILINE)) == {
        "commands.main"
    }
    assert re.search(r"^faas-runtime \S+$", done.stdout, re.MULTILINE)
