"""`.crate` files, their lines in an index, and the local registries that cargo reads."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from ci.core import cargo_registry, crate_file
from ci.core.cargo_registry import LockedCrate
from ci.core.errors import VerificationError
from tests.support import program

MANIFEST = """
[package]
name = "alpha-beta"
version = "1.2.0-rc.1"
rust-version = "1.82"
links = "z"

[features]
default = ["std"]
std = []
net = ["dep:renamed", "serde?/std"]

[dependencies]
serde = "1"

[dependencies.renamed]
version = ">= 0.3, <0.5"
package = "real"
optional = true
default-features = false
features = ["a", "b"]

[dev-dependencies.trial]
version = "*"

[build-dependencies]
maker = "=1.0.3"

[target."cfg(windows)".dependencies]
win = "~0.2"
"""


def packed(
    files: dict[str, str], top: str = "alpha-beta-1.2.0-rc.1/", kind: bytes = tarfile.REGTYPE, times: int = 1
) -> bytes:
    """A tarball with these files, each so many times."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"{top}{name}")
            member.type, member.size, member.linkname = kind, len(text.encode()), "x"
            for _ in range(times):
                archive.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


def test_what_a_crate_says_of_itself() -> None:
    data = packed({"Cargo.toml": MANIFEST, "src/lib.rs": "// none\n"})
    found = crate_file.read(data, "it")
    assert (found.name, found.version) == ("alpha-beta", "1.2.0-rc.1")
    assert found.sha256 == hashlib.sha256(data).hexdigest()
    assert set(found.files) == {"Cargo.toml", "src/lib.rs"}
    stated = {one.alias or one.name: (one.name, one.requirement, one.kind, one.target) for one in found.dependencies}
    assert stated == {
        "serde": ("serde", "^1", "normal", ""),
        "renamed": ("real", ">=0.3, <0.5", "normal", ""),
        "trial": ("trial", "*", "dev", ""),
        "maker": ("maker", "=1.0.3", "build", ""),
        "win": ("win", "~0.2", "normal", "cfg(windows)"),
    }


def test_the_line_of_an_index() -> None:
    data = packed({"Cargo.toml": MANIFEST})
    entry = crate_file.index_entry(crate_file.read(data, "it"), "elsewhere")
    deps = {one["name"]: one for one in entry.pop("deps")}
    assert deps["renamed"] == {
        "name": "renamed", "package": "real", "req": ">=0.3, <0.5", "features": ["a", "b"], "optional": True,
        "default_features": False, "target": None, "kind": "normal", "registry": "elsewhere",
    }  # fmt: skip
    assert entry == {
        "name": "alpha-beta",
        "vers": "1.2.0-rc.1",
        "cksum": hashlib.sha256(data).hexdigest(),
        "features": {},
        "features2": {"default": ["std"], "std": [], "net": ["dep:renamed", "serde?/std"]},
        "yanked": False,
        "links": "z",
        "rust_version": "1.82",
        "v": 2,
    }


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a", "1/a"),
        ("ab", "2/ab"),
        ("abc", "3/a/abc"),
        ("faas-function", "fa/as/faas-function"),
        ("ABCD", "ab/cd/abcd"),
    ],
)
def test_where_an_index_has_a_crate(name: str, path: str) -> None:
    assert crate_file.index_path(name) == path


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"no tarball", "Not a gzipped file"),
        (packed({"README.md": "x"}), "'Cargo.toml' is missing"),
        (packed({"Cargo.toml": "[package"}), "Expected"),
        (packed({"Cargo.toml": MANIFEST}, top="other-1.0/"), "the folder at its top is other-1.0"),
        (packed({"Cargo.toml": MANIFEST}, top=""), "'Cargo.toml' is no file in a folder"),
        (packed({"Cargo.toml": MANIFEST, "../x": ""}), "is no file in a folder"),
        (packed({"Cargo.toml": MANIFEST}, kind=tarfile.SYMTYPE), "is no file in a folder"),
        (packed({"Cargo.toml": MANIFEST}, times=2), "is there twice"),
        (packed({"Cargo.toml": MANIFEST})[:-20], "ended before"),
        (packed({"Cargo.toml": MANIFEST})[:10] + b"\xff" * 99, "Error -3 while decompressing"),
    ],
    ids=[
        "no tarball",
        "no manifest",
        "no TOML",
        "another top",
        "no top",
        "outside",
        "a link",
        "twice",
        "cut short",
        "damaged",
    ],
)
def test_what_is_no_crate(data: bytes, told: str) -> None:
    with pytest.raises(VerificationError, match=f"^it: it is no .crate file: .*{told}"):
        crate_file.read(data, "it")


def test_a_crate_is_kept_by_its_hash(tmp_path: Path) -> None:
    wanted = LockedCrate(name="one", version="1.0.0", sha256=hashlib.sha256(b"right").hexdigest())
    for name, data in (("a", b"wrong"), ("b", b"right")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "one-1.0.0.crate").write_bytes(data)
    assert cargo_registry.kept(wanted, [tmp_path / "a"]) is None
    assert cargo_registry.kept(wanted, [tmp_path / "none", tmp_path / "a", tmp_path / "b"]) == b"right"


def test_cargo_reads_a_local_registry(tmp_path: Path) -> None:
    """Cargo takes a crate of this registry by its requirement, with a feature that switches a dependency on."""
    registry = tmp_path / "registry"
    manifest = '[package]\nname = "{0}"\nversion = "1.0.{1}"\nedition = "2021"\n[lib]\npath = "src/lib.rs"\n'
    more = '[features]\nextra = ["dep:below"]\n[dependencies.below]\nversion = "1"\noptional = true\n'
    for name, patch, rest in (("below", 0, ""), ("above", 0, ""), ("above", 3, more)):
        files = {"Cargo.toml": manifest.format(name, patch) + rest, "src/lib.rs": ""}
        cargo_registry.add(registry, name, packed(files, top=f"{name}-1.0.{patch}/"))
    project = tmp_path / "project"
    (project / "src").mkdir(parents=True)
    (project / "src" / "lib.rs").touch()
    wanted = '[dependencies.above]\nversion = "1.0.2"\nfeatures = ["extra"]\n'
    (project / "Cargo.toml").write_text('[package]\nname = "p"\nversion = "0.0.0"\nedition = "2021"\n' + wanted)
    done = subprocess.run(
        [program("cargo"), "metadata", "--format-version", "1", *cargo_registry.options(registry)],
        cwd=project, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = {one["name"]: one["version"] for one in json.loads(done.stdout)["packages"]}
    assert found == {"p": "0.0.0", "above": "1.0.3", "below": "1.0.0"}
