"""No value anywhere in the files of a release gets `verify.py` to fail in another way than by saying what is wrong."""

from __future__ import annotations

import copy
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ci.core.openpgp import Gpg, end_agent
from ci.core.run import Runner
from ci.manifest.versions import parse
from ci.release import envelopes
from tests.keys import PASSPHRASE, generate
from tests.release import sets
from tests.release.fixtures_of_sets import _tools_of_the_environment, built, finished, keys, release, signing
from tests.release.sets import VERIFY, OwnerKeys

__all__ = ["_tools_of_the_environment", "built", "finished", "keys", "release", "signing"]

VALUES: tuple[Any, ...] = (None, True, 1, -1.5, "", "\ud800", "x", [], {}, [[]], {"a": []}, "0" * 64)


def _module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("verify", VERIFY)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


program = _module()


class Unsigned(program.Verification):  # type: ignore[misc, name-defined]
    """The checks of what the files say, without those of checksums and signatures. Documents can be replaced."""

    def __init__(self, folder: Path) -> None:
        self.folder = program.Folder(folder)
        self.work = folder
        self.table = program.Table()
        self.pem: list[Any] = []
        self.fetch = None
        self.sums = program.parsed_sums("", (folder / "SHA256SUMS").read_bytes(), program.is_plain_name)
        self.documents = {name: json.loads((folder / name).read_bytes()) for name in DOCUMENTS}
        self.statements_made = {
            path.name: sets.payload_of(json.loads(path.read_bytes())) for path in folder.glob("*.dsse.json")
        }

    def document(self, name: str) -> Any:
        return program.at(name, copy.deepcopy(self.documents[name]), dict)

    def statement(self, file: str, keys: Any, tool: Any) -> Any:
        return self.statements_made[file]

    def check(self) -> None:
        self.sizes: dict[str, int] = {}
        self.artifacts = self.document("artifacts.json")
        self.read_artifacts()
        self.reproducibility = self.document("reproducibility.json")
        self.read_reproducibility()
        self.gates = self.expected_gates()
        for name in self.statement_names():
            statement = self.statements_made.get(f"{name}.dsse.json")
            if name == "provenance":
                self.provenance(name, statement)
            elif statement:
                self.gate(f"{name}.dsse.json", statement, self.gates[name.removeprefix("gate-")])


DOCUMENTS = ("artifacts.json", "reproducibility.json", "inputs.json")


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to all values; of the entries in a list, the first only."""
    yield path
    if isinstance(document, dict | list):
        for key, value in document.items() if isinstance(document, dict) else enumerate(document[:1]):
            yield from places(value, (*path, key))


def changes(document: Any) -> Iterator[Any]:
    """The document with another value in one place, or without the value."""
    for path in places(document):
        for value in VALUES:
            if not path:
                yield value
                continue
            changed = copy.deepcopy(document)
            parent = changed
            for key in path[:-1]:
                parent = parent[key]
            parent[path[-1]] = value
            yield changed
        if path:
            del parent[path[-1]]
            yield changed


def test_it_accepts_what_is_right(finished: Path) -> None:
    Unsigned(finished).check()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_values_in_documents(name: str, finished: Path) -> None:
    checks = Unsigned(finished)
    refused = 0
    for document in changes(checks.documents[name]):
        checks.documents[name] = document
        try:
            checks.check()
        except program.Wrong:
            refused += 1
    assert refused > 50


@pytest.mark.parametrize("name", ["provenance.dsse.json", "gate-install.dsse.json"])
def test_values_in_statements(name: str, finished: Path, keys: OwnerKeys, tmp_path: Path) -> None:
    key = envelopes.load_key(keys.attestations)
    known = program.ed25519_keys("", key.public)
    tool = program.Ed25519(tmp_path)
    checks = Unsigned(finished)
    checks.folder = program.Folder(tmp_path)
    results = checks.statements_made[name]
    accepted = []
    for document in changes(results):
        envelope = envelopes.envelope(json.dumps(document).encode(), key)
        (tmp_path / name).write_text(json.dumps(envelope))
        bundle = name.replace("dsse", "sigstore")
        (tmp_path / bundle).write_text(json.dumps(envelopes.bundle(envelope, key)))
        try:
            statement = program.Verification.statement(checks, name, known, tool)
            checks.statements_made = {name: statement}
            checks.artifacts = checks.document("artifacts.json")
            checks.sizes = {}
            checks.read_artifacts()
            checks.reproducibility = checks.document("reproducibility.json")
            if name.startswith("gate"):
                checks.gate(name, statement, checks.expected_gates()["install"])
            else:
                checks.provenance(name, statement)
        except program.Wrong:
            continue
        accepted.append(document)
    unlike = [one for one in accepted if one != results]
    # What an input is called says nothing: its digest counts.
    names = [one for one in unlike if "resolvedDependencies" in json.dumps(one)]
    assert unlike == names


def test_values_in_envelopes(finished: Path, keys: OwnerKeys, tmp_path: Path) -> None:
    key = envelopes.load_key(keys.attestations)
    known = program.ed25519_keys("", key.public)
    tool = program.Ed25519(tmp_path)
    checks = Unsigned(finished)
    checks.folder = program.Folder(tmp_path)
    for name in ("provenance.dsse.json", "provenance.sigstore.json"):
        for other in ("provenance.dsse.json", "provenance.sigstore.json"):
            (tmp_path / other).write_bytes((finished / other).read_bytes())
        right = json.loads((finished / name).read_bytes())
        for document in changes(right):
            (tmp_path / name).write_text(json.dumps(document))
            with pytest.raises(program.Wrong):
                program.Verification.statement(checks, "provenance.dsse.json", known, tool)


@pytest.mark.parametrize("kind", ["spdx", "cyclonedx"])
def test_values_in_sboms(kind: str, finished: Path) -> None:
    end, subject = (
        (".cdx.json", program.cyclonedx_subject) if kind == "cyclonedx" else (".spdx.json", program.spdx_subject)
    )
    for document in changes(json.loads(min(finished.glob(f"*{end}")).read_bytes())):
        try:
            version, hashes = subject("x", document)
        except program.Wrong:
            continue
        assert isinstance(version, str)
        assert "0" * 63 not in hashes


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b'{"a": 1, "a": 1}', b'{"a": {"b": 1, "b": 2}}', b"\xff", b"\xef\xbb\xbf{}", b"NaN", b"-Infinity",
        b"9" * 5000, b"[" * 100_000, b"[" * 60 + b"]" * 60, b'{"a":' * 500 + b"1" + b"}" * 500,
        '{"a": 1}'.encode("utf-16"),
    ],
)  # fmt: skip
def test_text_that_is_not_the_json_of_a_release(data: bytes) -> None:
    with pytest.raises(program.Wrong, match="not the JSON"):
        program.parsed("x", data)


@pytest.mark.parametrize(
    "line",
    ["../x", "a/b", "/etc/passwd", ".", "..", ".hidden", "-rf", "a b", "a\tb", "a\\b", "a\x7fb", "é", "a" * 201, "yum",
     "SHA256SUMS", "SHA256SUMS.asc", "x.dsse.json", "x.sigstore.json", "a:b", "a~b", ""],
)  # fmt: skip
def test_names_that_no_file_of_a_release_has(line: str) -> None:
    with pytest.raises(program.Wrong):
        program.parsed_sums("SHA256SUMS", f"{'0' * 64}  {line}\n".encode(), program.is_plain_name)


def test_a_key_that_has_expired_since_may_have_signed_an_earlier_package(tmp_path: Path) -> None:
    run, (home, work) = Runner(log=tmp_path / "log"), (tmp_path / "home", tmp_path / "work")
    home.mkdir(0o700)
    work.mkdir()
    package, signature, passphrase = (tmp_path / name for name in ("package", "package.sig", "passphrase"))
    package.write_text("package")
    passphrase.write_text(PASSPHRASE)
    try:
        recipe = ("rsa2048", "sign", "2025-06-01")
        key = generate(home, run, "earlier", *recipe, created="20250101T000000")
        gpg = Gpg(home=home, passphrase=passphrase, epoch=1740000000, run=run)  # 2025-02-19
        gpg.detach_sign(package, signature, key=key, armour=False)
        known = program.OpenPgp(work, [("packages.asc", gpg.export(key))])
    finally:
        end_agent(home, run)
    data = signature.read_bytes()
    with pytest.raises(program.Wrong, match="the key that signed it has expired"):
        known.check("package.sig", data, str(package))
    assert known.check("package.sig", data, str(package), may_have_expired=True) == key
    package.write_text("another")
    with pytest.raises(program.Wrong, match="does not belong to these bytes"):
        known.check("package.sig", data, str(package), may_have_expired=True)


def test_lists_of_checksums() -> None:
    right = f"{'a' * 64}  A\n{'1' * 64}  b\n"
    assert program.parsed_sums("x", right.encode(), program.is_plain_name) == {"A": "a" * 64, "b": "1" * 64}
    for text in (
        "",
        "\n",
        right[:-1],
        right + "\n",
        right.upper(),
        right.replace("  ", " *"),
        right + f"{'2' * 64}  B\n",
    ):
        with pytest.raises(program.Wrong):
            program.parsed_sums("x", text.encode(), program.is_plain_name)
    for path in ("yum/../x", "yum//x", "yum/", "yum", "apt/x", "/yum/x", "yum/.x"):
        assert not program.is_tree_path(path)
    assert program.is_tree_path("pacman/ucrt64/x.db")


@pytest.mark.parametrize("text", ["", "x", "AA", "AA=", "AB==", "AA==\n", " AA==", "A-__", "AAAA====", "é"])
def test_base64_has_one_spelling(text: str) -> None:
    if text:
        with pytest.raises(program.Wrong):
            program.from_base64("x", "sig", text)
    else:
        assert program.from_base64("x", "sig", text) == b""


def test_addresses_from_which_a_file_may_come() -> None:
    allowed = ["https://example.org/x", "http://127.0.0.1:80/", "http://[::1]/", "http://localhost/"]
    refused = [
        "http://example.org",
        "ftp://127.0.0.1",
        "file:///",
        "http://127.0.0.1.example.org/",
        "http://[",
        "http:",
        "",
    ]
    assert [url for url in allowed + refused if program.is_allowed(url)] == allowed


def test_a_version_is_recognised_in_the_name_of_the_artefact(finished: Path) -> None:
    checks = Unsigned(finished)
    checks.version = "1.2rc1"
    name = "faas-runtime-1.2.rc1-1.noarch.rpm"
    assert all(checks._is_version(version, name) for version in ("1.2rc1", "1.2~rc1-1"))
    assert not any(checks._is_version(version, name) for version in ("", "1", "2.rc1", "rc1", "1.2~rc", "1.2rc2"))


@pytest.mark.parametrize("text", ["0.2.0", "0.2.0rc1", "0.2.0a1", "0.2.0.post1", "0.2", "0.2rc1", "0.2.0.1"])
def test_the_spelling_of_each_kind_is_the_version_of_the_release(finished: Path, text: str) -> None:
    checks, version = Unsigned(finished), parse(text)
    checks.version = text
    names = {
        f"{version.rpm}-1": f"faas-runtime-{version.rpm}-1.noarch.rpm",
        f"{version.pacman}-1": f"mingw-w64-ucrt-x86_64-faas-runtime-{version.pacman}-1-any.pkg.tar.zst",
        version.cargo: f"faas-function-{version.cargo}.crate",
        text: f"faas_runtime-{text}-py3-none-any.whl",
    }
    assert all(checks._is_version(spelling, program.safe(name)) for spelling, name in names.items())


@pytest.mark.parametrize("name", ["x-0.2.01-1.noarch.rpm", "x-0.2.0.1-1.noarch.rpm", "x-0.2.01.crate", "x-0.2.1.crate"])
def test_a_version_that_only_begins_alike_is_another_one(finished: Path, name: str) -> None:
    checks = Unsigned(finished)
    checks.version = "0.2.0"
    spelling = name.removeprefix("x-").removesuffix(".crate").removesuffix(".noarch.rpm")
    assert not checks._is_version(spelling, name)
