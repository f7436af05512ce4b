"""The distribution's packages in images: that a snapshot lists them, and what a locked build says of other ones.

The images stand on stand-ins (`stand_ins.py`): what they install is neither Red Hat's nor Alpine's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from ci.core.errors import UnavailableError
from ci.core.run import Runner
from ci.pipeline import inputs
from ci.pipeline.inputs import InstalledPackage
from ci.sboms import image_packages
from tests.images.test_flavours import archive


def listed(**versions: str) -> list[InstalledPackage]:
    """Packages in an image; several versions of one are separated by commas."""
    pairs = ((name, version) for name, text in versions.items() for version in text.split(","))
    return [InstalledPackage(flavour="ubi", architecture="amd64", name=name, version=one) for name, one in pairs]


LOCKED = {"glibc": "2.39-1", "gpg_pubkey": "1-1,2-2", "python3": "3.12.9-1"}


def test_the_same_packages_are_right() -> None:
    image_packages.require_locked("image ubi (amd64)", listed(**LOCKED), listed(**LOCKED))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"python3": "3.12.10-1"}, "package python3 3.12.9-1 is missing: the image got python3 3.12.10-1"),
        ({"gpg_pubkey": "1-1,3-3"}, "package gpg_pubkey 1-1, 2-2 is missing: the image got gpg_pubkey 1-1, 3-3"),
        ({"libnew": "1-1"}, "package libnew 1-1 is in the image, and not among the inputs"),
        ({"glibc": "2.40-1", "python3": "4-1"}, "package glibc 2.39-1 is missing: the image got glibc 2.40-1"),
    ],
    ids=["newer", "one of two", "added", "the first of two"],
)
def test_the_first_other_package_is_named(change: Mapping[str, str], said: str) -> None:
    with pytest.raises(UnavailableError) as caught:
        image_packages.require_locked("image ubi (amd64)", listed(**{**LOCKED, **change}), listed(**LOCKED))
    assert str(caught.value) == f"--locked: image ubi (amd64): {said}"
    assert "mirror" in caught.value.hint


def test_a_package_that_was_not_installed_is_named() -> None:
    fewer = {name: version for name, version in LOCKED.items() if name != "python3"}
    with pytest.raises(UnavailableError, match=r"package python3 3\.12\.9-1 is missing: the image got no such package"):
        image_packages.require_locked("image ubi (amd64)", listed(**fewer), listed(**LOCKED))


def test_a_snapshot_lists_what_the_package_managers_have(built: Path) -> None:
    found = inputs.read(built / "dist" / inputs.NAME)
    ubi, alpine = ({one.name: one.version for one in found.installed_in(name, "amd64")} for name in ("ubi", "alpine"))
    assert ubi["python3"] == "3.11-1"
    assert alpine["musl"] == "1.2.5-r20"
    assert "faas-runtime" not in {*ubi, *alpine}
    assert found.installed_in("micro", "amd64") == ()
    assert len(found.installed) == len(set(found.installed)) > len(alpine)


def test_the_list_is_that_of_the_finished_image(built: Path, run: Runner, tmp_path: Path) -> None:
    for flavour in ("ubi", "alpine"):
        path = built / "dist" / image_packages.path_of(flavour, "amd64")
        again = image_packages.read(
            archive(built, flavour), flavour, "amd64", own="faas-runtime", folder=tmp_path, run=run
        )
        assert again == image_packages.read_list(path) != []
