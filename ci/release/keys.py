"""The keys of releases: shows their state, announces the next one, and lets it sign. `docs/keys.md` says when."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ci.core.console import Console
from ci.core.errors import ManifestError, PreflightError, UnavailableError, UsageError, VerificationError
from ci.core.files import write_atomically
from ci.core.key_list import KeyDescription
from ci.core.openpgp import Gpg, throw_away_home
from ci.core.run import Runner
from ci.core.state import read_regular
from ci.manifest import write_keys
from ci.manifest.reader import NAME, load
from ci.manifest.release import Release
from ci.release.key_state import PAGE, KeyState, described, ed25519_id, of_manifest, unfit

FOLDER = "ci/keys"
_FINGERPRINT = re.compile(r"[0-9A-F]{40}")
_LONGEST = dt.timedelta(days=3 * 365)
_LARGEST_BYTES = 1_000_000


def show(root: Path, console: Console, home: Path, today: dt.date, run: Runner) -> None:
    """Print every key of the manifest with its state; `home` is the folder of gpg that may have private halves."""
    release = load(root / NAME)
    states = of_manifest(release.keys, root, today, run)
    if not states:
        console.say(f"release.yaml lists no key; {PAGE} says how to make the first ones")
        return
    rows = [
        [
            state.use,
            _role(state, states),
            state.id,
            state.algorithm,
            f"{state.created:%Y-%m-%d}" if state.created else "-",
            _end(state, today),
            "here" if state.use == "packages" and _is_here(state.id, home, release, run) else "-",
            state.file,
            "; ".join(trouble.what for trouble in state.troubles) or "in order",
        ]
        for state in states
    ]
    columns = ["for", "role", "fingerprint or id", "algorithm", "created", "expires", "private half", "file", "state"]
    console.table(f"Keys of {release.name} on {today}", columns, rows)
    for state in states:
        for trouble in state.troubles:
            console.say(f"{'warning' if trouble.warning else 'fault'}: {state.file}: {trouble.what}")
            console.say(f"  what to do: {trouble.advice}")


def _role(state: KeyState, states: Sequence[KeyState]) -> str:
    """What a key is for. One that is behind the signing key is announced if it is younger, and retired otherwise."""
    if state.signs:
        return "signs"
    first = next(one for one in states if one.use == state.use)
    if state.created is None or first.created is None:
        return "known"
    return "announced" if state.created > first.created else "retired"


def _end(state: KeyState, today: dt.date) -> str:
    if state.ends is None:
        return "never" if state.algorithm != "?" else "-"
    days = (state.ends - today).days
    return f"{state.ends}, {days} days" if days > 0 else f"{state.ends}, over"


def _is_here(fingerprint: str, home: Path, release: Release, run: Runner) -> bool:
    if not home.is_dir():
        return False
    try:
        return Gpg(home=home, epoch=release.epoch, run=run).describe(fingerprint).secret
    except UnavailableError:
        return False


@dataclass(frozen=True, kw_only=True)
class _Public:
    """The public half of a key that is to be listed: its values for the manifest, the file's bytes, and its name."""

    use: str
    entry: dict[str, str]
    content: bytes
    label: str


def rotate(
    root: Path, console: Console, new: str, home: Path, today: dt.date, run: Runner, *, switch: bool = False
) -> None:
    """Put a key into the manifest behind the one that signs, so that it is announced; with `switch`, it signs.

    `new` is the fingerprint of a key in gpg's folder `home`, a file with a public OpenPGP key, or a PEM file with a
    public Ed25519 key, which is for statements. Its public half is written below `ci/keys/`. A key that nobody would
    accept raises `PreflightError`. What changes in the checkout is left to be committed.
    """
    release = load(root / NAME)
    public = _public(root, release, new, home, today, run)
    file = root / public.entry.get("file", public.entry.get("ed25519", ""))
    listed = {key.openpgp for key in release.keys.packages} | {key.ed25519 for key in release.keys.attestations}
    announced = next(iter(public.entry.values())) in listed
    first_of_all = not (release.keys.packages if public.use == "packages" else release.keys.attestations)
    write_atomically(file, public.content)
    _put(root / NAME, public, first=switch)
    if switch and not announced and not first_of_all:
        console.say(
            f"warning: {public.label} was not announced: clients that know only the old key refuse what it signs, "
            "until they get the new list of keys"
        )
    does = "signs from now on" if switch or first_of_all else "is announced, and signs nothing yet"
    console.say(f"{NAME}: {public.label} {does}")
    console.say(f"what to do: git add {NAME} {file.relative_to(root)}, and commit both")


def _put(manifest: Path, public: _Public, *, first: bool) -> None:
    """List the key; a manifest that would not be valid then stays as it was."""
    before = manifest.read_bytes()
    write_keys.put(manifest, public.use, public.entry, first=first)
    try:
        load(manifest)
    except ManifestError:
        target = manifest.resolve()
        write_atomically(target, before, mode=target.stat().st_mode & 0o7777)
        raise


def _public(root: Path, release: Release, new: str, home: Path, today: dt.date, run: Runner) -> _Public:
    fingerprint = new.replace(" ", "").upper().removeprefix("0X")
    if _FINGERPRINT.fullmatch(fingerprint):
        gpg = Gpg(home=home, epoch=release.epoch, run=run)
        return _package_key(root, release, gpg.describe(fingerprint), gpg.export(fingerprint), today)
    path = Path(new)
    try:
        content = read_regular(path, _LARGEST_BYTES)
    except OSError as error:
        raise UsageError(
            f"--rotate {new}: neither a fingerprint nor a file that can be read ({error.strerror or error})",
            hint="name 40 hexadecimal digits, a file .asc with a public OpenPGP key, or a PEM file with a public key",
        ) from error
    try:
        if b"BEGIN PUBLIC KEY" in content:
            return _attestation_key(root, release, path, content, today)
        found = described(path, run)
    except VerificationError as error:
        raise PreflightError(f"{new}: {error}", hint=error.hint) from error
    with throw_away_home() as apart:
        run("gpg", "--no-options", "--batch", "--no-autostart", "--homedir", apart, "--import", "--", path.resolve())
        exported = Gpg(home=apart, epoch=release.epoch, run=run).export(found.fingerprint)
    return _package_key(root, release, found, exported, today)


def _package_key(root: Path, release: Release, key: KeyDescription, content: bytes, today: dt.date) -> _Public:
    faults = [f"{trouble.what}\n  what to do: {trouble.advice}" for trouble in unfit(key)]
    ends = dt.datetime.fromtimestamp(key.expires, dt.UTC).date() if key.expires is not None else None
    if ends is not None and ends <= today:
        faults.append(f"expired on {ends}\n  what to do: make another key as {PAGE} says")
    if faults:
        raise PreflightError(f"the key {key.fingerprint} cannot sign releases\n" + "\n".join(faults))
    known = next((one for one in release.keys.packages if one.openpgp == key.fingerprint), None)
    created = dt.datetime.fromtimestamp(key.created, dt.UTC).date()
    file = known.file if known else _free(root, f"packages-{created.year}", key.fingerprint[-8:].lower(), ".asc")
    last = known.until if known else (ends - dt.timedelta(days=1) if ends else created + _LONGEST)
    entry = {"openpgp": key.fingerprint, "file": file, "until": str(last)}
    return _Public(use="packages", entry=entry, content=content, label=f"the key {key.fingerprint}")


def _attestation_key(root: Path, release: Release, path: Path, content: bytes, today: dt.date) -> _Public:
    key_id = ed25519_id(path)
    for one in release.keys.attestations:
        if (root / one.ed25519).is_file() and ed25519_id(root / one.ed25519) == key_id:
            file = one.ed25519
            break
    else:
        file = _free(root, f"attestations-{today.year}", key_id[:8], ".pub")
    return _Public(use="attestations", entry={"ed25519": file}, content=content, label=f"the key {file}")


def _free(root: Path, name: str, distinction: str, ending: str) -> str:
    """A path in `ci/keys/` that no other key has."""
    first = f"{FOLDER}/{name}{ending}"
    return f"{FOLDER}/{name}-{distinction}{ending}" if (root / first).exists() else first
