"""`faas-runtime new`: the project of a function, made out of a recipe by cookiecutter.

The recipes lie beside this module where the runtime is installed, and in `recipes/` of a checkout. Images, which can
compile nothing, go without them.
"""

import argparse
import errno
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress

from ._version import HOME, TAG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

USAGE = 2
FAILED = 1
LONGEST = 64
NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
TAKEN_BY_WINDOWS = """
    aux con nul prn
    com1 com2 com3 com4 com5 com6 com7 com8 com9 lpt1 lpt2 lpt3 lpt4 lpt5 lpt6 lpt7 lpt8 lpt9
"""
# Keywords, what the compiler brings along, cargo's folders, the crates in the recipe's Cargo.lock.
TAKEN_BY_RUST = """
    abstract as async await become box break const continue crate do dyn else enum extern false final fn for
    gen if impl in let loop macro match mod move mut override priv pub ref return self static struct super
    trait true try type typeof unsafe unsized use virtual where while yield
    alloc core proc_macro std test
    build deps examples incremental
    itoa memchr proc_macro2 quote serde serde_core serde_derive serde_json syn unicode_ident zmij
"""
DESCRIPTION = """\
Makes a folder NAME with a small project: a function that answers events, its unit test, what builds it,
a Containerfile and sample events. cookiecutter does the work and has to be installed.

NAME has small letters and digits with single dashes or underscores between them; my-function gives the library
libmy_function and the handler my_function.handle.
"""


class Recipe:
    """One language's recipe: how its projects are built and what they give."""

    def __init__(self, folder: str, noun: str, taken: str, blame: str, build: str, output: str) -> None:
        self.folder = folder
        self.noun = noun
        self.taken = frozenset(taken.split())
        self.blame = blame
        self.build = build
        self.output = output


RECIPES = {
    "rust": Recipe(
        "rust-function",
        "crate",
        f"{TAKEN_BY_RUST} {TAKEN_BY_WINDOWS}",
        "Rust, Windows or a dependency uses it already",
        "cargo build --release",
        "target/release/",
    ),
    "c": Recipe("c-function", "folder", TAKEN_BY_WINDOWS, "Windows uses it already", "make", "./"),
}


def new(arguments: "Sequence[str]") -> int:
    """Make the project. Returns 0; 2 for what the caller can mend, nothing being written then; 1 if it failed."""
    chosen = _parse(arguments)
    recipe = RECIPES[chosen.language]
    target = os.path.normpath(os.path.join(chosen.output, chosen.name))
    fault = fault_of(recipe, chosen.name)
    if not fault and os.path.lexists(target):
        fault = f"{target} is there already. Choose another name, another --output, or remove it"
    if fault:
        return _refuse(fault)
    template = find_template(recipe)
    program = find_cookiecutter()
    if not template or not program:
        return _refuse(_hint(recipe, chosen.name, chosen.output, template))
    made = _missing(os.path.dirname(os.path.abspath(target)))
    try:
        os.makedirs(target)  # of what stands in the way, cookiecutter would print a traceback
        os.rmdir(target)
        code = _bake([*program, *_arguments(template, chosen.name, os.path.abspath(chosen.output))])
    except OSError as error:
        _remove(made)
        where = error.filename or target
        return _refuse(f"{where} cannot be made: {error.strerror}. Choose another folder with --output")
    if code or not os.path.isdir(target):
        _remove(made)
        what = f"failed with exit code {code}" if code else f"has made no {target}"
        return _refuse(f"cookiecutter {what}; what it said is above", FAILED)
    _tell(_next_steps(recipe, chosen.name, target, chosen.output if made else ""))
    return 0


def _parse(arguments: "Sequence[str]") -> argparse.Namespace:
    """Read the command line. What nobody knows is told before what is missing: `new rust -x` misses no NAME."""
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
    parser.add_argument("language", nargs="?", choices=sorted(RECIPES), help="what the function is written in")
    parser.add_argument("name", metavar="NAME", nargs="?", help="the name of the function, such as my-function")
    parser.add_argument("--output", metavar="DIR", default=".", help="where NAME goes, made if need be (default: here)")
    return parser


def fault_of(recipe: Recipe, name: str) -> str:
    """What is wrong with a name, in the words of the recipe's own hook; empty if nothing is."""
    refused = f"{recipe.folder}: {name!r} cannot be the name of a function: "
    if len(name) > LONGEST or not NAME.fullmatch(name):
        return (
            f"{refused}it becomes the name of a {recipe.noun}, of a library and of an image. Use small letters and "
            f"digits with single dashes or underscores between them, a letter first, {LONGEST} at most, as in "
            "simple_handler or my-function"
        )
    if name.replace("-", "_") in recipe.taken:
        return f"{refused}{recipe.blame}. Choose another one, such as my-{name}"
    return ""


def find_template(recipe: Recipe) -> str:
    """The recipe's folder; empty where this installation goes without."""
    here = os.path.dirname(os.path.abspath(__file__))
    for folder in (os.path.join(here, "recipes"), os.path.join(here, "..", "..", "recipes")):
        template = os.path.normpath(os.path.join(folder, recipe.folder))
        if os.path.isfile(os.path.join(template, "cookiecutter.json")):
            return template
    return ""


def find_cookiecutter() -> "list[str]":
    """The words that start cookiecutter: its program beside our own Python or on PATH, else a Python that has it."""
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
    """The folder and those around it that are not there, the innermost first."""
    missing = []
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    return missing


def _remove(folders: "list[str]") -> None:
    """Remove what was made, as far as nothing lies in it."""
    for folder in folders:
        with suppress(OSError):
            os.rmdir(folder)


def _tell(text: str) -> None:
    """Print it; that nobody reads it to its end, as with `| head`, is no fault: the project is there."""
    try:
        print(text, flush=True)
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EINVAL):  # EINVAL: as Windows says that nobody reads a pipe
            raise
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())  # for what Python still writes when it ends
        os.close(nowhere)


def _arguments(template: str, name: str, output: str) -> "list[str]":
    return ["--no-input", "--output-dir", output, template, f"name={name}"]


def _bake(command: "list[str]") -> int:
    """Run cookiecutter with settings of our own: it would keep what it was asked in the home folder."""
    with tempfile.TemporaryDirectory(prefix="faas-runtime-new-") as scratch:
        settings = os.path.join(scratch, "settings.yaml")
        places = scratch.replace("\\", "/") if os.name == "nt" else scratch  # a backslash would escape in YAML
        with open(settings, "w", encoding="utf-8") as file:  # the plainest YAML: versions up to 1.7 read no other
            file.writelines(f'{name}: "{places}/{name}"\n' for name in ("cookiecutters_dir", "replay_dir"))
        return _run(command, COOKIECUTTER_CONFIG=settings)


def _run(command: "list[str]", quiet: bool = False, **variables: str) -> int:
    """Run a program with more variables than ours: its exit code.

    In an empty folder: -m would take the files of the current one for modules.
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
    """What to do with the project; `made` is the folder around it if it was not there."""
    library = name.replace("-", "_")
    suffix = {"darwin": ".dylib", "win32": ".dll"}.get(sys.platform, ".so")
    prefix = "" if sys.platform == "win32" and recipe.folder == "rust-function" else "lib"
    return "\n".join(
        (
            *((f"{made} was not there, and has been made.",) if made else ()),
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
            "README.md there tells the rest: tests, images, Lambda.",
        )
    )


def _hint(recipe: Recipe, name: str, output: str, template: str) -> str:
    """How to get cookiecutter, and the command line that does the same without us."""
    if template:
        source = [template]
        lines = ["cookiecutter does the work, and is not installed. Install it, then run the same command again:", ""]
        lines += [f"    {line}" for line in _installations()]
        lines += ["", "or run cookiecutter yourself, wherever it is:", ""]
    else:
        source = [HOME, "--checkout", TAG, "--directory", f"recipes/{recipe.folder}"]
        lines = ["this installation goes without the recipes. With cookiecutter, wherever it is:", ""]
    options = [] if output == "." else ["--output-dir", output]
    command = ["cookiecutter", "--no-input", *options, *source, f"name={name}"]
    return "\n".join((*lines, f"    {' '.join(map(_quoted, command))}"))


def _installations() -> "list[str]":
    """The commands that install cookiecutter on this system, the likeliest first."""
    if sys.prefix != sys.base_prefix:  # a virtual environment
        return [f"{_quoted(sys.executable)} -m pip install cookiecutter"]
    mingw = os.environ.get("MINGW_PACKAGE_PREFIX", "")
    managers = {
        "brew": "brew install cookiecutter",
        "pacman": f"pacman -S {mingw}-python-cookiecutter" if mingw else "pacman -S python-cookiecutter",
        "apt-get": "apt-get install cookiecutter",
        "dnf": "dnf install cookiecutter",
    }
    # A system may have another one's besides its own, which comes first.
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
    """A word for the shell at hand; Windows' own ones know double quotes alone."""
    if sys.platform == "win32" and not os.environ.get("MSYSTEM"):
        return subprocess.list2cmdline([word])
    return shlex.quote(word)
