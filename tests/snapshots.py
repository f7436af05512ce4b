"""One real snapshot for all tests that look at its results: those of `tests/release` and of `tests/images`.

Its images of ubi and alpine are built on stand-ins, see `tests/images/stand_ins.py`. This is a plugin of pytest, so
that there is one set of the fixtures for both folders.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rust import warm_target
from tests.support import copy_checkout, run_ci

# The storage is one for the whole machine: what another run of the tests makes there must bear another name.
REGISTRY = f"tests.invalid/faas-runtime-{os.getpid()}"
TAGS = ("ubi", "alpine", "micro", "micro-arm64")


def checkout_for_tests(target: Path, registry: str = REGISTRY) -> Path:
    """A checkout whose images get names of their own: what stands on a stand-in must not pass for the real one."""
    checkout = copy_checkout(target)
    manifest = checkout / "release.yaml"
    text = manifest.read_text()
    manifest.write_text(re.sub(r"(?m)^  registry: .*$", f"  registry: {registry}", text, count=1))
    baked = run_ci(checkout, "bake")  # the recipes name the images
    assert baked.returncode == 0, baked.stderr
    if shutil.which("cargo"):
        warm_target(checkout / "dist" / ".cache" / "cargo")
    return checkout


def remove_images(registry: str = REGISTRY) -> None:
    """Remove the images that a checkout for tests has left in the engines' storages."""
    from ci.core.errors import CommandFailed
    from ci.core.run import Runner
    from ci.images import engine_choice
    from ci.images.engines import Engine

    run = Runner(log=Path(os.devnull))
    for engine in (Engine(name="buildah"), Engine(name="docker")):
        for tag in TAGS if not engine_choice.why_not(run, engine.name) else ():
            with contextlib.suppress(CommandFailed):  # it is gone already
                engine.remove(run, f"{registry}/faas-runtime:0.1.0-{tag}")


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The stand-ins' references in the storage that buildah and podman share; alpine's only where it can be made."""
    from tests.images import stand_ins

    references = {}
    try:
        for name, make in (("ubi", stand_ins.ubi), ("alpine", stand_ins.alpine)):
            folder = tmp_path_factory.mktemp(name)
            with contextlib.suppress(pytest.skip.Exception):
                make(folder)
                references[name] = stand_ins.store("buildah", folder, name)
        yield references
    finally:
        for reference in references.values():
            stand_ins.remove("buildah", reference)


@pytest.fixture(scope="session")
def options(bases: dict[str, str]) -> list[str]:
    """The options with which a command of the tooling builds on the stand-ins."""
    return [f"--base={name}={reference}" for name, reference in bases.items()]


@pytest.fixture(scope="session")
def snapshot(tmp_path_factory: pytest.TempPathFactory, options: list[str]) -> Iterator[Path]:
    """A checkout in which `nox -s snapshot` has run from clean; tests that change it work on a copy."""
    checkout = checkout_for_tests(tmp_path_factory.mktemp("snapshot") / "checkout")
    try:
        done = run_ci(checkout, "snapshot", "--quick", *options)
        assert done.returncode == 0, done.stderr + done.stdout
        # What Debian's archive held is an input that no file names, so the build has to.
        assert re.search(r"Debian \w+: base-files \S+, .*libc6 \d", done.stdout + done.stderr)
        yield checkout
    finally:
        remove_images()
