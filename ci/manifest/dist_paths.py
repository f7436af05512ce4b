"""Where each artefact of a release is in `dist/`, as a path relative to that folder.

Builders write to these paths, and verifications look for what they compare with there.
"""

from __future__ import annotations

from ci.manifest.msys2 import ENVIRONMENTS
from ci.manifest.release import Release

CRATE = "faas-function"
LOCAL_REGISTRY = "local-registry"  # the crates that ours depends on, see ci.builders.local_registry
RENDERED = "baked"  # the rendered tree of this build, see ci.builders.baked


def sdist(release: Release) -> str:
    """The source tarball."""
    return f"sdist/{release.sdist_name}"


def wheel(release: Release) -> str:
    """The wheel, in the same folder as the source tarball."""
    return f"sdist/{release.sdist_top}-py3-none-any.whl"


def rpm(release: Release) -> str:
    """The main package."""
    return f"rpm/{release.name}-{_rpm_version(release)}.noarch.rpm"


def rpm_devel(release: Release) -> str:
    """The package with the C header."""
    return f"rpm/{release.name}-devel-{_rpm_version(release)}.noarch.rpm"


def srpm(release: Release) -> str:
    """The source package."""
    return f"rpm/{release.name}-{_rpm_version(release)}.src.rpm"


def unsigned(path: str) -> str:
    """Where the package is that has the same content as the one at `path`, and no signature yet."""
    return f"unsigned/{path}"


def _rpm_version(release: Release) -> str:
    return f"{release.version.rpm}-{release.rpm.release}"


def msys2(release: Release, environment: str) -> str:
    """The package for one of MSYS2's environments, such as "ucrt64"."""
    version = f"{release.version.pacman}-{release.msys2.release}"
    return f"msys2/{ENVIRONMENTS[environment].package_prefix}-{release.name}-{version}-any.pkg.tar.zst"


def formula(release: Release) -> str:
    """The Homebrew formula."""
    return f"formulae/{release.name}.rb"


def crate(release: Release) -> str:
    """The crate. A post-release has none."""
    return f"crates/{CRATE}-{release.version.cargo}.crate"


def lambda_layer(release: Release, architecture: str) -> str:
    """The layer for an architecture as Lambda names it, "x86_64" or "arm64"."""
    return f"layers/{release.name}-{release.version}-lambda-layer-{architecture}.zip"


def sbom(artefact: str, form: str) -> str:
    """The SBOM of an artefact, by the name of its file; `form` is "spdx" or "cdx", for CycloneDX."""
    return f"sbom/{artefact}.{form}.json"


def image(release: Release, flavour: str, architecture: str) -> str:
    """The archive of a container image; `architecture` is "amd64" or "arm64"."""
    return f"images/{release.name}-{release.version.oci}-{flavour}-{architecture}.oci.tar"


def image_index(release: Release, flavour: str) -> str:
    """The archive of a flavour's images for all platforms."""
    return f"images/{release.name}-{release.version.oci}-{flavour}.oci-index.tar"
