"""`bump`: one commit and one tag for a new version."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ci.commands.keys import gnupg_home
from ci.commands.running import open_project, working
from ci.core.console import Console
from ci.core.files import make_folder
from ci.core.openpgp import Gpg, agent_ended
from ci.core.run import Runner
from ci.pipeline.jobs import Options, Project
from ci.release import bump as stage
from ci.release import bump_plan


def bump(root: Path, console: Console, chosen: argparse.Namespace) -> None:
    """Show how the next version changes the checkout, and make its commit and its tag."""
    project = open_project(root, Options())
    date = chosen.date or dt.datetime.now(dt.UTC).date()
    with working(project, console), tempfile.TemporaryDirectory(prefix="faas-runtime-bump-") as scratch:
        log = project.dist / "logs" / "bump.log"
        make_folder(log.parent)
        log.unlink(missing_ok=True)
        run = Runner(log=log)
        plan = bump_plan.plan(root, project.release, chosen.words, date, run, console.error)
        with _signing(project, chosen, run) as sign:
            made = stage.cut(plan, root, Path(scratch), run, sign if plan.tag else None)
        print(stage.difference(made, run, colour=sys.stdout.isatty()), flush=True)
        signed = "signed " if sign else ""
        what = f'the commit "{plan.subject}"' + (f" and the {signed}tag {plan.tag}" if plan.tag else "")
        if chosen.dry_run:
            console.say(f"nothing was changed; without --dry-run, this becomes {what}")
            return
        console.say(f"the files are changed now; if that is cut off: git reset --hard {plan.before}")
        stage.move_over(made, root, run)
    console.say(f"made {what}; nothing was pushed. To undo it:")
    for command in made.undo:
        console.say(f"  {command}")


@contextmanager
def _signing(project: Project, chosen: argparse.Namespace, run: Runner) -> Iterator[stage.Sign | None]:
    """What signs the tag: the first key for packages in the manifest. None without one, and where nothing is kept."""
    keys = project.release.keys.packages
    if not keys or chosen.dry_run:
        yield None
        return
    # The time of the signature is the tag's own: now.
    gpg = Gpg(home=gnupg_home(chosen), passphrase=chosen.passphrase_file, epoch=int(time.time()), run=run)

    def sign(text: bytes) -> bytes:
        with tempfile.TemporaryDirectory(prefix="faas-runtime-tag-") as folder:
            path, signature = Path(folder, "tag"), Path(folder, "tag.asc")
            path.write_bytes(text)
            gpg.detach_sign(path, signature, key=keys[0].openpgp, armour=True)
            return signature.read_bytes()

    with agent_ended(gpg.home, run):
        yield sign
