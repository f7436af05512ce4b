"""Refuse invalid names before any file is written. `faas-runtime new` has the same rules."""

# ruff: noqa: F821, INP001 (cookiecutter fills the name in)

import re
import sys

NAME = {{ cookiecutter.name | tojson }}

# Keywords of Rust, the compiler's own crates, cargo's folders, crates of Cargo.lock, tokio, device names of Windows.
RESERVED = """
    abstract as async await become box break const continue crate do dyn else enum extern false final fn for
    gen if impl in let loop macro match mod move mut override priv pub ref return self static struct super
    trait true try type typeof unsafe unsized use virtual where while yield
    alloc core proc_macro std test
    build deps examples incremental
    faas_function itoa memchr proc_macro2 quote serde serde_core serde_derive serde_json syn tokio unicode_ident zmij
    aux con nul prn
    com1 com2 com3 com4 com5 com6 com7 com8 com9 lpt1 lpt2 lpt3 lpt4 lpt5 lpt6 lpt7 lpt8 lpt9
""".split()

if len(NAME) > 64 or not re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*", NAME):
    sys.exit(
        f"rust-function: {NAME!r} cannot be the name of a function: it becomes the name of a crate, of a library "
        "and of an image. Use small letters and digits, with single dashes or underscores between them. Begin "
        "with a letter, and use 64 characters at most, as in simple_handler or my-function"
    )
if NAME.replace("-", "_") in RESERVED:
    sys.exit(
        f"rust-function: {NAME!r} cannot be the name of a function: Rust, Windows or a dependency uses it already. "
        f"Choose another one, such as my-{NAME}"
    )
