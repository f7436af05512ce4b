"""What a killed run has left in an engine's storage is removed by the next one that starts an image there."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

from ci.core.run import Runner
from ci.images import engines, oci
from ci.images.engines import Engine
from ci.verify import container
from ci.verify.check import Check
from tests.images.test_no_containers import check, image, run

__all__ = ["check", "run"]


def test_a_container_and_its_image_are_removed(check: Callable[[oci.Image], Check], run: Runner) -> None:
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
