"""What is stated about a release, how it is signed, and that another verifier than ours accepts it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError as Unverified
from securesystemslib.signer import SSlibKey

from ci.core.errors import UsageError, VerificationError
from ci.manifest.release import Release
from ci.pipeline.inputs import PythonPackage
from ci.release import envelopes, provenance, statements
from ci.release.envelopes import PrivateKey
from tests.fixtures import release
from tests.release import sets
from tests.release.sets import COMMIT, write_json
from tests.support import ROOT

__all__ = ["release"]

HASH = "7" * 64
SUMS = f"{HASH}  artifacts.json\n{'8' * 64}  faas-runtime-0.1.0-1.noarch.rpm\n"


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "attestations.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", path], check=True)
    return path


@pytest.fixture(scope="module")
def key(pem: Path) -> PrivateKey:
    return envelopes.load_key(pem)


@pytest.fixture
def folder(tmp_path: Path, release: Release) -> Path:
    """The documents of a release that statements are made from; there are no artefacts."""
    version = str(release.version)
    artifacts = [{"path": "rpm/a", "status": "verified"}, {"path": "msys2/b", "status": "not run"}]
    gates = [
        {"gate": "install", "name": "install-rpm", "status": "passed"},
        {"gate": "install", "name": "install-msys2", "status": "unavailable"},
        {"gate": "consistency", "name": "consistency", "status": "failed"},
    ]
    about = {"format": 1, "version": version}
    document = {**about, "source": {"commit": COMMIT}, "artifacts": artifacts, "gates": gates}
    write_json(tmp_path / "artifacts.json", document)
    again = [{"path": "rpm/a", "verdict": "same"}]
    write_json(tmp_path / "reproducibility.json", {**about, "commit": COMMIT, "artifacts": again})
    (tmp_path / "inputs.json").write_bytes(sets.inputs_of(release).document())
    (tmp_path / "SHA256SUMS").write_text(SUMS)
    return tmp_path


def stated(folder: Path, release: Release, *allowed: str) -> dict[str, dict[str, Any]]:
    return {one.name: json.loads(one.document) for one in statements.of_release(folder, release, allowed)}


def test_every_statement_is_about_every_file(folder: Path, release: Release) -> None:
    found = stated(folder, release)
    assert list(found) == ["provenance", "gate-verify", "gate-install", "gate-consistency", "gate-reproduce"]
    for document in found.values():
        assert document["_type"] == "https://in-toto.io/Statement/v1"
        subjects = {one["name"]: one["digest"] for one in document["subject"]}
        assert subjects == {
            "artifacts.json": {"sha256": HASH},
            "faas-runtime-0.1.0-1.noarch.rpm": {"sha256": "8" * 64},
        }


def test_the_provenance_has_what_was_passed_in_and_every_input(folder: Path, release: Release) -> None:
    document = stated(folder, release, "ubi", "alpine")["provenance"]
    assert document["predicateType"] == "https://slsa.dev/provenance/v1"
    build = document["predicate"]["buildDefinition"]
    assert build["externalParameters"] == {
        "repository": release.home, "tag": release.version.tag, "allowMissing": ["alpine", "ubi"]
    }  # fmt: skip
    assert build["internalParameters"] == {"sourceDateEpoch": release.epoch}
    found = {one["uri"]: one["digest"] for one in build["resolvedDependencies"]}
    digest = "d1" * 32
    image = f"pkg:oci/ubi-minimal@sha256%3A{digest}"
    assert found == {
        f"git+{release.home}@refs/tags/{release.version.tag}": {"gitCommit": COMMIT},
        f"{image}?arch=amd64&repository_url=registry.example%3A5000/ubi10/ubi-minimal": {"sha256": digest},
        "pkg:deb/debian/libstdc%2B%2B6@14.2.0-19%2Bb1?distro=trixie": {"sha256": "e1" * 32},
        "pkg:cargo/serde_json@1.0.1": {"sha256": "c1" * 32},
        "pkg:pypi/flit-core@3.12.0": {"sha256": "b2" * 32},  # the last of its two files
        "pkg:generic/rpmbuild@4.18.0": {"sha256": "a1" * 32},
    }
    assert len(build["resolvedDependencies"]) == len(found) + 1
    assert set(document["predicate"]["runDetails"]) == {"builder"}  # no time, no id of the run


def test_the_pages_that_the_provenance_names_are_there(release: Release) -> None:
    for uri in (provenance.build_type(release), provenance.builder_id(release)):
        page, _, anchor = uri.removeprefix(f"{release.home}/blob/main/").partition("#")
        headings = [line[3:].lower() for line in (ROOT / page).read_text().splitlines() if line.startswith("## ")]
        assert anchor.replace("-", " ") in headings


def test_a_package_name_of_pypi_is_normalised(release: Release) -> None:
    package = PythonPackage(name="Flit.Core", version="1", sha256=(HASH,))
    inputs = dataclasses.replace(sets.inputs_of(release), python_packages=(package,))
    uris = [one["uri"] for one in provenance.predicate(release, inputs, ())["buildDefinition"]["resolvedDependencies"]]
    assert "pkg:pypi/flit-core@1" in uris


def test_a_gate_says_what_passed_what_was_not_run_and_what_failed(folder: Path, release: Release) -> None:
    found = {name: one["predicate"] for name, one in stated(folder, release).items()}
    lists = {
        name: (one["result"], one["passedTests"], one["warnedTests"], one["failedTests"])
        for name, one in found.items() if name != "provenance"
    }  # fmt: skip
    assert lists == {
        "gate-verify": ("WARNED", ["rpm/a"], ["msys2/b"], []),
        "gate-install": ("WARNED", ["install-rpm"], ["install-msys2"], []),
        "gate-consistency": ("FAILED", [], [], ["consistency"]),
        "gate-reproduce": ("PASSED", ["rpm/a"], [], []),
    }
    sources = {name: found[name]["configuration"][0]["name"] for name in lists}
    assert sources["gate-install"] == "artifacts.json"
    assert sources["gate-reproduce"] == "reproducibility.json"


def test_files_of_different_builds_are_refused(folder: Path, release: Release) -> None:
    inputs = dataclasses.replace(sets.inputs_of(release), commit="0" * 40)
    (folder / "inputs.json").write_bytes(inputs.document())
    with pytest.raises(VerificationError, match=r"artifacts\.json: it is about 0\.1\.0, commit 1f1f"):
        statements.of_release(folder, release)
    (folder / "inputs.json").write_bytes(dataclasses.replace(inputs, modified=True).document())
    with pytest.raises(VerificationError, match="not the inputs of a committed"):
        statements.of_release(folder, release)


def test_two_runs_write_the_same_bytes(folder: Path, release: Release, key: PrivateKey, tmp_path: Path) -> None:
    made = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        files = envelopes.write(tmp_path / name, statements.of_release(folder, release), key)
        made.append({path.name: path.read_bytes() for path in files})
    assert made[0] == made[1]
    assert len(made[0]) == 10


def test_another_library_accepts_the_envelope_and_the_bundle(folder: Path, release: Release, key: PrivateKey) -> None:
    envelopes.write(folder, statements.of_release(folder, release), key)
    public = SSlibKey.from_crypto(load_pem_public_key(key.public), keyid=key.keyid)
    plain = json.loads((folder / "provenance.dsse.json").read_bytes())
    bundle = json.loads((folder / "provenance.sigstore.json").read_bytes())
    assert bundle["verificationMaterial"] == {"publicKey": {"hint": key.keyid}}
    for document in (plain, bundle["dsseEnvelope"]):
        assert Envelope.from_dict(document).verify([public], 1)
    changed = Envelope.from_dict(json.loads((folder / "provenance.dsse.json").read_bytes()))
    changed.payload += b" "
    with pytest.raises(Unverified):
        changed.verify([public], 1)


def test_openssl_accepts_the_key_and_the_signature(pem: Path, key: PrivateKey, tmp_path: Path) -> None:
    der = subprocess.run(
        ["openssl", "pkey", "-in", pem, "-pubout", "-outform", "DER"], check=True, capture_output=True
    ).stdout
    assert key.keyid == hashlib.sha256(der).hexdigest()
    assert key.public.startswith(b"-----BEGIN PUBLIC KEY-----\n")


def test_keys_that_are_none_are_refused_without_their_text(pem: Path, tmp_path: Path) -> None:
    other, locked, text = (tmp_path / name for name in ("other", "locked", "text"))
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed448", "-out", other], check=True)
    subprocess.run(["openssl", "pkcs8", "-topk8", "-in", pem, "-out", locked, "-passout", "pass:word"], check=True)
    text.write_text(pem.read_text().replace("\n", "\nsecret", 1))
    for path, why in (
        (other, "is not an Ed25519 key"),
        (locked, "passphrase"),
        (text, "not a private key in PEM form"),
        (tmp_path / "none", "No such file"),
        (tmp_path, "Is a directory"),
    ):
        with pytest.raises(UsageError, match=why) as refused:
            envelopes.load_key(path)
        assert "secret" not in str(refused.value)
    assert "signer" not in repr(envelopes.load_key(pem))
