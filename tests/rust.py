"""What crates of the Rust recipe depend on, compiled once: also with tokio, as the tutorial uses it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from ci.core import rust_crate
from tests.cache import kept, key_of
from tests.support import ROOT, program

_RECIPE = ROOT / "recipes" / "rust-function"
_CRATE = _RECIPE / "{{cookiecutter.name}}"


def warm_target(folder: Path) -> Path:
    """Make a target folder for cargo in which all that the recipe's crate depends on is compiled already.

    It is the test's own: nothing that is built in it is seen by another test.
    """
    versions = (_run(program("rustc"), "-vV"), _run(program("cargo"), "-V"))
    made = kept(
        "rust-target", key_of(Path(__file__), _CRATE / "Cargo.toml", _CRATE / "Cargo.lock", *versions), _compile
    )
    return Path(shutil.copytree(made, folder, symlinks=True, dirs_exist_ok=True))


def _compile(target: Path) -> None:
    from ci.bake.render import bake_recipe

    with tempfile.TemporaryDirectory() as folder:
        crate = bake_recipe(_RECIPE, Path(folder))
        cargo = (program("cargo"), "--quiet")
        options = ("--locked", "--target-dir", str(target))
        _run(*cargo, "build", "--release", *options, cwd=crate)
        _run(*cargo, "test", "--no-run", *options, cwd=crate)
        if shutil.which("cargo-clippy"):
            _run(*cargo, "clippy", "--all-targets", *options, cwd=crate)
        _add_tokio(crate / "Cargo.toml")
        _run_from_cache(*cargo, "test", "--no-run", *options[1:], cwd=crate)
        for package in (crate.name, rust_crate.NAME):  # they are in other folders elsewhere
            _run(*cargo, "clean", "--package", package, *options, cwd=crate)
            _run(*cargo, "clean", "--release", "--package", package, *options, cwd=crate)


def _add_tokio(manifest: Path) -> None:
    """Let a crate use the feature `tokio`, and tokio itself."""
    text = manifest.read_text()
    feature = text.replace('{ path = "faas-function" }', '{ path = "faas-function", features = ["tokio"] }')
    assert feature != text
    tokio = '[dependencies]\ntokio = { version = "1", features = ["macros", "rt", "time"] }\n'
    manifest.write_text(feature.replace("[dependencies]\n", tokio))


def _run_from_cache(*command: str, cwd: Path) -> None:
    """Run cargo with the crates that it has, or else with those of the registry.

    Afterwards it has all, so the tests need no network.
    """
    try:
        _run(*command, "--offline", cwd=cwd)
    except AssertionError:
        _run(*command, cwd=cwd)


def _run(*command: str, cwd: Path | None = None) -> str:
    variables = {name: value for name, value in os.environ.items() if name != "CARGO_TARGET_DIR"}
    done = subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout
