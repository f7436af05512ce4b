"""The jobs of the gate: one reads the facts out of every artefact and writes the table, one compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from ci.builders.msys2 import environment_variables, give_to_user, prepare, unprivileged
from ci.core.build_dir import build_dir
from ci.core.errors import ReleaseError, VerificationError
from ci.core.resolve import resolve
from ci.core.tools import Tool
from ci.manifest import dist_paths
from ci.pipeline.entries import entry_of
from ci.pipeline.jobs import Job, Output, Project, Variant, Verdict, Workspace
from ci.verify.consistency import expected, readers, table
from ci.verify.consistency.expected import COMMITTED, NOT_PUBLISHED, PAYLOAD, SOURCE, Facts
from ci.verify.consistency.readers import ArtifactOfProject

GATE = "consistency"
PATH = "consistency.json"
_TABLE = "consistency-table"
_TOOLS = ("rpm", "rpmspec", "bsdtar", "pacman", "makepkg", "ruby", "skopeo")
_MOST_LINES = 20


def jobs(project: Project, builds: Sequence[Job]) -> tuple[Job, ...]:
    """Both jobs. An artefact that cannot be built here is not in the table."""
    artifacts = [(build, output) for build in builds for output in build.outputs if output.kind]
    paths = tuple(output.path for _, output in artifacts)
    return (
        Job(
            id=_TABLE,
            builder=GATE,
            outputs=(Output(path=PATH),),
            build=partial(_write_table, artifacts=artifacts),
            tools=tuple(Tool(name=name) for name in (*_TOOLS, *_rust(artifacts))),
            inputs=(*_own_files(project), project.root / "formulae", project.root / "msys2"),
            values={"release": repr(project.release)},
            after=("sdist", "baked"),
            after_available=tuple(dict.fromkeys(build.id for build, _ in artifacts)),
            gate=GATE,
            title="every artefact can be asked for its facts",
            artifacts=paths,
        ),
        Job(
            id="consistency-facts",
            builder=GATE,
            outputs=(),
            build=_compare,
            inputs=_own_files(project),
            after=(_TABLE,),
            gate=GATE,
            title="all artefacts and the manifest say the same",
            artifacts=paths,
        ),
    )


def _rust(artifacts: Sequence[tuple[Job, Output]]) -> tuple[str, ...]:
    """The program that reads the crate, where there is one: a machine without it has no crate."""
    return ("cargo",) if any(output.kind == "crate" and not build.unavailable for build, output in artifacts) else ()


def _own_files(project: Project) -> tuple[Path, ...]:
    folder = project.root / "ci" / "verify"
    return (folder / "consistency", folder / "brew_stand_in.rb")


def _write_table(work: Workspace, *, artifacts: Sequence[tuple[Job, Output]]) -> Verdict:
    (work.project.dist / PATH).unlink(missing_ok=True)  # an old table would not describe these artefacts
    present = [(build, output) for build, output in artifacts if output.path in work.needs]
    found = {output.path: _facts_of(work, build, output) for build, output in present}
    without = {
        output.path: _left_out(build, output)
        for build, output in present
        if entry_of(output.kind, output.path).has_payload
    }
    found.update(_rendered(work))
    rows = rows_of(work.project, found, without)
    (work.out / PATH).write_bytes(table.document(rows))
    return Verdict()


def rows_of(project: Project, found: Mapping[str, Facts], without: Mapping[str, str]) -> list[table.Fact]:
    """The table of what was found: the payload is that of the source tarball, which must be among the artefacts."""
    source = found[dist_paths.sdist(project.release)]
    payload = {name: value for name, value in source.items() if name.startswith(PAYLOAD)}
    facts = {**expected.of_manifest(project), **expected.of_source(project)}
    return table.table(facts, payload, found, without)


def _facts_of(work: Workspace, build: Job, output: Output) -> Facts:
    folder = work.folder / output.name
    folder.mkdir()
    source = ArtifactOfProject(
        project=work.project, path=work.built(output.path), variant=build.variant, folder=folder, run=work.run
    )
    reader = resolve(entry_of(output.kind, output.path).facts)
    try:
        return dict(reader(source))
    except (ReleaseError, OSError, KeyError, ValueError) as error:
        raise VerificationError(f"{output.path}: its facts cannot be read: {error}") from error


def _left_out(build: Job, output: Output) -> str:
    if output.kind == "wheel":
        return "the launcher"  # pip makes one of the entry point
    # What brings its own Python for one place can compile nothing.
    has_no_recipes = build.variant.flavour in ("micro", "alpine") or output.kind == "lambda-layer"
    return "the recipes" if has_no_recipes else ""


def _rendered(work: Workspace) -> dict[str, Facts]:
    """What the formula and the PKGBUILD declare, as they were rendered for this build and as they are committed."""
    project = work.project
    formula, pkgbuild = f"formulae/{project.release.name}.rb", "msys2/PKGBUILD"
    found = {f"baked/{pkgbuild}": _pkgbuild(work, project.rendered / pkgbuild)}
    folder = work.folder / "committed"
    folder.mkdir()
    source = ArtifactOfProject(
        project=project, path=project.root / formula, variant=Variant(), folder=folder, run=work.run
    )
    for name, facts in (
        (formula, readers.formula(source)),
        (pkgbuild, _pkgbuild(work, project.root / pkgbuild)),
        ("release.yaml", {SOURCE: project.release.source.sha256}),
    ):
        sha256 = facts.pop(SOURCE)
        facts.pop("sha256 of the PKGBUILD", None)  # the committed one has another hash in it
        found[f"{name}, as committed"] = {**facts, COMMITTED: sha256 if sha256.strip("0") else NOT_PUBLISHED}
    return found


def _pkgbuild(work: Workspace, path: Path) -> Facts:
    """What a PKGBUILD declares, as makepkg prints it for the first environment."""
    environment = work.release.msys2.environments[0]

    def printed(pkgbuild: Path) -> str:
        with build_dir("makepkg-facts", work.run) as (folder, run):
            config = prepare(work.release, environment, pkgbuild, folder)
            give_to_user(folder)
            variables = environment_variables(work.release, environment, folder)
            command = (*unprivileged(), "makepkg", "--config", str(config), "--printsrcinfo")
            return run.output(*command, cwd=folder / "start", env=variables)

    return readers.pkgbuild(path, printed)


def _compare(work: Workspace) -> Verdict:
    rows = table.read(work.built(PATH).read_bytes())
    lines = [line for row in rows for line in row.differences()]
    if lines:
        rest = [f"and {len(lines) - _MOST_LINES} more"] if len(lines) > _MOST_LINES else []
        raise VerificationError("\n".join([*lines[:_MOST_LINES], *rest]))
    return Verdict()
