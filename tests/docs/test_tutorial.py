"""docs/tutorial.md can be followed: its commands are run one after the other in an empty folder."""

from __future__ import annotations

import json
import shutil
import socket
import time
from pathlib import Path

from tests.docs.conftest import need, variables
from tests.docs.follow import Reader
from tests.docs.pages import blocks, sections
from tests.images import lambda_system

PAGE = "tutorial.md"
PORT = 8080
NOT_RUN = [
    ("Install", "needs other systems"),
    ("Put it into an image", "needs the registries of the images"),
    ("Put it into an image", "needs the registries of the images"),
    ("Deploy it to Lambda", "needs an account at AWS"),
]


def test_the_blocks_that_are_not_run_are_known() -> None:
    assert [(block.section, block.about) for block in blocks(PAGE) if block.note == "not run"] == NOT_RUN


def test_the_page_can_be_followed(tmp_path: Path, snapshot: Path) -> None:
    """What the reader has made at the end answers on a system without any Python."""
    need("bash", "cargo", "curl", "unzip")
    folder = tmp_path / "work"
    folder.mkdir()
    (wheel,) = snapshot.glob("dist/sdist/*.whl")
    for file in (wheel, *snapshot.glob("dist/layers/*.zip")):
        shutil.copy(file, folder)
    environment = variables(tmp_path / "home", cargo=True)
    port = free_port()
    if port != PORT:  # another emulator is running here
        environment["FAAS_RUNTIME_LISTEN"] = f"127.0.0.1:{port}"
    with Reader(folder, environment, instead=(f":{PORT}", f":{port}")) as person:
        for name, found in sections(PAGE).items():
            begun = time.monotonic()
            person.follow(found)
            print(f"{name}: {time.monotonic() - begun:.1f} s")  # shown with -rA
    system = lambda_system.root("bullseye", tmp_path / "system")
    lambda_system.unpack(folder / "my-function" / "my_function.zip", system / "var" / "task")
    (answer,) = lambda_system.answers(
        system, "/var/task/bootstrap", "my_function.handle", [b'{"name":"Ada"}'], tmp_path / "log"
    )
    assert json.loads(answer)["greeting"] == "Hello, Ada."


def free_port() -> int:
    """The emulator's usual port, or another one if that is taken."""
    for port in (PORT, 0):
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(listener.getsockname()[1])
    raise AssertionError("no port is free")
