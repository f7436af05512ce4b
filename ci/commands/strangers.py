"""What a stranger sees of a published release: downloads, signatures, and installations from each place."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

from ci import kinds
from ci.commands.publications import require_version, verified
from ci.commands.running import execute, jobs_of, probe, raise_first_error, working
from ci.core import tree_record
from ci.core.architectures import host_name
from ci.core.console import Console
from ci.core.errors import CommandFailed, HostError, ToolError, VerificationError
from ci.core.files import make_folder
from ci.core.page_names import safe
from ci.core.run import Runner
from ci.core.web import Web
from ci.images.lambda_layer import aws_name
from ci.manifest import dist_paths
from ci.manifest.release import Release
from ci.manifest.versions import Version
from ci.pipeline.jobs import Project, Workspace
from ci.publish import stranger
from ci.publish.formula import version_of
from ci.verify import in_root, published, roots
from ci.verify.published import Downloaded, NotTried

TITLE = "Installed from the rehearsal's servers"

_SUITE = "bookworm"
_STAND_IN = Path(in_root.__file__).with_name("brew_stand_in.rb")


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """The public addresses of a release; a place without one is left out.

    `page` has the files of the release page, `repositories` the trees yum/ and pacman/, `pypi` the simple index.
    `crates` is the sparse index of the crate; with `other_crates`, all others are taken out of that local registry, and
    `no_crates` says why it is not asked, if it should be. `registry` is host and path of the images, `tls` whether it
    wants TLS; `no_registry` says why it is not asked, if there should be one. `tap` is a git repository with a
    `branch`.
    """

    page: str
    repositories: str
    pypi: str = ""
    crates: str = ""
    other_crates: Path | None = None
    no_crates: str = ""
    registry: str = ""
    no_registry: str = ""
    tls: bool = True
    tap: str = ""
    branch: str = ""


@dataclass(frozen=True)
class StrangerReport:
    """What was seen at one place; `tried` is False if something could not be tried on this machine."""

    place: str
    what: str
    tried: bool = True


def of_manifest(release: Release) -> Addresses:
    """The addresses that the manifest names; a pre-release is only where those look who test."""
    targets, testing = release.targets, release.version.is_prerelease
    return Addresses(
        page=release.source.url.rpartition("/")[0],
        repositories=f"{targets.repositories.url}/testing" if testing else targets.repositories.url,
        pypi=targets.pypi.index if targets.pypi and not testing else "",
        crates=targets.crates.index if targets.crates and not testing else "",
        registry=release.images.registry if targets.registry else "",
        tap=targets.tap.url if targets.tap and not testing else "",
        branch=targets.tap.branch if targets.tap else "",
    )


def with_root(project: Project, console: Console) -> tuple[Project, str]:
    """The project, once the root that dnf and pacman install into is there; or why it cannot be had on this machine."""
    project = probe(project, [kinds.ROOTS])
    jobs = [job for job in jobs_of(project, [kinds.ROOTS]) if job.id == roots.job_of(_SUITE)]
    outcomes = execute(project, console, jobs)
    raise_first_error(console, outcomes)
    why = outcomes[0].why
    if why:
        console.say(f"warning: dnf and pacman will not be tried: {why}")
    return project, why


def with_crates(project: Project, console: Console) -> tuple[Path | None, str]:
    """The local registry with all crates that ours depends on; or why it cannot be had on this machine."""
    project = probe(project, [kinds.LOCAL_REGISTRY])
    outcomes = execute(project, console, jobs_of(project, [kinds.LOCAL_REGISTRY]))
    raise_first_error(console, outcomes)
    why = outcomes[0].why if outcomes[0].record is None else ""
    if why:
        console.say(f"warning: cargo will not be tried: {why}")
    return (None if why else project.dist / dist_paths.LOCAL_REGISTRY), why


def verify(project: Project, console: Console, version: str) -> None:
    """Download a version from its public addresses, verify it with the keys of this checkout, and install it.

    `HostError`, after the table, names what could not be tried here.
    """
    require_version(project, version)
    project, no_root = with_root(project, console)
    with working(project, console), tempfile.TemporaryDirectory(prefix="faas-runtime-published-") as scratch:
        log = project.dist / "logs" / "published.log"
        make_folder(log.parent)
        log.unlink(missing_ok=True)
        addresses, runner = of_manifest(project.release), Runner(log=log)
        found = list(look(project, addresses, Path(scratch), runner, console.say, no_root))
    show(console, f"{project.release.name} {version} as it was published", found)
    require_tried(found)


def show(console: Console, title: str, found: Sequence[StrangerReport]) -> None:
    """Show a table of what was seen at each place."""
    console.table(title, ["from", "what was seen"], [[one.place, one.what] for one in found])


def require_tried(found: Sequence[StrangerReport]) -> None:
    """Raise `HostError` if something could not be tried: then nobody knows whether it is as it was released."""
    if places := [one.place for one in found if not one.tried]:
        raise HostError(
            f"could not be tried here: {', '.join(places)}",
            hint="the table says what is missing; run the same command again where that is there",
        )


def look(
    project: Project, addresses: Addresses, folder: Path, runner: Runner, say: Callable[[str], None], no_root: str
) -> Iterator[StrangerReport]:
    """Download, verify and install in an empty folder; gives what was seen at each place. A fault is raised.

    `no_root` says why there is no root that dnf and pacman could install into; it is empty if there is one.
    """
    downloads, version = folder / "downloads", project.release.version
    with Web(name="download", say=say) as web:
        newer = stranger.replaced(web, addresses.repositories, version) if version.is_prerelease else {}
        stranger.download(web, addresses.page, addresses.repositories, downloads, without=newer)
    yield StrangerReport("release page", _verified(project, downloads, runner))
    for place, check in _checks(project, addresses, folder, runner, no_root, newer):
        say(f"{place}: installing")
        yield _seen(place, check)


def _seen(place: str, check: Callable[[], str]) -> StrangerReport:
    try:
        return StrangerReport(place, check())
    except NotTried as error:
        return StrangerReport(place, str(error), tried=False)
    except ToolError as error:
        return StrangerReport(place, f"not tried: {error}", tried=False)
    except CommandFailed as error:
        raise VerificationError(f"{place}: it does not install and run\n{error}", hint="see the log") from error


def _verified(project: Project, downloads: Path, runner: Runner) -> str:
    lines = verified(project, downloads, runner, stranger.NOT_AS_RELEASED, is_published=True).splitlines()
    return f"{sum(line.startswith('checked') for line in lines)} checks of verify.py, all right"


def _checks(
    project: Project,
    addresses: Addresses,
    folder: Path,
    runner: Runner,
    no_root: str,
    newer: Mapping[str, Version] = MappingProxyType({}),
) -> Iterator[tuple[str, Callable[[], str]]]:
    """What is installed from each place. `newer` are the trees that offer a newer version instead, see `replaced`."""
    release = project.release
    yield from _tree_checks(project, addresses.repositories, folder, runner, no_root, newer)

    def downloaded(name: str) -> Downloaded:
        return _downloaded(release, folder, runner, name)

    layer = dist_paths.lambda_layer(release, aws_name(host_name()))
    if (folder / "downloads" / safe(Path(layer).name)).is_file():
        yield "layer", lambda: published.from_layer(downloaded("layer"))
    if addresses.pypi:
        yield "pypi", lambda: published.from_pypi(downloaded("pypi"), addresses.pypi)
    if addresses.no_crates:
        yield "crates", partial(_not_tried, addresses.no_crates)
    elif addresses.crates and (folder / "downloads" / Path(dist_paths.crate(release)).name).is_file():
        by_cargo = partial(
            published.from_crates, project=project, index=addresses.crates, others=addresses.other_crates
        )
        yield "crates", lambda: by_cargo(downloaded("crates"))
    if addresses.no_registry:
        yield "images", partial(_not_tried, addresses.no_registry)
    for flavour in published.flavours(folder / "downloads", release) if addresses.registry else ():
        in_engine = partial(published.from_registry, registry=addresses.registry, flavour=flavour, tls=addresses.tls)
        yield f"image {flavour}", lambda run=in_engine, name=flavour: run(downloaded(f"image-{name}"))  # type: ignore[misc]
    if addresses.tap:
        in_tap = partial(published.from_tap, url=addresses.tap, branch=addresses.branch, stand_in=_STAND_IN)
        yield "tap", lambda: in_tap(downloaded("tap"), version_of=version_of)


def _tree_checks(
    project: Project, url: str, folder: Path, runner: Runner, no_root: str, newer: Mapping[str, Version]
) -> Iterator[tuple[str, Callable[[], str]]]:
    for name, there in newer.items():
        yield name, lambda there=there: f"the channel testing has {there}"  # type: ignore[misc]
    offered = [name for name in tree_record.TREES if name not in newer]
    if not offered:
        return
    if no_root:
        yield ", ".join(offered), partial(_not_tried, no_root)
        return
    key = project.release.keys.packages[0]
    file = project.root / key.file
    how = {
        "yum": partial(published.from_yum, url=url, key=file),
        "pacman": partial(published.from_pacman, url=url, key=file, fingerprint=key.openpgp),
    }
    for name in offered:
        yield name, partial(_from_tree, project, folder, runner, name, how[name])


def _from_tree(project: Project, folder: Path, runner: Runner, name: str, install: Callable[..., str]) -> str:
    found = _downloaded(project.release, folder, runner, name)
    return install(found, _root(project, folder, runner, f"root-{name}"))


def _downloaded(release: Release, folder: Path, runner: Runner, name: str) -> Downloaded:
    (folder / name).mkdir()
    return Downloaded(release=release, folder=folder / "downloads", scratch=folder / name, run=runner)


def _not_tried(why: str) -> str:
    raise NotTried(f"not tried: {why}")


def _root(project: Project, folder: Path, runner: Runner, name: str) -> in_root.Root:
    """An unpacked root whose programs reach the network of this machine."""
    place = folder / name
    place.mkdir()
    (suite,) = (one for one in roots.SUITES if one.name == _SUITE)
    work = Workspace(project=project, job="published", folder=place, out=place, run=runner)
    return dataclasses.replace(in_root.unpack(work, suite), network=True)
