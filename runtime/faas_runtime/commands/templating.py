"""Runs cookiecutter on a recipe, and says how to install it."""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile

from .._version import HOME, TAG
from . import programs
from .recipes import Recipe

FAILED = 1


def find_cookiecutter() -> "list[str]":
    """The command that starts cookiecutter: beside our Python, on PATH, or a Python that has it; empty if none does."""
    search = [os.path.dirname(sys.executable)] if sys.executable else []
    search.append(os.environ.get("PATH", os.defpath))
    program = shutil.which("cookiecutter", path=os.pathsep.join(search))
    if program:
        return [os.path.abspath(program)]
    for name in ("python3", "python"):
        python = shutil.which(name)
        command = [os.path.abspath(python), "-m", "cookiecutter"] if python else []
        if command and _run([*command, "--version"], quiet=True) == 0:
            return command
    return []


def bake(command: "list[str]") -> int:
    """Run cookiecutter with its own folders in a temporary one.

    By default, it keeps its input in the home folder, and leaves a copy of each hook in the folder for temporary files.
    """
    with tempfile.TemporaryDirectory(prefix="faas-runtime-new-") as scratch:
        settings = os.path.join(scratch, "settings.yaml")
        places = scratch.replace("\\", "/") if os.name == "nt" else scratch  # a backslash would escape in YAML
        with open(settings, "w", encoding="utf-8") as file:  # the simplest YAML, as versions up to 1.7 read no other
            file.writelines(f'{name}: "{places}/{name}"\n' for name in ("cookiecutters_dir", "replay_dir"))
        return _run(command, COOKIECUTTER_CONFIG=settings, TMPDIR=scratch, TEMP=scratch, TMP=scratch)


def _run(command: "list[str]", quiet: bool = False, **variables: str) -> int:
    """Run a program with additional variables; returns its exit code.

    It runs in an empty folder, as -m would take files of the current one for modules.
    """
    output = subprocess.DEVNULL if quiet else None
    environment = {**os.environ, **variables}
    with tempfile.TemporaryDirectory(prefix="faas-runtime-new-") as folder:
        try:
            return programs.run(
                command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            ).returncode
        except OSError as error:
            if not quiet:
                print(f"faas-runtime new: {command[0]} does not start: {error.strerror}", file=sys.stderr)
            return FAILED


def how_to_install(recipe: Recipe, values: "list[str]", output: str, template: str) -> str:
    """How to install cookiecutter, and its command line that does the same."""
    if template:
        source = [template]
        lines = ["cookiecutter is not installed. Install it, then run the same command again:", ""]
        lines += [f"    {line}" for line in _installations()]
        lines += ["", "or run cookiecutter yourself where it is installed:", ""]
    else:
        source = [HOME, "--checkout", TAG, "--directory", f"recipes/{recipe.folder}"]
        lines = ["this installation has no recipes. Run cookiecutter where it is installed:", ""]
    options = [] if output == "." else ["--output-dir", output]
    command = ["cookiecutter", "--no-input", *options, *source, *values]
    return "\n".join((*lines, f"    {' '.join(map(quoted, command))}"))


def _installations() -> "list[str]":
    """The commands that install cookiecutter on this system, the most likely first."""
    if sys.prefix != sys.base_prefix:  # a virtual environment
        return [f"{quoted(sys.executable)} -m pip install cookiecutter"]
    mingw = os.environ.get("MINGW_PACKAGE_PREFIX", "")
    managers = {
        "brew": "brew install cookiecutter",
        "pacman": f"pacman -S {mingw}-python-cookiecutter" if mingw else "pacman -S python-cookiecutter",
        "apt-get": "apt-get install cookiecutter",
        "dnf": "dnf install cookiecutter",
    }
    # A system may have the package managers of others, too; its own comes first.
    order = ("brew", "pacman") if mingw or sys.platform != "linux" else ("apt-get", "dnf", "pacman", "brew")
    found = [managers[name] for name in order if shutil.which(name)][:1]
    if shutil.which("pipx"):
        return [*found, "pipx install cookiecutter"]
    if sys.platform == "win32" and not mingw:
        return [*found, "python -m pip install --user cookiecutter"]
    # Not --user: the Python of many systems refuses it (PEP 668).
    folder = "~/.cookiecutter"
    install = f"python3 -m venv {folder} && {folder}/bin/pip install cookiecutter"
    return [*found, f'{install} && PATH="$PATH:$HOME/.cookiecutter/bin"']


def quoted(word: str) -> str:
    """A word, quoted for the shell; those of Windows know double quotes only."""
    if sys.platform == "win32" and not os.environ.get("MSYSTEM"):
        return subprocess.list2cmdline([word])
    return shlex.quote(word)
