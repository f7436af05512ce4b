"""Puts the runtime of each artefact into a folder of its own, ready to be started there.

Packages run on the host's own Python, the one that their launchers name. Images run on their own, in their own root:
with chroot, as their user, so nothing is mounted and no engine is needed.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ci.core.errors import VerificationError
from ci.core.files import unpack
from ci.core.run import Runner
from ci.images import oci
from ci.images.lambda_layer import BOOTSTRAP, FOLDER
from ci.pipeline.jobs import Project, Variant
from ci.verify.equivalence.record import Installed

_BREW_STAND_IN = Path(__file__).parent.parent / "brew_stand_in.rb"
_HOST_PYTHON = Path("/usr/bin/python3")
_PAYLOAD = "usr/lib/faas-runtime"


@dataclass(frozen=True, kw_only=True)
class ArtifactToInstall:
    """An artefact to be installed in `folder`, which is empty. `functions` are the libraries that it is to run."""

    project: Project
    path: Path
    variant: Variant
    folder: Path
    run: Runner
    functions: Mapping[str, Path]


def host_python() -> str:
    """The Python that packages run on: the one that the launcher names, or this one where there is none."""
    return str(_HOST_PYTHON) if _HOST_PYTHON.exists() else sys.executable


def sdist(artifact: ArtifactToInstall) -> Installed:
    """The launcher in the unpacked source tarball."""
    unpack(artifact.path, artifact.folder / "tree")
    top = artifact.folder / "tree" / artifact.project.release.sdist_top
    return _on_host(artifact, top / "bin" / "faas-runtime", top)


def wheel(artifact: ArtifactToInstall) -> Installed:
    """The wheel, installed by pip into an environment of the host's Python."""
    environment = artifact.folder / "environment"
    artifact.run(host_python(), "-m", "venv", "--without-pip", environment)
    artifact.run(
        sys.executable, "-m", "pip", "--python", environment / "bin" / "python",
        "install", "--quiet", "--no-index", "--no-deps", "--no-compile", "--disable-pip-version-check", artifact.path,
        env={"PIP_CONFIG_FILE": os.devnull},  # a setting such as `user = true` would install it elsewhere
    )  # fmt: skip
    (package,) = environment.glob("lib/python*/site-packages/faas_runtime")
    return _on_host(artifact, environment / "bin" / "faas-runtime", package.parent)


def rpm(artifact: ArtifactToInstall) -> Installed:
    """The files of the RPM."""
    root = _unpacked(artifact)
    return _on_host(artifact, root / "usr" / "bin" / "faas-runtime", root / _PAYLOAD)


def msys2(artifact: ArtifactToInstall) -> Installed:
    """The files of the MSYS2 package, with the host's Python in the place of the environment's."""
    prefix = _unpacked(artifact) / artifact.variant.environment
    (prefix / "bin" / "python").symlink_to(host_python())
    return _on_host(artifact, prefix / "bin" / "faas-runtime", prefix / "lib" / "faas-runtime")


def formula(artifact: ArtifactToInstall) -> Installed:
    """The formula, installed by the stand-in for brew, which runs its test block too."""
    prefix = artifact.folder / "prefix"
    prefix.mkdir()
    printed = artifact.run.output("ruby", _BREW_STAND_IN, artifact.path, artifact.project.sdist, prefix, host_python())
    keg = Path(json.loads(printed.splitlines()[-1])["prefix"])
    return _on_host(artifact, keg / "bin" / "faas-runtime", keg / "libexec")


def image(artifact: ArtifactToInstall) -> Installed:
    """The unpacked root of the image; its launcher is started as its user."""
    root = artifact.folder / "root"
    root.mkdir()
    try:
        unpacked, _ = oci.read_archive(artifact.path)
    except (LookupError, ValueError, TypeError, AttributeError) as error:
        raise VerificationError(f"{artifact.path.name}: not an archive that this tooling makes: {error!r}") from error
    for layer in unpacked.layers:
        artifact.run("bsdtar", "-x", "-p", "-f", "-", "-C", root, stdin=io.BytesIO(layer).getvalue())
    (launcher,) = unpacked.config["config"]["Entrypoint"]
    return _in_root(artifact, root, launcher)


def lambda_layer(artifact: ArtifactToInstall) -> Installed:
    """The unpacked layer, with its own Python; its `bootstrap` is started on this host."""
    opt = artifact.folder / "opt"
    opt.mkdir()
    artifact.run("bsdtar", "-xf", artifact.path, "-C", opt)
    task, root = artifact.folder / "task", opt / FOLDER
    _add_functions(artifact, task)
    (loader,) = root.glob("usr/lib/*-linux-gnu/ld-linux-*")
    python = root / "usr" / "bin" / f"python{artifact.project.release.images.micro.python}"
    folders = (f"{root}/var/runtime/../../{_PAYLOAD}/bin/..", f"{root}/{_PAYLOAD}/bin/..", f"{root}/{_PAYLOAD}")
    return Installed(
        command=(str(opt / BOOTSTRAP),),
        task=str(task),
        places={**dict.fromkeys(folders, "PAYLOAD"), str(task): "TASK"},
        python=(str(loader), "--library-path", str(loader.parent), str(python)),
        has_panic="libpanics.so" in artifact.functions,
    )


def rpm_in_root(artifact: ArtifactToInstall, root: Path, python: str) -> Installed:
    """The files of the RPM in a Debian root, whose interpreter is at the path `python`."""
    artifact.run("bsdtar", "-xf", artifact.path, "-C", root)
    (root / "usr" / "bin" / "python3").symlink_to(python)
    (root / "var" / "task").mkdir(parents=True, exist_ok=True)
    return _in_root(artifact, root, "/usr/bin/faas-runtime")


def _in_root(artifact: ArtifactToInstall, root: Path, launcher: str) -> Installed:
    _add_functions(artifact, root / "var" / "task")
    user = artifact.project.release.images.user
    inside = ("chroot", f"--userspec={user}:{user}", str(root))
    folders = (f"{launcher.rpartition('/')[0]}/../lib/faas-runtime/bin/..", f"/{_PAYLOAD}/bin/..", f"/{_PAYLOAD}")
    return Installed(
        command=(*inside, launcher),
        task="/var/task",
        places={**dict.fromkeys((*folders, f"/var/runtime/../..{folders[1]}"), "PAYLOAD"), "/var/task": "TASK"},
        python=(*inside, "/usr/bin/python3"),
        libc=artifact.variant.libc or "glibc",
        has_panic="libpanics.so" in artifact.functions,
    )


def _unpacked(artifact: ArtifactToInstall) -> Path:
    root = artifact.folder / "root"
    root.mkdir()
    artifact.run("bsdtar", "-xf", artifact.path, "-C", root)
    return root


def _on_host(artifact: ArtifactToInstall, launcher: Path, payload: Path) -> Installed:
    task = artifact.folder / "task"
    _add_functions(artifact, task)
    # A launcher adds its folder's parent to the path of modules as it is called, which may be through a link.
    folders = (f"{payload}/bin/..", f"{launcher.parent}/../lib/faas-runtime/bin/..", str(payload))
    return Installed(
        command=(str(launcher),),
        task=str(task),
        places={**dict.fromkeys(folders, "PAYLOAD"), str(task): "TASK"},
        python=(host_python(),),
        has_panic="libpanics.so" in artifact.functions,
    )


def _add_functions(artifact: ArtifactToInstall, task: Path) -> None:
    """Put the libraries where the runtime looks for them, and a file that is not a library."""
    task.mkdir(exist_ok=True)
    for name, library in artifact.functions.items():
        shutil.copyfile(library, task / name)
        (task / name).chmod(0o755)
    (task / "text.so").write_text("This is not a library.\n")
    (task / "text.so").chmod(0o644)
