"""The RPMs and the source RPM; rpmbuild makes them from the rendered spec and the source tarball.

Where they are signed, there are two jobs: the first writes the packages to `dist/unsigned/rpm/`, the second puts the
signatures into copies of them. The time of a signature is the release's date, so two runs give the same bytes.

They have no dist tag: one noarch package is for every distribution, and a tag would name the one it was built on.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ci.bake.quoting import spec_definition
from ci.core.build_dir import build_dir
from ci.core.errors import CommandFailed, HostError, ManifestError
from ci.core.openpgp import Gpg
from ci.core.rpm_file import front, is_signed, with_front
from ci.core.run import Runner
from ci.core.tools import Tool
from ci.manifest import dist_paths
from ci.manifest.release import Release
from ci.pipeline.jobs import Job, Options, Output, Project, Signing, Workspace

_FAKEROOT = Tool(name="fakeroot")
_SIGNERS = (Tool(name="rpmsign", minimum="4.16"), Tool(name="gpg", minimum="2.2"))
_UNSIGNED = "rpm-unsigned"


@dataclass(frozen=True, kw_only=True)
class RpmUser:
    """Whether the builds run as root, and which of the packages with the recorded signatures are not there."""

    is_root: bool
    not_signed: tuple[Path, ...] = ()


def probe(project: Project) -> RpmUser:
    """Ask who builds here, and look for the packages whose signatures are taken."""
    folder = project.options.signatures
    recorded = _recorded(project.release, folder) if folder else ()
    return RpmUser(is_root=not _is_user(), not_signed=tuple(path for path in recorded if not path.is_file()))


def jobs(project: Project) -> tuple[Job, ...]:
    """One job, in which a single run of rpmbuild makes all packages; with signatures, another one that signs them.

    The job that makes the artefacts is always called "rpm".
    """
    release, options, user = project.release, project.options, project.fact(RpmUser)
    built = Job(
        id="rpm",
        builder="rpm",
        outputs=packages(release),
        build=_build,
        tools=(Tool(name="rpmbuild", minimum="4.16"), Tool(name="gzip"), *(() if user.is_root else (_FAKEROOT,))),
        values={"epoch": str(release.epoch), "vendor": release.vendor, "maintainer": release.maintainer},
        after=("sdist", "baked"),
    )
    if not options.signed:
        return (built,)
    intermediate = tuple(Output(path=dist_paths.unsigned(output.path)) for output in built.outputs)
    return replace(built, id=_UNSIGNED, outputs=intermediate), _signed(built, release, options, user)


def packages(release: Release) -> tuple[Output, ...]:
    """The artefacts: the main package, the one with the C header, and the source package."""
    return (
        Output(kind="rpm", path=dist_paths.rpm(release)),
        Output(kind="rpm-devel", path=dist_paths.rpm_devel(release)),
        Output(kind="srpm", path=dist_paths.srpm(release)),
    )


def signatures_in(dist: Path, release: Release) -> Path | None:
    """The folder of `dist/` with the RPMs if they are signed: as `Options.signatures` it describes that build."""
    paths = [dist / package.path for package in packages(release)]
    with contextlib.suppress(OSError, ValueError):
        if all(is_signed(path) for path in paths):
            return paths[0].parent
    return None


def _recorded(release: Release, folder: Path) -> tuple[Path, ...]:
    """The packages whose signatures are taken."""
    return tuple(folder / output.name for output in packages(release))


def _signed(built: Job, release: Release, options: Options, user: RpmUser) -> Job:
    """The job that makes the artefacts of `built` from unsigned packages."""
    job = replace(built, tools=(), after=(_UNSIGNED,))
    if options.signing:
        values = {**built.values, "openpgp": options.signing.openpgp}
        return replace(job, build=partial(_sign, signing=options.signing), tools=_SIGNERS, values=values)
    assert options.signatures is not None
    missing = ", ".join(map(str, user.not_signed))
    return replace(
        job,
        build=partial(_put_signatures, folder=options.signatures),
        inputs=() if missing else _recorded(release, options.signatures),
        unavailable=f"there is no signed {missing}" if missing else "",
    )


def _is_user() -> bool:
    return os.geteuid() != 0


def _build(work: Workspace) -> None:
    release = work.release
    with build_dir("rpm", work.run) as (topdir, run):
        for name in ("BUILD", "BUILDROOT", "RPMS", "SOURCES", "SPECS", "SRPMS", "tmp"):
            (topdir / name).mkdir()
        _place(work.project.sdist, topdir / "SOURCES", release.epoch)
        spec_file = _place(work.project.rendered / "specs" / f"{release.name}.spec", topdir / "SPECS", release.epoch)
        run(
            # The source package records who owns its files.
            *(("fakeroot", "--") if _is_user() else ()),
            "rpmbuild",
            "-ba",
            *definitions(release, topdir),
            spec_file,
            cwd=topdir,
            # HOME: a user's own ~/.rpmmacros must not reach the packages.
            env={"SOURCE_DATE_EPOCH": str(release.epoch), "HOME": str(topdir)},
        )
        for built in topdir.glob("*RPMS/**/*.rpm"):
            shutil.copyfile(built, work.out / built.name)


def _sign(work: Workspace, *, signing: Signing) -> str:
    sign(signing, packages(work.release), work.release, dist=work.project.dist, target=work.out, run=work.run)
    return f"signed with the key {signing.openpgp}"


def sign(
    signing: Signing, chosen: Iterable[Output], release: Release, *, dist: Path, target: Path, run: Runner
) -> None:
    """Write some packages with signatures to the folder `target`; those without are in `dist/unsigned/rpm/`.

    Each is written whole or not at all.
    """
    gpg = Gpg(home=signing.gnupg_home, passphrase=signing.passphrase, epoch=release.epoch, run=run)
    for package in chosen:
        made = target / f".{package.name}.part"
        shutil.copyfile(dist / dist_paths.unsigned(package.path), made)
        gpg.sign_rpm(made, key=signing.openpgp)
        if not is_signed(made):
            raise CommandFailed(f"rpmsign has put no signature into {package.name}\n  log: {run.log}")
        made.replace(target / package.name)


def _put_signatures(work: Workspace, *, folder: Path) -> str:
    """Put the signatures of other packages into those that were built: they fit if the content is the same."""
    for package in packages(work.release):
        unsigned = work.built(dist_paths.unsigned(package.path))
        try:
            with_front(unsigned, front(folder / package.name), work.out / package.name)
        except ValueError as error:
            raise HostError(str(error), hint="name a folder with the signed packages of this version") from error
    return "signed with recorded signatures"


def definitions(release: Release, topdir: Path) -> list[str]:
    """Return the options of rpmbuild that make its packages independent of the host, the clock and the distribution."""
    try:
        people = {"vendor": spec_definition(release.vendor), "packager": spec_definition(release.maintainer)}
    except ValueError as error:
        raise ManifestError(f"release.yaml: {error}", hint="word it differently") from error
    values = {
        **people,
        "_topdir": str(topdir),
        "_tmppath": str(topdir / "tmp"),
        "dist": "%{nil}",
        "_buildhost": "reproducible",
        "use_source_date_epoch_as_buildtime": "1",
        # The first is for rpm up to 4.19, the second from 4.20 on; each version ignores the other one.
        "clamp_mtime_to_source_date_epoch": "1",
        "build_mtime_policy": "clamp_to_source_date_epoch",
        # The formats that EL 9 can read; the host's rpm may have other defaults.
        "_rpmformat": "4",
        "_binary_payload": "w19.zstdio",
        "_source_payload": "w19.zstdio",
        "_vendor": "redhat",
    }
    return [word for name, value in values.items() for word in ("-D", f"{name} {value}")]


def _place(file: Path, folder: Path, epoch: int) -> Path:
    """Copy a source to the place where rpmbuild looks for it; the source package records its time and mode."""
    placed = folder / file.name
    shutil.copyfile(file, placed)
    placed.chmod(0o644)
    os.utime(placed, (epoch, epoch))
    return placed
