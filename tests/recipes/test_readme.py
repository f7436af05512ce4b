"""What the README of the Rust recipe shows is put into its project, as an author would, and compiled."""

from __future__ import annotations

from pathlib import Path

import pytest

from ci.bake.render import bake_recipe
from tests.docs.pages import blocks
from tests.glue.support import cargo
from tests.recipes.support import RECIPES
from tests.support import ROOT

HANDLER = "fn handle(event: Event, context: &LambdaContext) -> Result<Answer, faas::BoxError> {\n"
FIRST_USE = "use faas_function as faas;\n"
TOKIO = 'tokio = { version = "1", features = ["time"] }'
SHOP = """
#[derive(Debug)]
struct Shop;

impl std::fmt::Display for Shop {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("closed")
    }
}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe's project, with the feature `tokio` as its README describes it."""
    folder = bake_recipe(RECIPES / "rust-function", tmp_path_factory.mktemp("readme"), "my-function")
    assert TOKIO in (folder / "README.md").read_text()
    manifest = (folder / "Cargo.toml").read_text()
    for old, new in (
        ('rust-version = "1.82"', 'rust-version = "1.85"'),
        ('{ path = "faas-function" }', '{ path = "faas-function", features = ["tokio"] }'),
        ("[dependencies]\n", f"[dependencies]\n{TOKIO}\n"),
    ):
        assert old in manifest
        manifest = manifest.replace(old, new)
    (folder / "Cargo.toml").write_text(manifest)
    return folder


def sources(project: Path) -> dict[str, str]:
    """`src/lib.rs` with each of the README's fragments in its place."""
    lib = (project / "src" / "lib.rs").read_text()
    before, _, after = lib.partition(HANDLER)
    _, _, tests = after.partition("\n}\n")
    asynchronous, state, errors, pieces = (
        block.text for block in blocks(str(project / "README.md")) if block.language == "rust"
    )
    raised, _, implementation = errors.partition("\n\n")
    failing = f"let error = std::io::Error::last_os_error();\n{raised}\n"
    return {
        "asynchronous": _using("std::time::Duration", before + asynchronous + after),
        "state": _using("std::collections::HashMap", (before + state + after).replace("faas::export!(handle);\n", "")),
        "errors": before + HANDLER + failing + after + SHOP + implementation,
        "own_error": (before + HANDLER + after).replace("faas::BoxError> {", "Shop> {") + SHOP + implementation,
        "pieces": _using("std::io::Write", before + pieces + tests),
    }


def _using(name: str, source: str) -> str:
    return source.replace(FIRST_USE, f"{FIRST_USE}use {name};\n")


def test_the_fragments_compile(project: Path) -> None:
    """All in one build, each as a library of its own."""
    found = sources(project)
    (project / "examples").mkdir()
    with (project / "Cargo.toml").open("a") as manifest:
        for name, source in found.items():
            (project / "examples" / f"{name}.rs").write_text(source)
            manifest.write(f'\n[[example]]\nname = "{name}"\ncrate-type = ["cdylib"]\n')
    cargo(project, "build", "--offline", "--examples")


def test_the_readme_of_the_repository_shows_the_function_of_the_recipe() -> None:
    lib = (RECIPES / "rust-function" / "{{cookiecutter.name}}" / "src" / "lib.rs").read_text()
    (shown,) = (block.text for block in blocks(str(ROOT / "README.md")) if block.language == "rust")
    assert shown in lib
