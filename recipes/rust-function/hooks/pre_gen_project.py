"""Refuse names that do not work as the name of a crate, before anything is written."""

# ruff: noqa: F821, INP001 (cookiecutter fills the name in)

import re
import sys

NAME = {{ cookiecutter.name | tojson }}

# Keywords of Rust, what the compiler brings along, and the crates in Cargo.lock.
TAKEN = """
    abstract as async await become box break const continue crate do dyn else enum extern false final fn for
    gen if impl in let loop macro match mod move mut override priv pub ref return self static struct super
    trait true try type typeof unsafe unsized use virtual where while yield
    alloc core proc_macro std test
    build deps examples incremental
    itoa memchr proc_macro2 quote serde serde_core serde_derive serde_json syn unicode_ident zmij
""".split()

if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", NAME):
    sys.exit(
        f"rust-function: {NAME!r} cannot be the name of a function: it becomes the name of the crate, of its "
        "library and of the handler. Use small letters, digits and underscores, a letter first, 64 at most: "
        "simple_handler"
    )
if NAME in TAKEN:
    sys.exit(
        f"rust-function: {NAME!r} cannot be the name of a function: Rust or a dependency uses it already. "
        "Choose another one, such as simple_handler"
    )
