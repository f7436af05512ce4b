"""The words that the plan, the builders and the verification share.

A builder is a module in `ci.builders` with one function, `jobs(project) -> tuple[Job, ...]`. A `Job` is the
smallest piece of work that can be up to date on its own: the making of some files, or the verification of one. Its
`build` function fills `Workspace.out` with exactly the promised `outputs` (by their names, not their paths);
whoever called it moves them to `dist/`. It may return a note for the report, such as a check that could not be run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ci.release import Release
from ci.run import Runner
from ci.tools import Tool, Toolbox


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line may choose; the empty value means: as the manifest says, or as it comes."""

    engine: str = "auto"
    flavours: tuple[str, ...] = ()
    bases: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Project:
    """One checkout, its manifest, where the results go, and the tools of the machine."""

    root: Path
    dist: Path
    release: Release
    toolbox: Toolbox
    options: Options = Options()


@dataclass(frozen=True, kw_only=True)
class Output:
    """A file, or a folder, that a job promises: `path` is relative to `dist/` and ends in the artefact's own name.

    `kind` names an artefact's kind in `artifacts.json`; without one the output is an intermediate result."""

    path: str
    kind: str = ""

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """Where one job works. `folder` is its own, empty at the start and removed after success."""

    project: Project
    job: str
    folder: Path
    out: Path
    run: Runner

    @property
    def release(self) -> Release:
        """The release that is being built."""
        return self.project.release

    def built(self, path: str) -> Path:
        """A finished output of a job that this one comes after, by its path relative to `dist/`."""
        return self.project.dist / path

    @property
    def baked(self) -> Path:
        """The second baked tree: `specs/`, `msys2/`, `formulae/` and `containers/` for this very build."""
        return self.project.dist / "baked"


@dataclass(frozen=True, kw_only=True)
class Job:
    """A piece of work: what it makes, what decides its bytes, and how it is done.

    `inputs` are files and folders of the repository, `values` further facts (a base image's digest, an
    architecture); with the versions of `tools` and `libraries`, the tooling's own code and the hashes of the jobs in
    `after` they form the input hash.
    A job with a reason in `unavailable` is reported and not built.
    """

    id: str
    builder: str
    outputs: tuple[Output, ...]
    build: Callable[[Workspace], str | None]
    tools: tuple[Tool, ...] = ()
    libraries: tuple[str, ...] = ()
    inputs: tuple[Path, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    unavailable: str = ""
