"""Finds out whether an engine can start containers here at all.

If a release's image does not start, the image or the machine may be at fault. A trial image tells them apart: it needs
nothing of the machine, so an engine that starts any container starts this one.
"""

from __future__ import annotations

import shutil
import struct
import tempfile
import threading
from pathlib import Path

from ci.core import tars
from ci.core.architectures import ALL, host_name
from ci.core.errors import CommandFailed
from ci.core.run import Runner
from ci.images import engine_choice, engines, oci
from ci.images.engines import Engine

_NAME = "faas-runtime-trial"
_PROGRAM = "trial"
# A program that ends with exit code 0, without a library. By the architecture: what it consists of.
_EXIT = {
    "amd64": bytes.fromhex("31ffb83c0000000f05"),  # xor edi, edi; mov eax, 60 (exit); syscall
    "arm64": bytes.fromhex("a80b80d2000080d2010000d4"),  # mov x8, 93 (exit); mov x0, 0; svc 0
}
_BASE, _HEADERS = 0x400000, 64 + 56

# The results, by the path of the engine. All images get the same reason, though an engine's messages may have a number
# in them that is another one each time.
_RESULTS: dict[str, str] = {}
_ONE_AT_A_TIME = threading.Lock()


def cannot_start(run: Runner, engine: Engine) -> str:
    """Why an engine starts no container here, whatever its image; empty if it starts one.

    Each engine is tried once: several images are verified at the same time, and would use the same trial image.
    """
    program = shutil.which(engine.name) or engine.name
    with _ONE_AT_A_TIME:
        if program not in _RESULTS:
            engine.remove_stale(run, _NAME)
            _RESULTS[program] = _try(run, engine)
        return _RESULTS[program]


def _try(run: Runner, engine: Engine) -> str:
    architecture = host_name()
    if architecture not in _EXIT:
        return f"there is no trial image for {architecture}"
    reference = engines.temporary(_NAME, "verify", architecture)
    name = engines.container_of(reference)
    with tempfile.TemporaryDirectory(prefix="trial-") as scratch:
        archive = Path(scratch, "trial.oci.tar")
        oci.write_archive(_image(architecture), archive, tag=reference)
        try:
            engine.load(run, archive, reference)
            engine.prepare(run, reference, name)
            words = (f"/{_PROGRAM}",) if engine.name == "buildah" else ()
            run(*engine.start_command(reference, *words, name=name))
        except CommandFailed as error:
            return engine_choice.last_line(error)
        finally:
            engine.end(run, name)
            engine.remove(run, reference)
    return ""


def _image(architecture: str) -> oci.Image:
    tree = tars.with_parents({_PROGRAM: tars.file(_program(architecture), 0o755), "tmp": tars.folder(0o1777)})
    config = {"architecture": architecture, "os": "linux", "config": {"Entrypoint": [f"/{_PROGRAM}"]}, "history": []}
    built = oci.Image(config=config, layers=(tars.pack(tree, 0),))
    return oci.normalised(built, base_layers=0, architecture=architecture, epoch=0, title=_NAME)


def _program(architecture: str) -> bytes:
    """An ELF file with one segment, which is the whole file (Elf64_Ehdr and Elf64_Phdr in <elf.h>)."""
    code = _EXIT[architecture]
    machine = next(one.elf_machine for one in ALL if one.name == architecture)
    size = _HEADERS + len(code)
    identity = b"\x7fELF\x02\x01\x01" + bytes(9)  # 64 bits, little-endian
    header = struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, _BASE + _HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000)  # PT_LOAD, read and execute
    return identity + header + segment + code
