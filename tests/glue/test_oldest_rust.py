"""The oldest compilers that the crate for functions in Rust promises.

The features `tokio` and `http` are tested with Debian's Rust 1.85. Rust 1.82, for the default features, often cannot be
had: clippy looks for what is newer in the crate itself, and the crates that it depends on say what they need.
"""

from __future__ import annotations

import json
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cache import CACHE, lock
from tests.glue.debian_rust import debian_rust
from tests.glue.support import CRATE, Toolchain, call, crate_cargo
from tests.support import program

OLDEST = (1, 82)
OLDEST_WITH_FEATURES = (1, 85)
NEWER = """
/// The text, or an empty one.
pub fn newer(text: &mut Option<String>) -> &mut String {
    text.get_or_insert_default()
}
"""
"""`Option::get_or_insert_default` came with Rust 1.83."""


def numbers(version: str) -> tuple[int, ...]:
    """The first two numbers of a version."""
    return tuple(int(number) for number in version.split(".")[:2])


def needed_by_dependencies(*features: str) -> dict[str, tuple[int, ...]]:
    """The oldest Rust of each crate that is compiled for these features, for those that name one."""
    selected = ("--no-default-features", "--features", ",".join(features))
    tree = crate_cargo("tree", "--locked", "--edges", "normal,build", "--prefix", "none", *selected)
    compiled = {tuple(line.split()[:2]) for line in tree.splitlines()}
    packages = json.loads(crate_cargo("metadata", "--locked", "--all-features", "--format-version", "1"))["packages"]
    return {
        f"{one['name']} {one['version']}": numbers(one["rust_version"])
        for one in packages
        if one["rust_version"] and (one["name"], f"v{one['version']}") in compiled
    }


@pytest.mark.parametrize(
    ("features", "oldest", "one_of_them"),
    [((), OLDEST, "serde_json"), (("tokio", "http", "tracing"), OLDEST_WITH_FEATURES, "lambda_http")],
    ids=["default", "all"],
)
def test_no_locked_crate_needs_a_newer_rust(
    features: tuple[str, ...], oldest: tuple[int, ...], one_of_them: str
) -> None:
    found = needed_by_dependencies(*features)
    assert one_of_them in {name.partition(" ")[0] for name in found}
    assert {name: version for name, version in found.items() if version > oldest} == {}


def test_the_manifest_names_the_oldest_rust() -> None:
    """clippy takes it from there."""
    assert numbers(tomllib.loads((CRATE / "Cargo.toml").read_text())["package"]["rust-version"]) == OLDEST


@pytest.mark.mutant
def test_clippy_finds_what_is_newer(tmp_path: Path) -> None:
    copy = tmp_path / "crate"
    shutil.copytree(CRATE, copy, ignore=shutil.ignore_patterns("target"))
    with (copy / "src" / "lib.rs").open("a") as source:
        source.write(NEWER)
    command = (program("cargo"), "clippy", "--locked", "--target-dir", tmp_path / "target", "--", "-D", "warnings")
    with pytest.raises(pytest.fail.Exception, match=r"current MSRV .* is `1\.82\.0` but this item is stable since"):
        call(*command, cwd=copy)


@pytest.fixture(scope="module")
def debian() -> Toolchain:
    """Debian's compiler as Debian's users have it: without what is not stable."""
    rust = debian_rust()
    assert numbers(call(rust.rustc, "-V").split()[1]) == OLDEST_WITH_FEATURES
    return replace(rust, options=(), variables={"RUSTC": rust.rustc, "RUST_BACKTRACE": "0"})


@pytest.mark.long
@pytest.mark.parametrize("features", ["", "tokio", "http", "tokio,http,tracing"])
def test_own_tests_pass_with_debians_rust(debian: Toolchain, features: str) -> None:
    """Those in the documentation are left out: rustdoc starts a compiler that does not find its libraries here."""
    crate_cargo("fetch", "--locked")
    words = ("test", "--offline", "--locked", "--lib", "--tests", "--features", features)
    target = CACHE / "crate-debian"
    with lock(target.name):
        env = {**debian.variables, "CARGO_TARGET_DIR": str(target)}
        output = call(*debian.cargo, *words, cwd=CRATE, env=env)
    assert "layout_is_that_of_the_header ... ok" in output
    assert ("a_function_for_lambda_http_answers ... ok" in output) == ("http" in features)
    assert " 0 failed; " in output
