"""An image archive: its settings and labels, its files, and that a container of it answers."""

from __future__ import annotations

import io
import json
import re
import tarfile
from pathlib import Path
from typing import Any

from ci.core import elf, tars
from ci.core.checkout import source_state
from ci.core.errors import VerificationError
from ci.core.files import unpack
from ci.core.tars import FileTree
from ci.images import micro_layers, oci
from ci.pipeline.jobs import Verdict
from ci.verify import container
from ci.verify.check import Check
from ci.verify.root_files import (
    PAYLOAD,
    require_compiled_payload,
    require_launcher_links,
    require_licence,
    require_whole_programs,
)

_OCI = "org.opencontainers.image."
# Places where package managers and build tools leave files that no image needs.
_LEFTOVERS = re.compile(r"(tmp|run|var/(cache|log|tmp))/(.*/)?(?!\.wh\.)[^/]+")

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SETTINGS = {"User", "WorkingDir", "Entrypoint", "Cmd", "Env", "ExposedPorts", "Labels"}
_LIBRARY = r"(?:[\w-]+/)?[\w.+-]+\.so(?:\.[\d.]+)?"
# What the Containerfile of `alpine` makes, and what `carry.py` copies: the interpreter, its loader and shared
# libraries, the standard library's byte code and extension modules, the links at the top of the root.
_ALPINE_FILE = re.compile(
    rf"{re.escape(PAYLOAD)}.+|(?:usr/)?lib(?:32|64|x32)?/{_LIBRARY}|usr/bin/(?:python3(?:\.\d+)?|faas-runtime)"
    r"|usr/lib/python3\.\d+/(?:\w+/)*(?:[\w-]+\.pyc|lib-dynload/[\w.-]+\.so)"
    r"|var/runtime/bootstrap|licenses/faas-runtime/LICENSE|etc/(?:passwd|group|os-release|protocols|services)"
    r"|(?:usr/)?lib/apk/db/installed|etc/ssl/(?:cert\.pem|certs/ca-certificates\.crt)|usr/share/zoneinfo/(?:[\w-]+/){0,3}[\w+.-]+"
)
_SURROUNDINGS = {
    "etc/ssl/certs/ca-certificates.crt": b"-----BEGIN CERTIFICATE-----",
    "etc/ssl/cert.pem": b"-----BEGIN CERTIFICATE-----",
    "etc/services": b"https",
    "etc/protocols": b"tcp",
    "usr/share/zoneinfo/Europe/Berlin": b"TZif",
}
_ALPINE_ALIAS = re.compile(r"bin|sbin|lib(?:32|64|x32)?")
_ALPINE_FOLDERS = {"dev", "proc", "run", "sys", "tmp", "var/task"}


def verify(check: Check) -> Verdict:
    """Verify one image; a fault raises `VerificationError`."""
    flavour, architecture = check.variant.flavour, check.variant.architecture
    try:
        image, _ = oci.read_archive(check.path)
    except (LookupError, ValueError, TypeError, AttributeError) as error:
        raise VerificationError(f"{check.output.path}: not an archive that this tooling makes: {error!r}") from error
    # Older versions of skopeo open the archive itself only as root.
    layout = check.folder / "layout"
    unpack(check.path, layout)
    config = json.loads(check.run.output("skopeo", "inspect", "--config", f"oci:{layout}"))
    manifest = json.loads(check.run.output("skopeo", "inspect", "--raw", f"oci:{layout}"))
    _require_settings(check, config, flavour, architecture)
    _require_labels(check, config, manifest, flavour)
    tree = oci.added_by(image)
    _require_modes(check, tree)
    require_compiled_payload(check, tree, recipes=flavour == "ubi")  # which installs the RPM, with all that is in it
    require_launcher_links(check, tree, "usr/bin/faas-runtime", "var/runtime/bootstrap")
    if flavour != "ubi":  # the others have no base, so they must contain everything that they need
        require_whole_programs(check, tree, architecture)
        _require_loader(check, tree)
        require_licence(check, tree)
        _require_kinds(check, image.layers[-1], tree)
        _require_surroundings(check, tree)
    if flavour == "alpine":
        _require_alpine(check, tree)
    if flavour == "micro":
        _require_layers(check, tree, architecture)
    return container.require_runs(check)


def _require_settings(check: Check, config: dict[str, Any], flavour: str, architecture: str) -> None:
    """Compare the settings that engines read with the expected ones; skopeo reads them here."""
    release = check.project.release
    user = f"{release.images.user}:{release.images.user}"
    settings = config.get("config", {})
    found = {key: settings.get(key) for key in ("User", "WorkingDir", "Entrypoint", "Cmd", "ExposedPorts")}
    expected = {
        "User": user,
        "WorkingDir": "/var/task",
        "Entrypoint": ["/var/runtime/bootstrap"],
        "Cmd": ["simple_handler.handle"],
        "ExposedPorts": {"8080/tcp": {}},
    }
    check.require_equal(found, expected, "settings")
    environment = ["FAAS_RUNTIME_LISTEN=*:8080", "LAMBDA_RUNTIME_DIR=/var/runtime", "LAMBDA_TASK_ROOT=/var/task"]
    # Engines add a PATH of their own, always this one; Red Hat says that it is a container.
    inherited = {_PATH, "container=oci"} if flavour == "ubi" else {_PATH}
    variables = settings.get("Env") or []
    check.require_same_set(set(variables) - inherited, set(environment), "environment")
    check.require_equal(len(variables), len(set(variables)), "number of variables")
    if flavour != "ubi":
        check.require_same_set({key for key, value in settings.items() if value}, _SETTINGS, "kinds of settings")
    created = f"{release.date}T00:00:00Z"
    platform = (config.get("architecture"), config.get("os"), config.get("created"))
    check.require_equal(platform, (architecture, "linux", created), "architecture, system and time")


def _require_labels(check: Check, config: dict[str, Any], manifest: dict[str, Any], flavour: str) -> None:
    """Compare Red Hat's labels and all OCI keys; the OCI keys are annotations of the manifest, too."""
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
        f"{_OCI}revision": source_state(check.project.root, release.version.tag).revision,
        f"{_OCI}created": f"{release.date}T00:00:00Z",
        f"{_OCI}licenses": release.license,
        f"{_OCI}source": release.home,
        f"{_OCI}url": release.home,
        f"{_OCI}documentation": release.documentation,
        f"{_OCI}vendor": release.vendor,
        f"{_OCI}authors": release.maintainer,
    }
    labels = config.get("config", {}).get("Labels") or {}
    check.require_equal({key: labels.get(key) for key in expected}, expected, "labels")
    base = {f"{_OCI}base.name", f"{_OCI}base.digest"} if flavour == "ubi" else set()
    own = {key for key in labels if key.startswith(_OCI)}
    check.require_same_set(own, {key for key in expected if key.startswith(_OCI)} | base, "OCI labels")
    check.require_equal(manifest.get("annotations"), {key: labels[key] for key in own}, "annotations")


def _require_modes(check: Check, tree: FileTree) -> None:
    """Only root owns files or may write them, except in /tmp; there are no set-id files and no leftovers."""
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


def _require_loader(check: Check, tree: FileTree) -> None:
    """Each program finds the loader that it names."""
    for name, entry in tree.items():
        program = elf.parse(entry.data)
        if program and program.interpreter:
            check.require(bool(tars.follow(tree, program.interpreter)), f"{name} finds its {program.interpreter}")


def _require_surroundings(check: Check, tree: FileTree) -> None:
    """What functions read without saying so: the certificates of the authorities, services, time zones."""
    for name, part in _SURROUNDINGS.items():
        found = list(tars.follow(tree, name).values())
        check.require(bool(found) and part in found[-1].data, f"{name} is there, with {part!r} in it")


def _require_kinds(check: Check, layer: bytes, tree: FileTree) -> None:
    """No devices, pipes or capabilities, and no entry twice; `ubi` may have what its packages bring."""
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        members = [member for member in archive if tars.clean(member.name)]
    odd = sorted(one.name for one in members if not (one.isfile() or one.isdir() or one.issym() or one.islnk()))
    check.require_equal(odd, [], "devices and pipes")
    check.require_equal(len(members), len(tree), "number of entries")
    check.require_equal(sorted(name for name, entry in tree.items() if entry.attributes), [], "files with capabilities")


def _require_alpine(check: Check, tree: FileTree) -> None:
    """Only what the Containerfile makes and copies; the files of accounts have the exact text."""
    user = check.project.release.images.user
    known = {name for name, entry in tree.items() if entry.kind != tarfile.DIRTYPE and _ALPINE_FILE.fullmatch(name)}
    known |= {name for name, entry in tree.items() if entry.kind == tarfile.SYMTYPE and _ALPINE_ALIAS.fullmatch(name)}
    folders = {str(parent) for name in known | _ALPINE_FOLDERS for parent in Path(name, "x").parents} - known - {"."}
    known |= {name for name, entry in tree.items() if entry.kind == tarfile.DIRTYPE and name in folders}
    check.require_equal(sorted(set(tree) - known), [], "files that do not belong there")
    lists = (entry.data.decode() for name, entry in tree.items() if name.endswith("lib/apk/db/installed"))
    owned = {entry.partition("\nP:")[2].split("\n")[0] for text in lists for entry in text.split("\n\n")}
    check.require_equal(sorted({"ca-certificates-bundle", "musl", "tzdata"} - owned), [], "packages not listed")
    accounts = {
        "etc/passwd": f"root:x:0:0:root:/:/sbin/nologin\nfaas:x:{user}:{user}::/var/task:/sbin/nologin\n",
        "etc/group": f"root:x:0:\nfaas:x:{user}:\n",
    }
    for name, text in accounts.items():
        check.require(name in tree, f"{name} is there")
        check.require_equal(tree[name].data, text.encode(), name)


def _require_layers(check: Check, tree: FileTree, architecture: str) -> None:
    """The image is the two layers that were made for it, entry for entry; the engine added nothing."""
    layers = (micro_layers.root(architecture), micro_layers.RUNTIME)
    expected = {name: entry for path in layers for name, entry in tars.read(check.project.dist / path).items()}
    check.require_same_set(set(tree), set(expected), "files")
    check.require_equal(sorted(name for name in tree if tree[name] != expected[name]), [], "files that differ")
