"""What a run puts into an engine's storage is removed: by itself if it is interrupted, by the next if it is killed."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Callable

import pytest

from ci.core.children import Children
from ci.core.errors import CommandFailed
from ci.core.run import Runner
from ci.images import engines, oci
from ci.images.engines import Engine
from ci.verify import container
from ci.verify.check import Check
from tests.images.test_no_containers import check, image, run

__all__ = ["check", "run"]


def test_an_interrupted_run_removes_its_own(check: Callable[[oci.Image], Check], run: Runner) -> None:
    made, engine = check(image()), Engine(name="buildah")
    interrupted = dataclasses.replace(run, children=Children())
    own = engines.temporary(made.project.release.name, "verify", "interrupted")
    name = engines.container_of(own)
    engine.load(interrupted, made.path, own)
    engine.prepare(interrupted, own, name)
    interrupted.children.end_all()
    with pytest.raises(CommandFailed):  # no other program is started any more
        interrupted("sleep", "60")
    engine.end(interrupted, name)
    engine.remove(interrupted, own)
    assert engine.containers(run, name) == []
    assert engine.stored(run, own) is None


def test_what_a_killed_run_has_left_is_removed(check: Callable[[oci.Image], Check], run: Runner) -> None:
    made, engine = check(image()), Engine(name="buildah")
    product = made.project.release.name
    with subprocess.Popen(["true"]) as killed:
        killed.wait()
    stale = f"localhost/{product}-verify-{killed.pid}:install-micro-amd64"
    engine.load(run, made.path, stale)
    engine.prepare(run, stale, engines.container_of(stale))
    own = engines.temporary(product, "verify", "leftovers")
    try:
        assert container.engine_that_runs(made, own, engines.container_of(own), lambda _: "") == engine
        assert engine.containers(run, engines.container_of(stale)) == []
        assert engine.stored(run, stale) is None
        assert engine.stored(run, own) is not None
    finally:
        engine.end(run, engines.container_of(stale))
        engine.remove(run, stale)
        engine.remove(run, own)
