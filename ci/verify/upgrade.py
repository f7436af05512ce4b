"""The upgrade gate: previous version, this one, a new Python, back, removal; and the order of versions."""

from __future__ import annotations

import dataclasses
import itertools
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ci.core.errors import VerificationError
from ci.manifest import dist_paths
from ci.manifest.msys2 import ENVIRONMENTS
from ci.manifest.release import Release
from ci.manifest.versions import Version, parse
from ci.pipeline.jobs import Job, Output, Project, Verdict, Workspace
from ci.verify import in_dnf, in_pacman, in_root, previous, roots
from ci.verify.check import Check
from ci.verify.in_dnf import Dnf
from ci.verify.in_pacman import Pacman
from ci.verify.in_root import Root, RootEntry, unpack
from ci.verify.installed import (
    InstalledPaths,
    refusing,
    require_byte_code,
    require_files,
    require_nothing_said,
    require_removed,
    require_works,
)
from ci.verify.roots import Suite

NAME = "upgrade"
# From the oldest to the newest, in all forms that a version can have.
ORDER = ("{}.dev1", "{}a1.dev1", "{}a1", "{}b1", "{}rc1", "{}rc1.post1", "{}", "{}.post1.dev1", "{}.post1")
# A Python that is gone: what it had compiled must not stay.
_FOREIGN = "faas_runtime/__pycache__/serving.cpython-38.pyc"


@dataclass(frozen=True, kw_only=True)
class Manager:
    """What the steps do with one package manager; each installs exactly the named versions."""

    root: Root
    payload: str
    places: InstalledPaths
    install: Callable[[], None]
    upgrade: Callable[[], None]
    new_python: Callable[[], None]
    back: Callable[[], None]
    remove: Callable[[], None]
    owned: Callable[[], set[str]]
    spelling: Callable[[Version], str]
    compare: Callable[[Sequence[tuple[str, str]]], list[int]]


def jobs(project: Project, builds: Sequence[Job]) -> tuple[Job, ...]:
    """With dnf and with pacman, in the oldest and in the newest root that has it."""
    make = partial(in_root.job, project, builds, gate=NAME, after=(previous.FOLDER,))
    return (*_rpm_jobs(builds, make), *_msys2_jobs(builds, make, project.release.msys2.environments[0]))


def _rpm_jobs(builds: Sequence[Job], make: Callable[..., Job]) -> Iterator[Job]:
    for build in builds:
        outputs = {output.kind: output for output in build.outputs}
        if "rpm" in outputs:
            for suite in (roots.SUITES[0], roots.SUITES[-1]):
                pair = (outputs["rpm"], outputs["rpm-devel"])
                title = f"{pair[0].name} after the previous version, by dnf in Debian {suite.name}"
                upgrade = partial(_upgrade, manager=_with_dnf)
                yield make(build, suite, pair, upgrade, subject="rpm", title=title)


def _msys2_jobs(builds: Sequence[Job], make: Callable[..., Job], environment: str) -> Iterator[Job]:
    suites = [suite for suite in roots.SUITES if suite.has_pacman]
    for build in builds:
        if build.variant.environment == environment:
            for suite in (suites[0], suites[-1]):
                (output,) = build.outputs
                title = f"{output.name} after the previous version, by pacman in Debian {suite.name}"
                upgrade = partial(_upgrade, manager=partial(_with_pacman, environment=environment))
                yield make(build, suite, (output,), upgrade, subject=build.id, title=title)


def _upgrade(
    work: Workspace,
    *,
    suite: Suite,
    outputs: tuple[Output, ...],
    functions: Sequence[Job],
    manager: Callable[..., Manager],
) -> Verdict:
    root = unpack(work, suite)
    new, untried = in_root.check_in(work, root, outputs[0], functions)
    old = dataclasses.replace(new, project=previous.release_of(work.project))
    with refusing(outputs[0].path, suite.name):
        _require_life(new, old, manager(work, root, old.project.release))
    found = work.project.fact(previous.Previous)
    own = () if found.title else (found.note,)
    return Verdict(untried=(*own, *untried), notes=(found.note,) if found.title else ())


def _require_life(new: Check, old: Check, with_manager: Manager) -> None:
    """Go through all steps, and compare the root with what it was before."""
    root = with_manager.root
    require_order(new, with_manager)
    before = root.entries()
    with_manager.install()
    first = _installed(old, with_manager, before, "the previous version")
    with_manager.upgrade()
    second = _installed(new, with_manager, before, "the upgrade")
    _plant_foreign_byte_code(with_manager)
    with_manager.new_python()
    _require_same(new, second, _installed(new, with_manager, before, "the new Python"), "the new Python")
    with_manager.back()
    _require_same(new, first, _installed(old, with_manager, before, "the way back"), "the way back")
    with_manager.remove()
    require_removed(new, before, root.entries())
    require_nothing_said(new, (*in_dnf.FAULTS, *in_pacman.FAULTS))


def _installed(check: Check, manager: Manager, before: Mapping[str, RootEntry], step: str) -> dict[str, RootEntry]:
    """Require after a step that exactly the packages' files are there and that the function answers."""
    after = manager.root.entries()
    try:
        require_files(check, before, after, manager.owned())
        require_byte_code(check, manager.root, manager.payload)
        require_works(check, manager.root, manager.places)
    except VerificationError as error:
        raise VerificationError(f"after {step}: {error}") from error
    return after


def _require_same(check: Check, one: Mapping[str, RootEntry], other: Mapping[str, RootEntry], step: str) -> None:
    """The same files lie there as before, apart from when byte code was made."""
    check.require_same_set(set(other), set(one), f"files after {step}")
    compiled = ("__pycache__", ".pyc")
    changed = {
        path
        for path in one
        if one[path] != other[path] and stat.S_ISREG(one[path].mode) and not any(part in path for part in compiled)
    }
    check.require_equal(sorted(changed), [], f"files that are others after {step}")


def _plant_foreign_byte_code(manager: Manager) -> None:
    path = manager.root.folder / manager.payload.lstrip("/") / _FOREIGN
    path.write_bytes(b"byte code of an earlier Python")


def require_order(check: Check, manager: Manager) -> None:
    """Of all forms of a version, each is older than all that follow it, by the manager's own comparison."""
    numbers = check.project.release.version.release
    versions = [manager.spelling(parse(form.format(numbers))) for form in ORDER]
    pairs = list(itertools.combinations(versions, 2))
    wrong = [pair for pair, found in zip(pairs, manager.compare(pairs), strict=True) if found >= 0]
    check.require_equal(wrong, [], "versions of which the first is not older than the second")


def _with_dnf(work: Workspace, root: Root, old: Release) -> Manager:
    new, name = work.release, work.release.name
    dnf = Dnf(root=root)
    target = Path(root.python).name
    pythons = [
        in_dnf.python_stub(work.run, work.folder / f"python-{number}", f"{root.suite.python}.{number}", target)
        for number in (1, 2)
    ]
    base = in_dnf.base_stub(work.run, work.folder / "base")
    before = [work.project.dist / previous.FOLDER / path for path in (dist_paths.rpm(old), dist_paths.rpm_devel(old))]
    after = [work.built(path) for path in (dist_paths.rpm(new), dist_paths.rpm_devel(new))]
    versions = [f"{one}-{old.version.rpm}-{old.rpm.release}" for one in (name, f"{name}-devel")]

    def install() -> None:
        dnf.offer([base, pythons[0], *before])
        dnf("install", f"{name}-devel")

    def upgrade() -> None:
        dnf.offer([base, pythons[0], *before, *after])
        dnf("upgrade")
        dnf.offer([base, *pythons, *before, *after])

    return Manager(
        root=root,
        payload="/usr/lib/faas-runtime",
        places=InstalledPaths(
            command="/usr/bin/faas-runtime",
            payload="/usr/lib/faas-runtime",
            manual="/usr/share/man/man1/faas-runtime.1.gz",
            include="/usr/include",
        ),
        install=install,
        upgrade=upgrade,
        new_python=lambda: dnf("upgrade", "python3"),
        back=lambda: dnf("downgrade", *versions),
        remove=lambda: dnf("remove", name, "python3", in_dnf.BASE),
        owned=dnf.owned,
        spelling=lambda version: version.rpm,
        compare=dnf.compare,
    )


def _with_pacman(work: Workspace, root: Root, old: Release, *, environment: str) -> Manager:
    prefix = ENVIRONMENTS[environment].package_prefix
    name = f"{prefix}-{work.release.name}"
    pacman = Pacman(root=root)
    pythons = [
        in_pacman.python_stub(work.folder / "stub", environment, f"{root.suite.python}.{number}", root.python)
        for number in (1, 2)
    ]
    before = work.project.dist / previous.FOLDER / dist_paths.msys2(old, environment)
    after = work.built(dist_paths.msys2(work.release, environment))

    def offered(*packages: Path) -> None:
        pacman.offer(packages)
        pacman("-Syu")

    def install() -> None:
        pacman.offer([pythons[0], before])
        pacman("-Sy", name)

    def back() -> None:
        pacman.offer([pythons[1], before])
        pacman("-Syuu")

    return Manager(
        root=root,
        payload=f"/{environment}/lib/faas-runtime",
        places=InstalledPaths(
            command=f"/{environment}/bin/faas-runtime",
            payload=f"/{environment}/lib/faas-runtime",
            manual=f"/{environment}/share/man/man1/faas-runtime.1.gz",
            include=f"/{environment}/include",
        ),
        install=install,
        upgrade=lambda: offered(pythons[0], after),
        new_python=lambda: offered(pythons[1], after),
        back=back,
        remove=lambda: pacman("-R", name, f"{prefix}-python"),
        owned=pacman.owned,
        spelling=lambda version: version.pacman,
        compare=pacman.compare,
    )
