"""`nox -s compare`, as a command: its exit codes, and what it leaves in `dist/`."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from ci.core import tars
from ci.core.files import sha256_of
from tests.prove.dists import image_settings, image_tree, listed, write_image
from tests.support import ROOT, copy_checkout, run_ci

IMAGE = "images/faas-runtime-0.1.0-micro-amd64.oci.tar"
MORE = b"".join(number.to_bytes(4, "little") for number in range(200_000))  # gzip makes 0.3 MB of it


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with one image in `dist/`, and the same image in `previous/`."""
    checkout = copy_checkout(tmp_path / "checkout")
    for folder in ("dist", "previous"):
        write_image(checkout / folder / IMAGE, image_tree(), image_settings())
        listed(checkout / folder, {IMAGE: "image"})
    return checkout


def test_what_changed_is_shown_and_written(checkout: Path) -> None:
    tree = image_tree()
    tree["var/lib/dpkg/status.d/curl"] = tars.file(b"Package: curl\nVersion: 8.1\n")
    write_image(checkout / "dist" / IMAGE, tree, image_settings())
    listed(checkout / "dist", {IMAGE: "image"})
    done = run_ci(checkout, "compare", "previous")
    assert done.returncode in (0, 14), done.stderr  # a small image grows by much
    assert "What changed since previous (0.1.0)" in done.stdout
    assert "packages: 1, modes" not in done.stdout
    assert "packages: 1, files: 1" in done.stdout
    document = json.loads((checkout / "dist" / "comparison.json").read_bytes())
    jsonschema.validate(document, json.loads((ROOT / "ci" / "pipeline" / "comparison.schema.json").read_bytes()))
    assert document["artifacts"][0]["changes"]["packages"]["added"] == {"curl": "8.1"}
    assert "new: <code>curl: 8.1</code>" in (checkout / "dist" / "report.html").read_text()


def test_growth_beyond_the_budget_fails(checkout: Path) -> None:
    write_image(checkout / "dist" / IMAGE, {**image_tree(), "usr/lib/more": tars.file(MORE)}, image_settings())
    before = (checkout / "previous" / IMAGE).stat().st_size
    after = (checkout / "dist" / IMAGE).stat().st_size
    listed(checkout / "dist", {IMAGE: "image"})
    done = run_ci(checkout, "compare", "previous")
    assert done.returncode == 14
    assert f"error: {IMAGE}: " in done.stderr
    assert f"({after} bytes)" in done.stderr
    assert f"({before} bytes) before; budgets.image is 5%" in done.stderr
    assert "beyond the budget" in (checkout / "dist" / "report.html").read_text()
    assert proof(checkout) == ("comparison.json", "beyond a budget")
    assert run_ci(checkout, "compare", "dist").returncode == 0
    assert proof(checkout) == ("comparison.json", "within budgets")


def test_a_comparison_that_fails_leaves_none(checkout: Path) -> None:
    assert run_ci(checkout, "compare", "previous").returncode == 0
    assert proof(checkout) == ("comparison.json", "within budgets")
    assert run_ci(checkout, "compare", "no-such-revision").returncode == 2
    assert proof(checkout) is None
    assert not (checkout / "dist" / "comparison.json").exists()


def proof(checkout: Path) -> tuple[str, str] | None:
    """The only proof that `artifacts.json` names, and its verdict."""
    found = json.loads((checkout / "dist" / "artifacts.json").read_bytes())["proofs"]
    if not found:
        return None
    (one,) = found
    assert one["sha256"] == sha256_of(checkout / "dist" / one["file"])
    return one["file"], one["verdict"]


def test_without_a_snapshot_there_is_nothing_to_compare(checkout: Path) -> None:
    (checkout / "dist" / "artifacts.json").unlink()
    done = run_ci(checkout, "compare", "previous")
    assert done.returncode == 18
    assert "what to do: build it first: nox -s snapshot" in done.stderr


@pytest.mark.parametrize("arguments", [(), ("no-such-revision",), ("previous", "previous")])
def test_a_wrong_argument_is_told(checkout: Path, arguments: tuple[str, ...]) -> None:
    done = run_ci(checkout, "compare", *arguments)
    assert done.returncode == 2
    assert "what to do: " in done.stderr
