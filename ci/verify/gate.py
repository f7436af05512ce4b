"""The install gate: each artefact is installed by its own package manager, works there, and is removed again."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ci.core.architectures import host_name
from ci.core.tools import Tool
from ci.manifest.msys2 import ENVIRONMENTS
from ci.pipeline.jobs import Job, Output, Project, Verdict, Workspace
from ci.verify import in_dnf, in_engine, in_opt, in_pacman, in_pip, in_prefix, in_root, roots
from ci.verify.check import Check, built_function, can_run, check_of
from ci.verify.in_dnf import Dnf
from ci.verify.in_pacman import Pacman
from ci.verify.in_pip import Pip
from ci.verify.in_root import check_in, unpack
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

NAME = "install"
_RPM_PLACES = InstalledPaths(
    command="/usr/bin/faas-runtime",
    payload="/usr/lib/faas-runtime",
    manual="/usr/share/man/man1/faas-runtime.1.gz",
    include="/usr/include",
)


def jobs(project: Project, builds: Sequence[Job]) -> tuple[Job, ...]:
    """The jobs of this gate: for each artefact that a package manager or Lambda installs, one in each root for it."""
    make = partial(in_root.job, project, builds, gate=NAME)
    in_roots = (
        *_rpm_jobs(builds, make),
        *_msys2_jobs(builds, make),
        *_wheel_jobs(builds, make),
        *_layer_jobs(builds, make),
    )
    return (*in_roots, *_jobs_on_host(project, builds))


def _rpm_jobs(builds: Sequence[Job], make: Callable[..., Job]) -> Iterator[Job]:
    for build in builds:
        packages = {output.kind: output for output in build.outputs}
        if "rpm" in packages:
            pair = (packages["rpm"], packages["rpm-devel"])
            for suite in roots.SUITES:
                title = f"{pair[0].name} by dnf in Debian {suite.name}, Python {suite.python}"
                install = partial(_install, install=_install_rpm)
                yield make(build, suite, pair, install, subject="rpm", title=title)


def _msys2_jobs(builds: Sequence[Job], make: Callable[..., Job]) -> Iterator[Job]:
    """One for each environment; each has another root, as they differ in nothing but names."""
    suites = itertools.cycle(suite for suite in roots.SUITES if suite.has_pacman)
    for build in builds:
        if build.variant.environment:
            (output,) = build.outputs
            suite = next(suites)
            install = partial(_install, install=_install_msys2, environment=build.variant.environment)
            title = f"{output.name} by pacman in Debian {suite.name}, Python {suite.python}"
            yield make(build, suite, (output,), install, subject=build.id, title=title)


def _wheel_jobs(builds: Sequence[Job], make: Callable[..., Job]) -> Iterator[Job]:
    for build in builds:
        for output in build.outputs:
            if output.kind == "wheel":
                for suite in roots.SUITES:
                    title = f"{output.name} by pip in Debian {suite.name}, Python {suite.python}"
                    install = partial(_install, install=_install_wheel)
                    yield make(build, suite, (output,), install, subject="wheel", title=title)


def _layer_jobs(builds: Sequence[Job], make: Callable[..., Job]) -> Iterator[Job]:
    """One in the oldest root and one in the newest: the glibc of Lambda's system is between theirs."""
    for build in builds:
        for output in build.outputs:
            if output.kind == "lambda-layer" and build.variant.architecture == host_name():
                for suite in (roots.SUITES[0], roots.SUITES[-1]):
                    title = f"{output.name} as Lambda unpacks it, in Debian {suite.name} without any Python"
                    install = partial(_install, install=_install_layer)
                    yield make(build, suite, (output,), install, subject=build.id, title=title)


def _jobs_on_host(project: Project, builds: Sequence[Job]) -> Iterator[Job]:
    """One for the formula, which goes into a prefix, and one for each image, which goes into an engine's storage.

    Their verifications have installed and started them, too, also in a snapshot without gates. Of what those have found
    out, nothing is asked again here: see `ci.verify.in_prefix` and `ci.verify.in_engine`.
    """
    has_brew = bool(project.fact(in_prefix.FoundBrew).program)
    by = "brew" if has_brew else "a stand-in for brew"
    for build in builds:
        for output in build.outputs:
            if output.kind == "formula":
                tools = () if has_brew else (Tool(name="ruby"),)
                title = f"{output.name} by {by} into a prefix, and through its links there"
                yield _on_host(project, builds, build, output, in_prefix.install, title, tools)
            elif output.kind == "image":
                title = f"{output.name} as an engine unpacks it, seen by its user"
                yield _on_host(project, builds, build, output, in_engine.install, title, ())


def _on_host(
    project: Project,
    builds: Sequence[Job],
    build: Job,
    output: Output,
    install: Callable[[Check], Verdict],
    title: str,
    tools: tuple[Tool, ...],
) -> Job:
    functions = [one for one in builds if can_run(build.variant, one)]
    return Job(
        id=f"{NAME}-{build.id}",
        builder=NAME,
        variant=build.variant,
        outputs=(),
        build=partial(_install_on_host, build=build, output=output, install=install, functions=functions),
        tools=tools,
        inputs=(project.root / "ci" / "verify",),
        after=tuple(dict.fromkeys((build.id, "sdist", *(one.id for one in functions)))),
        gate=NAME,
        title=title,
        artifacts=(output.path,),
    )


def _install_on_host(
    work: Workspace,
    *,
    build: Job,
    output: Output,
    install: Callable[[Check], Verdict],
    functions: Sequence[Job],
) -> Verdict:
    return install(check_of(work, output, (built_function(work, one) for one in functions), build.variant))


def _install(work: Workspace, *, install: Callable[..., Verdict], suite: Suite, **rest: Any) -> Verdict:
    with refusing(rest["outputs"][0].path, suite.name):
        return install(work, suite=suite, **rest)


def _install_rpm(work: Workspace, *, suite: Suite, outputs: tuple[Output, ...], functions: Sequence[Job]) -> Verdict:
    root = unpack(work, suite)
    check, untried = check_in(work, root, outputs[0], functions)
    name = work.release.name
    dnf = Dnf(root=root)
    stub = in_dnf.python_stub(work.run, work.folder / "stub", suite.python, Path(root.python).name)
    base = in_dnf.base_stub(work.run, work.folder / "base")
    dnf.offer([stub, base, *(work.built(output.path) for output in outputs)])
    before = root.entries()
    dnf("install", f"{name}-devel")
    check.require_same_set(
        dnf.installed(), {"python3", in_dnf.BASE, name, f"{name}-devel"}, "packages that dnf has installed"
    )
    root("rpm", "-V", name, f"{name}-devel")
    require_files(check, before, root.entries(), dnf.owned())
    require_byte_code(check, root, _RPM_PLACES.payload)
    installed = root.entries()
    require_works(check, root, _RPM_PLACES)
    check.require_equal(root.entries(), installed, "files that the runtime has changed")
    dnf("remove", name, "python3", in_dnf.BASE)
    require_removed(check, before, root.entries())
    require_nothing_said(check, in_dnf.FAULTS)
    return Verdict(untried=untried)


def _install_msys2(
    work: Workspace, *, suite: Suite, outputs: tuple[Output, ...], functions: Sequence[Job], environment: str
) -> Verdict:
    root = unpack(work, suite)
    check, untried = check_in(work, root, outputs[0], functions)
    prefix = ENVIRONMENTS[environment].package_prefix
    name = f"{prefix}-{work.release.name}"
    places = InstalledPaths(
        command=f"/{environment}/bin/faas-runtime",
        payload=f"/{environment}/lib/faas-runtime",
        manual=f"/{environment}/share/man/man1/faas-runtime.1.gz",
        include=f"/{environment}/include",
    )
    pacman = Pacman(root=root)
    stub = in_pacman.python_stub(work.folder / "stub", environment, f"{suite.python}.0", root.python)
    pacman.offer([stub, work.built(outputs[0].path)])
    before = root.entries()
    pacman("-Sy", name)
    check.require_same_set(pacman.installed(), {name, f"{prefix}-python"}, "packages that pacman has installed")
    pacman("-Qkk", name)
    require_files(check, before, root.entries(), pacman.owned())
    require_byte_code(check, root, places.payload)
    installed = root.entries()
    require_works(check, root, places)
    check.require_equal(root.entries(), installed, "files that the runtime has changed")
    pacman("-R", name, f"{prefix}-python")
    require_removed(check, before, root.entries())
    require_nothing_said(check, in_pacman.FAULTS)
    return Verdict(untried=("the .cmd was not started: no Windows here", *untried))


def _install_wheel(work: Workspace, *, suite: Suite, outputs: tuple[Output, ...], functions: Sequence[Job]) -> Verdict:
    root = unpack(work, suite)
    check, untried = check_in(work, root, outputs[0], functions)
    pip = Pip(root=root)
    pip.offer(work.built(outputs[0].path))
    before = root.entries()
    pip("install", "--no-index", "--find-links", "/srv/wheels", work.release.name)
    pip("check")
    require_files(check, before, root.entries(), pip.owned())
    installed = root.entries()
    require_works(check, root, InstalledPaths(command=f"{in_pip.ENVIRONMENT}/bin/faas-runtime", payload=pip.packages))
    check.require_equal(root.entries(), installed, "files that the runtime has changed")
    pip("uninstall", "--yes", work.release.name)
    require_removed(check, before, root.entries())
    return Verdict(untried=untried)


def _install_layer(work: Workspace, *, suite: Suite, outputs: tuple[Output, ...], functions: Sequence[Job]) -> Verdict:
    root = unpack(work, suite)
    # All functions run, whatever glibc the root has: the layer brings its own.
    check = check_of(work, outputs[0], [built_function(work, one) for one in functions])
    in_opt.prepare(root)
    before = root.entries()
    in_opt.unpack(check, root)
    require_files(check, before, root.entries(), in_opt.entries_of(check))
    installed = root.entries()
    require_works(check, root, InstalledPaths(command=in_opt.COMMAND, payload=in_opt.PAYLOAD))
    check.require_equal(root.entries(), installed, "files that the runtime has changed")
    in_opt.remove(root)
    require_removed(check, before, root.entries())
    return Verdict()
