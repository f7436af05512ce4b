"""What a job is: the types that the plan, the builders and the verifications share.

A builder is a module in `ci.builders` with a function `jobs(project) -> tuple[Job, ...]`. That function starts no
program and asks the machine nothing. What jobs must know about the machine, such as which container engine works, is
found by the module's function `probe(project)` before, and handed over in the project: `Project.fact`.

A `Job` is the smallest piece of work that can be up to date on its own: it makes some files, or it verifies an
artefact. Its `build` function writes exactly the files of `outputs` to `Workspace.out`, under their names; the
scheduler moves them to `dist/`. It may return a note for the report. The job of a verification returns a `Verdict`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from ci.core.run import Runner
from ci.core.tools import Tool, Toolbox
from ci.manifest import dist_paths
from ci.manifest.release import Release
from ci.pipeline.inputs import Inputs

Probed = TypeVar("Probed")


@dataclass(frozen=True, kw_only=True)
class Signing:
    """The OpenPGP key that packages are signed with, by its fingerprint, and the home folder of GnuPG that has it.

    `passphrase` is a file with its passphrase; without it, the key has none, or the user's agent knows it.
    """

    openpgp: str
    gnupg_home: Path
    passphrase: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line chooses. Nothing chosen: the engine that works, all flavours, the manifest's bases.

    `locked` are the inputs that a build must take and no others; None: those that are found now. `previous` names the
    version that upgrades begin with, a folder or a revision; empty: the newest tag of an older version. With `signing`,
    RPMs are signed. With `signatures`, a folder of signed RPMs, they get the signatures of those instead: that takes no
    private key, and gives the same bytes if header and payload are the same.
    """

    engine: str = "auto"
    flavours: tuple[str, ...] = ()
    bases: Mapping[str, str] = field(default_factory=dict)
    locked: Inputs | None = None
    previous: str = ""
    signing: Signing | None = None
    signatures: Path | None = None

    @property
    def signed(self) -> bool:
        """Whether the RPMs have signatures."""
        return self.signing is not None or self.signatures is not None


@dataclass(frozen=True, kw_only=True)
class Project:
    """One checkout, its manifest, where the results go, and what is known about this machine.

    `facts` are the results of the builders' probes, by their type.
    """

    root: Path
    dist: Path
    release: Release
    toolbox: Toolbox
    options: Options = Options()
    facts: Mapping[type, object] = field(default_factory=dict)

    @property
    def sdist(self) -> Path:
        """The source tarball, from which all other artefacts are made."""
        return self.dist / dist_paths.sdist(self.release)

    @property
    def rendered(self) -> Path:
        """The rendered tree of this build, with folders such as `specs/`; the committed one is in `root`."""
        return self.dist / dist_paths.RENDERED

    def fact(self, kind: type[Probed]) -> Probed:
        """The result of the probe that returns this type. Raises `KeyError` if that probe has not run."""
        found = self.facts[kind]
        assert isinstance(found, kind)
        return found

    def with_facts(self, *facts: object) -> Project:
        """This project with more facts, or newer ones."""
        return dataclasses.replace(self, facts={**self.facts, **{type(fact): fact for fact in facts}})


@dataclass(frozen=True, kw_only=True)
class Output:
    """A file or a folder that a job makes: `path` is relative to `dist/` and ends in the artefact's own name.

    `kind` is the artefact's kind in `artifacts.json`. An output without a kind is an intermediate result."""

    path: str
    kind: str = ""

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What distinguishes a job from the others of its builder. An empty field makes no difference to the job.

    `flavour` is that of an image. `architecture` has the name that Debian and container images use, such as "amd64".
    `libc` is "glibc" or "musl". `language` is that of an example function. `environment` is one of MSYS2's. `suite` is
    the Debian suite of a root that artefacts are installed into, such as "trixie".
    """

    flavour: str = ""
    architecture: str = ""
    libc: str = ""
    language: str = ""
    environment: str = ""
    suite: str = ""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a verification found out about an artefact that is correct; an incorrect one raises `VerificationError`.

    `not_run` is the reason why the artefact was opened but could not be started here. It is empty for one that passed.
    `untried` is what else belongs to the verification and was left out here, such as a start on Windows. `notes` are
    other remarks.
    """

    not_run: str = ""
    untried: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing that belongs to the verification was left out."""
        return not self.not_run

    def __str__(self) -> str:
        """Return all that it says in one line; it is empty if there is nothing to say."""
        return "; ".join(filter(None, (self.not_run, *self.untried, *self.notes)))


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """Where one job works. `folder` is its own, empty at the start and removed after success.

    `needs` are the paths, relative to `dist/`, of all files that the jobs before this one have made.
    """

    project: Project
    job: str
    folder: Path
    out: Path
    run: Runner
    needs: frozenset[str] = frozenset()

    @property
    def release(self) -> Release:
        """The release that is being built."""
        return self.project.release

    def built(self, path: str) -> Path:
        """A finished output of a job that this one comes after, by its path relative to `dist/`."""
        return self.project.dist / path


@dataclass(frozen=True, kw_only=True)
class Job:
    """A piece of work: what it makes, what decides its bytes, and how it is done.

    `inputs` are files and folders of the repository, `values` further facts (the digest of a base image, an
    architecture). Together with the versions of `tools` and `libraries`, the code of the tooling and the hashes of the
    jobs in `after` they form the input hash.
    A job with a reason in `unavailable` is reported and not built, and neither are those that name it in `after`. A job
    comes after those in `after_available` too, but only after those of them that are available on this machine.

    `keeps` and `unpacks` are what it needs of the disk, in bytes, where that is much: what it leaves there, and what it
    needs while it works.

    A job of a gate has the gate's name in `gate`. `title` then says for people what it proves, and `artifacts` are the
    paths of the artefacts, relative to `dist/`, that it proves something of.
    """

    id: str
    builder: str
    outputs: tuple[Output, ...]
    build: Callable[[Workspace], str | Verdict | None]
    variant: Variant = Variant()
    tools: tuple[Tool, ...] = ()
    libraries: tuple[str, ...] = ()
    inputs: tuple[Path, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    after_available: tuple[str, ...] = ()
    unavailable: str = ""
    keeps: int = 0
    unpacks: int = 0
    gate: str = ""
    title: str = ""
    artifacts: tuple[str, ...] = ()
