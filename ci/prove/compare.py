"""What changed since the previous release, artefact by artefact, and whether one has grown beyond its budget."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ci.core.errors import UnavailableError, VerificationError
from ci.core.files import fresh_folder, sha256_of, write_atomically
from ci.core.run import Runner
from ci.kinds import KINDS
from ci.manifest.release import Budgets
from ci.pipeline.finished import Dist
from ci.pipeline.report import readable_size
from ci.prove import contents
from ci.prove.contents import ASPECTS, Aspects
from ci.sboms.contents import OpenedArtifact

FORMAT = 1
NAME = "comparison.json"
LEFT_OUT = frozenset(kind.name for kind in KINDS if not kind.contents)
IMAGES = ("image", "image-index")  # the kinds with the budget of images


@dataclass(frozen=True, kw_only=True)
class ListedArtifact:
    """An artefact as `artifacts.json` lists it. `subject` names it in every version, such as "image micro-amd64"."""

    subject: str
    kind: str
    path: str
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One aspect of an artefact: the names that are new, that are gone, and those whose values differ."""

    added: Mapping[str, str]
    removed: Mapping[str, str]
    changed: Mapping[str, tuple[str, str]]

    @property
    def count(self) -> int:
        """How many names differ."""
        return len(self.added) + len(self.removed) + len(self.changed)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """An artefact that both releases have. `budget` is the growth that is accepted, in per cent."""

    subject: str
    before: ListedArtifact
    after: ListedArtifact
    budget: int
    differences: Mapping[str, Difference]

    @property
    def growth(self) -> float:
        """The growth in per cent; negative if it has shrunk."""
        return (self.after.size - self.before.size) * 100 / max(1, self.before.size)

    @property
    def is_within_budget(self) -> bool:
        """Whether it has grown by no more than its budget."""
        return self.after.size * 100 <= self.before.size * (100 + self.budget)


def listed(dist: Dist) -> dict[str, ListedArtifact]:
    """The artefacts of a release by subject; raises `VerificationError` for a file that is not as it was listed.

    SBOMs are left out: the artefacts that they describe are compared.
    """
    found = {}
    for one in dist.document["artifacts"]:
        if "sha256" not in one or one["kind"] in LEFT_OUT:
            continue
        path = dist.folder / one["path"]
        if not path.is_file() or sha256_of(path) != one["sha256"]:
            raise VerificationError(
                f"{path}: it is not the file that artifacts.json lists", hint="build it again with: nox -s snapshot"
            )
        name = subject(one["kind"], one["name"], dist.document["name"])
        if name in found:  # one of them would not be compared
            raise VerificationError(
                f"{dist.folder}: artifacts.json lists {name} twice", hint="build it again with: nox -s snapshot"
            )
        found[name] = ListedArtifact(
            subject=name, kind=one["kind"], path=one["path"], size=one["size"], sha256=one["sha256"]
        )
    return found


def subject(kind: str, name: str, product: str) -> str:
    """The name of an artefact without its version: the kind, and what distinguishes it from others of its kind."""
    if kind == "image":
        return f"image {'-'.join(name.removesuffix('.oci.tar').split('-')[-2:])}"
    if kind == "image-index":
        return f"image {name.removesuffix('.oci-index.tar').rpartition('-')[2]}"
    if kind == "msys2":
        return f"msys2 {name.partition(f'-{product}-')[0]}"
    if kind == "lambda-layer":
        return f"lambda-layer {name.removesuffix('.zip').rpartition('-lambda-layer-')[2]}"
    return kind


def compare(before: Dist, after: Dist, budgets: Budgets, folder: Path, run: Runner) -> list[Comparison]:
    """Compare every artefact that both releases have; `folder` is for the work."""
    old, new = listed(before), listed(after)
    return [_compare(before, after, old[name], new[name], budgets, folder, run) for name in new if name in old]


def _compare(
    before: Dist, after: Dist, old: ListedArtifact, new: ListedArtifact, budgets: Budgets, folder: Path, run: Runner
) -> Comparison:
    first, second = (
        _read(dist, one, folder / side, run) for side, dist, one in (("a", before, old), ("b", after, new))
    )
    differences = {aspect: difference(first[aspect], second[aspect]) for aspect in ASPECTS}
    # The mode of a file that is new or gone says nothing that the list of files does not.
    differences["modes"] = dataclasses.replace(differences["modes"], added={}, removed={})
    return Comparison(
        subject=new.subject,
        before=old,
        after=new,
        budget=budgets.image if new.kind in IMAGES else budgets.package,
        differences={aspect: found for aspect, found in differences.items() if found.count},
    )


def _read(dist: Dist, one: ListedArtifact, folder: Path, run: Runner) -> Aspects:
    source = OpenedArtifact(path=dist.folder / one.path, folder=fresh_folder(folder), run=run)
    return contents.read(one.kind, source, name=dist.document["name"], version=dist.document["version"])


def difference(before: Mapping[str, str], after: Mapping[str, str]) -> Difference:
    """How two mappings differ."""
    return Difference(
        added={name: value for name, value in after.items() if name not in before},
        removed={name: value for name, value in before.items() if name not in after},
        changed={
            name: (before[name], value) for name, value in after.items() if name in before and before[name] != value
        },
    )


def write(path: Path, before: Dist, after: Dist, compared: Sequence[Comparison]) -> None:
    """Write `comparison.json`."""
    old, new = ({*listed(dist)} for dist in (before, after))
    document = {
        "format": FORMAT,
        "name": after.document["name"],
        "before": _release(before),
        "after": _release(after),
        "only_before": sorted(old - new),
        "only_after": sorted(new - old),
        "artifacts": [_entry(one) for one in compared],
    }
    write_atomically(path, json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n")


def _release(dist: Dist) -> dict[str, Any]:
    return {"release": dist.title, "version": dist.document["version"], "source": dist.document["source"]}


def _entry(one: Comparison) -> dict[str, object]:
    sides = {
        side: {"path": listed.path, "size": listed.size, "sha256": listed.sha256}
        for side, listed in (("before", one.before), ("after", one.after))
    }
    return {
        "artifact": one.subject,
        "kind": one.before.kind,
        **sides,
        "growth_percent": round(one.growth, 2),
        "budget_percent": one.budget,
        "within_budget": one.is_within_budget,
        "changes": {aspect: dataclasses.asdict(found) for aspect, found in one.differences.items()},
    }


def rows(compared: Sequence[Comparison]) -> list[list[str]]:
    """The rows of the table at the end: artefact, both sizes, growth, and how much changed of what."""
    return [
        [
            one.subject,
            readable_size(one.before.size),
            readable_size(one.after.size),
            readable_growth(one.growth),
            ", ".join(f"{aspect}: {found.count}" for aspect, found in one.differences.items()) or "nothing",
        ]
        for one in compared
    ]


def readable_growth(percent: float) -> str:
    """A growth for people, with its sign unless it is none."""
    text = f"{percent:+.1f}%"
    return text[1:] if text[1:] == "0.0%" else text


def require_budgets(compared: Sequence[Comparison]) -> None:
    """Raise `VerificationError` that names each artefact that has grown beyond its budget.

    `UnavailableError` if there was none to compare.
    """
    if not compared:
        raise UnavailableError("the two releases have no artefact in common", hint="compare with another release")
    lines = [
        f"{one.after.path}: {readable_size(one.after.size)} ({one.after.size} bytes), {one.growth:.1f}% more than "
        f"{readable_size(one.before.size)} ({one.before.size} bytes) before; "
        f"budgets.{'image' if one.after.kind in IMAGES else 'package'} is {one.budget}%"
        for one in compared
        if not one.is_within_budget
    ]
    if lines:
        raise VerificationError(
            "\n".join(lines), hint="find in dist/report.html what grew, or raise the budget in release.yaml"
        )
