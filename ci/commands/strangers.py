"""What a stranger sees of a published release: downloads, signatures, and installations from each place."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ci import kinds
from ci.commands.publications import require_version
from ci.commands.running import execute, jobs_of, probe, working
from ci.core.console import Console
from ci.core.errors import CommandFailed, VerificationError
from ci.core.files import make_folder
from ci.core.run import Runner
from ci.core.web import Web
from ci.manifest.release import Release
from ci.pipeline.jobs import Project, Workspace
from ci.publish import stranger
from ci.verify import in_root, published, roots
from ci.verify.published import Downloaded

_SUITE = "bookworm"
_STAND_IN = Path(in_root.__file__).with_name("brew_stand_in.rb")


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """The public addresses of a release; a place without one is left out.

    `page` has the files of the release page, `repositories` the trees yum/ and pacman/, `pypi` the simple index.
    `registry` is host and path of the images, `tls` whether it wants TLS. `tap` is a git repository with a `branch`.
    """

    page: str
    repositories: str
    pypi: str = ""
    registry: str = ""
    tls: bool = True
    tap: str = ""
    branch: str = ""


def of_manifest(release: Release) -> Addresses:
    """The addresses that the manifest names."""
    targets = release.targets
    return Addresses(
        page=release.source.url.rpartition("/")[0],
        repositories=targets.repositories.url,
        pypi=targets.pypi.index if targets.pypi else "",
        registry=release.images.registry if targets.registry else "",
        tap=targets.tap.url if targets.tap else "",
        branch=targets.tap.branch if targets.tap else "",
    )


def with_root(project: Project, console: Console) -> Project:
    """The project, once the root that dnf and pacman install into is there, if it can be had on this machine."""
    project = probe(project, [kinds.ROOTS])
    execute(project, console, [job for job in jobs_of(project, [kinds.ROOTS]) if job.id == roots.job_of(_SUITE)])
    return project


def verify(project: Project, console: Console, version: str) -> None:
    """Download a version from its public addresses, verify it with the keys of this checkout, and install it."""
    require_version(project, version)
    project = with_root(project, console)
    with working(project, console), tempfile.TemporaryDirectory(prefix="faas-runtime-published-") as scratch:
        log = project.dist / "logs" / "published.log"
        make_folder(log.parent)
        log.unlink(missing_ok=True)
        rows = list(look(project, of_manifest(project.release), Path(scratch), Runner(log=log), console.say))
    console.table(f"{project.release.name} {version} as it was published", ["from", "what was seen"], rows)


def look(
    project: Project, addresses: Addresses, folder: Path, runner: Runner, say: Callable[[str], None]
) -> Iterator[list[str]]:
    """Download, verify and install in an empty folder; gives the place and what was seen there. A fault is raised."""
    downloads = folder / "downloads"
    with Web(name="download", say=say) as web:
        stranger.download(web, addresses.page, addresses.repositories, downloads)
    yield ["release page", _verified(project, downloads, runner)]
    for what, check in _checks(project, addresses, folder, runner):
        say(f"{what}: installing")
        try:
            yield [what, check()]
        except CommandFailed as error:
            raise VerificationError(f"{what}: it does not install and run\n{error}", hint="see the log") from error


def _verified(project: Project, downloads: Path, runner: Runner) -> str:
    from ci.release import assemble

    lines = assemble.verify(project, downloads, runner).splitlines()
    return f"{sum(line.startswith('checked') for line in lines)} checks of verify.py, all right"


def _checks(
    project: Project, addresses: Addresses, folder: Path, runner: Runner
) -> Iterator[tuple[str, Callable[[], str]]]:
    release = project.release

    def downloaded(name: str) -> Downloaded:
        (folder / name).mkdir()
        return Downloaded(release=release, folder=folder / "downloads", scratch=folder / name, run=runner)

    if missing := project.fact(roots.RootTools).missing:
        yield "yum, pacman", lambda: f"not tried: {missing}"
    else:
        key, url = release.keys.packages[0], addresses.repositories
        file = project.root / key.file
        root = partial(_root, project, folder, runner)
        yield "yum", lambda: published.from_yum(downloaded("yum"), root("root-yum"), url, file)
        in_pacman = partial(published.from_pacman, url=url, key=file, fingerprint=key.openpgp)
        yield "pacman", lambda: in_pacman(downloaded("pacman"), root("root-pacman"))
    if addresses.pypi:
        yield "pypi", lambda: published.from_pypi(downloaded("pypi"), addresses.pypi)
    for flavour in published.flavours(folder / "downloads", release) if addresses.registry else ():
        in_engine = partial(published.from_registry, registry=addresses.registry, flavour=flavour, tls=addresses.tls)
        yield f"image {flavour}", lambda run=in_engine, name=flavour: run(downloaded(f"image-{name}"))  # type: ignore[misc]
    if addresses.tap:
        yield "tap", lambda: published.from_tap(downloaded("tap"), addresses.tap, addresses.branch, _STAND_IN)


def _root(project: Project, folder: Path, runner: Runner, name: str) -> in_root.Root:
    """An unpacked root whose programs reach the network of this machine."""
    place = folder / name
    place.mkdir()
    (suite,) = (one for one in roots.SUITES if one.name == _SUITE)
    work = Workspace(project=project, job="published", folder=place, out=place, run=runner)
    return dataclasses.replace(in_root.unpack(work, suite), network=True)
