"""What keeps a version from being yanked, found out before the first target is changed."""

from __future__ import annotations

import datetime as dt
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ci.core.errors import ReleaseError
from ci.core.faults import Fault, fault_of, require_none
from ci.core.openpgp import Gpg, describe_file
from ci.manifest.release import PackageKey
from ci.publish.target import Item, Target
from ci.publish.tree_place import CHANNELS, read_tree
from ci.publish.trees import Tree
from ci.release.trees import KEYS

_CHECK = "yank"
_TOOLS = {"yum": ("createrepo_c", "rpm"), "pacman": ("repo-add",)}
_OTHER_KEY = "name another key of release.yaml that the clients know: --key FINGERPRINT"


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What each target that could be asked has now, by its name, and what stands in the way."""

    items: Mapping[str, Sequence[Item]]
    faults: Sequence[Fault]

    def require_ready(self) -> None:
        """Raise `PreflightError` with all faults, if there are any; `HostError` if servers alone are at fault."""
        hint = "do that, and run the same command again; nothing was changed"
        require_none(self.faults, "this version from being yanked", hint)


def check(targets: Sequence[Target], gpg: Gpg, key: PackageKey) -> Checked:
    """Ask every target for its state once and, if there are trees, try the tools and the key that make new ones.

    It changes nothing.
    """
    items, faults = {}, []
    for target in targets:
        try:
            items[target.name] = target.state()
        except ReleaseError as error:
            faults.append(fault_of(error, _CHECK, target.name, "see that it can be reached"))
    trees = [target for target in targets if isinstance(target, Tree)]
    for tree in trees:
        faults += _tree(tree, gpg, key)
    if trees:
        faults += _key(gpg, key)
    return Checked(items=items, faults=list(dict.fromkeys(faults)))


def _tree(target: Tree, gpg: Gpg, key: PackageKey) -> Iterator[Fault]:
    for tool in _TOOLS[target.name]:
        if shutil.which(tool) is None:
            yield _fault(tool, "not found on PATH", "install what the sessions need with: ci/bootstrap")
    if target.folder.is_dir() and not os.access(target.folder, os.W_OK | os.X_OK):
        yield _fault(str(target.folder), "it cannot be written to", "run as a user who may, or give this one the right")
    for channel in CHANNELS:
        try:
            shown = target.place.shown(channel)
            if shown is None:
                continue
            read_tree(shown)
            known = {one.fingerprint for one in describe_file(shown / KEYS, gpg.run)}
        except ReleaseError as error:
            yield fault_of(error, _CHECK, target.name)
            continue
        if key.openpgp not in known:
            yield _fault(str(shown / KEYS), f"its clients do not know the key {key.openpgp}", _OTHER_KEY)


def _key(gpg: Gpg, key: PackageKey) -> Iterator[Fault]:
    """Why the private key cannot sign; found out by a signature that is thrown away."""
    where = f"the key {key.openpgp}"
    if key.until < dt.datetime.now(dt.UTC).date():
        yield _fault(where, f"it was to sign until {key.until}", _OTHER_KEY)
    if not gpg.home.is_dir():
        yield _fault(str(gpg.home), "there is no such folder", "name the one with the private key: --gnupg-home DIR")
        return
    try:
        if not gpg.describe(key.openpgp).secret:
            what = f"{gpg.home} has its public half alone"
            yield _fault(where, what, "import the private half there, or name another folder with --gnupg-home")
        elif why := gpg.why_unusable(key.openpgp):
            advice = "name the file with its passphrase: --passphrase-file FILE; or " + _OTHER_KEY
            yield _fault(where, f"it cannot sign: {why.removeprefix('gpg: ')}", advice)
    except ReleaseError as error:
        yield _fault(where, str(error), error.hint)  # also a file that is missing: another one has to be named


def _fault(where: str, what: str, advice: str) -> Fault:
    return Fault(check=_CHECK, where=where, what=what, advice=advice)
