"""The kinds of artefact: what lists them agrees with `ci/kinds.py`, and a new one takes one entry."""

from __future__ import annotations

import builtins
import dataclasses
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from ci import kinds
from ci.command_line import parser
from ci.commands import COMMANDS
from ci.commands.proving import with_proofs
from ci.commands.running import jobs_of, open_project, probe
from ci.core.architectures import host_name
from ci.core.errors import ReleaseError
from ci.core.resolve import resolve
from ci.pipeline import report
from ci.pipeline.jobs import Job, Options, Project
from ci.verify import verifications
from ci.verify.verifications import jobs as verify_jobs
from tests.support import ROOT, copy_checkout, run_ci

SCHEMA = ROOT / "ci" / "pipeline" / "artifacts.schema.json"


BUILDERS = kinds.builders_of(kinds.KINDS, verified=True, gates=kinds.GATES)

# By which the standard library asks for programs, users and files. What the machine is called does not change.
ASKING = [
    (shutil, "which"),
    *((os, name) for name in ("geteuid", "getuid", "cpu_count", "stat", "lstat", "access", "open")),
    *((os, name) for name in ("listdir", "scandir", "readlink", "getenv")),
    *((module, "open") for module in (builtins, io)),
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """This checkout with a `dist/` of its own, after the machine was probed for all builders."""
    project = dataclasses.replace(open_project(ROOT, Options()), dist=tmp_path_factory.mktemp("dist"))
    return probe(project, (*BUILDERS, *kinds.GATES)).with_facts(verifications.probe(project))


@pytest.fixture(scope="module")
def jobs(project: Project) -> tuple[Job, ...]:
    """The jobs of all builders."""
    return jobs_of(project, BUILDERS)


def test_every_name_in_an_entry_leads_to_a_function() -> None:
    for kind in kinds.KINDS:
        names = [kind.verifier, kind.facts, kind.contents, kind.installed, kind.digest, *kind.lints]
        for name in filter(None, names):
            assert callable(resolve(name)), name
    for gate in kinds.GATES:
        assert callable(resolve(gate.jobs)), gate.jobs
    for builder in kinds.builders_of(kinds.KINDS, verified=True, gates=kinds.GATES):
        for name in filter(None, (builder.jobs, builder.probe, builder.table)):
            assert callable(resolve(name)), name


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("ci.builders.rpn:jobs", "there is no module ci.builders.rpn"),
        ("ci.builder.rpm:jobs", "there is no module ci.builder"),
        ("ci.builders.rpm:job", "ci.builders.rpm has no 'job'"),
        ("ci.builders.rpm", "ci.builders.rpm has no ''"),
    ],
)
def test_a_name_that_leads_nowhere_is_an_error_with_advice(name: str, why: str) -> None:
    with pytest.raises(ReleaseError) as caught:
        resolve(name)
    assert str(caught.value) == f'"{name}" names no function: {why}'
    assert "ci/kinds.py" in caught.value.hint


def test_a_module_that_lacks_a_library_keeps_its_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kind_of_the_test.py").write_text("import a_library_that_is_not_installed\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="a_library_that_is_not_installed"):
        resolve("kind_of_the_test:jobs")


def test_every_artefact_is_of_a_kind_and_in_its_folder(jobs: tuple[Job, ...]) -> None:
    found = {output.kind for job in jobs for output in job.outputs if output.kind}
    assert found == {kind.name for kind in kinds.KINDS}
    for job in jobs:
        for output in job.outputs:
            if output.kind:
                kind = kinds.kind_named(output.kind)
                assert output.path.rpartition("/")[0] == kind.folder
                assert job.builder == kind.builder.name


def test_every_job_is_of_its_builder_and_comes_after_jobs_that_are_there(jobs: tuple[Job, ...]) -> None:
    for kind in kinds.KINDS:
        builders = kinds.builders_of([kind])
        names = {builder.name for builder in builders}
        own = [job for job in jobs if job.builder in names]
        assert {job.builder for job in own} == names
        assert {earlier for job in own for earlier in job.after} <= {job.id for job in own}, kind.name


def test_jobs_are_made_without_asking_the_machine(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the machine is asked")

    with_proofs(project, jobs_of(project, BUILDERS), kinds.GATES)  # which imports the modules
    with monkeypatch.context() as patch:
        patch.setattr(subprocess.Popen, "__init__", refuse)
        for module, name in ASKING:
            patch.setattr(module, name, refuse)
        builds = jobs_of(project, BUILDERS)
        jobs = with_proofs(project, builds, kinds.GATES)
    assert {job.gate for job in jobs} >= {gate.name for gate in kinds.GATES}


def test_every_artefact_is_verified_with_what_its_kind_names(project: Project, jobs: tuple[Job, ...]) -> None:
    verifications = {job.id: job for job in verify_jobs(project, jobs)}
    by_id = {job.id: job for job in jobs}
    for build, output in ((job, output) for job in jobs for output in job.outputs if output.kind):
        verification, kind = verifications.pop(report.verification_of(output)), kinds.kind_named(output.kind)
        assert verification.variant == build.variant
        assert {path.name for path in verification.inputs} == {"verify", "lint"}
        assert {tool.name: tool.minimum for tool in verification.tools} == kind.tools
        read = {by_id[earlier].builder for earlier in verification.after}
        assert read <= {kind.builder.name, *(builder.name for builder in kind.verified_with)}
        for function in (by_id[earlier].variant for earlier in verification.after if by_id[earlier].variant.language):
            assert function.libc == (build.variant.libc or "glibc")
            assert function.architecture == (build.variant.architecture or host_name())
    assert not verifications


def test_names_and_media_types_are_well_formed() -> None:
    names = [kind.name for kind in kinds.KINDS]
    assert len(names) == len(set(names))
    for kind in kinds.KINDS:
        assert re.fullmatch(r"[a-z][a-z0-9-]*", kind.name)
        assert re.fullmatch(r"[a-z]+/[a-z0-9.+-]+", kind.media_type)


def test_the_schema_of_the_report_knows_the_kinds() -> None:
    kind = json.loads(SCHEMA.read_bytes())["properties"]["artifacts"]["items"]["properties"]["kind"]
    assert kind["enum"] == [kind.name for kind in kinds.KINDS]


def test_the_readme_lists_the_folders_of_all_kinds() -> None:
    readme = (ROOT / "README.md").read_text()
    for kind in kinds.KINDS:
        assert re.search(rf"^\| `{kind.folder}/` \|", readme, re.MULTILINE), kind.folder


def test_bootstrap_installs_what_jobs_and_verifications_need(jobs: tuple[Job, ...]) -> None:
    rows = (ROOT / "ci" / "bootstrap").read_text().splitlines()
    installed = {row.split()[0] for row in rows if len(row.split()) == 5}
    needed = {tool.name for job in jobs for tool in job.tools} | {tool for kind in kinds.KINDS for tool in kind.tools}
    # rpm comes with rpmbuild, gzip with every system; Rust and docker are for the user to install.
    assert needed - {"rpm", "gzip", "cargo", "docker"} <= installed


def test_each_session_is_a_command_of_the_tooling() -> None:
    for name in kinds.sessions():
        assert name in COMMANDS
        assert parser().parse_args([name]).command == name


def test_rendered_folders_exist_and_have_their_templates() -> None:
    templates = ROOT / "recipes" / "packages" / "{{cookiecutter.tree}}"
    for folder in kinds.rendered_folders():
        assert (ROOT / folder).is_dir()
        assert (templates / folder).is_dir()


IMPORTS = """
import sys
from pathlib import Path
from ci import kinds
from ci.commands import running
from ci.pipeline.jobs import Options
builders = kinds.builders_of(kinds.kinds_of(sys.argv[1]))
project = running.probe(running.open_project(Path("."), Options()), builders)
running.jobs_of(project, builders)
print(*sorted(name for name in sys.modules if name.startswith(("ci.", "cookiecutter"))))
"""


@pytest.mark.parametrize(
    ("session", "builders"),
    [("sdist", {"sdist"}), ("rpm", {"sdist", "baked", "rpm"}), ("brew", {"sdist", "baked", "brew"})],
)
def test_a_session_imports_only_what_its_kinds_need(session: str, builders: set[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS, session], cwd=ROOT, capture_output=True, text=True, check=True
    )
    modules = set(done.stdout.split())
    found = {name.removeprefix("ci.builders.") for name in modules if name.startswith("ci.builders.")}
    assert found == builders
    assert not {name for name in modules if name.startswith(("ci.images", "ci.verify", "ci.lint", "cookiecutter"))}


ENTRY = """
KINDS = (
    Kind(
        name="note",
        title="the note",
        session="note",
        builder=Builder(name="note", jobs="ci.builders.note:jobs"),
        verifier="ci.verify.note:verify",
        facts="ci.verify.note:facts",
        contents="",
        installed="",
        folder="note",
        media_type="text/plain",
    ),
)
"""
BUILDER = '''
"""A text file with the version in it."""

from ci.pipeline.jobs import Job, Output, Project, Workspace


def jobs(project: Project) -> tuple[Job, ...]:
    """One job."""
    output = Output(kind="note", path="note/note.txt")
    values = {"version": str(project.release.version)}
    return (Job(id="note", builder="note", outputs=(output,), build=_build, values=values),)


def _build(work: Workspace) -> None:
    (work.out / "note.txt").write_text(f"{work.release.version}\\n")
'''
VERIFIER = '''
"""The note has the version in it."""

from ci.pipeline.jobs import Verdict
from ci.verify.check import Check
from ci.verify.consistency.readers import ArtifactOfProject


def verify(check: Check) -> Verdict:
    """Verify the note."""
    check.require_equal(check.path.read_text().strip(), str(check.project.release.version), "the version")
    return Verdict(notes=("nobody has read it",))


def facts(source: ArtifactOfProject) -> dict[str, str]:
    """What the note says."""
    return {"version": source.path.read_text().strip()}


def pass_it(check: Check) -> Verdict:
    """Verify nothing."""
    return Verdict()
'''
# The gate reads the source tarball and rendered files, too. Of the other kinds, no artefact is built or verified.
WITH_GATE = """
OTHERS = (_SDIST, _WHEEL, _RPM, _MSYS2, _FORMULA, _IMAGE)
KINDS = (*(replace(one, builder=SDIST, verifier="ci.verify.note:pass_it", verified_with=()) for one in OTHERS), *KINDS)
GATES = tuple(gate for gate in GATES if gate.name == "consistency")
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a kind of its own, the only one there, so that a snapshot takes no time."""
    checkout = copy_checkout(tmp_path / "checkout")
    with (checkout / "ci" / "kinds.py").open("a") as registry:
        registry.write(ENTRY)
    (checkout / "ci" / "builders" / "note.py").write_text(BUILDER.lstrip())
    (checkout / "ci" / "verify" / "note.py").write_text(VERIFIER.lstrip())
    return checkout


def test_a_new_kind_is_planned_built_verified_and_reported(checkout: Path) -> None:
    planned = run_ci(checkout, "plan", "--json")
    assert planned.returncode == 0, planned.stderr
    (entry,) = json.loads(planned.stdout)["artifacts"]
    assert (entry["artifact"], entry["kind"], entry["state"]) == ("note.txt", "note", "to build")

    built = run_ci(checkout, "note")
    assert built.returncode == 0, built.stderr
    assert re.search(r"^  note +note\.txt +6 B +built$", built.stdout, re.MULTILINE), built.stdout

    verified = run_ci(checkout, "snapshot", "--quick")
    assert verified.returncode == 0, verified.stderr
    document = json.loads((checkout / "dist" / "artifacts.json").read_bytes())
    (artifact,) = document["artifacts"]
    assert (artifact["kind"], artifact["path"]) == ("note", "note/note.txt")
    assert (artifact["status"], artifact["reason"]) == ("verified", "nobody has read it")
    assert "note/note.txt" in (checkout / "dist" / "SHA256SUMS").read_text()
    schema = json.loads(SCHEMA.read_bytes())
    schema["properties"]["artifacts"]["items"]["properties"]["kind"]["enum"].append("note")
    jsonschema.validate(document, schema)


@pytest.fixture
def gated(checkout: Path) -> Path:
    """A checkout whose new kind goes through a gate; the source tarball, which the gate needs, is there as well."""
    with (checkout / "ci" / "kinds.py").open("a") as registry:
        registry.write(WITH_GATE)
    return checkout


def test_a_new_kind_goes_through_the_gates(gated: Path) -> None:
    done = run_ci(gated, "snapshot")
    assert done.returncode == 0, done.stderr
    table = json.loads((gated / "dist" / "consistency.json").read_bytes())
    (versions,) = (fact["values"] for fact in table["facts"] if fact["fact"] == "version")
    assert versions.pop("note/note.txt") == "0.1.0"
    assert set(versions.values()) == {"0.1.0"}


def test_what_a_new_kind_says_of_itself_is_compared(gated: Path) -> None:
    verifier = gated / "ci" / "verify" / "note.py"
    verifier.write_text(verifier.read_text().replace(".strip()}", '.strip() + ".1"}'))
    done = run_ci(gated, "snapshot")
    assert done.returncode == 14
    assert "note/note.txt: version: found '0.1.0.1', expected '0.1.0'" in done.stderr


@pytest.mark.parametrize("command", ["plan", "note", "snapshot"])
def test_an_artefact_of_no_kind_is_an_error(checkout: Path, command: str) -> None:
    builder = checkout / "ci" / "builders" / "note.py"
    builder.write_text(builder.read_text().replace('kind="note"', 'kind="memo"'))
    done = run_ci(checkout, command)
    assert done.returncode == 1
    assert 'error: note/note.txt: there is no kind of artefact "memo"; the kinds are note' in done.stderr
    assert "add an entry to ci/kinds.py" in done.stderr


def test_every_artefact_has_sboms(jobs: tuple[Job, ...]) -> None:
    """But those that only list others, and the SBOMs themselves."""
    described = {name for job in jobs if job.builder == "sbom" for name in [job.id.removeprefix("sbom-")]}
    outputs = {output.name: output.kind for job in jobs for output in job.outputs if output.kind}
    assert {outputs[name] for name in set(outputs) - described} == {"sbom", "image-index"}


def test_a_session_that_builds_an_artefact_deletes_the_report_first(checkout: Path) -> None:
    report_files = [checkout / "dist" / name for name in ("artifacts.json", "SHA256SUMS")]
    assert run_ci(checkout, "snapshot", "--quick").returncode == 0
    assert run_ci(checkout, "note").returncode == 0  # it is up to date
    assert all(path.exists() for path in report_files)
    (checkout / "dist" / "note" / "note.txt").unlink()
    assert run_ci(checkout, "note").returncode == 0
    assert not any(path.exists() for path in report_files)


def test_a_new_kind_that_is_wrong_fails_its_verification(checkout: Path) -> None:
    builder = checkout / "ci" / "builders" / "note.py"
    builder.write_text(builder.read_text().replace("{work.release.version}", "another one"))
    done = run_ci(checkout, "snapshot", "--quick")
    assert done.returncode == 14
    assert "note/note.txt: the version: found 'another one'" in done.stderr


def test_the_session_of_a_new_kind_is_listed(checkout: Path, tmp_path: Path) -> None:
    listed = subprocess.run(
        [sys.executable, "-m", "nox", "-f", checkout / "noxfile.py", "-l"],
        cwd=tmp_path,  # any folder will do
        capture_output=True,
        text=True,
        check=True,
    )
    assert "- note -> Build the note." in listed.stdout
    assert "- rpm ->" not in listed.stdout
