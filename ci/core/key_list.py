"""Reads the list of keys that gpg prints for programs: https://github.com/gpg/gnupg/blob/master/doc/DETAILS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_ALGORITHMS = {"1": "RSA", "17": "DSA", "18": "ECDH", "19": "ECDSA", "22": "EdDSA"}
_HASHES = {"1": "MD5", "2": "SHA1", "3": "RIPEMD160", "8": "SHA256", "9": "SHA384", "10": "SHA512", "11": "SHA224"}
_BEGINS_KEY = ("pub", "sec")
# The classes of signatures on user ids and on the key itself (RFC 9580, 5.2.1).
_ON_ITSELF = ("10", "11", "12", "13", "1F")
# The fields of a record, counted from 0.
_TYPE, _VALIDITY, _BITS, _ALGORITHM, _KEY_ID, _CREATED, _EXPIRES = 0, 1, 2, 3, 4, 5, 6
_TEXT, _CLASS, _ABILITIES, _TOKEN, _HASH, _CURVE = 9, 10, 11, 14, 15, 16


@dataclass(frozen=True, kw_only=True)
class KeyDescription:
    """One OpenPGP key: `algorithm` is such as "RSA" or "EdDSA ed25519", times are in seconds since 1970.

    `expires` is None for a key that does not. `hashes` are those of the newest self-signature of each user id, such as
    "SHA512". `signs` is whether the primary key may sign, `subkeys` how many others there are. `secret` is whether the
    private half is there, or on a card; whether its passphrase is known is another question.
    """

    fingerprint: str
    algorithm: str
    bits: int
    created: int
    expires: int | None
    hashes: tuple[str, ...]
    users: tuple[str, ...]
    signs: bool
    subkeys: int
    revoked: bool
    secret: bool = False


def parse(text: str) -> tuple[KeyDescription, ...]:
    """The keys in what `gpg --with-colons` printed, with their signatures if `--list-sigs` was asked for."""
    return tuple(_key(records) for records in _by_key(text))


def _by_key(text: str) -> Iterator[list[list[str]]]:
    """The records of each key; each has all the fields that are read here."""
    records: list[list[str]] = []
    for line in text.splitlines():
        fields = line.split(":")
        fields += [""] * (_CURVE + 1 - len(fields))
        if fields[_TYPE] in _BEGINS_KEY:
            if records:
                yield records
            records = [fields]
        elif records:
            records.append(fields)
    if records:
        yield records


def _key(records: list[list[str]]) -> KeyDescription:
    first = records[0]
    algorithm = _ALGORITHMS.get(first[_ALGORITHM], f"algorithm {first[_ALGORITHM]}")
    return KeyDescription(
        fingerprint=next((one[_TEXT] for one in records if one[_TYPE] == "fpr"), ""),
        algorithm=f"{algorithm} {first[_CURVE]}".strip(),
        bits=int(first[_BITS] or 0),
        created=int(first[_CREATED] or 0),
        expires=int(first[_EXPIRES]) if first[_EXPIRES] else None,
        hashes=tuple(sorted(set(_hashes(records)))),
        users=tuple(one[_TEXT] for one in records if one[_TYPE] == "uid"),
        signs="s" in first[_ABILITIES],
        subkeys=sum(one[_TYPE] in ("sub", "ssb") for one in records),
        revoked=first[_VALIDITY] == "r",
        # "+" or the number of a card; "#" stands for a private half that is somewhere else.
        secret=first[_TYPE] == "sec" and first[_TOKEN] not in ("", "#"),
    )


def _hashes(records: list[list[str]]) -> Iterator[str]:
    """The hash of the newest self-signature of the key itself, if it has one, and of each user id."""
    key_id, place = records[0][_KEY_ID], 0
    newest: dict[int, tuple[int, str]] = {}
    for number, record in enumerate(records):
        if record[_TYPE] in (*_BEGINS_KEY, "uid", "uat", "sub", "ssb"):
            place = number
        if record[_TYPE] == "sig" and record[_KEY_ID] == key_id and record[_CLASS][:2] in _ON_ITSELF:
            made = int(record[_CREATED] or 0)
            if place not in newest or made >= newest[place][0]:
                newest[place] = made, record[_HASH]
    for _, algorithm in newest.values():
        yield _HASHES.get(algorithm, f"hash {algorithm}")
