"""The kinds of artefact: one entry for each, from which all stages take what they must know about it.

This module imports nothing of the project, so that every stage and the noxfile may read it. An entry names functions
as text, "module:function"; `ci.core.resolve` imports them when they are needed, so that a session imports only what
its own kinds use. CONTRIBUTING.md, "To add a kind of artefact", has the steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, kw_only=True)
class Builder:
    """A module that makes jobs, and what must be there before it can.

    `name` is the `builder` of its jobs. `jobs` names a function from the `Project` to a tuple of jobs. `probe` names
    one from the `Project` to what the jobs must know about this machine, see `Project.fact`. `needs` are the builders
    whose jobs come before these. `table` names a function that returns title, columns and rows of a table, which is
    shown after the session. If `given_jobs`, the function `jobs` takes the jobs of the builders before it as well.
    """

    name: str
    jobs: str
    probe: str = ""
    needs: tuple[Builder, ...] = ()
    table: str = ""
    given_jobs: bool = False


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of artefact.

    `name` is the kind in `artifacts.json`, `title` is for people. `session` is the Nox session that builds it; kinds
    may share one. `options` are what that session takes after `--`. `verifier` names a function from a `Check` to a
    `Verdict`, `verified_with` the builders whose files it reads besides the artefact's own, `tools` the programs it
    runs, each with the oldest version that is supported. `lints` name functions from the `Runner` and the `Project` to
    the findings in committed files. The artefact is in `dist/FOLDER/`. `rendered` is the folder of the repository that
    has the files that are rendered for it, if there is one. `digest` names a function from the path of an artefact to
    the digest by which registries know its content, if they do.

    Three functions read the finished file: `facts` what it says of itself, for the gate `consistency`, `contents` what
    it consists of, for `compare`, and `installed` puts its runtime into a folder, for the gate `equivalence`. The last
    two are empty where there is nothing to compare, or no runtime to start. `has_payload` says whether all files of the
    runtime are in it.
    """

    name: str
    title: str
    session: str
    builder: Builder
    verifier: str
    facts: str
    contents: str
    installed: str
    folder: str
    media_type: str
    has_payload: bool = False
    options: str = ""
    verified_with: tuple[Builder, ...] = ()
    tools: Mapping[str, str] = field(default_factory=dict)
    lints: tuple[str, ...] = ()
    rendered: str = ""
    digest: str = ""


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What is proven of finished artefacts on other systems, or of several artefacts together.

    `name` is the gate in `artifacts.json`, `title` is for people. `jobs` names a function from the `Project` and the
    jobs of all builders to the jobs of the gate; each has the gate's name in `Job.gate`. `probe` names one from the
    `Project` to what these must know about this machine. `verified_with` are the builders whose files they read besides
    the artefacts.
    """

    name: str
    title: str
    jobs: str
    probe: str = ""
    verified_with: tuple[Builder, ...] = ()


# What artefacts are made from, or verified with.
SDIST = Builder(name="sdist", jobs="ci.builders.sdist:jobs", probe="ci.builders.sdist:probe")
RENDERED_TREE = Builder(name="baked", jobs="ci.builders.baked:jobs", needs=(SDIST,))
FUNCTIONS = Builder(name="functions", jobs="ci.builders.functions:jobs", probe="ci.builders.functions:probe")

ROOTS = Builder(name="roots", jobs="ci.verify.roots:jobs", probe="ci.verify.roots:probe")

_MADE_FROM = (SDIST, RENDERED_TREE)
RPM = Builder(name="rpm", jobs="ci.builders.rpm:jobs", probe="ci.builders.rpm:probe", needs=_MADE_FROM)
MSYS2 = Builder(name="msys2", jobs="ci.builders.msys2:jobs", probe="ci.builders.msys2:probe", needs=_MADE_FROM)
BREW = Builder(name="brew", jobs="ci.builders.brew:jobs", needs=_MADE_FROM)
MICRO_LAYERS = Builder(
    name="micro-layers",
    jobs="ci.images.micro_layers:jobs",
    probe="ci.images.micro_layers:probe",
    needs=_MADE_FROM,
)
IMAGES = Builder(
    name="images",
    jobs="ci.builders.images:jobs",
    probe="ci.builders.images:probe",
    needs=(*_MADE_FROM, RPM, MICRO_LAYERS),
    table="ci.builders.images:size_table",
)
LAMBDA_LAYER = Builder(name="lambda-layer", jobs="ci.builders.lambda_layer:jobs", needs=(*_MADE_FROM, MICRO_LAYERS))

LOCAL_REGISTRY = Builder(
    name="local-registry", jobs="ci.builders.local_registry:jobs", probe="ci.builders.local_registry:probe"
)
CRATE = Builder(name="crate", jobs="ci.builders.crate:jobs", probe="ci.builders.crate:probe", needs=(LOCAL_REGISTRY,))

# It describes what the others have made.
SBOM = Builder(
    name="sbom",
    jobs="ci.builders.sbom:jobs",
    needs=(SDIST, RPM, MSYS2, BREW, CRATE, IMAGES, LAMBDA_LAYER),
    given_jobs=True,
)

PREVIOUS = Builder(
    name="previous", jobs="ci.verify.previous:jobs", probe="ci.verify.previous:probe", needs=(RPM, MSYS2)
)

_SDIST = Kind(
    name="sdist",
    title="the source tarball",
    session="sdist",
    builder=SDIST,
    verifier="ci.verify.sdist:verify_sdist",
    facts="ci.verify.consistency.readers:sdist",
    contents="ci.prove.contents:sdist",
    installed="ci.verify.equivalence.installed:sdist",
    has_payload=True,
    verified_with=(SDIST, FUNCTIONS),
    lints=("ci.lint.checks:mandoc",),
    folder="sdist",
    media_type="application/gzip",
)
_WHEEL = replace(
    _SDIST,
    name="wheel",
    title="the wheel",
    verifier="ci.verify.sdist:verify_wheel",
    facts="ci.verify.consistency.readers:wheel",
    contents="ci.prove.contents:wheel",
    installed="ci.verify.equivalence.installed:wheel",
    lints=(),
    media_type="application/zip",
)
_RPM = Kind(
    name="rpm",
    title="the RPM",
    session="rpm",
    builder=RPM,
    verifier="ci.verify.rpm:verify",
    facts="ci.verify.consistency.readers:rpm",
    contents="ci.prove.contents:rpm",
    installed="ci.verify.equivalence.installed:rpm",
    has_payload=True,
    verified_with=(SDIST, FUNCTIONS),
    tools={"rpm": "4.16", "rpmlint": "2.4"},
    lints=("ci.lint.checks:rpmlint",),
    folder="rpm",
    media_type="application/x-rpm",
    rendered="specs",
)
_RPM_DEVEL = replace(
    _RPM,
    name="rpm-devel",
    title="the -devel RPM",
    facts="ci.verify.consistency.readers:rpm_devel",
    installed="",
    has_payload=False,
    verified_with=(SDIST,),
    lints=(),
)
_SRPM = replace(_RPM_DEVEL, name="srpm", title="the source RPM", facts="ci.verify.consistency.readers:srpm")
_MSYS2 = Kind(
    name="msys2",
    title="the MSYS2 packages",
    session="msys2",
    builder=MSYS2,
    verifier="ci.verify.msys2:verify",
    facts="ci.verify.consistency.readers:msys2",
    contents="ci.prove.contents:msys2",
    installed="ci.verify.equivalence.installed:msys2",
    has_payload=True,
    verified_with=(SDIST, FUNCTIONS),
    tools={"bsdtar": "0", "pacman": "0", "zstd": "0"},
    lints=("ci.lint.checks:makepkg", "ci.lint.checks:shellcheck"),
    folder="msys2",
    media_type="application/zstd",
    rendered="msys2",
)
_FORMULA = Kind(
    name="formula",
    title="the Homebrew formula",
    session="brew",
    builder=BREW,
    verifier="ci.verify.formula:verify",
    facts="ci.verify.consistency.readers:formula",
    contents="ci.prove.contents:formula",
    installed="ci.verify.equivalence.installed:formula",
    verified_with=(SDIST, FUNCTIONS),
    tools={"ruby": "2.7"},
    lints=("ci.lint.checks:ruby", "ci.lint.checks:rubocop"),
    folder="formulae",
    media_type="text/x-ruby",
    rendered="formulae",
)
_CRATE = Kind(
    name="crate",
    title="the crate for functions in Rust",
    session="crate",
    builder=CRATE,
    verifier="ci.verify.crate:verify",
    facts="ci.verify.consistency.crate:facts",
    contents="ci.prove.contents:crate",
    installed="",
    verified_with=(SDIST, LOCAL_REGISTRY),
    tools={"cargo": "1.84"},
    folder="crates",
    media_type="application/gzip",
)
_IMAGE = Kind(
    name="image",
    title="the images",
    session="images",
    options="--flavour NAME --engine NAME --base FLAVOUR=REF",
    builder=IMAGES,
    verifier="ci.verify.image:verify",
    facts="ci.verify.consistency.readers:image",
    contents="ci.prove.contents:image",
    installed="ci.verify.equivalence.installed:image",
    has_payload=True,
    verified_with=(SDIST, FUNCTIONS),
    tools={"skopeo": "1.4"},
    lints=("ci.lint.checks:hadolint",),
    folder="images",
    media_type="application/vnd.oci.image.layout.v1+tar",
    digest="ci.images.archive_parts:digest_of",
    rendered="containers",
)
_LAMBDA_LAYER = Kind(
    name="lambda-layer",
    title="the layers for AWS Lambda",
    session="layer",
    builder=LAMBDA_LAYER,
    verifier="ci.verify.lambda_layer:verify",
    facts="ci.verify.consistency.readers:lambda_layer",
    contents="ci.prove.contents:lambda_layer",
    installed="ci.verify.equivalence.installed:lambda_layer",
    has_payload=True,
    verified_with=(SDIST, FUNCTIONS),
    tools={"bsdtar": "0"},
    folder="layers",
    media_type="application/zip",
)
_SBOM = Kind(
    name="sbom",
    title="the SBOMs of all other artefacts",
    session="sbom",
    options=_IMAGE.options,
    builder=SBOM,
    verifier="ci.verify.sbom:verify",
    facts="ci.verify.consistency.readers:sbom",
    contents="",  # the artefacts that they describe are compared
    installed="",
    tools={"bsdtar": "0", "rpm": "4.16"},
    folder="sbom",
    media_type="application/json",
)

_IMAGE_INDEX = replace(
    _IMAGE,
    name="image-index",
    title="the index of each flavour's images",
    options="",
    verifier="ci.verify.image_index:verify",
    facts="ci.verify.consistency.readers:index",
    contents="ci.prove.contents:image_index",
    installed="",
    has_payload=False,
    verified_with=(),
    lints=(),
)

KINDS: tuple[Kind, ...] = (
    *(_SDIST, _WHEEL, _RPM, _RPM_DEVEL, _SRPM, _MSYS2),
    *(_FORMULA, _CRATE, _LAMBDA_LAYER, _IMAGE, _IMAGE_INDEX, _SBOM),
)


GATES: tuple[Gate, ...] = (
    Gate(
        name="install",
        title="each artefact is installed by its own package manager, works, and leaves nothing when it is removed",
        jobs="ci.verify.gate:jobs",
        probe="ci.verify.in_prefix:probe",
        verified_with=(ROOTS, FUNCTIONS),
    ),
    Gate(
        name="upgrade",
        title="the previous version is upgraded to this one, set back and removed, and a new Python comes in between",
        jobs="ci.verify.upgrade:jobs",
        verified_with=(ROOTS, FUNCTIONS, PREVIOUS),
    ),
    Gate(
        name="consistency",
        title="the same facts in every artefact",
        jobs="ci.verify.consistency.gate:jobs",
        verified_with=(SDIST, RENDERED_TREE),
    ),
    Gate(
        name="equivalence",
        title="the same behaviour from every artefact",
        jobs="ci.verify.equivalence.gate:jobs",
        probe="ci.verify.equivalence.gate:probe",
        verified_with=(SDIST, FUNCTIONS, ROOTS),
    ),
)


def kind_named(name: str) -> Kind:
    """The kind of that name; `KeyError` if there is none."""
    return {kind.name: kind for kind in KINDS}[name]


def kinds_of(session: str) -> tuple[Kind, ...]:
    """The kinds that a session builds; none if no kind names the session."""
    return tuple(kind for kind in KINDS if kind.session == session)


def sessions() -> dict[str, str]:
    """The sessions that build artefacts, each with the line that `nox -l` shows."""
    return {name: _summary(kinds_of(name)) for name in dict.fromkeys(kind.session for kind in KINDS)}


def _summary(kinds: tuple[Kind, ...]) -> str:
    *others, last = (kind.title for kind in kinds)
    titles = f"{', '.join(others)} and {last}" if others else last
    options = "".join(f"; -- {kind.options}" for kind in kinds if kind.options)
    return f"Build {titles}{options}."


def rendered_folders() -> tuple[str, ...]:
    """The folders of the repository that contain only rendered files, sorted."""
    return tuple(sorted({kind.rendered for kind in KINDS if kind.rendered}))


def builders_of(kinds: Iterable[Kind], *, verified: bool = False, gates: Iterable[Gate] = ()) -> tuple[Builder, ...]:
    """The builders of these kinds, each after those it needs.

    If `verified`, with those that the verifications need. With those that the `gates` need.
    """
    found: dict[str, Builder] = {}

    def add(builder: Builder) -> None:
        for earlier in builder.needs:
            add(earlier)
        found.setdefault(builder.name, builder)

    for kind in kinds:
        for builder in (kind.builder, *(kind.verified_with if verified else ())):
            add(builder)
    for gate in gates:
        for builder in gate.verified_with:
            add(builder)
    return tuple(found.values())
