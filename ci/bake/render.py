"""Renders `recipes/packages` with the values of a release. The only module that uses cookiecutter.

Rendered files are committed. `drift` compares them with a fresh rendering: texts, missing and surplus files, modes.

A few files are not rendered as a whole: some are copies, and in cargo's own only one version is written.
"""

from __future__ import annotations

import difflib
import json
import re
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ci.bake.quoting import Unquotable
from ci.core import rust_crate
from ci.core.checkout import require_own_files
from ci.core.errors import HostError, ManifestError, ReleaseError
from ci.core.files import linked_folders, tree_files, write_atomically
from ci.kinds import rendered_folders
from ci.manifest.release import Release

TEMPLATE = Path("recipes", "packages")
# These folders contain rendered files alone; of `runtime/` and of the recipes only a few files are rendered.
FOLDERS = rendered_folders()
FILES = (
    ".packit.yaml",
    "recipes/c-function/cookiecutter.json",
    "recipes/rust-function/cookiecutter.json",
    "runtime/faas_runtime/_version.py",
    "runtime/pyproject.toml",
)
# Files that are copied from elsewhere in the repository: a project in C must build without other files.
COPIES = {"recipes/c-function/{{cookiecutter.name}}/faas.h": "runtime/include/faas.h"}
# Files of cargo, of which only the version of this crate is rendered: cargo itself writes the rest of the locks.
STAMPED = (
    "recipes/rust-function/{{cookiecutter.name}}/Cargo.lock",
    f"{rust_crate.FOLDER}/Cargo.lock",
    f"{rust_crate.FOLDER}/Cargo.toml",
)
_STAMP = re.compile(rf'(?m)^(name = "{rust_crate.NAME}"\nversion = )"[^"\n]*"$')
# Each rendered file has this line in a comment, at any place: the first line may have to be a shebang, for example.
MARKER = "Generated from recipes/packages and release.yaml by `nox -s bake`: edit those"

_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Baked:
    """One rendered file: its path below the target, its bytes, and its mode in git."""

    path: str
    data: bytes
    mode: int


def bake(root: Path, release: Release, target: Path) -> list[Path]:
    """Render the templates of the repository at `root` into `target`; returns all files, changed or not.

    Files that an earlier rendering wrote, and this one does not, are removed.
    """
    baked = _render(root, release)
    for file in baked:
        path = _inside(target, file.path)
        if _on_disk(target, file.path) != file:
            write_atomically(path, file.data, mode=file.mode)
    wanted = {file.path for file in baked}
    for stale in set(_candidates(target)) - wanted:
        if _has_marker((target / stale).read_bytes()):
            (target / stale).unlink()
    return [target / file.path for file in baked]


def drift(root: Path, release: Release) -> str:
    """Return how the committed files differ from a fresh rendering, as a unified diff; empty if they do not."""
    fresh = {file.path: file for file in _render(root, release)}
    paths = sorted({*fresh, *_candidates(root)})
    return "".join(_difference(_on_disk(root, path), fresh.get(path)) for path in paths)


def bake_recipe(recipe: Path, target: Path, name: str = "") -> Path:
    """Render a function's recipe into `target`, with its default name or another; returns the new folder."""
    from cookiecutter.exceptions import CookiecutterException
    from cookiecutter.generate import generate_context
    from cookiecutter.prompt import prompt_for_config

    try:
        given = {"name": name} if name else {}
        context = generate_context(str(recipe / "cookiecutter.json"), extra_context=given)
        context["cookiecutter"] = {**prompt_for_config(context, no_input=True), "_repo_dir": str(recipe.absolute())}
        return _generate(recipe, context, target, accept_hooks=True)
    except CookiecutterException as error:
        raise ReleaseError(f"{recipe}: {error}", hint="fix the recipe") from error


def _render(root: Path, release: Release) -> list[Baked]:
    # The import of cookiecutter takes a third of a second, and most commands render nothing.
    from cookiecutter.exceptions import CookiecutterException
    from jinja2 import TemplateError

    # cookiecutter reads a list as choices, so the model is passed as one private variable.
    template = root / TEMPLATE
    others = [root / source for source in (*COPIES.values(), *STAMPED)]
    require_own_files(root, [*tree_files(template), *linked_folders(template), *others])
    with tempfile.TemporaryDirectory(prefix="bake-") as scratch:
        try:
            variables = json.loads((template / "cookiecutter.json").read_bytes())
            context = {"cookiecutter": {**variables, "_release": release}}
            _generate(template, context, Path(scratch), accept_hooks=False)
        except Unquotable as error:
            raise ManifestError(f"release.yaml: {error}", hint="change that text") from error
        except (CookiecutterException, TemplateError, ValueError) as error:  # ValueError: no JSON, or not UTF-8
            raise ReleaseError(f"{TEMPLATE}: {error}", hint="fix the template") from error
        return [*_collect(Path(scratch, variables["tree"])), *_copied(root), *_stamped(root, release)]


def _generate(template: Path, context: dict[str, Any], target: Path, *, accept_hooks: bool) -> Path:
    # This function reads no configuration of the user and writes no replay file, unlike cookiecutter's command line.
    from cookiecutter.generate import generate_files

    # While it runs it changes the current folder of the whole process, with all threads.
    with _ONE_AT_A_TIME, _copies_of_hooks_removed():
        return Path(generate_files(str(template), context, str(target), accept_hooks=accept_hooks))


@contextmanager
def _copies_of_hooks_removed() -> Iterator[None]:
    """Let cookiecutter write its copies of the hooks into a folder of ours, which goes: it does not remove them.

    A change of TMPDIR would move the temporary files of all other threads as well.
    """
    from cookiecutter import hooks

    with tempfile.TemporaryDirectory(prefix="hooks-") as folder:
        usual = hooks.tempfile
        hooks.tempfile = SimpleNamespace(NamedTemporaryFile=partial(tempfile.NamedTemporaryFile, dir=folder))
        try:
            yield
        finally:
            hooks.tempfile = usual


def _collect(tree: Path) -> Iterator[Baked]:
    for file in tree_files(tree):
        path = file.relative_to(tree).as_posix()
        data = file.read_bytes()
        if path not in FILES and path.partition("/")[0] not in FOLDERS:
            raise ReleaseError(f"{TEMPLATE}: {path} is not a place for a rendered file")
        if not _has_marker(data):
            raise ReleaseError(f"{TEMPLATE}: {path} has no comment that says: {MARKER}")
        yield Baked(path=path, data=data, mode=_git_mode(file))


def _copied(root: Path) -> Iterator[Baked]:
    for path, source in COPIES.items():
        yield Baked(path=path, data=(root / source).read_bytes(), mode=0o644)


def _stamped(root: Path, release: Release) -> Iterator[Baked]:
    for path in STAMPED:
        text = (root / path).read_bytes().decode() if (root / path).is_file() else ""
        stamped, found = _STAMP.subn(rf'\1"{release.version.cargo}"', text)
        if found != 1:
            raise ReleaseError(f"{path}: {found} versions of {rust_crate.NAME} were found in it, and one is expected")
        yield Baked(path=path, data=stamped.encode(), mode=0o644)


def _has_marker(data: bytes) -> bool:
    return MARKER.encode() in data


def _git_mode(file: Path) -> int:
    return 0o755 if file.stat().st_mode & 0o100 else 0o644


def _inside(target: Path, path: str) -> Path:
    """The path of a rendered file; `HostError` if a symbolic link leads it out of the target."""
    file = target / path
    if not file.resolve().is_relative_to(target.resolve()):
        raise HostError(f"{file} leads out of {target}", hint="replace the symbolic link with a folder")
    return file


def _candidates(target: Path) -> list[str]:
    """The existing files that are rendered, or are in a folder for rendered files alone."""
    found = [file for folder in FOLDERS if (target / folder).is_dir() for file in tree_files(target / folder)]
    found += [target / file for file in (*FILES, *COPIES, *STAMPED) if (target / file).is_file()]
    return [file.relative_to(target).as_posix() for file in found]


def _on_disk(target: Path, path: str) -> Baked | None:
    file = target / path
    if file.is_symlink() or not file.is_file():
        return None
    return Baked(path=path, data=file.read_bytes(), mode=_git_mode(file))


def _difference(old: Baked | None, new: Baked | None) -> str:
    if old == new:
        return ""
    path = new.path if new else old.path if old else ""
    lines = difflib.unified_diff(
        _lines(old), _lines(new), f"a/{path}" if old else "/dev/null", f"b/{path}" if new else "/dev/null"
    )
    if old and new and old.mode != new.mode:
        return f"mode of {path}: {old.mode:o}, should be {new.mode:o}\n" + "".join(lines)
    return "".join(lines) or f"{path}: {'surplus' if old else 'missing'}, empty\n"


def _lines(file: Baked | None) -> list[str]:
    text = file.data.decode(errors="replace") if file else ""
    if text and not text.endswith("\n"):
        text += "\n(no newline at the end)\n"
    return text.splitlines(keepends=True)
