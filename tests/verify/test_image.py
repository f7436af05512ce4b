"""Faults planted in an image. It is made of entries and settings, without a container engine."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from ci.core import tars
from ci.core.errors import VerificationError
from ci.core.tars import Entry, FileTree
from ci.images import bases
from ci.pipeline.jobs import Project, Variant, Verdict
from ci.verify import container, image, root_files
from ci.verify.check import Check
from ci.verify.payload import RECIPES, payload_of, shipped
from tests.verify.conftest import Checking

pytestmark = pytest.mark.mutant

PAYLOAD = "usr/lib/faas-runtime"
ENV = [
    *(image._PATH, "FAAS_RUNTIME_LISTEN=*:8080", "LAMBDA_TASK_ROOT=/var/task", "LAMBDA_RUNTIME_DIR=/var/runtime"),
]


@pytest.fixture
def check(built: Project, checking: Checking) -> Check:
    return checking("image", built.dist / "images" / "faas-runtime-0.1.0-alpine-amd64.oci.tar")


def alpine(check: Check) -> FileTree:
    """What the Containerfile of alpine makes, with the names that Alpine gives."""
    user = check.project.release.images.user
    files = shipped(check)
    payload = [path for path in payload_of(check) if not path.startswith(RECIPES)]
    tree = {f"{PAYLOAD}/{path}": tars.file(files[path]) for path in payload}
    names = ("lib/ld-musl-x86_64.so.1", "usr/lib/libgcc_s.so.1", "usr/lib/libpython3.12.so.1.0", "usr/bin/python3.12")
    stdlib = "usr/lib/python3.12"
    extension = f"{stdlib}/lib-dynload/_ctypes.cpython-312-x86_64-linux-musl.so"
    modules = (f"{stdlib}/os.pyc", f"{stdlib}/encodings/utf_8.pyc", extension, "etc/os-release")
    tree |= {name: tars.file(b"") for name in (*names, *modules)}
    tree |= {
        "usr/bin/python3": tars.link("python3.12"),
        "lib/libc.musl-x86_64.so.1": tars.link("ld-musl-x86_64.so.1"),
        "usr/bin/faas-runtime": tars.link("../lib/faas-runtime/bin/faas-runtime"),
        "var/runtime/bootstrap": tars.link("../../usr/lib/faas-runtime/bin/faas-runtime"),
        "licenses/faas-runtime/LICENSE": tars.file(files["LICENSE"]),
        "etc/passwd": tars.file(
            f"root:x:0:0:root:/:/sbin/nologin\nfaas:x:{user}:{user}::/var/task:/sbin/nologin\n".encode()
        ),
        "etc/group": tars.file(f"root:x:0:\nfaas:x:{user}:\n".encode()),
    }
    packages = "C:Q1\nP:musl\n\nC:Q1\nP:ca-certificates-bundle\n\nC:Q1\nP:tzdata\n\n"
    tree["lib/apk/db/installed"] = tars.file(packages.encode())
    empty = {name: tars.folder() for name in ("dev", "proc", "run", "sys", "tmp", "var/task")}
    return tars.with_parents({**tree, **empty})


def test_what_alpine_carries_passes(check: Check) -> None:
    image._require_alpine(check, alpine(check))


def test_a_package_that_is_not_listed_is_missed(check: Check) -> None:
    tree = {**alpine(check), "lib/apk/db/installed": tars.file(b"C:Q1\nP:musl\n\nC:Q1\nP:tzdata\n\n")}
    with pytest.raises(VerificationError, match=r"packages not listed: .*ca-certificates-bundle"):
        image._require_alpine(check, tree)


@pytest.mark.parametrize(
    ("path", "entry"),
    [
        ("etc/shadow", tars.file(b"root::")),
        ("usr/bin/backdoor", tars.file(b"", 0o755)),
        ("bin/sh", tars.link("../usr/bin/backdoor")),
        ("bin", tars.file(b"")),
        ("usr/lib/python3.12/sitecustomize.py", tars.file(b"")),
        ("opt", tars.folder()),
        ("etc/passwd", tars.file(b"root::0:0:root:/:/bin/sh\n")),
    ],
)
def test_what_nothing_carries_is_refused(check: Check, path: str, entry: Entry) -> None:
    with pytest.raises(VerificationError, match=path):
        image._require_alpine(check, {**alpine(check), path: entry})


def test_a_link_in_the_payload_is_refused(check: Check) -> None:
    tree = {**alpine(check), f"{PAYLOAD}/faas_runtime/serving.py": tars.link("/var/task/serving.py")}
    with pytest.raises(VerificationError, match=r"neither files nor folders in the payload: .*serving.py"):
        root_files.require_compiled_payload(check, tree, recipes=False)


@pytest.mark.parametrize("flavour", ["alpine", "ubi"])
def test_recipes_are_where_they_are_of_use(check: Check, flavour: str) -> None:
    tree = alpine(check)
    if flavour == "alpine":
        tree[f"{PAYLOAD}/{RECIPES}c-function/cookiecutter.json"] = tars.file(b"{}")
    with pytest.raises(VerificationError, match=r"files of the payload: .*c-function/cookiecutter\.json"):
        root_files.require_compiled_payload(check, tree, recipes=flavour == "ubi")


def settings(check: Check, **changes: Any) -> dict[str, Any]:
    release = check.project.release
    config = {
        "User": f"{release.images.user}:{release.images.user}",
        "WorkingDir": "/var/task",
        "Entrypoint": ["/var/runtime/bootstrap"],
        "Cmd": ["simple_handler.handle"],
        "ExposedPorts": {"8080/tcp": {}},
        "Env": ENV,
        "Labels": {"name": release.name},
    }
    created = f"{release.date}T00:00:00Z"
    return {"architecture": "amd64", "os": "linux", "created": created, "config": {**config, **changes}}


def test_the_settings_of_an_image_pass(check: Check) -> None:
    for flavour, env in (("alpine", ENV), ("micro", ENV[1:]), ("ubi", [*ENV, "container=oci"])):
        image._require_settings(check, settings(check, Env=env), flavour, "amd64")


@pytest.mark.parametrize("flavour", ["ubi", "alpine", "micro"])
@pytest.mark.parametrize(
    "env", [[*ENV, "LD_PRELOAD=/tmp/x.so"], ["PATH=/tmp", *ENV[1:]], [*ENV, ENV[1]], [*ENV, "LAMBDA_TASK_ROOT=/"], None]
)
def test_another_environment_is_refused(check: Check, flavour: str, env: list[str] | None) -> None:
    with pytest.raises(VerificationError, match=r"environment|number of variables"):
        image._require_settings(check, settings(check, Env=env), flavour, "amd64")


def test_an_image_that_hides_its_port_is_refused(check: Check) -> None:
    with pytest.raises(VerificationError, match=r"settings: .*ExposedPorts"):
        image._require_settings(check, settings(check, ExposedPorts=None), "micro", "amd64")


def test_what_is_missing_is_a_fault_of_the_image(check: Check) -> None:
    with pytest.raises(VerificationError, match="settings"):
        image._require_settings(check, {}, "micro", "amd64")
    configs: tuple[dict[str, Any], ...] = ({}, {"config": {}}, {"config": {"Labels": None}})
    for config in configs:
        with pytest.raises(VerificationError, match="labels"):
            image._require_labels(check, config, {}, "micro")


def test_without_a_function_nothing_is_claimed(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    class Started:
        name = "podman"

        def prepare(self, *_: object) -> None: ...
        def end(self, *_: object) -> None: ...
        def remove(self, *_: object) -> None: ...

    monkeypatch.setattr(bases, "emulation_missing", lambda _: "")
    monkeypatch.setattr(container, "engine_that_runs", lambda *_: Started())
    variant = Variant(flavour="alpine", architecture="amd64", libc="musl")
    verdict = container.require_runs(dataclasses.replace(check, functions=(), variant=variant))
    assert verdict == Verdict(not_run="no function for musl/x86_64 could be built here")
