"""`nox -s snapshot`, whole and for real: what comes out, twice the same, resumed, and kept from harm."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.snapshots import checkout_for_tests
from tests.support import ROOT, copy_checkout, run_ci, search_path

ALL_IMPORTS = """
import sys
from ci.__main__ import main
code = main(sys.argv[1:])
print(*sys.modules, file=sys.stderr)
sys.exit(code)
"""
NOT_NEEDED = (
    *("ci.verify", "ci.lint", "ci.images", "ci.builders.images", "ci.bake.render", "cookiecutter"),
    *("http.server", "jsonschema", "packaging.licenses", "deflate"),
)


def report(checkout: Path) -> dict[str, Any]:
    document = json.loads((checkout / "dist" / "artifacts.json").read_bytes())
    assert isinstance(document, dict)
    return document


def digest_in(archive: Path) -> str:
    """The digest that a registry would have: that of the one blob which `index.json` names, made of its bytes."""
    with tarfile.open(archive) as opened:
        (entry,) = json.loads((opened.extractfile("index.json") or io.BytesIO()).read())["manifests"]
        blob = (opened.extractfile(f"blobs/{entry['digest'].replace(':', '/')}") or io.BytesIO()).read()
    return f"sha256:{hashlib.sha256(blob).hexdigest()}"


def sums(checkout: Path) -> dict[str, str]:
    lines = (checkout / "dist" / "SHA256SUMS").read_text().splitlines()
    return {path: sha256 for sha256, path in (line.split("  ") for line in lines)}


def test_every_artifact_is_verified_or_says_why_not(snapshot: Path) -> None:
    document = report(snapshot)
    jsonschema.validate(document, json.loads((ROOT / "ci" / "pipeline" / "artifacts.schema.json").read_bytes()))
    with_digest = [one for one in document["artifacts"] if "digest" in one]
    assert {one["kind"] for one in with_digest} == {"image", "image-index"}
    for one in with_digest:
        assert one["digest"] == digest_in(snapshot / "dist" / one["path"])
        assert one["digest"] in (snapshot / "dist" / "report.html").read_text()
    status = {artifact["name"]: artifact["status"] for artifact in document["artifacts"]}
    packages = ("sdist", "wheel", "rpm", "rpm-devel", "srpm", "msys2", "formula", "crate", "lambda-layer")
    for kind in (*packages, "image", "image-index", "sbom"):
        assert any(a["kind"] == kind and a["status"] == "verified" for a in document["artifacts"]), (kind, status)
    assert [a["name"] for a in document["artifacts"] if a["kind"] == "msys2" and a["status"] == "verified"] == [
        f"mingw-w64-{prefix}-faas-runtime-0.1.0-1-any.pkg.tar.zst"
        for prefix in ("ucrt-x86_64", "clang-x86_64", "clang-aarch64")
    ]
    for artifact in document["artifacts"]:
        assert artifact["status"] in ("verified", "not run", "unavailable"), artifact
        if artifact["status"] != "verified":
            assert artifact["kind"] in ("lambda-layer", "image", "image-index", "sbom")
            assert artifact["reason"]
    described = {
        artifact["name"].rpartition(".")[0].rpartition(".")[0]: artifact
        for artifact in document["artifacts"]
        if artifact["kind"] == "sbom"
    }
    for artifact in document["artifacts"]:
        if artifact["kind"] not in ("image-index", "sbom"):  # an index has no content of its own
            sbom = described.pop(artifact["name"])
            assert (sbom["status"] == "unavailable") == (artifact["status"] == "unavailable")
            assert artifact["status"] != "unavailable" or sbom["reason"] == artifact["reason"]
    assert not described


def test_an_rpm_with_nothing_to_do_imports_little(snapshot: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ALL_IMPORTS, "rpm"], cwd=snapshot, capture_output=True, text=True, check=True
    )
    assert "started" not in done.stderr
    modules = done.stderr.split("\n")[-2].split(" ")
    assert "ci.builders.rpm" in modules
    assert not [name for name in modules for not_needed in NOT_NEEDED if f"{name}.".startswith(f"{not_needed}.")]


def test_the_command_for_a_snapshot_imports_nothing_that_publishes() -> None:
    show = "import sys, ci.commands.proving; print(*sys.modules)"
    modules = subprocess.check_output([sys.executable, "-c", show], cwd=ROOT, text=True).split()
    assert "ci.pipeline.scheduler" in modules
    assert [name for name in modules if name.startswith(("ci.publish", "ci.verify", "packaging.metadata"))] == []


def test_the_page_shows_every_artifact(snapshot: Path) -> None:
    page = (snapshot / "dist" / "report.html").read_text(encoding="utf-8")
    assert [one["name"] for one in report(snapshot)["artifacts"] if f">{one['name']}</code>" not in page] == []
    assert "Not rebuilt: run nox -s reproduce." in page


def test_the_sums_are_those_of_the_files(snapshot: Path) -> None:
    checked = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=snapshot / "dist", check=False)
    assert checked.returncode == 0
    recorded = {a["path"]: a["sha256"] for a in report(snapshot)["artifacts"] if "sha256" in a}
    assert sums(snapshot) == recorded
    assert all((snapshot / "dist" / a["path"]).stat().st_size == a["size"]
               for a in report(snapshot)["artifacts"] if "size" in a)  # fmt: skip


def test_nothing_is_built_twice(snapshot: Path, options: list[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in (snapshot / "dist" / "logs").iterdir()}
    again = run_ci(snapshot, "snapshot", "--quick", *options)
    assert again.returncode == 0, again.stderr
    assert "started" not in again.stderr
    assert {path: path.stat().st_mtime_ns for path in (snapshot / "dist" / "logs").iterdir()} == before
    planned = json.loads(run_ci(snapshot, "plan", "--json", *options).stdout)
    assert {entry["state"] for entry in planned["artifacts"]} <= {"up to date", "unavailable"}


@pytest.mark.long
def test_another_checkout_on_another_day_gives_the_same_bytes(
    snapshot: Path, options: list[str], tmp_path: Path
) -> None:
    second = checkout_for_tests(tmp_path / "a longer path" / "checkout")
    for number, path in enumerate(sorted(second.rglob("*"))):
        os.utime(path, (1_000_000_000 + number, 1_000_000_000 + number), follow_symlinks=False)
    environment = {"TZ": "Pacific/Auckland", "LANG": "tr_TR.UTF-8", "HOSTNAME": "elsewhere"}
    command = f"umask 077 && exec {shlex.quote(sys.executable)} -m ci snapshot --quick {' '.join(options)}"
    done = subprocess.run(["sh", "-c", command], cwd=second, env={**os.environ, **environment}, check=False)
    assert done.returncode == 0
    assert sums(second) == sums(snapshot)
    assert {path.rpartition("-0.1.0-")[2] for path in sums(second) if path.startswith("images/")} == {
        *(f"{name}.oci.tar" for name in ("micro-amd64", "micro-arm64", "ubi-amd64", "alpine-amd64")),
        "micro.oci-index.tar",
    }


@pytest.fixture
def without_engines() -> Iterator[dict[str, str]]:
    """A PATH with neither the container engines nor mmdebstrap, of which the user that makepkg runs as can read all."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        missing = ("buildah", "docker", "mmdebstrap", "podman")
        yield {"PATH": str(search_path(Path(name, "bin"), without=missing))}


@pytest.mark.long
def test_a_run_that_is_killed_anywhere_is_completed_by_the_next(
    snapshot: Path, without_engines: dict[str, str], tmp_path: Path
) -> None:
    checkout = tmp_path / "checkout"
    shutil.copytree(snapshot, checkout, symlinks=True)
    shutil.rmtree(checkout / "dist" / ".state" / "jobs")
    # Without images and layers, which take longest, and move into place like everything else.
    left_out = (".oci", "lambda-layer")
    expected = {path: sha256 for path, sha256 in sums(snapshot).items() if not any(name in path for name in left_out)}
    seed = random.randrange(10**6)
    chosen = random.Random(seed)
    for _ in range(4):
        kill_at_some_point(checkout, chosen, without_engines)
        for file in (checkout / "dist").glob("*/*"):
            relative = file.relative_to(checkout / "dist").as_posix()
            if relative in expected:  # old or new, but whole: they are the same bytes
                assert hashlib.sha256(file.read_bytes()).hexdigest() == expected[relative], f"seed {seed}"
    done = run_ci(checkout, "snapshot", "--quick", env=without_engines)
    assert done.returncode == 0, f"seed {seed}: {done.stderr}"
    assert sums(checkout) == expected, f"seed {seed}"


def kill_at_some_point(checkout: Path, chosen: random.Random, path: Mapping[str, str]) -> None:
    """Start a snapshot, and kill it soon after a job has started or ended, if it has not ended by then."""
    with subprocess.Popen(
        [sys.executable, "-m", "ci", "snapshot", "--quick"],
        cwd=checkout, env={**os.environ, **path}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    ) as run:  # fmt: skip
        assert run.stderr is not None
        for _ in islice(run.stderr, chosen.randint(1, 16)):
            pass
        with contextlib.suppress(subprocess.TimeoutExpired):
            run.wait(chosen.uniform(0, 0.5))
        run.send_signal(chosen.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
        run.stderr.read()


@pytest.fixture
def unbuilt(tmp_path: Path) -> Path:
    return copy_checkout(tmp_path / "checkout")


def test_a_broken_manifest_tells_all_faults_and_changes_nothing(unbuilt: Path) -> None:
    manifest = unbuilt / "release.yaml"
    manifest.write_text(manifest.read_text().replace("summary:", "sumary:").replace('"0.1.0"', "0.10"))
    done = run_ci(unbuilt, "snapshot", "--quick")
    assert done.returncode == 10
    assert "release.yaml:" in done.stderr
    assert "sumary" in done.stderr
    assert "version" in done.stderr
    assert not (unbuilt / "dist").exists()


def test_a_missing_tool_is_told_before_anything_is_built(unbuilt: Path, tmp_path: Path) -> None:
    done = run_ci(
        unbuilt, "snapshot", "--quick", env={"PATH": str(search_path(tmp_path / "bin", without=["rpmbuild"]))}
    )
    assert done.returncode == 12
    assert "rpmbuild: not found on PATH" in done.stderr
    assert "ci/bootstrap" in done.stderr
    assert not (unbuilt / "dist" / "sdist").exists()


def test_a_tool_that_is_too_old_is_told_before_anything_is_built(unbuilt: Path, tmp_path: Path) -> None:
    programs = search_path(tmp_path / "bin", without=["rpmbuild"])
    (programs / "rpmbuild").write_text("#!/bin/sh\necho RPM version 4.11.3\n")
    (programs / "rpmbuild").chmod(0o755)
    done = run_ci(unbuilt, "snapshot", "--quick", env={"PATH": str(programs)})
    assert done.returncode == 12
    assert "rpmbuild: version 4.11.3 is too old" in done.stderr
    assert not (unbuilt / "dist" / "sdist").exists()


def test_a_dist_that_cannot_be_written_is_told(unbuilt: Path) -> None:
    (unbuilt / "dist").write_text("not a folder")
    done = run_ci(unbuilt, "snapshot", "--quick")
    assert done.returncode == 15
    assert "dist" in done.stderr
    assert (unbuilt / "dist").read_text() == "not a folder"


@pytest.fixture
def small_disk(unbuilt: Path) -> Iterator[Path]:
    """A checkout whose `dist/` is a file system of its own, of one megabyte."""
    dist = unbuilt / "dist"
    dist.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(dist)], check=True)
    yield unbuilt
    subprocess.run(["umount", "--lazy", str(dist)], check=True)


def test_a_full_disk_is_told_before_anything_is_built(small_disk: Path) -> None:
    done = run_ci(small_disk, "snapshot", "--quick")
    assert done.returncode == 15
    assert "MB are free" in done.stderr
    assert not (small_disk / "dist" / "sdist").exists()


def test_two_runs_at_once_do_not_meet(unbuilt: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "ci", "snapshot", "--quick"], cwd=unbuilt, stderr=subprocess.PIPE, text=True
    ) as first:
        assert first.stderr is not None
        first.stderr.readline()  # it has begun, and so holds the lock
        second = run_ci(unbuilt, "rpm")
        first.send_signal(signal.SIGINT)
        rest = first.stderr.read()
    assert second.returncode == 16
    assert f"another run (process {first.pid})" in second.stderr
    assert first.returncode == 130
    assert "interrupted" in rest


def test_without_a_network_what_needs_none_is_built(unbuilt: Path) -> None:
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-m", "ci", "rpm"],
        cwd=unbuilt,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list((unbuilt / "dist" / "rpm").glob("*.noarch.rpm"))


def test_without_a_network_the_image_says_what_it_lacks(unbuilt: Path) -> None:
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-m", "ci", "images", "--flavour", "micro"],
        cwd=unbuilt, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (13, 15)
    assert "mmdebstrap" in done.stderr
    assert "log:" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["snapshot", "--flavour", "windows"], "invalid choice: 'windows'"),
        (["images", "--base", "micro=x"], "expected ubi=REF or alpine=REF"),
        (["images", "--engine", "rkt"], "invalid choice: 'rkt'"),
        (["snapshto"], "invalid choice: 'snapshto'"),
    ],
)
def test_a_wrong_command_line_is_told(arguments: list[str], said: str) -> None:
    done = run_ci(ROOT, *arguments)
    assert done.returncode == 2
    assert said in done.stderr
