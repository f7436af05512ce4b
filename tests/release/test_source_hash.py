"""The hash of the source tarball in the manifest: zeros until it is published, otherwise the tarball's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support import copy_checkout, run_ci

ZEROS = "0" * 64


def hash_in(checkout: Path) -> str:
    found = re.search(r'sha256: "([0-9a-f]{64})"', (checkout / "release.yaml").read_text())
    assert found
    return found[1]


def set_hash(checkout: Path, sha256: str) -> None:
    manifest = checkout / "release.yaml"
    manifest.write_text(manifest.read_text().replace(hash_in(checkout), sha256))
    assert run_ci(checkout, "bake").returncode == 0


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return copy_checkout(tmp_path / "checkout")


def test_a_hash_that_is_no_longer_the_tarballs_fails_check(checkout: Path) -> None:
    done = run_ci(checkout, "source-hash")
    assert done.returncode == 0, done.stderr
    true = hash_in(checkout)
    (checkout / "runtime" / "README.md").open("a").write("\nOne more line.\n")
    assert run_ci(checkout, "bake").returncode == 0
    done = run_ci(checkout, "check")
    assert done.returncode == 11, done.stderr
    assert f"source.sha256 in release.yaml is {true}, but the source tarball of this checkout has " in done.stderr
    assert "nox -s source-hash" in done.stderr


def test_a_hash_of_nothing_fails_check_and_a_build_warns(checkout: Path) -> None:
    set_hash(checkout, "1" * 64)
    done = run_ci(checkout, "check")
    assert done.returncode == 11, done.stderr
    assert f"source.sha256 in release.yaml is {'1' * 64}" in done.stderr
    done = run_ci(checkout, "brew")
    assert done.returncode == 0, done.stderr
    assert "warning: source.sha256 in release.yaml is 1111" in done.stderr + done.stdout


def test_zeros_mean_that_it_is_not_published_yet(checkout: Path) -> None:
    assert hash_in(checkout) == ZEROS
    done = run_ci(checkout, "brew")
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr + done.stdout
