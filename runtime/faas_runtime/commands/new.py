"""`faas-runtime new`: makes the project of a function from a recipe, with cookiecutter."""

import argparse
import errno
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress

from .._version import HOME, TAG
from .recipes import RECIPES, Recipe, fault_of, find_template

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

USAGE = 2
FAILED = 1
DESCRIPTION = """\
Makes a folder NAME with a small project: a function that answers events, its unit test, its build file,
a Containerfile and sample events. cookiecutter has to be installed.

NAME has small letters and digits with single dashes or underscores between them; my-function gives the library
libmy_function and the handler my_function.handle.
"""


def new(arguments: "Sequence[str]") -> int:
    """Make the project. Returns 0; 2 for wrong usage, after which nothing is written; 1 if cookiecutter failed."""
    chosen = _parse(arguments)
    recipe = RECIPES[chosen.language]
    target = os.path.normpath(os.path.join(chosen.output, chosen.name))
    fault = fault_of(recipe, chosen.name)
    if not fault and os.path.lexists(target):
        fault = f"{target} already exists. Choose another name, another --output, or remove it"
    if fault:
        return _refuse(fault)
    template = find_template(recipe)
    program = find_cookiecutter()
    if not template or not program:
        return _refuse(_hint(recipe, chosen.name, chosen.output, template))
    made = _missing(os.path.dirname(os.path.abspath(target)))
    try:
        os.makedirs(target)  # if this cannot be made, cookiecutter would print a traceback
        os.rmdir(target)
        code = _bake([*program, *_arguments(template, chosen.name, os.path.abspath(chosen.output))])
    except OSError as error:
        _remove(made)
        where = error.filename or target
        return _refuse(f"{where} cannot be created: {error.strerror}. Choose another folder with --output")
    if code or not os.path.isdir(target):
        _remove(made)
        what = f"failed with exit code {code}" if code else f"did not make {target}"
        return _refuse(f"cookiecutter {what}; its own messages are above", FAILED)
    _print(_next_steps(recipe, chosen.name, target, chosen.output if made else ""))
    return 0


def _parse(arguments: "Sequence[str]") -> argparse.Namespace:
    """Read the command line. Unknown arguments are reported before missing ones, as in `new rust -x`."""
    parser = _parser()
    chosen, unknown = parser.parse_known_args(arguments)
    if unknown:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    if chosen.name is None:
        parser.error(f"the following arguments are required: {'NAME' if chosen.language else 'language, NAME'}")
    return chosen


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="faas-runtime new",
        usage="%(prog)s [-h] [--output DIR] {c,rust} NAME",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("language", nargs="?", choices=sorted(RECIPES), help="the language of the function")
    parser.add_argument("name", metavar="NAME", nargs="?", help="the name of the function, such as my-function")
    parser.add_argument(
        "--output", metavar="DIR", default=".", help="the parent of NAME, created if necessary (default: .)"
    )
    return parser


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


def _missing(folder: str) -> "list[str]":
    """The folder and its parents that do not exist, the innermost first."""
    missing = []
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    return missing


def _remove(folders: "list[str]") -> None:
    """Remove the folders that were created, if they are empty."""
    for folder in folders:
        with suppress(OSError):
            os.rmdir(folder)


def _print(text: str) -> None:
    """Print it. If nobody reads all of it, as with `| head`, that is not an error: the project exists."""
    try:
        print(text, flush=True)
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EINVAL):  # EINVAL: what Windows says for a pipe that nobody reads
            raise
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # for the output that Python flushes when it ends
        os.close(nowhere)


def _arguments(template: str, name: str, output: str) -> "list[str]":
    return ["--no-input", "--output-dir", output, template, f"name={name}"]


def _bake(command: "list[str]") -> int:
    """Run cookiecutter with its own folders in a temporary one: by default, it keeps its input in the home folder."""
    with tempfile.TemporaryDirectory(prefix="faas-runtime-new-") as scratch:
        settings = os.path.join(scratch, "settings.yaml")
        places = scratch.replace("\\", "/") if os.name == "nt" else scratch  # a backslash would escape in YAML
        with open(settings, "w", encoding="utf-8") as file:  # the simplest YAML, as versions up to 1.7 read no other
            file.writelines(f'{name}: "{places}/{name}"\n' for name in ("cookiecutters_dir", "replay_dir"))
        return _run(command, COOKIECUTTER_CONFIG=settings)


def _run(command: "list[str]", quiet: bool = False, **variables: str) -> int:
    """Run a program with additional variables; returns its exit code.

    It runs in an empty folder, as -m would take files of the current one for modules.
    """
    output = subprocess.DEVNULL if quiet else None
    environment = {**os.environ, **variables}
    with tempfile.TemporaryDirectory(prefix="faas-runtime-new-") as folder:
        try:
            return subprocess.call(
                command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        except OSError as error:
            if not quiet:
                print(f"faas-runtime new: {command[0]} does not start: {error.strerror}", file=sys.stderr)
            return FAILED


def _refuse(message: str, code: int = USAGE) -> int:
    print(f"faas-runtime new: {message}", file=sys.stderr)
    return code


def _next_steps(recipe: Recipe, name: str, target: str, made: str) -> str:
    """What to do with the project; `made` is its parent if that was created."""
    library = name.replace("-", "_")
    suffix = {"darwin": ".dylib", "win32": ".dll"}.get(sys.platform, ".so")
    prefix = "" if sys.platform == "win32" and recipe.folder == "rust-function" else "lib"
    return "\n".join(
        (
            *((f"{made} did not exist and was created.",) if made else ()),
            f"{target} is ready. Next, in one terminal:",
            "",
            f"    cd {_quoted(target)}",
            f"    {recipe.build}",
            f"    faas-runtime serve {recipe.output}{prefix}{library}{suffix} --watch",
            "",
            "and in another one, in the same folder:",
            "",
            "    curl -d @events/sample.json http://127.0.0.1:8080/2015-03-31/functions/function/invocations",
            "",
            "README.md there has more: tests, images, Lambda.",
        )
    )


def _hint(recipe: Recipe, name: str, output: str, template: str) -> str:
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
    command = ["cookiecutter", "--no-input", *options, *source, f"name={name}"]
    return "\n".join((*lines, f"    {' '.join(map(_quoted, command))}"))


def _installations() -> "list[str]":
    """The commands that install cookiecutter on this system, the most likely first."""
    if sys.prefix != sys.base_prefix:  # a virtual environment
        return [f"{_quoted(sys.executable)} -m pip install cookiecutter"]
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


def _quoted(word: str) -> str:
    """A word, quoted for the shell; those of Windows know double quotes only."""
    if sys.platform == "win32" and not os.environ.get("MSYSTEM"):
        return subprocess.list2cmdline([word])
    return shlex.quote(word)
