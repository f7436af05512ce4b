"""Builds the same commit twice from clean clones, and compares both with `dist/`: `nox -s reproduce`.

It is not a job of the scheduler and keeps no verdict: each call builds both again. A verdict about yesterday's machine
is worth little, and the two builds use both processors.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ci.core.checkout import source_state
from ci.core.children import Children
from ci.core.console import Console
from ci.core.errors import CommandFailed, HostError, UnavailableError, UsageError, VerificationError
from ci.core.files import fresh_folder, write_atomically
from ci.core.run import Runner
from ci.core.state import read_json
from ci.pipeline import inputs
from ci.pipeline.jobs import Job, Output, Project
from ci.pipeline.ledger import Ledger
from ci.prove import explain, signatures, variations
from ci.prove.enclosure import EnclosureSettings
from ci.prove.variations import VariationOutcome

FORMAT = 1
NAME = "reproducibility.json"
_BUILDS = ("plain", "varied")
# Both builds with the images of one flavour took 0.7 GB at most; two more flavours take less than as much again.
_NEEDED_BYTES = 1_500_000_000
_NAMESPACES = ("--fork", "--pid", "--mount-proc", "--mount", "--uts", "--ipc", "--kill-child=KILL")
_DIFFOSCOPE = "diffoscope"


@dataclass(frozen=True, kw_only=True)
class FileVerdict:
    """The verdict about one file or folder: "same", "different" or "not compared".

    `sha256` has an entry for each of "dist", "plain" and "varied" that has the file. `stage` is true for an
    intermediate result. `reason` says where it begins to differ, or why it was not compared.
    """

    path: str
    stage: bool
    verdict: str
    sha256: Mapping[str, str]
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Builds:
    """The two builds: where their results are, and what a process in each has seen."""

    dist: Mapping[str, Path]
    seen: Sequence[VariationOutcome]


def announce(console: Console) -> None:
    """Say what is going to happen, and how long it takes."""
    left_out = [f"{one.name} ({reason})" for one in variations.VARIATIONS if (reason := one.why_not())]
    varied = ", ".join(variations.applicable())
    console.say("this commit is built twice from clean clones, with the inputs of dist/inputs.json, and compared")
    console.say(f"the second build has another {varied}")
    for reason in left_out:
        console.say(f"not varied: {reason}")
    console.say("this takes one to three minutes, as long as two builds from clean; both run at the same time")


def require_snapshot(project: Project) -> str:
    """The commit that `dist/` was built from. Raises `UsageError` or `UnavailableError` if it cannot be compared."""
    source = source_state(project.root, project.release.version.tag)
    if not source.commit or source.modified:
        why = "has changes that are not committed" if source.commit else "is not a git checkout with a commit"
        raise UsageError(f"{project.root} {why}: only a commit can be built again", hint="commit or stash them")
    recorded = read_json(project.dist / "artifacts.json")
    locked = project.dist / inputs.NAME
    if not isinstance(recorded, dict) or not locked.exists():
        raise UnavailableError("dist/ has no snapshot to compare with", hint="build it first: nox -s snapshot")
    built = recorded.get("source") or {}
    if (built.get("commit"), built.get("modified")) != (source.commit, False):
        what = f"{built.get('commit') or 'no commit'}{', modified' if built.get('modified') else ''}"
        raise UnavailableError(
            f"dist/ was built from {what}, and this checkout is at {source.commit}",
            hint="build this commit first: nox -s snapshot",
        )
    return source.commit


@contextmanager
def built_twice(project: Project, commit: str, lock: int) -> Iterator[Builds]:
    """Build the commit twice at the same time; what was built is there for the block, and then removed."""
    free = shutil.disk_usage(project.dist).free
    if free < _NEEDED_BYTES:
        raise HostError(f"{project.dist}: {free / 1e6:.0f} MB are free, {_NEEDED_BYTES / 1e6:.0f} MB are needed")
    work = fresh_folder(project.dist / ".state" / "work" / "reproduce")
    if project.options.signed:
        signatures.record(project.dist, work / signatures.FOLDER)
    try:
        plain, varied = _build_both(project, commit, work, lock)
        signatures.sign_again(project, plain)
        seen = variations.judge(_observed(work / "plain"), _observed(work / "varied"))
        yield Builds(dist={"plain": plain, "varied": varied}, seen=seen)
    finally:
        shutil.rmtree(work)


def _build_both(project: Project, commit: str, work: Path, lock: int) -> tuple[Path, Path]:
    children = Children()
    with ThreadPoolExecutor(max_workers=len(_BUILDS)) as pool:
        try:
            running = [pool.submit(_build, project, commit, work / name, lock, children) for name in _BUILDS]
            wait(running, return_when=FIRST_EXCEPTION)
            if failed := next((one for one in running if one.done() and one.exception()), None):
                failed.result()
            return running[0].result(), running[1].result()
        except BaseException:
            children.end_all()
            raise


def _build(project: Project, commit: str, work: Path, lock: int, children: Children) -> Path:
    """Run one build; returns its `dist/`."""
    recorded = work.with_name(signatures.FOLDER)
    settings = EnclosureSettings(
        origin=str(project.root.resolve()),
        commit=commit,
        locked=str((project.dist / inputs.NAME).resolve()),
        caches=(str(project.dist.resolve()),),
        work=str(work.resolve()),
        private=can_separate(),
        signatures=str(recorded.resolve()) if recorded.exists() else "",
        vary=variations.applicable() if work.name == "varied" else (),
    )
    work.mkdir()
    return build_clone(project, settings, f"reproduce-{work.name}", lock, children)


def can_separate() -> bool:
    """Whether a build can get namespaces of its own."""
    return os.geteuid() == 0


def build_clone(project: Project, settings: EnclosureSettings, name: str, lock: int, children: Children) -> Path:
    """Run a build in surroundings of its own, with `NAME.log` as its log; returns its `dist/`."""
    work = Path(settings.work)
    file = work / "settings.json"
    file.write_bytes(settings.document())
    log = project.dist / "logs" / f"{name}.log"
    log.unlink(missing_ok=True)
    run = Runner(log=log, children=children, keep_open=(lock,), env={"PYTHONPATH": str(project.root)})
    # If this process is killed, so is unshare, and with it everything in its namespaces.
    apart = ("setpriv", "--pdeathsig=KILL", "unshare", *_NAMESPACES) if settings.private else ()
    try:
        run(*apart, sys.executable, "-X", "utf8", "-m", "ci.prove.enclosure", file)
    except CommandFailed as error:
        what = f"the build of the clean clone failed ({name})\n{error}"
        if error.code == UnavailableError.exit_code:
            raise UnavailableError(
                what, hint="an input of inputs.json cannot be had here; the lines above name it"
            ) from error
        raise CommandFailed(what) from error
    finally:
        _append(work / "tmp" / "log", log)
    return settings.stored / settings.clone / "dist"


def _append(inner: Path, log: Path) -> None:
    """Add the log of what ran in the namespace: it is removed with the folder."""
    if inner.exists():
        with log.open("ab") as file:
            file.write(inner.read_bytes())


def _observed(work: Path) -> dict[str, object]:
    found = read_json(work / "tmp" / "observed.json")
    return found if isinstance(found, dict) else {}


def compare(project: Project, jobs: Sequence[Job], builds: Builds) -> list[FileVerdict]:
    """The verdict about each output of these jobs: artefacts, and the stages that they are made from."""
    reasons = {name: _reasons(dist) for name, dist in {"dist": project.dist, **builds.dist}.items()}
    return [_compare(project, output, builds, reasons) for job in jobs for output in job.outputs]


def _reasons(dist: Path) -> dict[str, str]:
    """From the paths of the artefacts that a build could not make to the reasons."""
    recorded = read_json(dist / "artifacts.json")
    entries: list[dict[str, Any]] = recorded["artifacts"] if isinstance(recorded, dict) else []
    return {entry["path"]: entry.get("reason", "") for entry in entries if "sha256" not in entry}


def _compare(project: Project, output: Output, builds: Builds, reasons: Mapping[str, Mapping[str, str]]) -> FileVerdict:
    places = {"dist": project.dist, **builds.dist}
    there = {name: dist / output.path for name, dist in places.items() if (dist / output.path).exists()}
    sha256 = {name: Ledger(places[name]).describe(output.path).sha256 for name in there}
    verdict, reason = "same", ""
    if len(set(sha256.values())) > 1:
        verdict, reason = "different", _where(there, sha256, builds.seen)
    elif missing := [name for name in places if name not in there]:
        verdict = "not compared"
        reason = "; ".join(f"{name}: {reasons.get(name, {}).get(output.path) or 'it is not there'}" for name in missing)
    return FileVerdict(path=output.path, stage=not output.kind, verdict=verdict, sha256=sha256, reason=reason)


def _where(there: Mapping[str, Path], sha256: Mapping[str, str], seen: Sequence[VariationOutcome]) -> str:
    """Where a file begins to differ: between the two builds if they do, otherwise between dist/ and the plain one."""
    pairs = [("plain", "varied"), ("dist", "plain"), ("dist", "varied")]
    first, second = next(pair for pair in pairs if {*pair} <= {*there} and sha256[pair[0]] != sha256[pair[1]])
    difference = explain.first_difference(there[first], there[second])
    return f"{first} and {second}: {difference}{_suspects(difference, seen)}"


def _suspects(difference: str, seen: Sequence[VariationOutcome]) -> str:
    """Which variations the difference shows a value of."""
    found = [one.variation.name for one in seen if _shows(difference, one)]
    return f" (shows the {' and the '.join(found)})" if found else ""


def _shows(difference: str, seen: VariationOutcome) -> bool:
    marks = {
        "clock": (": time:", ": gzip time:"),
        "umask": (": mode:",),
        "user": (variations.USER_NAME, str(variations.USER)),
        "host name": (variations.HOST_NAME,),
        "time zone": (variations.TIME_ZONE,),
        "locale": (variations.LOCALE.partition(".")[0],),
        "path": ("another place", "of the checkout"),
    }
    return not seen.why_not and any(mark in difference for mark in marks.get(seen.variation.name, ()))


def explain_at_length(project: Project, builds: Builds, compared: Sequence[FileVerdict]) -> str:
    """Let diffoscope explain the first artefact that differs; returns the path of its report, empty if it is missing.

    Of stages, which are large, the line in the verdict has to do.
    """
    different = next((one for one in compared if one.verdict == "different" and not one.stage), None)
    if different is None or shutil.which(_DIFFOSCOPE) is None:
        return ""
    report = project.dist / "logs" / "reproduce-difference.txt"
    places = {"dist": project.dist, **builds.dist}
    first, second = (places[name] / different.path for name in _pair(different))
    run = Runner(log=project.dist / "logs" / "diffoscope.log")
    report.unlink(missing_ok=True)
    limits = ("--no-progress", "--max-report-size=1000000", "--timeout=120")
    try:
        run(_DIFFOSCOPE, *limits, f"--text={report}", first, second)
    except CommandFailed:
        return str(report) if report.exists() else ""  # it ends with 1 if the files differ
    return ""


def _pair(one: FileVerdict) -> tuple[str, str]:
    pairs = (("plain", "varied"), ("dist", "plain"), ("dist", "varied"))
    return next(pair for pair in pairs if {*pair} <= {*one.sha256} and one.sha256[pair[0]] != one.sha256[pair[1]])


def write(project: Project, commit: str, builds: Builds, compared: Sequence[FileVerdict]) -> None:
    """Write `dist/reproducibility.json`."""
    document = {
        "format": FORMAT,
        "name": project.release.name,
        "version": str(project.release.version),
        "commit": commit,
        "verdict": verdict_of(compared),
        "varied": [_varied(one) for one in builds.seen if not one.why_not],
        "not_varied": [
            *({"name": one.variation.name, "reason": one.why_not} for one in builds.seen if one.why_not),
            *({"name": name, "reason": reason} for name, reason in variations.NEVER_VARIED.items()),
        ],
        "artifacts": [_entry(one) for one in compared],
    }
    write_atomically(project.dist / NAME, json.dumps(document, indent=2).encode() + b"\n")


def verdict_of(compared: Sequence[FileVerdict]) -> str:
    """The verdict about all: "different" if one file is, "same" if an artefact is, or else "not compared"."""
    if any(one.verdict == "different" for one in compared):
        return "different"
    return "same" if any(one.verdict == "same" and not one.stage for one in compared) else "not compared"


def _varied(one: VariationOutcome) -> dict[str, str]:
    return {
        "name": one.variation.name,
        "how": one.variation.what,
        "plain": one.plain,
        "varied": one.varied,
        **({"limits": one.variation.limits} if one.variation.limits else {}),
    }


def _entry(one: FileVerdict) -> dict[str, object]:
    return {
        "path": one.path,
        "stage": one.stage,
        "verdict": one.verdict,
        "sha256": dict(one.sha256),
        **({"reason": one.reason} if one.reason else {}),
    }


def show(console: Console, compared: Sequence[FileVerdict], seen: Sequence[VariationOutcome]) -> None:
    """Show what was varied, and the verdict about each file."""
    rows = [[one.variation.name, one.plain, one.varied, one.why_not or one.variation.limits] for one in seen]
    console.table("What was varied", ["what", "plain build", "varied build", "remark"], rows)
    console.table(
        "Built twice",
        ["what", "file", "verdict", "reason"],
        [["stage" if one.stage else "artefact", one.path, one.verdict, one.reason] for one in compared],
    )


def require_same(compared: Sequence[FileVerdict], report: str) -> None:
    """Raise `VerificationError` that names each file that differs and where it begins to; artefacts come first."""
    different = sorted((one for one in compared if one.verdict == "different"), key=lambda one: one.stage)
    if different:
        lines = "\n".join(f"{one.path}: it differs, {one.reason}" for one in different)
        more = f"the whole difference of the first is in {report}" if report else "see dist/reproducibility.json"
        raise VerificationError(lines, hint=more)
    if verdict_of(compared) == "not compared":
        raise UnavailableError("no artefact could be built twice here", hint="see the table for the reasons")
