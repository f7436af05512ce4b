"""The verification of an image without a Runtime API, with programs of this machine in place of the image."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from ci.core.errors import VerificationError
from ci.core.run import Runner
from ci.images.engines import Engine
from ci.pipeline.jobs import Project
from ci.verify.check import BuiltFunction, Check
from ci.verify.served import require_serves
from tests.support import ROOT
from tests.verify.conftest import Checking

pytestmark = pytest.mark.mutant

LISTENING = "import os, socket; s = socket.create_server(('127.0.0.1', int(os.environ['PORT']))); c, _ = s.accept(); "
SAYS = LISTENING + "c.recv(9999); c.sendall(b'HTTP/1.1 {} OK\\r\\nX-Amzn-RequestId: 1\\r\\n\\r\\n{}'); c.close()"


@dataclass(frozen=True, kw_only=True)
class StandInEngine(Engine):
    """A stand-in for buildah: it starts a program of this machine, on the host's network, in place of the image."""

    name: str = "buildah"
    program: tuple[str | Path, ...]

    def prepare(self, run: Runner, reference: str, name: str) -> None: ...

    def end(self, run: Runner, name: str) -> None: ...

    def start_command(
        self,
        reference: str,
        *arguments: str,
        name: str,
        environment: Mapping[str, str] | None = None,
        mounts: Mapping[Path, str] | None = None,
        network: str = "host",
        entrypoint: str = "",
    ) -> list[str]:
        address = (environment or {})["FAAS_RUNTIME_LISTEN"]
        (task,) = mounts or {}
        variables = [f"FAAS_RUNTIME_LISTEN={address}", f"PORT={address.partition(':')[2]}", f"LAMBDA_TASK_ROOT={task}"]
        return ["env", *variables, *map(str, self.program), *arguments[1:]]


@pytest.fixture
def check(built: Project, checking: Checking) -> Check:
    return checking("image", built.dist / "images" / "faas-runtime-0.1.0-micro-amd64.oci.tar")


def test_the_runtime_itself_passes(check: Check, c_function: BuiltFunction) -> None:
    engine = StandInEngine(program=(sys.executable, "-IS", "-X", "utf8", ROOT / "runtime" / "bin" / "faas-runtime"))
    require_serves(check, engine, "image", "name", c_function.library.parent, c_function)


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("raise SystemExit('it cannot listen')", r"no answer .*(\n.*)*it cannot listen"),
        (SAYS.format(502, "{}"), "status at port 8080: found 'HTTP/1.1 502 OK'"),
        (SAYS.format(200, "{}"), "answer at port 8080: found b'{}'"),
        (SAYS.format(200, ""), "answer at port 8080: found b''"),
    ],
)
def test_another_answer_or_none_is_refused(
    check: Check, c_function: BuiltFunction, tmp_path: Path, program: str, said: str
) -> None:
    engine = StandInEngine(program=(sys.executable, "-c", program))
    with pytest.raises(VerificationError, match=said):
        require_serves(check, engine, "image", "name", tmp_path, c_function)
