"""Builds a published release again from its provenance alone, and compares the bytes: `nox -s rebuild`.

The provenance names the commit, `inputs.json` what went in. Private keys are not needed: a rebuilt RPM gets the
signature of the published one, which fits if header and payload are the same. So images that have an RPM installed can
be compared as well. `verify.py` says whether the set is genuine; this says whether anybody can make it.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ci.core.children import Children
from ci.core.console import Console
from ci.core.errors import CommandFailed, UnavailableError, UsageError, VerificationError
from ci.core.files import fresh_folder, make_folder, sha256_of, write_atomically
from ci.core.run import Runner
from ci.core.state import read_json
from ci.manifest.versions import parse
from ci.pipeline import inputs, stored_inputs
from ci.pipeline.jobs import Project
from ci.prove import explain, reproduce, rpm_contents
from ci.prove.enclosure import EnclosureSettings
from ci.release import bundle, envelopes
from ci.release.envelopes import PrivateKey
from ci.release.statements import Statement

NAME = "rebuild"
_PROVENANCE = "provenance.dsse.json"
_ARTIFACTS = "artifacts.json"
_TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
_STATEMENT = "https://in-toto.io/Statement/v1"
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_HINT = "name dist/release, or an unpacked bundle, of a release with provenance"


@dataclass(frozen=True, kw_only=True)
class PublishedSet:
    """A published set: its folder, its commit, and its artefacts as its `artifacts.json` lists them.

    `names` has the name in the set for the sha256 of each artefact. `kept` is a folder like `dist/` that may have
    `inputs/`.
    """

    folder: Path
    version: str
    commit: str
    artifacts: tuple[dict[str, Any], ...]
    names: dict[str, str]
    kept: Path


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """The verdict about one artefact: "same", "same but the signature", "different" or "not built"."""

    name: str
    sha256: str
    verdict: str
    reason: str = ""


def published(project: Project, text: str, run: Runner) -> PublishedSet:
    """The release that the command line names: a folder, or a version, which is in `dist/release`.

    `VerificationError` if its files do not fit together, or if the tag of this repository names another commit.
    """
    folder = Path(text)
    if folder.is_dir():
        place = bundle.set_of(folder.resolve())
        found = read(place)
    else:
        place = bundle.set_of(project.dist / bundle.SET)
        found = read(place)
        if found.version != _version(text):
            raise UsageError(f"{place}: it is version {found.version}, not {text}", hint="name the folder of the set")
    _require_commit(project, found, run)
    return found


def _version(text: str) -> str:
    try:
        return str(parse(text.removeprefix("v")))
    except ValueError as error:
        raise UsageError(f"{text}: it is neither a folder nor a version: it {error}", hint=_HINT) from error


def read(folder: Path) -> PublishedSet:
    """Read a set. Its files must be those of its SHA256SUMS, and its provenance must be about all of them."""
    sums = bundle.read_sums(folder)
    bundle.require_sums(folder, {name: sha256_of(folder / name) for name in sums if (folder / name).is_file()})
    statement = _statement(folder / _PROVENANCE)
    try:
        subjects = {one["name"]: one["digest"]["sha256"] for one in statement["subject"]}
        sources = [one for one in statement["predicate"]["buildDefinition"]["resolvedDependencies"] if _is_git(one)]
        (commit,) = {one["digest"]["gitCommit"] for one in sources}
        artifacts = [one for one in read_json(folder / _ARTIFACTS)["artifacts"] if one.get("sha256")]
        names = {sha256: name for name, sha256 in sums.items()}
        places = [PurePosixPath(one["path"]) for one in artifacts]
        locked = inputs.read(folder / inputs.NAME)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise VerificationError(f"{folder}: the set cannot be read: {error!r}", hint=_HINT) from error
    faults = []
    if subjects != sums:
        faults.append(f"{_PROVENANCE}: its subjects are not the lines of SHA256SUMS")
    if locked.commit != commit or not _COMMIT.fullmatch(commit):
        faults.append(f"{_PROVENANCE}: its commit is {commit!a}, and that of {inputs.NAME} is {locked.commit!a}")
    faults += [f"{_ARTIFACTS}: {path!s:.200}: this is not a path in dist/" for path in places if _leads_out(path)]
    faults += [f"{one['path']}: it is not in the set" for one in artifacts if one["sha256"] not in names]
    if faults:
        raise VerificationError("\n".join(faults), hint=_HINT)
    return PublishedSet(
        folder=folder,
        version=locked.version,
        commit=commit,
        artifacts=tuple(artifacts),
        names=names,
        kept=folder.parent,
    )


def _leads_out(path: PurePosixPath) -> bool:
    return path.is_absolute() or ".." in path.parts


def _is_git(dependency: dict[str, Any]) -> bool:
    return str(dependency.get("uri")).startswith("git+") and "gitCommit" in dependency.get("digest", {})


def _statement(path: Path) -> dict[str, Any]:
    """The statement in an envelope. Its signature is what `verify.py` is for."""
    try:
        envelope = read_json(path)
        statement = json.loads(base64.b64decode(envelope["payload"], validate=True))
        if not isinstance(statement, dict):
            raise TypeError("no statement")
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"{path}: there is no statement in an envelope that can be read", hint=_HINT) from error
    return statement


def _require_commit(project: Project, found: PublishedSet, run: Runner) -> None:
    git = ("git", "-c", f"safe.directory={project.root.resolve()}", "-c", "core.fsmonitor=false", "-C", project.root)
    tag = f"v{found.version}"
    try:
        run(*git, "cat-file", "-e", f"{found.commit}^{{commit}}")
    except CommandFailed as error:
        raise UnavailableError(
            f"commit {found.commit} of version {found.version} is not in this repository",
            hint="fetch it: git fetch --tags",
        ) from error
    try:
        tagged = run.output(*git, "rev-parse", "--verify", "--quiet", f"refs/tags/{tag}^{{commit}}").strip()
    except CommandFailed as error:
        raise UnavailableError(f"there is no tag {tag} in this repository", hint="git fetch --tags") from error
    if tagged != found.commit:
        raise VerificationError(f"the provenance names commit {found.commit}, and tag {tag} is {tagged}")


@contextmanager
def built(project: Project, found: PublishedSet, lock: int) -> Iterator[Path]:
    """Build the release again in a clean clone; yields its `dist/`, which is removed after the block."""
    work = fresh_folder(project.dist / ".state" / "work" / NAME)
    try:
        signatures = work / "published"
        signatures.mkdir()
        for one in found.artifacts:
            if one["name"].endswith(".rpm"):
                shutil.copyfile(found.folder / found.names[one["sha256"]], signatures / PurePosixPath(one["name"]).name)
        make_folder(work / "build")
        kept = [str(project.dist.resolve())]
        if (
            found.kept / stored_inputs.FOLDER / inputs.NAME
        ).is_file() and found.kept.resolve() != project.dist.resolve():
            kept.append(str(found.kept.resolve()))
        settings = EnclosureSettings(
            origin=str(project.root.resolve()),
            commit=found.commit,
            locked=str((found.folder / inputs.NAME).resolve()),
            caches=tuple(kept),
            work=str((work / "build").resolve()),
            private=reproduce.can_separate(),
            signatures=str(signatures.resolve()) if any(signatures.iterdir()) else "",
        )
        yield reproduce.build_clone(project, settings, NAME, lock, Children())
    finally:
        shutil.rmtree(work)


def compare(found: PublishedSet, dist: Path) -> list[Rebuilt]:
    """The verdict about each artefact of a set, after the release was built again in another `dist/`."""
    entries = read_json(dist / _ARTIFACTS)["artifacts"]
    reasons = {str(entry["path"]): str(entry.get("reason", "")) for entry in entries}
    return [_compare(found, one, dist / one["path"], reasons.get(one["path"], "")) for one in found.artifacts]


def _compare(found: PublishedSet, one: dict[str, Any], rebuilt: Path, reason: str) -> Rebuilt:
    ours = found.folder / found.names[one["sha256"]]
    if not rebuilt.exists():
        why = reason or "this commit does not build it"
        return Rebuilt(name=ours.name, sha256=one["sha256"], verdict="not built", reason=why)
    if sha256_of(rebuilt) == one["sha256"]:
        return Rebuilt(name=ours.name, sha256=one["sha256"], verdict="same")
    if ours.suffix == ".rpm":
        difference = rpm_contents.difference(ours, rebuilt)
        verdict = "different" if difference else "same but the signature"
    else:
        difference, verdict = explain.first_difference(ours, rebuilt), "different"
    return Rebuilt(name=ours.name, sha256=one["sha256"], verdict=verdict, reason=difference)


def statement(found: PublishedSet, compared: Sequence[Rebuilt]) -> bytes:
    """What is stated about it: a test result (in-toto) about the artefacts that were compared. It holds no time."""

    def named(*verdicts: str) -> list[str]:
        return sorted(one.name for one in compared if one.verdict in verdicts)

    failed, warned = named("different"), named("not built")
    subjects = [{"name": one.name, "digest": {"sha256": one.sha256}} for one in compared]
    document = {
        "_type": _STATEMENT,
        "subject": sorted(subjects, key=lambda one: str(one["name"])),
        "predicateType": _TEST_RESULT,
        "predicate": {
            "result": "FAILED" if failed else "WARNED" if warned else "PASSED",
            "configuration": [
                {"name": inputs.NAME, "digest": {"sha256": sha256_of(found.folder / inputs.NAME)}},
                {"name": "source", "digest": {"gitCommit": found.commit}},
            ],
            "passedTests": named("same", "same but the signature"),
            "warnedTests": warned,
            "failedTests": failed,
        },
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def write(dist: Path, document: bytes, key: PrivateKey | None) -> list[Path]:
    """Write the statement as `rebuild.json` or, with a key, signed as `rebuild.dsse.json` and as a Sigstore bundle.

    Files of an earlier run are removed. Returns the files.
    """
    for path in dist.glob(f"{NAME}.*json"):
        path.unlink()
    if key:
        return envelopes.write(dist, [Statement(name=NAME, document=document)], key)
    write_atomically(dist / f"{NAME}.json", document + b"\n")
    return [dist / f"{NAME}.json"]


def show(console: Console, found: PublishedSet, compared: Sequence[Rebuilt]) -> None:
    """Show the verdict about each artefact."""
    rows = [[one.name, one.verdict, one.reason] for one in compared]
    console.table(f"Version {found.version} built again", ["artefact", "verdict", "reason"], rows)


def require_same(compared: Sequence[Rebuilt]) -> None:
    """Raise `VerificationError` that names each artefact that differs, and where it begins to."""
    different = [f"{one.name}: it differs, {one.reason}" for one in compared if one.verdict == "different"]
    if different:
        raise VerificationError("\n".join(different), hint="see the log of the build: dist/logs/rebuild.log")
    if not any(one.verdict.startswith("same") for one in compared):
        raise UnavailableError("no artefact of the set could be built here", hint="see the table for the reasons")
