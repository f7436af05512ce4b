"""What the command line lets pass in a release: artefacts that may be missing, and stand-ins for base images.

Both are recorded in `artifacts.json`, so that a report shows them and publishing can refuse them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from ci import kinds
from ci.core.errors import UsageError
from ci.manifest.release import FLAVOURS, Base
from ci.pipeline import inputs
from ci.pipeline.jobs import Job, Project


@dataclass(frozen=True, kw_only=True)
class AllowedMissing:
    """An artefact that is missing and may be: its file's name, and why it could not be made."""

    name: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class StandInBase:
    """A flavour whose image was built on another base than the manifest's."""

    flavour: str
    reference: str


@dataclass(frozen=True, kw_only=True)
class Allowances:
    """Everything that was let pass; nothing in a complete release."""

    missing: tuple[AllowedMissing, ...] = ()
    stand_ins: tuple[StandInBase, ...] = ()


NOTHING = Allowances()


def names() -> tuple[str, ...]:
    """What `--allow-missing` takes: each kind of artefact, and each flavour of the images."""
    return (*(kind.name for kind in kinds.KINDS), *FLAVOURS)


def require_names(allow_missing: Iterable[str]) -> None:
    """Raise `UsageError` if one of the names is neither a kind nor a flavour."""
    unknown = [name for name in allow_missing if name not in names()]
    if unknown:
        raise UsageError(
            f"--allow-missing {', '.join(unknown)}: neither a kind of artefact nor a flavour of the images",
            hint=f"name one of {', '.join(names())}",
        )


def covered(absent: Iterable[Job], allow_missing: Collection[str]) -> dict[str, str]:
    """Of jobs that cannot run, those whose absence is allowed: from each id to the name that allows it.

    The jobs come in the order of a plan. An artefact counts if its kind or its flavour is named, or if it only
    describes one that does, such as the list of its contents: the file's name begins with the artefact's. A job that
    makes no artefact counts if a job that it comes after does, or if it is about an artefact that does.
    """
    found: dict[str, str] = {}
    files: dict[str, str] = {}
    for job in absent:
        artifacts = [output for output in job.outputs if output.kind]
        if artifacts:
            kept = [
                _name_for(output.kind, output.name, job.variant.flavour, allow_missing, files) for output in artifacts
            ]
            name = kept[0] if all(kept) else ""
        else:
            about = [path.rpartition("/")[2] for path in job.artifacts]
            reasons = (*(found.get(earlier, "") for earlier in job.after), *(files.get(file, "") for file in about))
            name = next(filter(None, reasons), "")
        if name:
            found[job.id] = name
            files |= {output.name: name for output in artifacts}
    return found


def _name_for(kind: str, file: str, flavour: str, allow_missing: Collection[str], files: dict[str, str]) -> str:
    own = next((name for name in (kind, flavour) if name in allow_missing), "")
    return own or next((name for known, name in files.items() if file.startswith(f"{known}.")), "")


def allowed_missing(absent: Iterable[tuple[Job, str]], allow_missing: Collection[str]) -> tuple[AllowedMissing, ...]:
    """The artefacts that are missing and may be, of jobs that cannot run or did not, each with the reason."""
    pairs = list(absent)
    accepted = covered((job for job, _ in pairs), allow_missing)
    return tuple(
        AllowedMissing(name=output.name, reason=reason)
        for job, reason in pairs
        if job.id in accepted
        for output in job.outputs
        if output.kind
    )


def stand_ins(project: Project) -> tuple[StandInBase, ...]:
    """The bases that are not the manifest's: those of the command line, and those that `inputs.json` has recorded.

    A later run without the option, which builds no image again, would otherwise forget them.
    """
    images = project.release.images
    own: dict[str, Base] = {"ubi": images.ubi, "alpine": images.alpine}
    used = set(project.options.bases.items())
    with contextlib.suppress(UsageError):  # nothing is recorded yet
        used |= {(one.flavour, one.reference) for one in inputs.read(project.dist / inputs.NAME).bases}
    return tuple(
        StandInBase(flavour=flavour, reference=reference)
        for flavour, reference in sorted(used)
        if flavour in own and reference != own[flavour].reference
    )
