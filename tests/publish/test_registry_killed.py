"""A publication that is killed at any request, and run again: the registry ends as after an undisturbed run."""

from __future__ import annotations

import copy
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from ci.publish.rehearse.registry_server import RegistryServer, RepositoryContents
from ci.publish.rehearse.server import Reply, Request, Server
from tests.publish import image_sets, registry_program
from tests.publish.registry_support import REPOSITORY, end_state, tags, target
from tests.support import ROOT

VERSION = "0.1.1"  # a maintenance release: 0.2.0 is there already
ACTIONS = ("publish", "yank")
APIS = pytest.mark.parametrize("api", [True, False], ids=["referrers API", "fallback tag"])


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sets")
    for version in ("0.1.0", "0.2.0"):
        image_sets.make(folder / version, version, bare=True)
    made = image_sets.make(folder / VERSION, VERSION, bare=True).folder
    (made / "provenance.sigstore.json").write_bytes(image_sets.bundle("provenance", VERSION))
    (made / f"faas-runtime-{VERSION}-micro-amd64.oci.tar.spdx.json").write_text("{}")
    return folder


def start_of(api: bool, action: str, sets: Path, scratch: Path) -> dict[str, RepositoryContents]:
    """What the registry has before the action."""
    registry = RegistryServer(referrers_api=api)
    with Server(registry.answer) as server:
        for version in ("0.1.0", "0.2.0", *([VERSION] if action == "yank" else [])):
            target(image_sets.read(sets / version), server.origin, scratch / f"{version}.json").publish()
    return registry.repositories


class Trial:
    """One registry, whose client can be killed at a request."""

    def __init__(
        self, api: bool, action: str, start: dict[str, RepositoryContents], folder: Path, ledger: Path
    ) -> None:
        self.registry = RegistryServer(referrers_api=api, page=4, repositories=copy.deepcopy(start))
        self.action = action
        self.arguments = (str(folder), str(ledger))
        self.requests: list[str] = []

    def undisturbed(self) -> None:
        """Let it run from beginning to end."""
        with Server(self.registry.answer) as server:
            registry_program.run(self.action, server.origin, *self.arguments)
            self.requests = server.seen

    def killed(self, is_it: Callable[[int, Request], bool], *, carried_out: bool) -> None:
        """Let a process run until a request, and kill it: before it is carried out, or after. Run it again."""
        started, at = threading.Event(), list[str]()
        with Server(self.registry.answer) as server:

            def before(number: int, request: Request) -> Reply | None:
                kill(number, request)
                return Reply(status=500, cut=-1) if at else None

            def kill(number: int, request: Request) -> None:
                if not at and is_it(number, request):
                    started.wait()
                    at.append(str(request))
                    child.kill()
                    child.wait()

            server.before, server.after = (None, kill) if carried_out else (before, None)
            program = [sys.executable, "-m", "tests.publish.registry_program", self.action, server.origin]
            child = subprocess.Popen([*program, *self.arguments], cwd=ROOT, stdout=subprocess.DEVNULL)
            started.set()
            assert child.wait() == -signal.SIGKILL
            server.before = server.after = None
            registry_program.run(self.action, server.origin, *self.arguments)
        # Of an upload that was begun without an answer nobody knows; registries forget it by themselves.
        unanswered = carried_out and at == [f"POST /v2/{REPOSITORY}/blobs/uploads/"]
        assert len(self.registry.repositories[REPOSITORY].uploads) == unanswered


@pytest.mark.parametrize(
    ("action", "at", "carried_out"),
    [
        ("publish", "/blobs/uploads/", True),
        ("publish", "/manifests/0.1.1-micro", True),
        ("publish", "/manifests/0.1", False),
        ("yank", "/manifests/sha256-", True),
    ],
    ids=["an upload has begun", "the version tag is there", "a tag is to move", "referrers are listed"],
)
def test_killed(action: str, at: str, carried_out: bool, sets: Path, tmp_path: Path) -> None:
    start = start_of(False, action, sets, tmp_path)
    whole = Trial(False, action, start, sets / VERSION, tmp_path / "whole")
    whole.undisturbed()

    def is_it(number: int, request: Request) -> bool:
        path = request.path[: -len("0" * 64)] if "/sha256-" in request.path else request.path
        return request.method in ("POST", "PUT") and path.endswith(at)

    trial = Trial(False, action, start, sets / VERSION, tmp_path / "ledger")
    trial.killed(is_it, carried_out=carried_out)
    assert end_state(trial.registry) == end_state(whole.registry)
    assert tags(trial.registry)["latest"] == tags(trial.registry)["0.2.0-micro"]


@pytest.mark.long
@APIS
@pytest.mark.parametrize("action", ACTIONS)
def test_killed_after_every_single_request(api: bool, action: str, sets: Path, tmp_path: Path) -> None:
    start = start_of(api, action, sets, tmp_path)
    whole = Trial(api, action, start, sets / VERSION, tmp_path / "whole")
    whole.undisturbed()
    assert len(whole.requests) > 40
    for place in range(1, len(whole.requests) + 1):
        for carried_out in (False, True):
            trial = Trial(api, action, start, sets / VERSION, tmp_path / f"{place}-{carried_out}")
            trial.killed(partial(_is_number, place), carried_out=carried_out)
            assert end_state(trial.registry) == end_state(whole.registry), whole.requests[place - 1]


def _is_number(place: int, number: int, request: Request) -> bool:
    del request
    return number == place
