"""What the layers of `micro` need: a machine of a known architecture, and Debian's packages."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from ci.core import tars
from ci.core.errors import ReleaseError
from ci.core.run import Runner
from ci.images import micro, micro_layers, trial
from ci.images.debian_root import DebianRoot
from ci.images.engines import Engine
from tests.packages.support import open_project
from tests.support import ROOT


def test_a_machine_of_an_unknown_architecture_makes_no_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    monkeypatch.setattr(trial, "_RESULTS", {})
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("mmdebstrap", "buildah"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    probed = micro_layers.probe(open_project(ROOT, tmp_path))
    assert probed.missing == "its layers are made on amd64 or arm64, and this machine is riscv64"
    assert trial.cannot_start(Runner(log=tmp_path / "log"), Engine(name="buildah")) == (
        "there is no trial image for riscv64"
    )


def test_a_package_that_the_suite_lacks_is_named() -> None:
    debian = DebianRoot(architecture="amd64", tree={"etc/services": tars.file(b"")}, packages=())
    with pytest.raises(ReleaseError, match="the Debian root for amd64 has no package ca-certificates"):
        micro._ca_bundle(debian)
    with pytest.raises(ReleaseError, match=r"has no package python3\.13-minimal"):
        debian.python_version("3.13")
