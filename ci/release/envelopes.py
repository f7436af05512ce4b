"""Signs statements: DSSE envelopes by securesystemslib, and the same as Sigstore bundles (version 0.3) with a key's id.

The key is Ed25519, so the same statement always has the same signature. Envelopes: secure-systems-lab/dsse:protocol.md
and envelope.md; bundles: sigstore/protobuf-specs:protos/sigstore_bundle.proto.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ci.core.errors import UsageError
from ci.core.files import write_atomically
from ci.core.state import read_regular
from ci.release.statements import Statement

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner

PAYLOAD_TYPE = "application/vnd.in-toto+json"
BUNDLE_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_LARGEST_BYTES = 100_000


@dataclass(frozen=True, kw_only=True)
class PrivateKey:
    """The private key for statements. `keyid` is the SHA-256 of the public key's DER form, `public` is its PEM."""

    keyid: str
    public: bytes
    signer: CryptoSigner = field(repr=False)


def load_key(path: Path) -> PrivateKey:
    """Read a private key, which is a PEM file of PKCS#8 without a passphrase; raises `UsageError` for any other."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        private = load_pem_private_key(read_regular(path, _LARGEST_BYTES), password=None)
    except OSError as error:
        raise UsageError(f"{path}: the key cannot be read: {error.strerror or error}", hint=_HINT) from error
    except TypeError:
        hint = "unlock it into a file in memory (docs/keys.md)"
        raise UsageError(f"{path}: it is locked by a passphrase", hint=hint) from None
    except (ValueError, UnsupportedAlgorithm):  # their messages may quote the file
        raise UsageError(f"{path}: it is not a private key in PEM form", hint=_HINT) from None
    if not isinstance(private, Ed25519PrivateKey):
        raise UsageError(f"{path}: it is not an Ed25519 key", hint=_HINT)
    return _attestation_key(private)


_HINT = "name the PEM file of the Ed25519 key (docs/keys.md)"


def _attestation_key(private: Any) -> PrivateKey:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
    from securesystemslib.signer import CryptoSigner, SSlibKey

    public = private.public_key()
    keyid = hashlib.sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
    return PrivateKey(
        keyid=keyid,
        public=public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        signer=CryptoSigner(private, SSlibKey.from_crypto(public, keyid=keyid)),
    )


def envelope(statement: bytes, key: PrivateKey) -> dict[str, Any]:
    """The signed statement as a DSSE envelope."""
    from securesystemslib.dsse import Envelope

    signed = Envelope(payload=statement, payload_type=PAYLOAD_TYPE, signatures={})
    signed.sign(key.signer)
    found: dict[str, Any] = signed.to_dict()
    return found


def bundle(signed: Mapping[str, Any], key: PrivateKey) -> dict[str, Any]:
    """The same envelope as a Sigstore bundle."""
    return {
        "mediaType": BUNDLE_TYPE,
        "verificationMaterial": {"publicKey": {"hint": key.keyid}},
        "dsseEnvelope": signed,
    }


def write(folder: Path, statements: Iterable[Statement], key: PrivateKey) -> list[Path]:
    """Write each statement as `NAME.dsse.json` and as `NAME.sigstore.json`; returns the files."""
    written = []
    for statement in statements:
        signed = envelope(statement.document, key)
        for end, document in ((".dsse.json", signed), (".sigstore.json", bundle(signed, key))):
            path = folder / f"{statement.name}{end}"
            write_atomically(path, json.dumps(document, indent=2, sort_keys=True).encode() + b"\n")
            written.append(path)
    return written
