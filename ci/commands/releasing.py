"""The command `release`: from a tag to the signed set in `dist/release/`. `STEPS` is the order of a release."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from ci import kinds
from ci.commands.keys import gnupg_home
from ci.commands.proving import build_again, build_and_prove, everything, with_proofs
from ci.commands.running import open_project, options_of, working
from ci.core.console import Console
from ci.core.errors import PreflightError
from ci.core.files import make_folder
from ci.core.openpgp import Gpg, agent_ended
from ci.core.resolve import resolve
from ci.core.run import Runner
from ci.core.state import read_json
from ci.pipeline.jobs import Job, Project, Signing
from ci.release.preflight_keys import PrivateKeys

if TYPE_CHECKING:
    from ci.release.assemble import Assembly


@dataclass(frozen=True, kw_only=True)
class Course:
    """What the steps of one release share. `stack` ends what a step has begun and the following ones need."""

    project: Project
    console: Console
    private: PrivateKeys
    chosen: argparse.Namespace
    builds: Sequence[Job]
    jobs: Sequence[Job]
    stack: ExitStack

    @cached_property
    def run(self) -> Runner:
        """The runner of gpg, whose agent ends with the release."""
        log = self.project.dist / "logs" / "release.log"
        make_folder(log.parent)
        log.unlink(missing_ok=True)
        run = Runner(log=log)
        self.stack.enter_context(agent_ended(self.private.gnupg_home, run))
        return run

    @cached_property
    def assembly(self) -> Assembly:
        """The set that is being put together. From here on, no other run works in `dist/`."""
        from ci.release import assemble, envelopes

        assert self.private.attestation is not None, "the preflight has seen it"
        self.stack.enter_context(working(self.project, self.console))
        home, epoch = self.private.gnupg_home, self.project.release.epoch
        signers = assemble.Signers(
            gpg=Gpg(home=home, passphrase=self.private.passphrase, epoch=epoch, run=self.run),
            package_key=self.project.release.keys.packages[0].openpgp,
            attestations=envelopes.load_key(self.private.attestation),
        )
        return assemble.begin(
            self.project,
            read_json(self.project.dist / "artifacts.json"),
            signers,
            allow_missing=self.chosen.allow_missing,
            previous=self.chosen.previous_trees,
            run=self.run,
        )


@dataclass(frozen=True)
class ReleaseStep:
    """A step of a release: its name, for the output and for docs/releasing.md, and what does it."""

    name: str
    take: Callable[[Course], None]


def release(root: Path, console: Console, chosen: argparse.Namespace) -> None:
    """Make the signed set of the tag that is checked out; with `--preflight`, only say what is in the way."""
    private = PrivateKeys(
        gnupg_home=gnupg_home(chosen), passphrase=chosen.passphrase_file, attestation=chosen.attestation_key
    )
    project = _signing(open_project(root, options_of(chosen)), private)
    project, builds = everything(project, kinds.GATES)
    jobs = with_proofs(project, builds, kinds.GATES)
    with ExitStack() as stack:
        course = Course(
            project=project, console=console, private=private, chosen=chosen, builds=builds, jobs=jobs, stack=stack
        )
        for step in STEPS[:1] if chosen.preflight else STEPS:
            console.say(f"step {STEPS.index(step) + 1} of {len(STEPS)}: {step.name}")
            step.take(course)
    if not chosen.preflight:
        key = project.release.keys.packages[0].file
        console.say("dist/release/ has the signed set; check it as its users do:")
        console.say(f"  python3 dist/release/verify.py --key {key} dist/release")


def _signing(project: Project, private: PrivateKeys) -> Project:
    """The project with the key that signs RPMs; without one in the manifest, the preflight reports that."""
    keys = project.release.keys.packages
    if not keys:
        return project
    signing = Signing(openpgp=keys[0].openpgp, gnupg_home=private.gnupg_home, passphrase=private.passphrase)
    return dataclasses.replace(project, options=dataclasses.replace(project.options, signing=signing))


def _preflight(course: Course) -> None:
    from ci.release import preflight

    chosen = course.chosen
    preflight.run(
        course.project,
        course.console,
        course.private,
        course.jobs,
        allow_missing=chosen.allow_missing,
        previous_trees=chosen.previous_trees,
    )


def _build(course: Course) -> None:
    """Run all jobs, each as soon as what it needs is there: RPMs are signed before an image installs one."""
    _ = course.run  # the jobs that sign start gpg's agent
    build_and_prove(
        course.project, course.console, course.builds, course.jobs, allow_missing=course.chosen.allow_missing
    )


def _reproduce(course: Course) -> None:
    build_again(course.project, course.console)


def _require_publishable(course: Course) -> None:
    """Raise `PreflightError` with everything that was not run, and that the manifest does not let pass."""
    from ci.release.not_run import not_allowed, not_compared

    project = course.project
    document = read_json(project.dist / "artifacts.json")
    again = read_json(project.dist / "reproducibility.json")
    if found := [*not_allowed(document, project.release), *not_compared(again, document, project.release)]:
        lines = "\n".join(str(fault) for fault in found)
        raise PreflightError(f"what was built may not be published\n{lines}", hint="do that, and run it again")


def _assemble(part: str, course: Course) -> None:
    resolve(f"ci.release.assemble:{part}")(course.assembly)


STEPS = (
    ReleaseStep("preflight", _preflight),
    ReleaseStep("build the RPMs and sign them, build everything else and the SBOMs, verify, run the gates", _build),
    ReleaseStep("build twice and compare", _reproduce),
    ReleaseStep("refuse what was not run", _require_publishable),
    ReleaseStep("copy the artefacts", partial(_assemble, "copy_artifacts")),
    ReleaseStep("sign the MSYS2 packages", partial(_assemble, "sign_packages")),
    ReleaseStep("add the records, the public keys and verify.py", partial(_assemble, "add_records")),
    ReleaseStep("make and sign the package repositories", partial(_assemble, "make_trees")),
    ReleaseStep("write SHA256SUMS", partial(_assemble, "write_sums")),
    ReleaseStep("sign provenance and verdicts", partial(_assemble, "write_statements")),
    ReleaseStep("sign SHA256SUMS", partial(_assemble, "sign_sums")),
    ReleaseStep("verify the set as its users do", partial(_assemble, "verify_set")),
    ReleaseStep("put the set into dist/release", partial(_assemble, "put_in_place")),
)
"""The order of a release. Every step that fails ends it, and the next run begins with the first step again."""
