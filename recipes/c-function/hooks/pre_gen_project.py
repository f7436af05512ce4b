"""Refuse names that do not work as the name of a library, before anything is written."""

# ruff: noqa: F821, INP001 (cookiecutter fills the name in)

import re
import sys

NAME = {{ cookiecutter.name | tojson }}

if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", NAME):
    sys.exit(
        f"c-function: {NAME!r} cannot be the name of a function: it becomes part of file names and of the "
        "handler's name. Use small letters, digits and underscores, a letter first, 64 at most: "
        "simple_handler"
    )
