"""The command `release`: from a tag to the signed set in `dist/release/`."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from ci import kinds
from ci.commands.keys import gnupg_home
from ci.commands.proving import build_again, build_and_prove, everything, with_proofs
from ci.commands.running import open_project, options_of, working
from ci.core.console import Console
from ci.core.errors import PreflightError
from ci.core.files import make_folder
from ci.core.openpgp import Gpg, agent_ended
from ci.core.run import Runner
from ci.core.state import read_json
from ci.pipeline.jobs import Project, Signing
from ci.release.preflight_keys import PrivateKeys


def release(root: Path, console: Console, chosen: argparse.Namespace) -> None:
    """Make the signed set of the tag that is checked out; with `--preflight`, only say what is in the way."""
    from ci.release import preflight

    private = PrivateKeys(
        gnupg_home=gnupg_home(chosen), passphrase=chosen.passphrase_file, attestation=chosen.attestation_key
    )
    project = _signing(open_project(root, options_of(chosen)), private)
    project, builds = everything(project, kinds.GATES)
    jobs = with_proofs(project, builds, kinds.GATES)
    preflight.run(
        project,
        console,
        private,
        jobs,
        allow_missing=chosen.allow_missing,
        previous_trees=chosen.previous_trees,
    )
    if chosen.preflight:
        return
    log = project.dist / "logs" / "release.log"
    make_folder(log.parent)
    log.unlink(missing_ok=True)
    run = Runner(log=log)
    with agent_ended(private.gnupg_home, run):
        build_and_prove(project, console, builds, jobs, allow_missing=chosen.allow_missing)
        build_again(project, console)
        _require_publishable(project)
        folder = _assemble(project, console, private, chosen, run)
    console.say(f"{folder.relative_to(root)}/ has the signed set; check it as its users do:")
    key = project.release.keys.packages[0].file
    console.say(f"  python3 {folder.relative_to(root)}/verify.py --key {key} {folder.relative_to(root)}")


def _signing(project: Project, private: PrivateKeys) -> Project:
    """The project with the key that signs RPMs; without one in the manifest, the preflight reports that."""
    keys = project.release.keys.packages
    if not keys:
        return project
    signing = Signing(openpgp=keys[0].openpgp, gnupg_home=private.gnupg_home, passphrase=private.passphrase)
    return dataclasses.replace(project, options=dataclasses.replace(project.options, signing=signing))


def _require_publishable(project: Project) -> None:
    """Raise `PreflightError` with everything that was not run, and that the manifest does not let pass."""
    from ci.release.not_run import not_allowed, not_compared

    document = read_json(project.dist / "artifacts.json")
    again = read_json(project.dist / "reproducibility.json")
    if found := [*not_allowed(document, project.release), *not_compared(again, document, project.release)]:
        lines = "\n".join(str(fault) for fault in found)
        raise PreflightError(f"what was built may not be published\n{lines}", hint="do that, and run it again")


def _assemble(
    project: Project, console: Console, private: PrivateKeys, chosen: argparse.Namespace, run: Runner
) -> Path:
    """Put the set together, as the program that its users run accepts it."""
    from ci.release import assemble, envelopes

    assert private.attestation is not None, "the preflight has seen it"
    key = project.release.keys.packages[0]
    with working(project, console):
        gpg = Gpg(home=private.gnupg_home, passphrase=private.passphrase, epoch=project.release.epoch, run=run)
        signers = assemble.Signers(
            gpg=gpg, package_key=key.openpgp, attestations=envelopes.load_key(private.attestation)
        )
        document = read_json(project.dist / "artifacts.json")
        return assemble.assemble(
            project, document, signers, allow_missing=chosen.allow_missing, previous=chosen.previous_trees, run=run
        )
