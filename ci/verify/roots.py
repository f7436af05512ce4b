"""Debian roots into which artefacts are installed: other versions of rpm, dnf, pacman and Python than this machine has.

Each is a tar file in `dist/roots/`. It is fetched once for each list of packages, and kept in `dist/.cache/roots/`;
`dist/inputs/` may have it as well, packed, for machines without a network.
The packages are unpacked and not configured: no program of a root runs before a gate starts it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ci.core.errors import CommandFailed, UnavailableError
from ci.core.files import make_folder
from ci.core.run import Runner, ask
from ci.core.tools import Tool
from ci.images.engine_choice import last_line
from ci.pipeline.jobs import Job, Output, Project, Variant, Workspace
from ci.pipeline.stored_inputs import Store

_MMDEBSTRAP = Tool(name="mmdebstrap", minimum="1.3")
_APART = ("setpriv", "unshare")
_PROBE_SECONDS = 30.0
# No root is larger, neither packed nor unpacked.
BYTES = 250_000_000


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A Debian suite: its code name, the version of its `python3`, and whether it has pacman.

    A rolling suite's Python may be newer than that.
    """

    name: str
    python: str
    has_pacman: bool = True

    @property
    def packages(self) -> tuple[str, ...]:
        """The packages of its root, without those that they need themselves."""
        return (*_PACKAGES, _PACMAN) if self.has_pacman else _PACKAGES


# What installs, what the scriptlets run, what renders the manual page, and what compiles the header.
_PACKAGES = (
    *("python3", "rpm", "dnf", "createrepo-c"),
    *("bash", "coreutils", "dash", "diffutils", "findutils", "gzip", "tar", "zstd"),
    *("mandoc", "tcc", "libc6-dev"),
)
_PACMAN = "pacman-package-manager"
# Nothing of this is used, and it is half of the size.
_NOT_NEEDED = ("doc", "info", "locale", "man", "perl")

SUITES: tuple[Suite, ...] = (
    Suite(name="bullseye", python="3.9", has_pacman=False),  # rpm 4.16, as in EL 9
    Suite(name="bookworm", python="3.11"),
    Suite(name="trixie", python="3.13"),
    Suite(name="sid", python="3.14"),  # rpm 6
)


@dataclass(frozen=True, kw_only=True)
class RootTools:
    """Why no root can be made or used on this machine; empty if it can. `kept` are the suites that were fetched."""

    missing: str = ""
    kept: frozenset[str] = frozenset()


def probe(project: Project) -> RootTools:
    """Look for the tools that fetch Debian roots and start programs in them, and for the right to do so."""
    for name in (_MMDEBSTRAP.name, *_APART):
        if not shutil.which(name):
            return RootTools(missing=f"{name}: not found on PATH")
    if os.geteuid() != 0:
        return RootTools(missing="programs in a root of their own need root")
    code, printed = ask(("unshare", "--fork", "--pid", "--mount", "--net", "--mount-proc", "true"), _PROBE_SECONDS)
    kept = frozenset(suite.name for suite in SUITES if _kept(project.dist, suite).exists())
    return RootTools(missing=f"no namespaces here: {printed.strip()}" if code else "", kept=kept)


def jobs(project: Project) -> tuple[Job, ...]:
    """One job for each root."""
    tools = project.fact(RootTools)
    return tuple(_job(suite, tools) for suite in SUITES)


def job_of(suite: str) -> str:
    """The id of the job that makes the root of a suite."""
    return f"root-{suite}"


def path_of(suite: str) -> str:
    """The path in `dist/` of the root of a suite."""
    return f"roots/{suite}.tar"


def _job(suite: Suite, found: RootTools) -> Job:
    to_fetch = 0 if suite.name in found.kept else BYTES
    return Job(
        id=job_of(suite.name),
        builder="roots",
        variant=Variant(suite=suite.name),
        outputs=(Output(path=path_of(suite.name)),),
        build=partial(_fetch, suite=suite),
        tools=() if found.missing else (_MMDEBSTRAP,),
        values={"options": " ".join(options(suite))},
        unavailable=found.missing,
        keeps=to_fetch,
        unpacks=to_fetch,
    )


def _fetch(work: Workspace, *, suite: Suite) -> None:
    os.link(made(work.project.dist, suite, work.run), work.out / f"{suite.name}.tar")


def made(dist: Path, suite: Suite, run: Runner) -> Path:
    """The root that was made before with the same options, whatever the tooling was then, or else a new one.

    A new one is unpacked from `dist/inputs/`, or fetched. Raises `UnavailableError` if that is not possible.
    """
    kept = _kept(dist, suite)
    if kept.exists():
        return kept
    make_folder(kept.parent)
    part = kept.with_name(f".{kept.name}.{os.getpid()}.part")
    try:
        if packed := Store(dist=dist).root(name_of(suite)):
            run("zstd", "--quiet", "--decompress", packed, "-o", part)
        else:
            run("mmdebstrap", *options(suite), suite.name, part)
        part.replace(kept)
    except CommandFailed as error:
        raise UnavailableError(f"Debian {suite.name} could not be fetched: {last_line(error)}") from error
    finally:
        part.unlink(missing_ok=True)
    return kept


def name_of(suite: Suite) -> str:
    """The name of a suite's root, which is another one for other packages."""
    return f"{suite.name}-{hashlib.sha256(' '.join(options(suite)).encode()).hexdigest()[:16]}"


def _kept(dist: Path, suite: Suite) -> Path:
    return dist / ".cache" / "roots" / f"{name_of(suite)}.tar"


def options(suite: Suite) -> tuple[str, ...]:
    """The options of mmdebstrap that decide what is in a root."""
    return (
        "--variant=extract",
        "--format=tar",
        "--skip=output/dev",
        f"--include={','.join(suite.packages)}",
        # The lists of a suite that is not maintained any more expire.
        '--aptopt=Acquire::Check-Valid-Until "false"',
        *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _NOT_NEEDED),
    )
