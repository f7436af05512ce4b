"""`faas-runtime new rust --update`: brings a project's copy of the crate to the version of this installation."""

import os
import re
from contextlib import suppress

from . import crate, workspace
from .manifest_text import ManifestTable, NotSafe

_PATH = re.compile(r"\bpath\s*=\s*[\"']([^\"'\n]*)[\"']")
_MOVING = "The changelog of faas-runtime says how to move a project to the crate"


class Refused(Exception):
    """Why a project has no copy that could be replaced, and what to do."""


def update(project: str) -> str:
    """Replace the copy; returns what has changed. Raises `Refused` or OSError, after which the copy is as it was."""
    source = crate.find_crate()
    if not source:
        raise Refused(f"this installation has no {crate.NAME}. Use an installation from a package or from pip")
    copy = _copy_of(project)
    before, after = crate.version_of(copy), crate.version_of(source)
    if os.path.lexists(copy) and (not before or os.path.islink(copy)):
        raise Refused(f"{copy} is no copy of {crate.NAME}. Remove it, and run the same command again")
    if before and os.path.samefile(copy, source):
        raise Refused(f"{copy} is the crate of this installation itself")
    if before == after and crate.is_same(source, copy):
        return f"{copy} has version {after} already: nothing to do."
    crate.put_copy(source, copy)
    if before == after:
        return f"{copy} had other files of version {after}: they were replaced."
    change = f"was updated from version {before} to {after}" if before else f"was missing: it is version {after} now"
    return f"{copy} {change}. Build once without --locked: cargo then writes the version into Cargo.lock."


def _copy_of(project: str) -> str:
    """Where the copy of a project is, or that of a workspace."""
    dependency = _dependency(project, "dependencies")
    if re.search(r"\bworkspace\s*=\s*true\b", dependency):
        found = workspace.find(project)
        project = found.root if found else project
        dependency = _dependency(project, "workspace.dependencies")
    if path := _PATH.search(dependency):
        return os.path.normpath(os.path.join(project, path.group(1)))
    shared = os.path.join(project, crate.NAME)
    if not dependency and crate.version_of(shared):  # at the root of a workspace
        return os.path.normpath(shared)
    manifest = os.path.normpath(os.path.join(project, "Cargo.toml"))
    if dependency:
        raise Refused(
            f"{manifest} takes {crate.NAME} from a registry. Write the version that you want there, or run: "
            f"cargo update {crate.NAME}"
        )
    has_glue = os.path.isdir(os.path.join(project, "src", "faas"))
    raise Refused(f"{manifest} does not use {crate.NAME}. {_MOVING if has_glue else 'Go to the folder of a project'}")


def _dependency(project: str, table: str) -> str:
    """What a manifest says of the crate below a table; empty if nothing."""
    try:
        with open(os.path.join(project, "Cargo.toml"), encoding="utf-8", newline="") as file:
            text = file.read()
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
        raise Refused(f"{project} is no project in Rust: it has no Cargo.toml") from None
    with suppress(NotSafe):
        found = ManifestTable(text, table)
        for key, (start, end) in found.values.items():
            if key == crate.NAME or key.startswith(f"{crate.NAME}."):  # `faas-function.path = "…"`
                return f"{key.rpartition('.')[2]} = {text[start:end]}"
    with suppress(NotSafe, ValueError):
        found = ManifestTable(text, f"{table}.{crate.NAME}")
        return found.text[found.start : max(end for _, end in found.values.values())]
    return ""
