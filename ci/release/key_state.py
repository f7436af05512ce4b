"""The keys that the manifest lists, as their committed public halves are, and what is wrong with each of them."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ci.core.errors import CommandFailed, ReleaseError, VerificationError
from ci.core.key_list import KeyDescription
from ci.core.openpgp import describe_file
from ci.core.run import Runner
from ci.core.state import read_regular
from ci.manifest.release import Keys, PackageKey

PAGE = "docs/keys.md"
SOON = dt.timedelta(days=90)
"""Below that, a key ends soon: clients need the next one long before the switch."""

_STRONG = {"SHA256", "SHA384", "SHA512"}
_LARGEST_BYTES = 1_000_000
_BITS = 4096


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """What is wrong with a key, and what to do."""

    what: str
    advice: str
    warning: bool = False


@dataclass(frozen=True, kw_only=True)
class KeyState:
    """A key of the manifest. `place` is its position in its list; the first one signs.

    `use` is "packages" or "attestations", `id` the fingerprint or, of an Ed25519 key, the SHA-256 of its DER form.
    `ends` is the day on which it expires, None for a key that does not. `troubles` are empty for one that is in order.
    """

    use: str
    place: int
    file: str
    id: str
    algorithm: str
    created: dt.datetime | None = None
    ends: dt.date | None = None
    until: dt.date | None = None
    troubles: tuple[Trouble, ...] = ()

    @property
    def signs(self) -> bool:
        """Whether it is the key that releases are signed with."""
        return self.place == 0


def of_manifest(keys: Keys, root: Path, today: dt.date, run: Runner) -> list[KeyState]:
    """The state of every key that the manifest lists; `today` is the day in UTC. It reads committed files only."""
    packages = (_package_key(key, place, root, today, run) for place, key in enumerate(keys.packages))
    statements = (_attestation_key(key.ed25519, place, root) for place, key in enumerate(keys.attestations))
    return [*packages, *statements]


def _package_key(key: PackageKey, place: int, root: Path, today: dt.date, run: Runner) -> KeyState:
    troubles: list[Trouble] = []
    found = None
    try:
        found = described(root / key.file, run)
    except ReleaseError as error:
        troubles.append(Trouble(what=str(error), advice=error.hint))
    if found is not None and found.fingerprint != key.openpgp:
        advice = f"export the right one: gpg --armor --export {key.openpgp} > {key.file}"
        troubles.append(Trouble(what=f"holds the key {found.fingerprint}, and not {key.openpgp}", advice=advice))
        found = None
    if found is None:
        return KeyState(
            use="packages", place=place, file=key.file, id=key.openpgp, algorithm="?", until=key.until,
            troubles=tuple(troubles),
        )  # fmt: skip
    ends = _day(found.expires) if found.expires is not None else None
    return KeyState(
        use="packages",
        place=place,
        file=key.file,
        id=key.openpgp,
        algorithm=f"{found.algorithm} {found.bits}",
        created=dt.datetime.fromtimestamp(found.created, dt.UTC),
        ends=ends,
        until=key.until,
        troubles=(*unfit(found), *_ends(ends, key.until, today, signs=place == 0)),
    )


def described(path: Path, run: Runner) -> KeyDescription:
    """The one public key in a file; a `VerificationError` says what else is there."""
    _public_bytes(path)
    try:
        found = describe_file(path, run)
    except CommandFailed as error:
        raise VerificationError(f"cannot be read: {error}", hint=_export_again(path)) from error
    except VerificationError as error:
        raise VerificationError("has no OpenPGP key that gpg can read", hint=_export_again(path)) from error
    if len(found) != 1:
        raise VerificationError(f"has {len(found)} keys; expected one", hint=_export_again(path))
    return found[0]


def _export_again(path: Path) -> str:
    return f"export the public key again: gpg --armor --export FINGERPRINT > {path.name}"


def _public_bytes(path: Path) -> bytes:
    try:
        content = read_regular(path, _LARGEST_BYTES)
    except OSError as error:
        hint = "commit the public half of the key there, see " + PAGE
        raise VerificationError(f"cannot be read: {error.strerror or error}", hint=hint) from error
    if b"PRIVATE KEY" in content:
        raise VerificationError(
            "holds a private key: whoever has the repository can sign with it",
            hint=f"it counts as stolen; do what {PAGE} says of stolen keys",
        )
    return content


def unfit(key: KeyDescription) -> Iterator[Trouble]:
    """Why EL 9, EL 10 or their FIPS mode would refuse signatures by a key."""
    make = f"make another key as {PAGE} says, and announce it: nox -s keys -- --rotate NEW"
    if (key.algorithm, key.bits) != ("RSA", _BITS):
        what = f"is {key.algorithm} with {key.bits} bits; EL 9, EL 10 and FIPS need RSA with {_BITS} bits"
        yield Trouble(what=what, advice=make)
    if weak := [name for name in key.hashes if name not in _STRONG]:
        yield Trouble(
            what=f"its self-signature uses {', '.join(weak)}, which EL 9 and EL 10 refuse",
            advice="sign it again with SHA-512: "
            f"gpg --cert-digest-algo SHA512 --quick-set-expire {key.fingerprint} 3y; "
            f"then write its public half again: nox -s keys -- --rotate {key.fingerprint}",
        )
    if not key.hashes:
        yield Trouble(what="has no self-signature", advice=make)
    if key.subkeys:
        what = f"has sub-keys ({key.subkeys}), which old versions of rpm do not find signatures of"
        yield Trouble(what=what, advice=make)
    if not key.signs:
        yield Trouble(what="may not sign", advice=make)
    if key.revoked:
        yield Trouble(what="is revoked", advice=f"{make} --switch; then do what {PAGE} says of stolen keys")


def _ends(ends: dt.date | None, until: dt.date, today: dt.date, *, signs: bool) -> Iterator[Trouble]:
    announce = f"make the next key as {PAGE} says, and announce it: nox -s keys -- --rotate NEW"
    if not signs:
        if ends is not None and ends <= today:
            advice = (
                f"leave it there while the repositories have packages that it has signed; then retire it, see {PAGE}"
            )
            yield Trouble(what=f"expired on {ends}", advice=advice, warning=True)
        return
    last, word = min((day, word) for day, word in ((ends, "expires"), (until, "is to sign until")) if day is not None)
    days = (last - today).days
    if ends is not None and ends <= today:
        yield Trouble(what=f"expired on {ends}", advice=f"{announce} --switch")
    elif until < today:
        advice = f"sign with the next key: nox -s keys -- --rotate NEW --switch; or set a later day, see {PAGE}"
        yield Trouble(what=f"was to sign until {until}", advice=advice)
    elif days < SOON.days:
        yield Trouble(what=f"{word} {last}, in {days} days", advice=announce, warning=True)


def _attestation_key(file: str, place: int, root: Path) -> KeyState:
    troubles = []
    key_id, algorithm = "", "?"
    try:
        key_id, algorithm = ed25519_id(root / file), "Ed25519"
    except VerificationError as error:
        troubles.append(Trouble(what=str(error), advice=error.hint))
    return KeyState(
        use="attestations", place=place, file=file, id=key_id, algorithm=algorithm, troubles=tuple(troubles)
    )


def ed25519_id(path: Path) -> str:
    """The id of the public key in a PEM file: the SHA-256 of its DER form.

    Raises `VerificationError` for a file that has no key of Ed25519.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    hint = f"write the public key there again: openssl pkey -in PRIVATE -pubout -out {path.name}"
    try:
        key = load_pem_public_key(_public_bytes(path))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise VerificationError("has no public key in PEM form", hint=hint) from error
    if not isinstance(key, Ed25519PublicKey):
        raise VerificationError(f"has another key than Ed25519: {type(key).__name__}", hint=hint)
    return id_of_ed25519(key)


def id_of_ed25519(key: object) -> str:
    """The id of a public key of `cryptography`: the SHA-256 of its DER form (SubjectPublicKeyInfo), in hexadecimal."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    assert isinstance(key, Ed25519PublicKey)
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _day(seconds: int) -> dt.date:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).date()
