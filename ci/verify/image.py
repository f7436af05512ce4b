"""An image archive: what it says about itself, what is in it, and that a container of it answers."""

from __future__ import annotations

import _imp
import hashlib
import json
import posixpath
import re
import tarfile
from typing import Any

from ci import elf, oci, tars
from ci.files import unpack
from ci.tars import Tree
from ci.verify import container
from ci.verify.check import Check
from ci.verify.payload import PACKAGE, payload_of, require_same_payload

_PAYLOAD = "usr/lib/faas-runtime/"
_LAUNCHER = f"{_PAYLOAD}bin/faas-runtime"
_OCI = "org.opencontainers.image."
# Where package managers and build tools leave what no image needs.
_LEFTOVERS = re.compile(r"(tmp|run|var/(cache|log|tmp))/(.*/)?(?!\.wh\.)[^/]+")
_BYTE_CODE = re.compile(rf"{re.escape(_PAYLOAD)}{re.escape(PACKAGE)}__pycache__/(?P<module>\w+)\.cpython-\d+\.pyc")


def verify(check: Check) -> str | None:
    """Say what could not be tried here, if anything; a fault raises."""
    flavour, architecture = check.output.name.removesuffix(".oci.tar").rsplit("-", 2)[-2:]
    image, _ = oci.read_archive(check.path)
    # Older versions of skopeo open the archive itself only as root.
    layout = check.folder / "layout"
    unpack(check.path, layout)
    config = json.loads(check.run.output("skopeo", "inspect", "--config", f"oci:{layout}"))
    manifest = json.loads(check.run.output("skopeo", "inspect", "--raw", f"oci:{layout}"))
    _require_settings(check, config, architecture)
    _require_labels(check, config, manifest, flavour)
    tree = oci.added_by(image)
    _require_modes(check, tree)
    _require_payload(check, tree)
    if flavour != "ubi":  # the others stand on nothing, so all that they need must be among what they carry
        _require_self_contained(check, tree, architecture)
    if flavour == "micro":
        _require_layers(check, tree, architecture)
    return container.require_runs(check, flavour, architecture)


def _require_settings(check: Check, config: dict[str, Any], architecture: str) -> None:
    """What an engine reads off the image, as skopeo reads it."""
    release = check.project.release
    user = f"{release.images.user}:{release.images.user}"
    found = {key: config["config"].get(key) for key in ("User", "WorkingDir", "Entrypoint", "Cmd")}
    expected = {
        "User": user,
        "WorkingDir": "/var/task",
        "Entrypoint": ["/var/runtime/bootstrap"],
        "Cmd": ["simple_handler.handle"],
    }
    check.require_equal(found, expected, "settings")
    environment = {"LAMBDA_TASK_ROOT=/var/task", "LAMBDA_RUNTIME_DIR=/var/runtime"}
    check.require(environment <= set(config["config"]["Env"]), f"the environment holds {sorted(environment)}")
    created = f"{release.date}T00:00:00Z"
    platform = (config["architecture"], config["os"], config["created"])
    check.require_equal(platform, (architecture, "linux", created), "architecture, system and time")


def _require_labels(check: Check, config: dict[str, Any], manifest: dict[str, Any], flavour: str) -> None:
    """Red Hat's labels and all OCI keys, the latter as annotations of the manifest too."""
    release = check.project.release
    version = release.version.oci
    expected = {
        "name": release.name,
        "vendor": release.vendor,
        "version": version,
        "release": str(release.rpm.release),
        "summary": release.summary,
        "description": release.description,
        "maintainer": release.maintainer,
        f"{_OCI}title": release.name,
        f"{_OCI}description": release.summary,
        f"{_OCI}version": version,
        f"{_OCI}revision": release.version.tag,
        f"{_OCI}created": f"{release.date}T00:00:00Z",
        f"{_OCI}licenses": release.license,
        f"{_OCI}source": release.home,
        f"{_OCI}url": release.home,
        f"{_OCI}documentation": release.documentation,
        f"{_OCI}vendor": release.vendor,
        f"{_OCI}authors": release.maintainer,
    }
    labels = config["config"]["Labels"]
    check.require_equal({key: labels.get(key) for key in expected}, expected, "labels")
    base = {f"{_OCI}base.name", f"{_OCI}base.digest"} if flavour == "ubi" else set()
    own = {key for key in labels if key.startswith(_OCI)}
    check.require_same_set(own, {key for key in expected if key.startswith(_OCI)} | base, "OCI labels")
    check.require_equal(manifest["annotations"], {key: labels[key] for key in own}, "annotations")


def _require_modes(check: Check, tree: Tree) -> None:
    """Nobody but root owns or may write anything, except in /tmp, and nothing gives rights away."""
    check.require_equal(
        sorted(name for name, entry in tree.items() if (entry.uid, entry.gid) != (0, 0)), [], "files not of root"
    )
    writable = {
        name
        for name, entry in tree.items()
        if entry.mode & 0o022 and entry.kind != tarfile.SYMTYPE and name not in ("tmp", "var/tmp")
    }
    check.require_equal(sorted(writable), [], "files that not only root may write")
    check.require_equal(sorted(name for name, entry in tree.items() if entry.mode & 0o6000), [], "set-id files")
    files = (name for name, entry in tree.items() if entry.kind != tarfile.DIRTYPE)
    check.require_equal(sorted(filter(_LEFTOVERS.fullmatch, files)), [], "leftovers")


def _require_payload(check: Check, tree: Tree) -> None:
    """The payload's files, their modes, the names that lead to the launcher, byte code of these very sources."""
    files = {name: entry for name, entry in tree.items() if name.startswith(_PAYLOAD) and entry.kind == tarfile.REGTYPE}
    sources = {name: entry for name, entry in files.items() if not name.endswith(".pyc")}
    require_same_payload(
        check,
        {name.removeprefix(_PAYLOAD): hashlib.sha256(entry.data).hexdigest() for name, entry in sources.items()},
    )
    check.require_equal(tree[_LAUNCHER].mode, 0o755, "mode of the launcher")
    others = {name for name, entry in files.items() if name != _LAUNCHER and entry.mode != 0o644}
    check.require_equal(sorted(others), [], "payload files whose mode is not 0644")
    for name in ("usr/bin/faas-runtime", "var/runtime/bootstrap"):
        check.require(name in tree and tree[name].kind == tarfile.SYMTYPE, f"{name} is a symbolic link")
        target = posixpath.normpath(posixpath.join(posixpath.dirname(name), tree[name].target))
        check.require_equal(target, _LAUNCHER, f"where {name} leads")
    modules = {path for path in payload_of(check) if path.startswith(PACKAGE)}
    compiled = {
        f"{PACKAGE}{found['module']}.py": entry
        for name, entry in files.items()
        if (found := _BYTE_CODE.fullmatch(name))
    }
    check.require_same_set(set(compiled), modules, "modules with byte code")
    for module, entry in compiled.items():
        # Bytes 4 to 8 say that a hash of the source follows, rather than its time, which no image keeps.
        check.require(entry.data[4] & 1 == 1, f"the byte code of {module} goes by its source's hash")
        # The hash is keyed with the byte code's own magic number; importlib knows this Python's alone.
        magic = int.from_bytes(entry.data[:4], "little")
        source = _imp.source_hash(magic, tree[f"{_PAYLOAD}{module}"].data)
        check.require_equal(entry.data[8:16], source, f"source that the byte code of {module} is of")


def _require_self_contained(check: Check, tree: Tree, architecture: str) -> None:
    """Every ELF file is of the architecture, and each library that it names is in the image."""
    names = {posixpath.basename(name) for name in tree}
    for name, entry in tree.items():
        program = elf.parse(entry.data)
        if program is None:
            continue
        check.require_equal(program.machine, architecture, f"architecture of {name}")
        check.require_equal(sorted(set(program.needed) - names), [], f"libraries that {name} lacks")
        if program.interpreter:
            check.require(bool(tars.follow(tree, program.interpreter)), f"{name} finds its {program.interpreter}")
    check.require(bool(tree.get("licenses/faas-runtime/LICENSE")), "/licenses holds the licence")


def _require_layers(check: Check, tree: Tree, architecture: str) -> None:
    """The image is the two layers that were made for it, entry for entry, and nothing that the engine added."""
    folder = check.project.dist / "micro"
    expected = {**tars.read(folder / f"root-{architecture}.tar"), **tars.read(folder / "runtime.tar")}
    check.require_same_set(set(tree), set(expected), "files")
    check.require_equal(sorted(name for name in tree if tree[name] != expected[name]), [], "files that differ")
