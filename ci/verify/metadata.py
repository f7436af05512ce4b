"""Reads the metadata of finished RPMs and wheels with the ecosystem's own tools, for all that compare them."""

from __future__ import annotations

import zipfile
from importlib.metadata import PathDistribution
from pathlib import Path

from ci.core.errors import VerificationError
from ci.core.run import Runner


def of_wheel(archive: zipfile.ZipFile) -> PathDistribution:
    """The metadata of a wheel, as pip sees it once the wheel is installed."""
    folders = {name.partition("/")[0] for name in archive.namelist() if ".dist-info/" in name}
    if len(folders) != 1:
        raise VerificationError(f"folders of metadata: found {len(folders)}, expected one")
    return PathDistribution(zipfile.Path(archive, f"{folders.pop()}/"))


def rpm_query(run: Runner, folder: Path, package: Path, form: str) -> str:
    """What rpm says of a package in the format `form`; this machine's database is not read. `folder` is scratch."""
    return run.output("rpm", "--dbpath", folder / "database", "--nosignature", "-qp", "--qf", form, package)


def rpm_requires(run: Runner, folder: Path, package: Path) -> list[str]:
    """What a package needs, such as "python3 >= 3.9", sorted; features of rpm itself are left out."""
    found = set(rpm_query(run, folder, package, "[%{REQUIRENEVRS}\n]").splitlines())
    return sorted(name for name in found if not name.startswith("rpmlib("))
