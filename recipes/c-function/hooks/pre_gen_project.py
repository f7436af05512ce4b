"""Refuse invalid names before any file is written. `faas-runtime new` has the same rules."""

# ruff: noqa: F821, INP001 (cookiecutter fills the name in)

import re
import sys

NAME = {{ cookiecutter.name | tojson }}

# Device names of Windows.
RESERVED = """
    aux con nul prn
    com1 com2 com3 com4 com5 com6 com7 com8 com9 lpt1 lpt2 lpt3 lpt4 lpt5 lpt6 lpt7 lpt8 lpt9
""".split()

if len(NAME) > 64 or not re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*", NAME):
    sys.exit(
        f"c-function: {NAME!r} cannot be the name of a function: it becomes the name of a folder, of a library "
        "and of an image. Use small letters and digits, with single dashes or underscores between them. Begin "
        "with a letter, and use 64 characters at most, as in simple_handler or my-function"
    )
if NAME.replace("-", "_") in RESERVED:
    sys.exit(
        f"c-function: {NAME!r} cannot be the name of a function: Windows uses it already. "
        f"Choose another one, such as my-{NAME}"
    )
