"""The mirror of a distribution goes on after a build: a locked build names the package, and so does `reproduce`.

The image is `ubi` on its stand-in (`tests/images/stand_ins.py`), which installs from a server on loopback.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ci.pipeline import inputs
from tests.images import stand_ins
from tests.prove.support import commit, without_programs
from tests.release.site import served
from tests.snapshots import checkout_for_tests, remove_images
from tests.support import run_ci

pytestmark = pytest.mark.long

_REGISTRY = "tests.invalid/faas-runtime-mirror"
_OTHERS = ("docker", "mmdebstrap", "podman")  # without Debian's roots, it takes half the time
_SAID = "--locked: image ubi (amd64): package python3 3.11-1 is missing: the image got python3 3.11-2"


@dataclass(frozen=True, kw_only=True)
class Mirrored:
    """A committed checkout, whose `dist/` was built while the mirror had release 1 of a package."""

    checkout: Path
    mirror: Path
    base: str
    path: dict[str, str]

    def build(self, *words: str) -> str:
        """Build everything but the other flavours; returns what was said, with the exit code as its first word."""
        done = run_ci(self.checkout, "build", "--flavour=ubi", f"--base=ubi={self.base}", *words, env=self.path)
        return f"{done.returncode} {done.stdout}{done.stderr}"


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirrored]:
    folder = tmp_path_factory.mktemp("mirror")
    mirror = folder / "site" / "releases"
    stand_ins.ubi_mirror(mirror)
    (folder / "base").mkdir()
    with served(folder / "site") as address:
        stand_ins.ubi(folder / "base", address)
        base = stand_ins.store("buildah", folder / "base", "ubi-with-a-mirror")
        try:
            checkout = checkout_for_tests(folder / "checkout", _REGISTRY)
            commit(checkout)
            with without_programs(*_OTHERS) as path:
                found = Mirrored(checkout=checkout, mirror=mirror, base=base, path=path)
                said = found.build()
                assert said.startswith("0 "), said
                yield found
        finally:
            remove_images(_REGISTRY)
            stand_ins.remove("buildah", base)


def test_a_package_that_the_mirror_has_replaced_is_named(mirrored: Mirrored, tmp_path: Path) -> None:
    locked = tmp_path / inputs.NAME
    locked.write_bytes((mirrored.checkout / "dist" / inputs.NAME).read_bytes())
    stand_ins.ubi_mirror(mirrored.mirror, release=2)

    again = run_ci(mirrored.checkout, "reproduce", env=mirrored.path)
    assert (again.returncode, _SAID in again.stderr) == (18, True), again.stderr

    said = mirrored.build("--locked", str(locked))
    assert said.startswith("18 "), said
    assert _SAID in said
    assert "a mirror or a proxy still has it" in said

    stand_ins.ubi_mirror(mirrored.mirror, release=1)
    said = mirrored.build("--locked", str(locked))
    assert said.startswith("0 "), said
    assert inputs.read(mirrored.checkout / "dist" / inputs.NAME) == inputs.read(locked)
