"""The rules for names: `faas-runtime new` and the hooks of the recipes have the same rules and messages."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest
from cookiecutter.exceptions import CookiecutterException
from jinja2 import Environment

from ci.bake.render import bake_recipe
from tests.recipes.support import RECIPES

VALID = [
    "a",
    "f2",
    "simple_handler",
    "my-function",
    "a-b_c-3",
    "a" * 64,
    "faas",
    "main",
    "handle",
    "types",
    "my-match",
    "com10",
    "lpt",
]
MALFORMED = [
    *("", "Upper", "1st", "_a", "-a", "a-", "a_", "a--b", "a__b", "a-_b", "a b", "a.b", "a/b", "../out", "é", "a\n"),
    *('quo"te', "quo'te", "a\\", "{{ 1 }}", "$(a)", "a" * 65),
]
RUST = ["match", "self", "core", "test", "build", "serde_json", "serde-json", "proc-macro2", "unicode-ident"]
WINDOWS = ["aux", "con", "nul", "prn", "com1", "com9", "lpt1", "lpt9"]


def said_by_the_hook(recipe: str, name: str) -> str:
    """What the recipe's hook says about a name that cookiecutter has filled in; empty if it accepts the name."""
    text = (RECIPES / recipe / "hooks" / "pre_gen_project.py").read_text()
    script = Environment(autoescape=False).from_string(text).render(cookiecutter={"name": name})
    try:
        exec(compile(script, recipe, "exec"), {})
    except SystemExit as refusal:
        return str(refusal)
    return ""


@pytest.mark.parametrize("language", ["c", "rust"])
def test_new_and_the_hook_say_the_same(language: str) -> None:
    from faas_runtime.commands.recipes import RECIPES as KNOWN
    from faas_runtime.commands.recipes import fault_of

    recipe = KNOWN[language]
    alphabet = ["".join(word) for size in range(4) for word in itertools.product("a1-_", repeat=size)]
    reserved = [*recipe.reserved, *(word.replace("_", "-") for word in recipe.reserved)]
    for name in (*VALID, *MALFORMED, *RUST, *WINDOWS, *alphabet, *reserved):
        said = fault_of(recipe, name)
        assert said == said_by_the_hook(recipe.folder, name), name
        if ", such as " in said:  # the suggested name is accepted
            assert fault_of(recipe, said.partition(", such as ")[2]) == ""


@pytest.mark.parametrize("recipe", ["c-function", "rust-function"])
def test_valid_names_are_accepted_and_others_refused(recipe: str) -> None:
    assert [name for name in VALID if said_by_the_hook(recipe, name)] == []
    assert [name for name in (*MALFORMED, *WINDOWS) if not said_by_the_hook(recipe, name)] == []
    for name in MALFORMED:
        assert said_by_the_hook(recipe, name).startswith(f"{recipe}: {name!r} cannot be the name of a function: ")
        assert "as in simple_handler or my-function" in said_by_the_hook(recipe, name)
    assert ["uses it already" in said_by_the_hook(recipe, name) for name in RUST] == [recipe[0] == "r"] * len(RUST)


def test_the_refused_names_include_the_crates_of_the_lock_file() -> None:
    from faas_runtime.commands.recipes import RECIPES as KNOWN

    lock = (RECIPES / "rust-function" / "{{cookiecutter.name}}" / "Cargo.lock").read_text()
    crates = {line.split('"')[1].replace("-", "_") for line in lock.splitlines() if line.startswith("name = ")}
    assert len(crates - {"{{ cookiecutter.name }}"}) > 5
    assert crates - {"{{ cookiecutter.name }}"} <= KNOWN["rust"].reserved


@pytest.mark.parametrize(
    ("recipe", "name"), [("c-function", "Upper"), ("rust-function", "a--b"), ("rust-function", "fn")]
)
def test_cookiecutter_writes_nothing_for_a_bad_name(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], recipe: str, name: str
) -> None:
    from cookiecutter.main import cookiecutter

    settings = {"replay_dir": str(tmp_path / "replay"), "cookiecutters_dir": str(tmp_path / "cookiecutters")}
    target = tmp_path / "target"
    with pytest.raises(CookiecutterException):
        cookiecutter(
            str(RECIPES / recipe), no_input=True, extra_context={"name": name},
            output_dir=str(target), default_config=settings,
        )  # fmt: skip
    assert f"{recipe}: {name!r} cannot be the name of a function" in capfd.readouterr().err
    assert list(target.iterdir()) == []


def test_a_hook_is_python_before_and_after_it_is_filled_in() -> None:
    """pip compiles every file that ends in .py: one that is not Python causes a message at each installation."""
    for hook in RECIPES.glob("*-function/hooks/*.py"):
        subprocess.run([sys.executable, "-c", "import ast,sys; ast.parse(open(sys.argv[1]).read())", hook], check=True)


def test_the_default_is_the_example_of_the_documentation(tmp_path: Path) -> None:
    for recipe in ("c-function", "rust-function"):
        (tmp_path / recipe).mkdir()
        assert bake_recipe(RECIPES / recipe, tmp_path / recipe).name == "simple_handler"
