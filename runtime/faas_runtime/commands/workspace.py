"""The cargo workspace that a new project in Rust is in: finds it, and makes the project a member."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from contextlib import suppress
from fnmatch import fnmatchcase

from .crate import NAME
from .manifest_text import ManifestTable, NotSafe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_WORKSPACE = re.compile(r"(?m)^[ \t]*\[[ \t]*workspace[ \t]*[].]")
_WORKSPACE_KEY = re.compile(r"(?m)^[ \t]*workspace[ \t]*[.=]")  # `workspace.members = […]`, `workspace = {…}`
_HEADER = re.compile(r"(?m)^[ \t]*\[")


class CargoWorkspace:
    """A workspace, and the place of a new member in it."""

    def __init__(self, root: str, member: str) -> None:
        self.root = root
        self.manifest = os.path.join(root, "Cargo.toml")
        self.member = os.path.relpath(member, root).replace(os.sep, "/")
        found, _ = _metadata(self.manifest)
        self.target = str(found.get("target_directory", os.path.join(root, "target")))

    def from_member(self, path: str) -> str:
        """A path as seen from the member."""
        return os.path.relpath(path, os.path.join(self.root, self.member)).replace(os.sep, "/")

    def add_member(self, with_copy: bool) -> "tuple[list[str], list[str], str]":
        """Let the manifest name the member, and leave out the copy of the crate beside it.

        Returns what was added, and what the author has to add, as texts to print. If cargo does not accept the edited
        manifest, it stays as it was, and the last text is what cargo says.
        """
        wanted = [("members", self.member), *([("exclude", NAME)] if with_copy else [])]
        before = after = _read(self.manifest)
        added = []
        try:
            for key, value in wanted:
                edited = _edited(after, key, value)
                added += [f'"{value}" to `{key}`'] if edited != after else []
                after = edited
        except NotSafe:
            return [], [f'"{value}" to `{key}`' for key, value in wanted], ""
        if after != before:
            _write(self.manifest, after)
        _, fault = _metadata(os.path.join(self.root, self.member, "Cargo.toml"))
        if not fault:
            return added, [], ""
        if after != before:
            _write(self.manifest, before)
        return [], [f'"{value}" to `{key}`' for key, value in wanted], fault

    def has_profile(self) -> bool:
        """Whether the workspace has a release profile of its own."""
        return re.search(r"(?m)^[ \t]*\[[ \t]*profile\.release[ \t]*\]", _read(self.manifest)) is not None

    def aborts(self) -> bool:
        """Whether that profile ends the process at a panic."""
        with suppress(NotSafe, KeyError):
            table = ManifestTable(_read(self.manifest), "profile.release")
            start, end = table.values["panic"]
            return "abort" in table.text[start:end]
        return False


def find(project: str) -> "CargoWorkspace | None":
    """The workspace that a project at this path belongs to; None if it stands alone."""
    project = os.path.realpath(project)
    folder = os.path.dirname(project)
    while True:
        manifest = os.path.join(folder, "Cargo.toml")
        with suppress(OSError, UnicodeDecodeError):
            text = _read(manifest)
            if _is_workspace(text):
                return None if _leaves_out(text, os.path.relpath(project, folder)) else CargoWorkspace(folder, project)
        if folder == os.path.dirname(folder):
            return None
        folder = os.path.dirname(folder)


def _is_workspace(text: str) -> bool:
    """Whether a manifest has the table `workspace`, in any form."""
    return bool(_WORKSPACE.search(text) or _WORKSPACE_KEY.search(_without_tables(text)))


def _without_tables(text: str) -> str:
    """The part of a manifest before the first header: `workspace` may be keys of it."""
    header = _HEADER.search(text)
    return text[: header.start()] if header else text


def _leaves_out(text: str, path: str) -> bool:
    """Whether `exclude` of a workspace names a folder, or one that it is in."""
    path = path.replace(os.sep, "/")
    if path in _listed(text, "members"):
        return False
    return any(f"{path}/".startswith(f"{_plain(one)}/") for one in _listed(text, "exclude"))


def _listed(text: str, key: str) -> "list[str]":
    """The strings of a list of the workspace."""
    with suppress(NotSafe):
        return ManifestTable(text, "workspace").strings(key)
    plain = re.sub(r"#[^\n\"']*$", "", _without_tables(text), flags=re.MULTILINE)  # comments may have brackets
    begin = r"^[ \t]*workspace[ \t]*(?:\.[ \t]*|=[ \t]*\{[^}]*?(?<![\w-]))"
    found = re.search(rf"(?m){begin}{key}[ \t]*=[ \t]*\[([^\]]*)\]", plain)
    return re.findall(r"[\"']([^\"'\n]*)[\"']", found[1]) if found else []


def _edited(text: str, key: str, value: str) -> str:
    """The text of a manifest in which a list of the workspace covers a path."""
    table = ManifestTable(text, "workspace")
    known = table.strings(key)
    if key == "members" and any(_covers(_plain(one), value) for one in known):
        return text
    if key == "exclude" and value in map(_plain, known):
        return text
    return table.with_string(key, value)


def _plain(path: str) -> str:
    return path.strip("/").replace("//", "/")[2 if path.startswith("./") else 0 :]


def _covers(pattern: str, path: str) -> bool:
    """Whether a pattern of `members` stands for a path. A star stands for one folder."""
    wanted, given = pattern.split("/"), path.split("/")
    return len(wanted) == len(given) and all(map(fnmatchcase, given, wanted))


def _metadata(manifest: str) -> "tuple[dict[str, Any], str]":
    """What cargo says of a manifest, or why it does not accept it; neither if cargo is not here."""
    cargo = shutil.which("cargo")
    if not cargo:
        return {}, ""
    command = [cargo, "metadata", "--no-deps", "--offline", "--format-version=1", "--manifest-path", manifest]
    with suppress(OSError, ValueError):
        done = subprocess.run(
            command, cwd=os.path.dirname(manifest), stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        if done.returncode:
            return {}, done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
        found = json.loads(done.stdout)
        return (found if isinstance(found, dict) else {}), ""
    return {}, ""


def _read(path: str) -> str:
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


def _write(path: str, text: str) -> None:
    """Write a file completely or not at all; its mode stays."""
    real = os.path.realpath(path)
    handle, temporary = tempfile.mkstemp(prefix=".Cargo.toml.", dir=os.path.dirname(real))
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        shutil.copymode(real, temporary)
        os.replace(temporary, real)
    except BaseException:  # also a signal
        with suppress(OSError):
            os.remove(temporary)
        raise
