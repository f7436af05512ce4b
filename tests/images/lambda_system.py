"""A stand-in for the system of Lambda's OS-only runtime: a root with a shell and a C library, and without any Python.

Debian's bullseye (glibc 2.31) and trixie (2.41) stand in for Amazon Linux 2023 (2.34). AWS's emulator of the Runtime
API starts the function in it, and sends it events.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests import debian
from tests.runtime import rie
from tests.runtime.test_runtime_rie import free_address, invoke_once, running
from tests.support import program

# What Lambda sets, according to its documentation: folders of its own system come first.
LIBRARY_PATH = "/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"


def root(suite: str, folder: Path) -> Path:
    """Unpack the root of a suite into a folder that does not exist yet."""
    folder.mkdir()
    packed = debian.root(f"shell-{suite}", suite, ("dash",))
    subprocess.run(["tar", "-xf", packed, "-C", folder, "--exclude=./dev/*"], check=True)
    for name in ("bin", "lib", "lib64"):
        if not (folder / name).exists():
            (folder / name).symlink_to(f"usr/{name}")
    (folder / "bin" / "sh").unlink(missing_ok=True)
    (folder / "bin" / "sh").symlink_to("dash")
    assert not list(folder.glob("usr/*/python*"))
    for name in ("opt", "var/task", "tmp", "proc", "dev"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "dev" / "null").touch()
    shutil.copy(rie.program(), folder / "rie")
    return folder


def unpack(path: Path, folder: Path) -> None:
    """Unpack a zip file with modes and links, as Lambda does."""
    subprocess.run([program("bsdtar"), "-xf", path, "-C", folder], check=True)


def answers(system: Path, bootstrap: str, handler: str, events: Sequence[bytes], log: Path) -> list[bytes]:
    """The answers of a function in a root, whose `bootstrap` AWS's emulator starts."""
    address = free_address()
    addresses = ("--runtime-interface-emulator-address", address, "--runtime-api-address", free_address())
    command = [program("chroot"), str(system), "/rie", *addresses, bootstrap]
    variables = {"_HANDLER": handler, "LAMBDA_TASK_ROOT": "/var/task", "LD_LIBRARY_PATH": LIBRARY_PATH}
    with running(command, address, variables, log) as connection:
        return [invoke_once(connection, event) for event in events]
