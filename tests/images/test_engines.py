"""The engines: which one is chosen, the message if none works, where bases are looked up."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ci.core.errors import CommandFailed, UnavailableError, UsageError
from ci.core.run import Runner
from ci.images import bases, engine_choice
from ci.images.engines import Engine
from ci.images.stored_image import StoredImage
from tests.images.conftest import require_engine
from tests.images.registry import LocalRegistry, serving


def broken_client(folder: Path, name: str, complaint: str) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\necho '{complaint}' >&2\nexit 125\n")
    program.chmod(0o755)


def test_a_client_that_does_not_work_is_not_chosen(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_client(tmp_path, "buildah", "cannot open its storage")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert engine_choice.choose(run, "auto") == Engine(name="podman")
    with pytest.raises(UnavailableError, match="buildah: cannot open its storage"):
        engine_choice.choose(run, "buildah")


@pytest.mark.parametrize("printed", ["it cannot work\\n", "it cannot work\\n\\n", "it cannot work\\n \\n\\n"])
def test_empty_lines_after_the_complaint_are_no_sign_that_an_engine_works(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: str
) -> None:
    (tmp_path / "docker").write_text(f"#!/bin/sh\nprintf '{printed}' >&2\nexit 125\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert engine_choice.why_not(run, "docker") == "it cannot work"


@pytest.mark.parametrize(
    ("printed", "said"), [("", "(it printed nothing)"), ("\\n\\n", "docker failed with exit code 9")]
)
def test_an_engine_that_fails_without_a_word_does_not_work(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: str, said: str
) -> None:
    (tmp_path / "docker").write_text(f"#!/bin/sh\nprintf '{printed}' >&2\nexit 9\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert engine_choice.why_not(run, "docker") == said


def test_without_any_engine_all_reasons_are_named(run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken_client(tmp_path, "docker", "Cannot connect to the Docker daemon")
    for name in ("sh",):
        (tmp_path / name).symlink_to(shutil.which(name) or "")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError) as error:
        engine_choice.choose(run, "auto")
    assert str(error.value) == (
        "no container engine works here (buildah: not found on PATH; podman: not found on PATH; "
        "docker: Cannot connect to the Docker daemon)"
    )


def test_an_unknown_engine_is_a_usage_error(run: Runner) -> None:
    with pytest.raises(UsageError, match="rkt"):
        engine_choice.choose(run, "rkt")


def test_the_message_about_a_missing_base_names_both_places(run: Runner, tmp_path: Path) -> None:
    found = bases.look_up(run, Engine(name="buildah"), tmp_path / "bases.json", "localhost:1/nothing/here:1", "amd64")
    assert found.digest == ""
    assert found.why_not == (
        "base localhost:1/nothing/here:1 (amd64) is neither in buildah's storage nor available from its registry; "
        "`skopeo inspect --raw docker://localhost:1/nothing/here:1` says why"
    )


def test_a_slow_registry_is_not_asked_each_time(run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "skopeo"
    slow.write_text(f"#!/bin/sh\necho asked >> {tmp_path}/asked\nsleep 0.5\necho 'no route to host' >&2\nexit 1\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    cache = tmp_path / "bases.json"
    answers = {
        bases.look_up(run, Engine(name="buildah"), cache, "registry.invalid/x:1", "amd64").why_not for _ in range(3)
    }
    assert len(answers) == 1
    assert "no route to host" not in answers.pop(), "what it says depends on the machine, and the reason is published"
    assert (tmp_path / "asked").read_text() == "asked\n"


def test_a_base_is_looked_up_where_no_cache_can_be_written(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bases, "_SLOW_SECONDS", 0.0)  # so that the answer is kept
    (tmp_path / "file").write_text("")
    cache = tmp_path / "file" / "bases.json"
    found = bases.look_up(run, Engine(name="buildah"), cache, "localhost:1/nothing/here:1", "amd64")
    assert "nor available from its registry" in found.why_not


@pytest.mark.parametrize(
    "answer",
    [
        "<html>Please log in</html>",
        "",
        "[]",
        "null",
        "7",
        "[" * 100_000,
        '{"manifests": 1}',
        '{"manifests": [1]}',
        '{"manifests": [{"platform": null}]}',
        '{"manifests": [{"platform": {"architecture": "amd64", "os": "linux"}}]}',
    ],
)
def test_an_answer_that_is_no_manifest_makes_a_base_unavailable(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    (tmp_path / "skopeo").write_text(f"#!/bin/sh\nprintf '%s' '{answer}'\n")
    (tmp_path / "skopeo").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    found = bases.look_up(run, Engine(name="buildah"), tmp_path / "bases.json", "registry.invalid/x:1", "amd64")
    assert found.digest == ""
    assert found.why_not == "base registry.invalid/x:1: its registry answered with no manifest of images"


@pytest.mark.parametrize(
    ("reference", "plain"),
    [
        ("registry.example/a/b:1.2@sha256:00", "registry.example/a/b@sha256:00"),
        ("localhost:5000/b@sha256:00", "localhost:5000/b@sha256:00"),
        ("localhost:5000/b:1", "localhost:5000/b:1"),
    ],
)
def test_a_reference_with_a_digest_needs_no_tag(reference: str, plain: str) -> None:
    assert bases.plain(reference) == plain


@pytest.fixture(name="base")
def local_registry(tmp_path: Path) -> Iterator[tuple[LocalRegistry, Runner, str]]:
    """A registry, a runner that can reach it, and the pinned reference of its image."""
    with serving(tmp_path) as (registry, environment):
        run = Runner(log=tmp_path / "log", env=environment)
        yield registry, run, f"{registry.name}:1@{registry.index}"
        for engine in working(run):
            for name in (":1", *(f"@{digest}" for digest in (registry.index, *registry.digests.values()))):
                with contextlib.suppress(CommandFailed):
                    engine.remove(run, f"{registry.name}{name}")


def working(run: Runner) -> list[Engine]:
    return [Engine(name=name) for name in engine_choice.NAMES if not engine_choice.why_not(run, name)]


@pytest.mark.parametrize("name", engine_choice.NAMES)
def test_each_architecture_is_pulled_by_its_own_digest(
    base: tuple[LocalRegistry, Runner, str], tmp_path: Path, name: str
) -> None:
    registry, run, reference = base
    require_engine(run, name)
    engine, cache = Engine(name=name), tmp_path / "bases.json"

    def pull(architecture: str) -> StoredImage:
        found = bases.look_up(run, engine, cache, reference, architecture)
        assert found.digest == registry.digests[architecture]
        return engine.pull(run, bases.pulled_by(reference, found.digest), f"linux/{architecture}")

    for architecture in ("amd64", "arm64"):
        assert pull(architecture).architecture == architecture
    asked = len(registry.requests)
    for architecture in ("amd64", "arm64"):  # the digest is the same now, and no registry is asked for it
        assert bases.look_up(run, engine, cache, reference, architecture).digest == registry.digests[architecture]
    assert len(registry.requests) == asked


@pytest.mark.parametrize("name", ["buildah", "podman"])
def test_pulls_of_one_name_at_the_same_time_each_give_their_architecture(
    base: tuple[LocalRegistry, Runner, str], name: str
) -> None:
    _, run, reference = base
    require_engine(run, name)
    wanted = ["amd64", "arm64"] * 4
    with ThreadPoolExecutor(4) as pool:
        pulled = pool.map(lambda one: Engine(name=name).pull(run, bases.plain(reference), f"linux/{one}"), wanted)
        assert [image.architecture for image in pulled] == wanted


@pytest.mark.parametrize("name", ["buildah", "podman"])
@pytest.mark.parametrize("pinned", [True, False])
def test_a_base_that_was_pulled_by_its_index_has_the_same_digest(
    base: tuple[LocalRegistry, Runner, str], tmp_path: Path, name: str, pinned: bool
) -> None:
    registry, run, reference = base
    require_engine(run, name)
    engine, cache = Engine(name=name), tmp_path / "bases.json"
    wanted = reference if pinned else f"{registry.name}:1"
    before = bases.look_up(run, engine, cache, wanted, "arm64")
    engine.pull(run, bases.plain(wanted), "linux/arm64")
    assert bases.stored(run, engine, wanted, "arm64", before.digest) is not None
    assert bases.look_up(run, engine, cache, wanted, "arm64") == before
    assert before.digest == registry.digests["arm64"]


@pytest.mark.parametrize("engine", ["buildah", "podman", "docker"])
@pytest.mark.parametrize(("architecture", "said"), [("arm64", "pulled arm64 for linux/amd64"), ("", "not in its")])
def test_a_pull_of_another_image_is_an_error(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str, architecture: str, said: str
) -> None:
    inspected = {
        "buildah": {
            "FromImageID": "1",
            "FromImageDigest": "2",
            "OCIv1": {"architecture": architecture, "rootfs": {"diff_ids": []}},
        }
    }.get(engine, [{"Id": "1", "Architecture": architecture, "RootFS": {"Layers": []}}])
    answer = f"echo '{json.dumps(inspected)}'" if architecture else "exit 1"
    program = tmp_path / engine
    program.write_text(f'#!/bin/sh\ncase "$*" in *inspect*) {answer};; *) echo 1;; esac\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(UnavailableError, match=said):
        Engine(name=engine).pull(run, "tests.invalid/x:1", "linux/amd64")


def test_a_base_without_the_architecture_is_reported(base: tuple[LocalRegistry, Runner, str], tmp_path: Path) -> None:
    _, run, reference = base
    found = bases.look_up(run, Engine(name="buildah"), tmp_path / "bases.json", reference, "riscv64")
    assert found.why_not.endswith("/base:1 has no image for riscv64")


@pytest.mark.parametrize(("runc", "options"), [(True, ["--runtime=runc"]), (False, [])])
def test_podman_uses_runc_if_its_own_runtime_cannot_start_containers(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runc: bool, options: list[str]
) -> None:
    (tmp_path / "podman").write_text('#!/bin/sh\ncase "$1" in run) exit 126;; esac\n')
    (tmp_path / "runc").write_text("#!/bin/sh\n")
    (tmp_path / "podman").chmod(0o755)
    (tmp_path / "runc").chmod(0o755 if runc else 0o644)
    (tmp_path / "sh").symlink_to(shutil.which("sh") or "")
    monkeypatch.setenv("PATH", str(tmp_path))
    podman = Engine(name="podman")
    podman.prepare(run, "localhost/x:1", "x")
    assert podman.start_command("localhost/x:1", name="x")[:-1][1 : 1 + len(options)] == options
    assert podman.start_command("localhost/x:1", name="x")[1 + len(options)] == "run"
