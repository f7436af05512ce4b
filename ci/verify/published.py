"""Installs a published release from each place, as a stranger does: dnf, pacman, pip, an engine, and Homebrew.

The files were downloaded before (`ci.publish.stranger`), and `verify.py` has checked them. What this adds: the package
managers themselves take them, with every signature that they can demand. Each check returns what was seen. `NotTried`
says why one could not be made on this machine.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ci.core import cargo_registry
from ci.core.architectures import host_name
from ci.core.errors import UnavailableError, VerificationError
from ci.core.files import unpack
from ci.core.page_names import safe
from ci.core.run import Runner
from ci.core.web import is_loopback
from ci.images import engine_choice, image_index
from ci.images.engines import container_of, temporary
from ci.images.lambda_layer import BOOTSTRAP, aws_name
from ci.manifest import dist_paths
from ci.manifest.msys2 import ENVIRONMENTS
from ci.manifest.release import FLAVOURS, Release
from ci.manifest.versions import Version
from ci.pipeline.jobs import Output, Project
from ci.verify import in_dnf, in_pacman
from ci.verify.check import Check, launcher, require_answers
from ci.verify.in_dnf import Dnf
from ci.verify.in_pacman import Pacman
from ci.verify.in_root import Root
from ci.verify.rust_function import FunctionProject

_REGISTRY = "published"


class NotTried(UnavailableError):
    """Something cannot be tried on this machine; the message says what was seen instead, and what is missing."""


@dataclass(frozen=True, kw_only=True)
class Downloaded:
    """A release that was downloaded into `folder`. `scratch` is an empty folder."""

    release: Release
    folder: Path
    scratch: Path
    run: Runner

    @property
    def said(self) -> str:
        """What the command prints as its version."""
        return f"{self.release.name} {self.release.version}"


def from_yum(found: Downloaded, root: Root, url: str, key: Path) -> str:
    """dnf installs this version from the tree at an address, and demands signatures of packages and metadata."""
    dnf, name = Dnf(root=root, signed=True), found.release.name
    stubs = [
        in_dnf.python_stub(root.run, found.scratch / "python", f"{root.suite.python}.1", Path(root.python).name),
        in_dnf.base_stub(root.run, found.scratch / "base"),
    ]
    for stub in stubs:
        shutil.copy(stub, root.folder / "srv")
    dnf.offer_url(name, f"{url}/yum", key)
    version = found.release.version.rpm
    dnf("install", f"{name}-{version}", f"{name}-devel-{version}", *(f"/srv/{stub.name}" for stub in stubs))
    return _version(found, root.output("/usr/bin/faas-runtime", "--version"), f"dnf in Debian {root.suite.name}")


def from_pacman(found: Downloaded, root: Root, url: str, key: Path, fingerprint: str) -> str:
    """pacman reads the database at an address and installs this version, with signatures of both."""
    release, environment = found.release, found.release.msys2.environments[0]
    keyring = found.scratch / "keyring"
    keyring.mkdir(mode=0o700)
    for words in (("--init",), ("--add", key), ("--lsign-key", fingerprint)):
        found.run("pacman-key", "--gpgdir", keyring, *words)
    client = Pacman(root=root)
    stub = in_pacman.python_stub(found.scratch / "stub", environment, f"{root.suite.python}.1", root.python)
    shutil.copy(stub, root.folder / "srv")
    place = f"{url}/pacman/{environment}"
    client.offer_url(place, release.name, keyring)
    client("-U", f"/srv/{stub.name}")
    file = Path(dist_paths.msys2(release, environment)).name
    package = f"{ENVIRONMENTS[environment].package_prefix}-{release.name}"
    version = f"{release.version.pacman}-{release.msys2.release}"
    newer = install_listed(client, package, version, f"{place}/{file}")
    if f"{package} {version}" not in client.output("-Q").splitlines():
        raise VerificationError(f"pacman: {package} {version} is not installed", hint="look at the log")
    how = f"from its file, as the database has {newer}" if newer else "by its name"
    return f"{package} {version}, {how}, in Debian {root.suite.name}; its .cmd needs Windows and was not started"


def install_listed(client: Pacman, package: str, version: str, address: str) -> str:
    """Install a version by its name; if the database has a newer one, which is returned, from the file at an address.

    `VerificationError` if the database has an older one.
    """
    client("-Syy")
    listed = client.offered(package)
    if listed == version:
        client("-S", package)
        return ""
    if client.compare([(listed, version)]) == [1]:
        client("-U", address)
        return listed
    raise VerificationError(
        f"pacman: the database has {package} {listed}, and not {version}",
        hint="was it published there, or yanked?",
    )


def from_pypi(found: Downloaded, index: str) -> str:
    """pip finds both files in the index, with the bytes of the release page, and installs the wheel."""
    release, folder = found.release, found.scratch / "pip"
    options = ("--isolated", "--disable-pip-version-check", "--no-cache-dir", "--no-deps", "--index-url", index)
    wanted = f"{release.name}=={release.version}"
    for source in ("--only-binary=:all:", "--no-binary=:all:"):
        found.run(
            sys.executable, "-m", "pip", "download", *options, "--no-build-isolation", source, "-d", folder, wanted
        )
    for path in sorted(folder.iterdir()):
        original = found.folder / path.name
        if not original.is_file() or original.read_bytes() != path.read_bytes():
            raise VerificationError(
                f"{index}: {path.name} has other bytes than on the release page", hint="find out who has changed it"
            )
    environment = found.scratch / "environment"
    found.run(sys.executable, "-m", "venv", environment)
    found.run(environment / "bin" / "python", "-m", "pip", "install", *options, wanted)
    return _version(found, found.run.output(environment / "bin" / release.name, "--version"), "pip")


def from_crates(found: Downloaded, project: Project, index: str, others: Path | None) -> str:
    """Cargo finds the crate in the index, with the bytes of the release page, and builds a function that answers.

    With `others`, all other crates come out of that local registry, and not from crates.io.
    """
    if shutil.which("cargo") is None:
        raise NotTried("not tried: cargo is not installed")
    release, elsewhere = found.release, not cargo_registry.is_crates_io(index)
    options = (
        *cargo_registry.named(_REGISTRY, index),
        *(cargo_registry.instead_of_crates_io(others) if others else ()),
    )
    function = FunctionProject(
        folder=found.scratch / "function",
        home=found.scratch / "cargo",
        run=found.run,
        options=options if elsewhere else (),
        environment={"no_proxy": "127.0.0.1"} if is_loopback(index) else {},
    )
    registry = f', registry = "{_REGISTRY}"' if elsewhere else ""
    function.write(dist_paths.CRATE, f'version = "={release.version.cargo}"{registry}')
    built = function.build()
    name = Path(dist_paths.crate(release)).name
    for path in (function.home / "registry" / "cache").glob(f"*/{name}"):
        if path.read_bytes() != (found.folder / name).read_bytes():
            raise VerificationError(
                f"{index}: {name} has other bytes than on the release page", hint="find out who has changed it"
            )
    unpack(found.folder / release.sdist_name, found.scratch)
    check = Check(
        project=project, output=Output(path=name), path=found.folder / name, folder=found.scratch, run=found.run,
        functions=(built,),
    )  # fmt: skip
    require_answers(check, launcher(found.scratch / release.sdist_top / "bin" / release.name))
    return f"{dist_paths.CRATE} {release.version.cargo}, by cargo; a function that is built with it answers"


def from_layer(found: Downloaded) -> str:
    """The layer for this machine, unpacked, starts by its own `bootstrap`."""
    name = Path(dist_paths.lambda_layer(found.release, aws_name(host_name()))).name
    found.run("bsdtar", "-xf", found.folder / safe(name), "-C", found.scratch)
    return _version(found, found.run.output(found.scratch / BOOTSTRAP, "--version"), "the layer, unpacked")


def from_registry(found: Downloaded, registry: str, flavour: str, *, tls: bool) -> str:
    """skopeo pulls the index by its tag with the digest of the set, and an engine starts this machine's image.

    `registry` is host and path, such as "ghcr.io/example".
    """
    release = found.release
    tag = f"{registry}/{release.name}:{release.version.oci}-{flavour}"
    archive = found.folder / safe(Path(dist_paths.image_index(release, flavour)).name)
    insecure = () if tls else ("--tls-verify=false",)
    raw = found.run.output("skopeo", "inspect", "--raw", *insecure, f"docker://{tag}")
    digest = f"sha256:{hashlib.sha256(raw.encode()).hexdigest()}"
    expected = _digest_of_index(archive)
    if digest != expected:
        raise VerificationError(f"{tag}: its digest is {digest}, and that of the set {expected}", hint="do not use it")
    pulled = found.scratch / f"{flavour}.oci.tar"
    source = () if tls else ("--src-tls-verify=false",)
    found.run("skopeo", "copy", "--quiet", *source, f"docker://{tag}", f"oci-archive:{pulled}:pulled")
    try:
        engine = engine_choice.choose(found.run, "auto")
    except UnavailableError as error:
        raise NotTried(f"{tag} is {digest}; not started: {error}") from error
    image = temporary(release.name, "verify", f"published-{flavour}-{host_name()}")
    name = container_of(image)
    try:
        engine.load(found.run, pulled, image)
        engine.prepare(found.run, image, name)
        words = ("/usr/bin/faas-runtime",) if engine.name == "buildah" else ()
        command = engine.start_command(
            image, *words, "--version", name=name, network="none", entrypoint="" if words else "/usr/bin/faas-runtime"
        )
        return f"{tag} is {digest}; " + _version(found, found.run.output(*command), engine.name)
    finally:
        engine.end(found.run, name)
        engine.remove(found.run, image)


def from_tap(
    found: Downloaded, url: str, branch: str, stand_in: Path, version_of: Callable[[str], Version | None]
) -> str:
    """The tap has the formula of the release page, and a stand-in for brew installs it from the published tarball.

    If it has a newer version, which `version_of` reads from the formula, there is nothing to install.
    """
    release, clone = found.release, found.scratch / "tap"
    found.run("git", "clone", "--quiet", "--depth=1", "--branch", branch, url, clone)
    formula = clone / "Formula" / f"{release.name}.rb"
    if not formula.is_file() or formula.read_bytes() != (found.folder / formula.name).read_bytes():
        there = version_of(formula.read_text(encoding="utf-8", errors="replace")) if formula.is_file() else None
        if there is not None and there > release.version:
            return f"the tap has {there}"
        raise VerificationError(
            f"{url}: Formula/{formula.name} is not that of the release page", hint="look at the tap's history"
        )
    if shutil.which("ruby") is None:
        raise NotTried("the formula is that of the release page; not installed: there is neither brew nor ruby here")
    prefix = found.scratch / "prefix"
    prefix.mkdir()
    found.run("ruby", stand_in, formula, found.folder / release.sdist_name, prefix, sys.executable)
    return _version(found, found.run.output(prefix / "bin" / release.name, "--version"), "a stand-in for brew")


def _digest_of_index(archive: Path) -> str:
    """The digest of the index that an archive of the set holds."""
    if not archive.is_file():
        raise VerificationError(f"{archive.name}: the release page does not have it", hint="publish the whole set")
    return image_index.read(archive).digest


def _version(found: Downloaded, printed: str, by: str) -> str:
    if printed.strip() != found.said:
        raise VerificationError(f"{by}: the command says {printed.strip()!r}", hint=f"expected {found.said!r}")
    return f"{found.said}, by {by}"


def flavours(folder: Path, release: Release) -> tuple[str, ...]:
    """The flavours of which the release page has an image for all platforms."""
    return tuple(
        flavour
        for flavour in FLAVOURS
        if (folder / safe(Path(dist_paths.image_index(release, flavour)).name)).is_file()
    )
