"""Where no engine can start any container, an image is not to blame: it was not run."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ci.core import tars
from ci.core.architectures import host_name
from ci.core.errors import VerificationError
from ci.core.run import Runner
from ci.images import engines, oci, trial
from ci.images.engines import Engine
from ci.manifest.reader import load
from ci.pipeline import report
from ci.pipeline.jobs import Options, Output, Variant, Verdict
from ci.pipeline.report import Artifact, Status
from ci.verify import container
from ci.verify.check import BuiltFunction, Check
from tests.fixtures import run
from tests.images.conftest import require_engine
from tests.packages.support import open_project
from tests.support import ROOT

__all__ = ["run"]

COMPLAINT = "cannot create cgroup: read-only file system"
# The start of a container, by what it is called; everything else works.
STARTS = {"buildah": "run", "podman": "run|--runtime*", "docker": "run"}


@pytest.fixture
def no_cgroups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose engines start nothing, as in a chroot."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, start in STARTS.items():
        real = shutil.which(name) or "/bin/false"
        script = f'#!/bin/sh\ncase "$1" in {start}) echo "{COMPLAINT}" >&2; exit 125;; esac\nexec {real} "$@"\n'
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


@pytest.fixture
def check(tmp_path: Path, run: Runner) -> Callable[[oci.Image], Check]:
    """The check of an image, by buildah, which works wherever these tests do."""
    require_engine(run, "buildah")

    def describe(image: oci.Image) -> Check:
        path = tmp_path / "faas-runtime-0.1.0-micro.oci.tar"
        oci.write_archive(image, path, tag="tests.invalid/image:micro")
        (tmp_path / "check").mkdir()
        project = open_project(ROOT, tmp_path / "dist")
        return Check(
            project=type(project)(**{**vars(project), "options": Options(engine="buildah")}),
            output=Output(kind="image", path=f"images/{path.name}"),
            variant=Variant(flavour="micro", architecture=host_name(), libc="glibc"),
            path=path,
            folder=tmp_path / "check",
            run=run,
            functions=(),
        )

    return describe


def image(**files: tars.Entry) -> oci.Image:
    """An image with a few files, started as ours are."""
    config = {"Entrypoint": ["/var/runtime/bootstrap"], "Cmd": []}
    settings = {"architecture": host_name(), "os": "linux", "config": config, "history": []}
    tree = tars.with_parents({name.replace("__", "/"): entry for name, entry in files.items()})
    built = oci.Image(config=settings, layers=(tars.pack({**tree, "tmp": tars.folder()}, 0),))
    return oci.normalised(built, base_layers=0, architecture=host_name(), epoch=0, title="image")


def program() -> tars.Entry:
    return oci.added_by(trial._image(host_name()))["trial"]


@pytest.mark.parametrize("name", ["buildah", "podman", "docker"])
def test_an_engine_that_starts_containers_starts_the_trial(run: Runner, name: str) -> None:
    require_engine(run, name)
    reason = trial.cannot_start(run, Engine(name=name))
    if reason and name != "buildah":
        pytest.skip(f"not run: {name}: {reason}")
    assert reason == ""
    assert Engine(name=name).stored(run, f"localhost/faas-runtime-trial-verify-{os.getpid()}:{host_name()}") is None


@pytest.mark.usefixtures("no_cgroups")
def test_an_engine_that_starts_nothing_says_why(run: Runner) -> None:
    assert trial.cannot_start(run, Engine(name="buildah")) == COMPLAINT


@pytest.mark.usefixtures("no_cgroups")
def test_an_image_is_not_run_where_nothing_starts(check: Callable[[oci.Image], Check]) -> None:
    verdict = container.require_runs(check(image(var__runtime__bootstrap=program())))
    assert verdict == Verdict(not_run=f"no engine runs containers here (buildah: {COMPLAINT})")


def test_an_image_is_not_run_where_no_program_starts_in_a_container(
    run: Runner, check: Callable[[oci.Image], Check], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with runc in a root that was entered by chroot. The stand-in for podman does nothing but start and list."""
    folder = tmp_path / "bin"
    folder.mkdir()
    version = f"faas-runtime {load(ROOT / 'release.yaml').version}"
    script = f"""#!/bin/sh
case "$*" in
  exec*) echo "exec failed: chdir to cwd" >&2; exit 127;;
  *--version) echo "{version}";;
  pull*) echo 0123456789;;
  image*) echo '[{{"Id": "1", "Architecture": "{host_name()}", "RootFS": {{"Layers": []}}}}]';;
  run*) echo "$2" | sed s/--name=// > {tmp_path}/running; exec sleep 60;;
  ps*) cat {tmp_path}/running 2> /dev/null || true;;
  rm*) rm -f {tmp_path}/running;;
esac
"""
    (folder / "podman").write_text(script)
    (folder / "podman").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    described = check(image(var__runtime__bootstrap=program()))
    project = dataclasses.replace(described.project, options=Options(engine="podman"))
    library = tmp_path / "simple_handler.so"
    library.touch()
    functions = (BuiltFunction(language="c", library=library),)
    verdict = container.require_runs(dataclasses.replace(described, project=project, functions=functions))
    reason = "podman: it starts containers, but no program in a running one: exec failed: chdir to cwd"
    assert verdict == Verdict(not_run=f"no engine runs containers here ({reason})")


def test_an_engine_is_tried_once_and_all_images_get_the_same_reason(run: Runner, no_cgroups: Path) -> None:
    """Although its message has another number each time."""
    real = shutil.which("buildah", path=os.environ["PATH"].partition(os.pathsep)[2])
    script = f'#!/bin/sh\ncase "$1" in run) echo "cannot create cgroup $$" >&2; exit 125;; esac\nexec {real} "$@"\n'
    (no_cgroups / "buildah").write_text(script)
    with ThreadPoolExecutor(4) as pool:
        reasons = set(pool.map(lambda _: trial.cannot_start(run, Engine(name="buildah")), range(4)))
    (reason,) = reasons
    assert reason.startswith("cannot create cgroup ")
    assert run.log.read_text().count("cannot create cgroup") == 1


def test_the_trial_image_of_a_killed_run_is_removed(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    require_engine(run, "buildah")
    monkeypatch.setattr(trial, "_RESULTS", {})
    with subprocess.Popen(["true"]) as dead:
        dead.wait()
    engine, stale = Engine(name="buildah"), f"localhost/faas-runtime-trial-verify-{dead.pid}:{host_name()}"
    trial_image = trial._image(host_name())
    oci.write_archive(trial_image, run.log.with_name("trial.tar"), tag=stale)
    engine.load(run, run.log.with_name("trial.tar"), stale)
    assert trial.cannot_start(run, engine) == ""
    assert engine.stored(run, stale) is None


def test_an_image_that_does_not_start_where_others_do_is_at_fault(check: Callable[[oci.Image], Check]) -> None:
    with pytest.raises(VerificationError, match="no engine starts it"):
        container.require_runs(check(image(var__runtime__bootstrap=tars.file(b"no program", 0o755))))


def test_an_image_that_starts_is_asked(check: Callable[[oci.Image], Check]) -> None:
    described = check(image(var__runtime__bootstrap=program()))
    with pytest.raises(VerificationError, match="the output of --version: found '', expected 'faas-runtime"):
        container.require_runs(described)
    left = engines.temporary(described.project.release.name, "verify", f"micro-{host_name()}")
    assert Engine(name="buildah").stored(described.run, left) is None


def test_a_reason_of_several_artefacts_is_shown_once() -> None:
    reason = "no engine runs containers here (buildah: no cgroups)"
    names = [f"image-{number}" for number in range(4)]
    artifacts = [
        *(Artifact(kind="image", name=name, path=name, status=Status.NOT_RUN, reason=reason) for name in names),
        Artifact(kind="rpm", name="a.rpm", path="a.rpm", status=Status.FAILED, reason="another one"),
    ]
    assert [row[-1] for row in report.rows(artifacts)] == ["see below"] * 4 + ["another one"]
    assert report.shared_reasons(artifacts) == {reason: names}
