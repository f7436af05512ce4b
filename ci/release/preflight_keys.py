"""Can the release be signed: the keys of the manifest, their committed public halves, and the private halves here."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from ci.core.errors import HostError, ReleaseError, UnavailableError
from ci.core.faults import Fault
from ci.core.openpgp import Gpg, agent_ended
from ci.core.run import Runner
from ci.core.state import read_regular
from ci.manifest.release import Release
from ci.pipeline.jobs import Project
from ci.release.key_state import PAGE, KeyState, id_of_ed25519, of_manifest

_CHECK = "keys"
_LARGEST_BYTES = 100_000


@dataclass(frozen=True, kw_only=True)
class PrivateKeys:
    """Where the private keys of this machine are: gpg's home folder, its passphrase's file, and a PEM file (PKCS#8)."""

    gnupg_home: Path
    passphrase: Path | None = None
    attestation: Path | None = None


def faults(project: Project, private: PrivateKeys, today: dt.date, run: Runner) -> Iterator[Fault]:
    """What keeps the release from being signed; `today` is the day in UTC."""
    release = project.release
    for use, keys, make in (
        ("packages", release.keys.packages, "an RSA key with gpg"),
        ("attestations", release.keys.attestations, "an Ed25519 key with openssl"),
    ):
        if not keys:
            advice = f"make {make} as {PAGE} says, and list it: nox -s keys -- --rotate NEW"
            yield _fault(f"release.yaml: keys.{use}", "there is no key to sign with", advice)
    states = of_manifest(release.keys, project.root, today, run)
    for state in states:
        for trouble in state.troubles:
            yield Fault(
                check=_CHECK, where=state.file, what=trouble.what, advice=trouble.advice, warning=trouble.warning
            )
    yield from _untracked(project, states)
    for state in states:
        if state.signs and state.use == "packages":
            yield from _too_young(state, release)
            with _no_agent_left(private.gnupg_home, run):
                yield from _openpgp(state, private, release, run)
        elif state.signs:
            yield from _ed25519(state, private)


def _untracked(project: Project, states: Sequence[KeyState]) -> Iterator[Fault]:
    from ci.core.checkout import is_checkout, tracked

    known = set(tracked(project.root, "ci/keys")) if is_checkout(project.root) else set()
    for state in states:
        file = project.root / state.file
        if is_checkout(project.root) and file.exists() and file not in known:
            yield _fault(state.file, "is not committed", f"git add {state.file}, commit it, and make the tag again")


def _too_young(state: KeyState, release: Release) -> Iterator[Fault]:
    if state.created and state.created.timestamp() >= release.epoch:
        yield _fault(
            state.file,
            f"was created at {state.created:%Y-%m-%d %H:%M} UTC, and signatures carry the release's date, "
            f"{release.date}, 00:00 UTC: nobody accepts a signature that is older than its key",
            "release with a later date (nox -s bump), or sign with a key that was there before",
        )


def _no_agent_left(home: Path, run: Runner) -> AbstractContextManager[None]:
    """End the agent that the trial starts: it would keep the passphrase, and let a wrong one pass afterwards."""
    return agent_ended(home, run) if home.is_dir() else contextlib.nullcontext()


def _openpgp(state: KeyState, private: PrivateKeys, release: Release, run: Runner) -> Iterator[Fault]:
    where = f"gpg's home {private.gnupg_home}"
    gpg = Gpg(home=private.gnupg_home, passphrase=private.passphrase, epoch=release.epoch, run=run)
    try:
        found = gpg.describe(state.id) if private.gnupg_home.is_dir() else None
    except UnavailableError:
        found = None
    except ReleaseError as error:
        yield _fault(where, f"cannot be read: {str(error).splitlines()[0]}", "name another folder with --gnupg-home")
        return
    if found is None or not found.secret:
        have = "only the public half of" if found else "no"
        yield _fault(
            where,
            f"has {have} key {state.id}, which signs",
            "import it there from where it is kept (gpg --import), or name the folder that has it: --gnupg-home; "
            f"if it is lost, see {PAGE}",
        )
        return
    if state.created and state.created.timestamp() >= release.epoch:
        return  # a trial at the release's date would fail for that reason
    try:
        why = gpg.why_unusable(state.id)
    except ReleaseError as error:  # the passphrase's file cannot be read
        why = str(error)
    if why:
        yield _fault(
            where,
            f"the key {state.id} cannot sign: {why}",
            "name a file with the right passphrase (--passphrase-file), or unlock the key in gpg's agent first",
        )


def _ed25519(state: KeyState, private: PrivateKeys) -> Iterator[Fault]:
    if private.attestation is None:
        advice = "name the file with the private key: --attestation-key FILE"
        yield _fault("--attestation-key", f"is not given, and {state.file} is to sign", advice)
        return
    where = f"--attestation-key {private.attestation}"
    try:
        found = private_id(private.attestation)
    except HostError as error:
        yield _fault(where, str(error), error.hint)
        return
    if state.id and found != state.id:
        yield _fault(
            where,
            f"is not the private half of {state.file}: its id is {found[:16]}, and that of the file {state.id[:16]}",
            f"name the right file; or commit its public half: openssl pkey -in FILE -pubout -out {state.file}",
        )


def private_id(path: Path) -> str:
    """The id of the public half of a private key in a PEM file (PKCS#8, Ed25519, without a passphrase).

    Raises `HostError` without a word of what the file holds.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    hint = f"expected an Ed25519 key as openssl genpkey writes it, see {PAGE}"
    try:
        key = load_pem_private_key(read_regular(path, _LARGEST_BYTES), password=None)
    except OSError as error:
        raise HostError(f"cannot be read: {error.strerror or error}", hint=hint) from None
    except TypeError:
        raise HostError("is locked by a passphrase", hint=f"unlock it into a file in memory, see {PAGE}") from None
    except (ValueError, UnsupportedAlgorithm):
        raise HostError("holds no private key in PEM form", hint=hint) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise HostError("holds another key than Ed25519", hint=hint)
    return id_of_ed25519(key.public_key())


def _fault(where: str, what: str, advice: str) -> Fault:
    return Fault(check=_CHECK, where=where, what=what, advice=advice)
