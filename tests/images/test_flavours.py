"""Every flavour, built: micro as it is, ubi and alpine on stand-ins (see `stand_ins.py`)."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ci.core import tars
from ci.core.errors import VerificationError
from ci.core.files import sha256_of
from ci.core.run import Runner
from ci.images import engine_choice, engines, oci
from ci.images.bases import emulation_missing
from ci.images.engines import Engine
from ci.pipeline.jobs import Verdict
from ci.verify import in_engine
from ci.verify.check import BuiltFunction
from tests.glue.debian_rust import function_with_libgcc
from tests.glue.support import HERE, rust_project
from tests.images import stand_ins
from tests.images.conftest import (
    c_function_of,
    check_of,
    require_engine,
    verify,
    why_podman_starts_nothing,
)
from tests.snapshots import REGISTRY, checkout_for_tests, remove_images
from tests.support import ROOT, run_ci

READ_ONLY = ("podman", "docker")
PASSED = Verdict()
BY_BUILDAH = Verdict(untried=("run by buildah, whose root is not read-only",))
ANSWERED_UNDER_QEMU = Verdict(untried=("answered under qemu-aarch64-static, not in a container",))


def archive(checkout: Path, flavour: str, architecture: str = "amd64") -> Path:
    (found,) = (checkout / "dist" / "images").glob(f"*-{flavour}-{architecture}.oci.tar")
    return found


@pytest.mark.parametrize("flavour", ["micro", "ubi", "alpine"])
def test_the_verification_of_each_archive_passes(
    built: Path,
    c_function: BuiltFunction,
    musl_functions: tuple[BuiltFunction, ...],
    tmp_path: Path,
    cannot_run: dict[str, str],
    flavour: str,
) -> None:
    usable = musl_functions if flavour == "alpine" else (c_function,)
    verdict = verify(built, archive(built, flavour), tmp_path / "check", usable)
    if len(cannot_run) < len(READ_ONLY):
        assert verdict == PASSED
    else:
        assert verdict == BY_BUILDAH
        pytest.skip(f"it answers, but not on a read-only root: {cannot_run}")


@pytest.mark.parametrize(("flavour", "engine"), [("micro", "auto"), ("ubi", "buildah"), ("alpine", "auto")])
def test_the_install_gate_sees_each_image_as_its_archive_declares_it(
    built: Path,
    c_function: BuiltFunction,
    musl_functions: tuple[BuiltFunction, ...],
    tmp_path: Path,
    flavour: str,
    engine: str,
) -> None:
    usable = musl_functions if flavour == "alpine" else (c_function,)
    verdict = in_engine.install(check_of(built, archive(built, flavour), tmp_path / "check", usable, engine))
    assert verdict.passed
    assert re.match(r"by (podman|docker|buildah), ", verdict.notes[0])


@pytest.mark.long
def test_alpine_with_its_folders_merged_into_usr(musl_functions: tuple[BuiltFunction, ...], tmp_path: Path) -> None:
    """As in newer releases of Alpine: /lib is a link, and the interpreter names its loader by it."""
    (tmp_path / "base").mkdir()
    stand_ins.alpine(tmp_path / "base", merged=True)
    base = stand_ins.store("buildah", tmp_path / "base", "alpine-merged")
    registry = f"{REGISTRY}-merged"
    try:
        checkout = checkout_for_tests(tmp_path / "checkout", registry)
        done = run_ci(checkout, "images", "--flavour=alpine", f"--base=alpine={base}")
    finally:
        remove_images(registry)
        stand_ins.remove("buildah", base)
    assert done.returncode == 0, done.stderr
    assert verify(checkout, archive(checkout, "alpine"), tmp_path / "check", musl_functions) in {PASSED, BY_BUILDAH}
    image, _ = oci.read_archive(archive(checkout, "alpine"))
    tree = oci.added_by(image)
    assert tree["lib"].target == "usr/lib"
    assert [name for name in tree if name.endswith("ld-musl-x86_64.so.1")] == ["usr/lib/ld-musl-x86_64.so.1"]


def test_a_panic_in_rust_is_caught_on_alpine(built: Path, run: Runner, libgcc: Path, tmp_path: Path) -> None:
    """The libgcc_s of the stand-in, which is not Alpine's, unwinds the function's frames."""
    moods = rust_project(tmp_path, HERE / "functions" / "moods.rs")
    task = tmp_path / "task"
    task.mkdir(mode=0o755)
    shutil.copy(function_with_libgcc(moods, "moods_libgcc", libgcc), task / "libmoods.so")
    (task / "event.json").write_text('{"mood": "panic"}')
    engine = Engine(name="buildah")
    tag = engines.temporary("panic", "build", "alpine")
    name = engines.container_of(tag)
    engine.load(run, archive(built, "alpine"), tag)
    try:
        engine.prepare(run, tag, name)
        words = ("/var/runtime/bootstrap", "invoke", "--event", "/var/task/event.json", "/var/task/libmoods.so")
        command = engine.start_command(tag, *words, name=name, mounts={task: "/var/task"})
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    finally:
        engine.end(run, name)
        engine.remove(run, tag)
    assert '"errorMessage":"in a bad mood"' in done.stdout, done.stderr


def test_podman_runs_it_with_runc_if_its_runtime_does_not_support_the_cgroups(
    built: Path, c_function: BuiltFunction, tmp_path: Path, cannot_run: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if "podman" in cannot_run or not shutil.which("runc"):
        pytest.skip(f"not run: {cannot_run.get('podman', 'runc: not found on PATH')}")
    without_runtime(tmp_path, monkeypatch, "--runtime=runc")
    assert verify(built, archive(built, "micro"), tmp_path / "check", [c_function], "podman") == PASSED


def test_buildah_runs_it_if_podman_and_docker_cannot_and_reports_that(
    built: Path, c_function: BuiltFunction, tmp_path: Path, bases: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    without_runtime(tmp_path, monkeypatch, "none")
    (tmp_path / "docker").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    assert verify(built, archive(built, "micro"), tmp_path / "check", [c_function]) == BY_BUILDAH
    said = why_podman_starts_nothing(Runner(log=tmp_path / "log"), bases["alpine"])
    assert "cgroups in hybrid mode not supported" in said


def without_runtime(folder: Path, monkeypatch: pytest.MonkeyPatch, but_for: str) -> None:
    """Put a podman first on PATH that starts containers only with one option, as with crun on hybrid cgroups."""
    complaint = "Error: OCI runtime error: crun: cgroups in hybrid mode not supported"
    program = [
        "#!/bin/sh",
        f'case "$1" in run|--runtime*) [ "$1" = {but_for} ] || {{ echo "{complaint}" >&2; exit 126; }};; esac',
        f'exec {shutil.which("podman")} "$@"',
    ]
    (folder / "podman").write_text("\n".join(program))
    (folder / "podman").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_micro_for_another_architecture_answers_if_it_can_run(built: Path, tmp_path: Path) -> None:
    usable = []
    if can_ask := bool(shutil.which("aarch64-linux-gnu-gcc")):
        (tmp_path / "function").mkdir()
        usable.append(c_function_of(built, tmp_path / "function", "function-c-aarch64", "aarch64"))
    verdict = verify(built, archive(built, "micro", "arm64"), tmp_path / "check", usable)
    lacking = emulation_missing("arm64")
    if can_ask and (not lacking or shutil.which("qemu-aarch64-static")):
        assert verdict in {PASSED, BY_BUILDAH} if not lacking else verdict == ANSWERED_UNDER_QEMU
    else:
        assert "CI" not in os.environ, "aarch64-linux-gnu-gcc and qemu-aarch64-static: not found on PATH"
        assert not verdict.passed or not lacking


def test_micro_meets_its_size_target(built: Path) -> None:
    """The parts of it are in OPTIMIZATION.md."""
    for architecture in ("amd64", "arm64"):
        total = oci.sizes(archive(built, "micro", architecture)).total
        assert total.unpacked < 16_400_000
        assert total.compressed < 6_000_000


@pytest.mark.parametrize("page", ["README.md", "OPTIMIZATION.md"])
def test_the_sizes_on_the_pages_are_those_of_the_images(built: Path, page: str) -> None:
    """Within what an update of a library in Debian may change."""
    row = re.compile(r"^\| `micro`,? (amd64|arm64) \|(?: [^|]+ \|)?? ([\d.]+) MB \| ([\d.]+) MB \|$", re.MULTILINE)
    rows = row.findall((ROOT / page).read_text(encoding="utf-8"))
    assert [architecture for architecture, *_ in rows] == ["amd64", "arm64"]
    for architecture, unpacked, compressed in rows:
        total = oci.sizes(archive(built, "micro", architecture)).total
        assert float(unpacked) == pytest.approx(total.unpacked / 1e6, abs=0.3)
        assert float(compressed) == pytest.approx(total.compressed / 1e6, abs=0.15)


def test_micro_has_no_unused_part_of_the_standard_library(built: Path) -> None:
    image, _ = oci.read_archive(archive(built, "micro"))
    carried = {name for name in oci.added_by(image) if name.startswith("usr/lib/python3.13/")}
    packages = {name.split("/")[3] for name in carried if name.count("/") > 3}
    known = {"collections", "ctypes", "encodings", "http", "importlib", "json"}
    assert packages <= known | {"lib-dynload", "re", "urllib"}
    extensions = {name.rpartition("/")[2].partition(".")[0] for name in carried if "lib-dynload" in name}
    assert not extensions & {"_ssl", "_hashlib", "_bz2", "_lzma", "_uuid", "_sqlite3", "_curses", "_multiprocessing"}
    assert {f"usr/lib/python3.13/{name}.pyc" for name in ("pydoc", "doctest", "unittest/__init__")} & carried == set()


def test_alpine_and_micro_have_no_shell_and_no_package_manager(built: Path) -> None:
    for flavour in ("alpine", "micro"):
        image, _ = oci.read_archive(archive(built, flavour))
        programs = {name for name in oci.added_by(image) if name.startswith(("bin/", "sbin/", "usr/bin/", "usr/sbin/"))}
        python = {name for name in programs if name.startswith("usr/bin/python3")}
        assert programs == {"usr/bin/faas-runtime", *python}
        assert len(python) == 2


def test_scanners_find_the_packages_of_micro(built: Path) -> None:
    tree = tars.read(built / "dist" / "micro" / "root-amd64.tar")
    listed = {name.rpartition("/")[2] for name in tree if name.startswith("var/lib/dpkg/status.d/")}
    packages = {name for name in listed if not name.endswith(".md5sums")}
    assert listed == packages | {f"{name}.md5sums" for name in packages}
    assert {"libc6", "libgcc-s1", "libffi8", "python3.13-minimal"} <= packages
    assert not any(name.startswith("libssl") for name in packages)
    for package in packages:
        assert tars.follow(tree, f"usr/share/doc/{package}/copyright"), package


def test_ubi_keeps_the_layers_of_its_base(built: Path, bases: dict[str, str]) -> None:
    image, manifest = oci.read_archive(archive(built, "ubi"))
    inspected = subprocess.run(
        ["buildah", "inspect", "--type=image", bases["ubi"]], capture_output=True, check=True
    ).stdout  # fmt: skip
    base = json.loads(inspected)
    assert image.config["rootfs"]["diff_ids"][:-1] == base["OCIv1"]["rootfs"]["diff_ids"]
    assert manifest["annotations"]["org.opencontainers.image.base.digest"] == base["FromImageDigest"]
    assert manifest["annotations"]["org.opencontainers.image.base.name"] == bases["ubi"]


def test_what_is_built_already_is_shown_with_its_size_and_what_cannot_be_built(built: Path, options: list[str]) -> None:
    done = run_ci(built, "images", *options)
    assert done.returncode == 0, done.stderr
    assert "started" not in done.stderr
    # The stand-ins exist for one architecture.
    assert re.search(r"faas-runtime-0\.1\.0-ubi-arm64\.oci\.tar .*unavailable", done.stdout)
    assert re.search(r"Sizes of the images\n(.*\n)*  alpine amd64 ", done.stdout)


def test_no_temporary_image_is_left_in_the_storage(built: Path) -> None:
    logs = "".join(path.read_text(errors="replace") for path in built.rglob("*.log"))
    made = set(re.findall(r"localhost/faas-runtime-build-\d+", logs))
    assert made
    listed = subprocess.run(["buildah", "images", "--format", "{{.Name}}"], capture_output=True, text=True, check=True)
    assert not made & set(listed.stdout.split())
    assert f"{REGISTRY}/faas-runtime" in listed.stdout


@pytest.mark.mutant
@pytest.mark.parametrize(
    ("path", "data", "said"),
    [
        ("usr/lib/faas-runtime/faas_runtime/serving.py", b"changed", "differ from the source tarball"),
        ("usr/lib/faas-runtime/faas_runtime/extra.py", b"", "not expected"),
        ("etc/shadow", b"root::", "files: "),
        ("var/cache/left", b"", "leftovers"),
    ],
)
def test_a_file_that_does_not_belong_is_found(built: Path, tmp_path: Path, path: str, data: bytes, said: str) -> None:
    image, _ = oci.read_archive(archive(built, "micro"))
    planted = tars.pack({**oci.added_by(image), path: tars.file(data)}, 0)
    spoilt = tmp_path / archive(built, "micro").name
    rootfs = {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(planted).hexdigest()}"]}
    oci.write_archive(oci.Image(config={**image.config, "rootfs": rootfs}, layers=(planted,)), spoilt, tag="spoilt")
    shutil.copystat(archive(built, "micro"), spoilt)
    with pytest.raises(VerificationError, match=said):
        verify(built, spoilt, tmp_path / "check", [])


@pytest.mark.parametrize("engine", ["podman", pytest.param("docker", marks=pytest.mark.long)])
def test_every_engine_builds_the_same_archive(
    built: Path, c_function: BuiltFunction, tmp_path: Path, run: Runner, engine: str, cannot_run: dict[str, str]
) -> None:
    require_engine(run, engine)
    checkout = tmp_path / "checkout"
    shutil.copytree(built, checkout, symlinks=True)
    name = "faas-runtime-0.1.0-micro-amd64.oci.tar"
    done = run_ci(checkout, "images", f"--engine={engine}", "--flavour=micro")
    assert done.returncode == 0, done.stderr
    assert "image-micro-amd64: started" in done.stderr
    assert sha256_of(checkout / "dist" / "images" / name) == sha256_of(built / "dist" / "images" / name)
    assert ("without BuildKit" in done.stdout) == (engine == "docker" and not engines.has_buildkit(run))
    if fault := cannot_run.get(engine):
        pytest.skip(f"the archive is the same; not run: {engine}: {fault}")
    assert verify(checkout, checkout / "dist" / "images" / name, tmp_path / "check", [c_function], engine) == PASSED


def test_buildah_alone_runs_an_image_and_reports_what_it_cannot_check(
    built: Path, c_function: BuiltFunction, tmp_path: Path
) -> None:
    archive = built / "dist" / "images" / "faas-runtime-0.1.0-micro-amd64.oci.tar"
    assert verify(built, archive, tmp_path / "check", [c_function], "buildah") == BY_BUILDAH


@pytest.mark.parametrize("engine", ["buildah", "podman", "docker"])
def test_the_leftovers_of_a_killed_run_are_removed(built: Path, run: Runner, engine: str) -> None:
    require_engine(run, engine)
    with subprocess.Popen(["true"]) as dead:
        dead.wait()
    chosen = Engine(name=engine)
    archive = built / "dist" / "images" / "faas-runtime-0.1.0-micro-amd64.oci.tar"
    name = f"leftovers-{os.getpid()}"  # no other run of the tooling removes these
    stale = f"localhost/{name}-build-{dead.pid}:micro-amd64"
    alive = engines.temporary(name, "build", "micro-amd64")
    for reference in (stale, alive):
        chosen.load(run, archive, reference)
    chosen.prepare(run, stale, engines.container_of(stale))
    chosen.remove_stale(run, name)
    assert chosen.stored(run, stale) is None
    assert chosen.stored(run, alive) is not None
    chosen.remove(run, alive)


def test_nothing_is_left_running(run: Runner) -> None:
    for engine in ("podman", "docker"):
        if not engine_choice.why_not(run, engine):
            names = subprocess.run(
                [engine, "ps", "--all", "--format", "{{.Names}}"], capture_output=True, text=True, check=True
            ).stdout  # fmt: skip
            assert f"verify-{os.getpid()}" not in names
