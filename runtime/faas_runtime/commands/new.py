"""`faas-runtime new`: makes the project of a function from a recipe, with cookiecutter."""

import argparse
import os
import shutil
import sys
from contextlib import suppress

from ..command_line import print_text
from ..command_parser import HelpParser
from .recipes import RECIPES, Recipe, fault_of, find_template
from .rust_project import RustProject
from .templating import FAILED, bake, find_cookiecutter, how_to_install, quoted
from .update import Refused, update

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

USAGE = 2
DESCRIPTION = """\
Makes a folder NAME with a small project: a function that answers events, its unit test, its build file,
a Containerfile and sample events. cookiecutter has to be installed.

NAME has small letters and digits with single dashes or underscores between them; my-function gives the library
libmy_function and the handler my_function.handle.

A project in Rust uses the crate faas-function, and gets a copy of it. Inside a cargo workspace, the project becomes a
member, and all members share one copy.
"""


def new(arguments: "Sequence[str]") -> int:
    """Make the project. Returns 0; 2 for wrong usage, after which nothing is written; 1 if cookiecutter failed.

    Raises UsageError if standard output cannot be written. The project exists then.
    """
    chosen = _parse(arguments)
    if chosen.update:
        return _update(os.path.normpath(os.path.join(chosen.output, chosen.name or ".")))
    recipe = RECIPES[chosen.language]
    target = os.path.normpath(os.path.join(chosen.output, chosen.name))
    fault = fault_of(recipe, chosen.name)
    if not fault and os.path.lexists(target):
        fault = f"{target} already exists. Choose another name, another --output, or remove it"
    rust = RustProject(os.path.abspath(target), chosen.registry) if chosen.language == "rust" and not fault else None
    if rust:
        fault = rust.fault()
    if fault:
        return _refuse(fault)
    values = [f"name={chosen.name}", *(rust.values() if rust else ())]
    template = find_template(recipe)
    program = find_cookiecutter()
    if not template or not program:
        return _refuse(how_to_install(recipe, values, chosen.output, template))
    return _make(chosen, target, [*program, *_options(chosen.output), template, *values], rust)


def _make(chosen: argparse.Namespace, target: str, command: "list[str]", rust: "RustProject | None") -> int:
    made = _missing(os.path.dirname(os.path.abspath(target)))
    try:
        code, said = _make_project(target, command, rust, made)
    except BaseException:  # a signal: half a project would be in the way of the next one
        shutil.rmtree(target, ignore_errors=True)
        _remove(made)
        raise
    if code:
        return code
    recipe = RECIPES[chosen.language]
    output = f"{rust.target()}/debug/" if rust else recipe.output
    lines = [f"{chosen.output} did not exist and was created."] if made else []
    print_text("\n".join((*lines, *_next_steps(recipe, chosen.name, target, output), *_with_gaps(said))))
    return 0


def _make_project(
    target: str, command: "list[str]", rust: "RustProject | None", made: "list[str]"
) -> "tuple[int, list[str]]":
    """Make the whole project or nothing: the exit code, and what is to be said of a cargo workspace."""
    try:
        os.makedirs(target)  # if this cannot be made, cookiecutter would print a traceback
        os.rmdir(target)
        code = bake(command)
    except OSError as error:
        _remove(made)
        where = error.filename or target
        return _refuse(f"{where} cannot be created: {error.strerror}. Choose another folder with --output"), []
    if code or not os.path.isdir(target):
        _remove(made)
        what = f"failed with exit code {code}" if code else f"did not make {target}"
        return _refuse(f"cookiecutter {what}; its own messages are above", FAILED), []
    try:
        return 0, rust.finish() if rust else []
    except OSError as error:
        shutil.rmtree(target)
        _remove(made)
        where = error.filename or target
        return _refuse(f"{where} cannot be written: {error.strerror}. {target} was removed again", FAILED), []


def _update(project: str) -> int:
    try:
        print_text(update(project))
    except Refused as refusal:
        return _refuse(str(refusal))
    except OSError as error:
        where = error.filename or project
        return _refuse(f"{where} cannot be written: {error.strerror}. The copy is as it was", FAILED)
    return 0


def _parse(arguments: "Sequence[str]") -> argparse.Namespace:
    """Read the command line. Unknown arguments are reported before missing ones, as in `new rust -x`."""
    parser = _parser()
    chosen, unknown = parser.parse_known_args(arguments)
    if unknown:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    if chosen.language is None or (chosen.name is None and not chosen.update):
        parser.error(f"the following arguments are required: {'NAME' if chosen.language else 'language, NAME'}")
    if chosen.language != "rust" and (chosen.registry or chosen.update):
        parser.error("--registry and --update are for rust: a project in C has all that it needs")
    if chosen.registry and chosen.update:
        parser.error("--update is for a copy of the crate, and --registry for a project without one")
    return chosen


def _language(text: str) -> str:
    if text not in RECIPES:
        what = f"{text!r} is not one of {', '.join(sorted(RECIPES))}"
        raise argparse.ArgumentTypeError(f"{what}; name the language first: new rust my-function")
    return text


def _parser() -> HelpParser:
    parser = HelpParser(
        prog="faas-runtime new",
        usage="%(prog)s [-h] [--output DIR] [--registry] {c,rust} NAME\n"
        "       %(prog)s [-h] [--output DIR] rust [NAME] --update",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("language", metavar="{c,rust}", nargs="?", type=_language, help="the language of the function")
    parser.add_argument("name", metavar="NAME", nargs="?", help="the name of the function, such as my-function")
    parser.add_argument(
        "--output", metavar="DIR", default=".", help="the parent of NAME, created if necessary (default: .)"
    )
    parser.add_argument(
        "--registry", action="store_true", help="take the crate from crates.io, by version, and make no copy of it"
    )
    parser.add_argument(
        "--update",
        action="store_true",
        help="replace the copy of the crate in NAME, or in the current folder, with that of this installation",
    )
    return parser


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


def _options(output: str) -> "list[str]":
    return ["--no-input", "--output-dir", os.path.abspath(output)]


def _refuse(message: str, code: int = USAGE) -> int:
    print(f"faas-runtime new: {message}", file=sys.stderr)
    return code


def _next_steps(recipe: Recipe, name: str, target: str, output: str) -> "tuple[str, ...]":
    """What to do with the project; `output` is where its library is once it is built."""
    library = name.replace("-", "_")
    suffix = {"darwin": ".dylib", "win32": ".dll"}.get(sys.platform, ".so")
    prefix = "" if sys.platform == "win32" and recipe.folder == "rust-function" else "lib"
    return (
        f"{target} is ready. Next, in one terminal:",
        "",
        f"    cd {quoted(target)}",
        f"    {recipe.build}",
        f"    faas-runtime serve {quoted(f'{output}{prefix}{library}{suffix}')} --watch",
        "",
        "and in another one, in the same folder:",
        "",
        "    curl -d @events/sample.json http://127.0.0.1:8080/2015-03-31/functions/function/invocations",
        "",
        "README.md there has more: tests, images, Lambda.",
    )


def _with_gaps(said: "list[str]") -> "list[str]":
    return [line for text in said for line in ("", text)]
