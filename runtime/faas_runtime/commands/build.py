"""`faas-runtime build`: builds the project in the current folder for a target, and checks what came out."""

import os
import shlex
import subprocess
import sys

from ..command_line import current_folder
from ..command_parser import CommandParser
from ..errors import UsageError
from ..project import finder
from ..project.finder import MakeProject
from . import programs
from .build_plan import BuildPlan, make_plan
from .check import check
from .check_for import check_for, parse_targets
from .toolchain import REPORT, cargo_command, make_command

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from .targets import BuildTarget
    from .toolchain import ToolCommand

FAILED = 1


def build(arguments: "Sequence[str]") -> int:
    """Run the command; returns 0 if it was built and the check is content, otherwise 1. Raises UsageError."""
    given = _parse(arguments)
    targets = parse_targets(given.targets) if given.targets is not None else []
    folder = current_folder()
    project = finder.find(folder)
    if project is None:
        raise UsageError("there is neither Cargo.toml nor a Makefile here; change to the folder of a project")
    plan = make_plan(targets)
    if isinstance(project, MakeProject):
        command = make_command(plan, is_debug=given.debug)
    else:
        command = cargo_command(plan, project.crate.name, is_debug=given.debug)
    report = _run(command, folder)
    if report is None:
        return FAILED
    if isinstance(project, MakeProject):
        built = project.built()
        library = built[0] if built else os.path.join(folder, "*.so")
    else:
        library = project.reported(report) or project.library(is_debug=given.debug, triple=command.triple)
    if not os.path.isfile(library):
        print(f"faas-runtime build: it succeeded, but {library} is not there", file=sys.stderr)
        return FAILED
    return _check(library, folder, targets, plan)


def _parse(arguments: "Sequence[str]") -> "argparse.Namespace":
    parser = CommandParser(
        prog="faas-runtime build",
        description="Build the project in the current folder, of cargo or of make, and check the library.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--for",
        dest="targets",
        metavar="TARGETS",
        help="what to build for: an image, al2023, a processor, or several with commas between, such as al2023,arm64 "
        "(default: this machine)",
    )
    parser.add_argument("--debug", action="store_true", help="for a debugger, instead of small and fast")
    given: argparse.Namespace = parser.parse_args(arguments)
    return given


def _run(command: "ToolCommand", folder: str) -> "bytes | None":
    """Run it; returns what it reports to have built, or None if it failed."""
    for hint in command.hints:
        print(f"faas-runtime build: {hint}", file=sys.stderr)
    print(f"faas-runtime build: {' '.join(map(shlex.quote, command.words))}", file=sys.stderr, flush=True)
    stdout = subprocess.PIPE if REPORT in command.words else None
    environment = {**os.environ, **command.variables}
    try:
        done = programs.run(command.words, cwd=folder, env=environment, stdout=stdout)
    except OSError as error:
        print(f"faas-runtime build: {command.words[0]} does not start: {error.strerror}", file=sys.stderr)
        return None
    if done.returncode:
        print(f"faas-runtime build: {command.words[0]} failed with exit code {done.returncode}", file=sys.stderr)
        return None
    return done.stdout or b""


def _check(library: str, folder: str, targets: "list[BuildTarget]", plan: BuildPlan) -> int:
    if not targets:
        return check(library)
    return check_for(library, folder, [*targets, *plan.processor_of(targets)])
