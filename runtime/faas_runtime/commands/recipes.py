"""The recipes: their languages, the names that their projects may have, and where they are installed.

Where the runtime is installed, the recipes are in the package `faas_runtime`; in a checkout, in `recipes/`. Images have
no recipes, as nothing can be compiled there.
"""

import os
import re

NAME_LIMIT = 64  # characters
NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
RESERVED_BY_WINDOWS = """
    aux con nul prn
    com1 com2 com3 com4 com5 com6 com7 com8 com9 lpt1 lpt2 lpt3 lpt4 lpt5 lpt6 lpt7 lpt8 lpt9
"""
# Keywords, the compiler's own crates, cargo's folders, the crates in the recipe's Cargo.lock, and tokio.
RESERVED_BY_RUST = """
    abstract as async await become box break const continue crate do dyn else enum extern false final fn for
    gen if impl in let loop macro match mod move mut override priv pub ref return self static struct super
    trait true try type typeof unsafe unsized use virtual where while yield
    alloc core proc_macro std test
    build deps examples incremental
    faas_function itoa memchr proc_macro2 quote serde serde_core serde_derive serde_json syn tokio unicode_ident zmij
"""


class Recipe:
    """The recipe of a language: how its projects are built, and where the library is then."""

    def __init__(self, folder: str, noun: str, reserved: str, reserved_by: str, build: str, output: str) -> None:
        self.folder = folder
        self.noun = noun
        self.reserved = frozenset(reserved.split())
        self.reserved_by = reserved_by
        self.build = build
        self.output = output


RECIPES = {
    "rust": Recipe(
        "rust-function",
        "crate",
        f"{RESERVED_BY_RUST} {RESERVED_BY_WINDOWS}",
        "Rust, Windows or a dependency uses it already",
        "cargo build",
        "target/debug/",
    ),
    "c": Recipe("c-function", "folder", RESERVED_BY_WINDOWS, "Windows uses it already", "make", "./"),
}


def fault_of(recipe: Recipe, name: str) -> str:
    """What is wrong with a name, in the words of the recipe's own hook; empty if it is right."""
    refused = f"{recipe.folder}: {name!r} cannot be the name of a function: "
    if len(name) > NAME_LIMIT or not NAME.fullmatch(name):
        return (
            f"{refused}it becomes the name of a {recipe.noun}, of a library and of an image. Use small letters and "
            f"digits, with single dashes or underscores between them. Begin with a letter, and use {NAME_LIMIT} "
            "characters at most, as in simple_handler or my-function"
        )
    if name.replace("-", "_") in recipe.reserved:
        return f"{refused}{recipe.reserved_by}. Choose another one, such as my-{name}"
    return ""


def find_template(recipe: Recipe) -> str:
    """The recipe's folder; empty if this installation has no recipes."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for folder in (os.path.join(package, "recipes"), os.path.join(package, "..", "..", "recipes")):
        template = os.path.normpath(os.path.join(folder, recipe.folder))
        if os.path.isfile(os.path.join(template, "cookiecutter.json")):
            return template
    return ""
