"""The command line of the tooling: what it reports about arguments that it does not know."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ci import kinds
from ci.command_line import parser
from ci.commands.checking import _cell
from ci.core.errors import UsageError
from ci.make_environment import clean_environment
from tests.support import ROOT, run_ci


@pytest.mark.parametrize(
    ("arguments", "unknown"),
    [
        (("plan", "--jsn"), "--jsn"),
        (("plan", "everything"), "everything"),
        (("plan", "--js"), "--js"),
        (("images", "--flav", "micro"), "--flav micro"),
        (("snapshot", "--eng=podman"), "--eng=podman"),
        (("check", "--flavour", "micro"), "--flavour micro"),
        *(((session, "--verbose"), "--verbose") for session in kinds.sessions()),
    ],
)
def test_an_unknown_argument_is_reported_with_the_session(arguments: tuple[str, ...], unknown: str) -> None:
    done = run_ci(ROOT, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"error: unrecognized arguments: {unknown}\nwhat to do: see: nox -s {arguments[0]} -- --help\n"
    )


def test_the_help_speaks_to_its_reader() -> None:
    done = run_ci(ROOT, "--help")
    assert done.returncode == 0
    assert "The command line behind the Nox sessions." in done.stdout
    assert "this module" not in " ".join(done.stdout.split()).lower()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--engine podman --engine docker", "argument --engine: given more than once; give it once"),
        ("--engine auto --engine auto", "argument --engine: given more than once; give it once"),
        ("--base ubi=a/b:1 --base ubi=a/b:2", "argument --base: ubi is given more than once"),
        ("--base alpine=a --base ubi=b --base=alpine=a", "argument --base: alpine is given more than once"),
    ],
)
def test_no_value_is_lost_because_an_option_is_repeated(options: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parser().parse_args(["images", *options.split()])
    assert said in str(caught.value)
    assert caught.value.hint == "see: nox -s images -- --help"


def test_options_that_can_be_repeated_collect_their_values() -> None:
    words = "--flavour ubi --base ubi=a/b:1 --flavour alpine --base alpine=c/d:2 --engine docker"
    chosen = parser().parse_args(["snapshot", *words.split()])
    assert chosen.flavour == ["ubi", "alpine"]
    assert chosen.base == {"ubi": "a/b:1", "alpine": "c/d:2"}
    assert chosen.engine == "docker"


@pytest.mark.parametrize(
    "reference", ["Alpine:3", "a b", "docker://x/y", "x:tag with", "x@sha256:12", "-x", "", "a//b"]
)
def test_a_base_that_is_no_name_of_an_image_is_wrong_usage(reference: str) -> None:
    done = run_ci(ROOT, "images", f"--base=ubi={reference}")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{reference!r} is not the name of an image; expected HOST/PATH:TAG" in done.stderr


@pytest.mark.parametrize(("column", "shown"), [("input", "0" * 12), ("artifact", "0" * 64), ("reason", "0" * 64)])
def test_the_plan_shortens_hashes_and_nothing_else(column: str, shown: str) -> None:
    assert _cell(column, "0" * 64) == shown


def plan(output: int) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "ci", "plan", "--json"]
    env = clean_environment(os.environ)
    return subprocess.run(argv, cwd=ROOT, env=env, stdout=output, stderr=subprocess.PIPE, text=True, check=False)


def test_a_reader_that_closes_the_output_ends_the_command_without_a_word() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = plan(writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_output_that_cannot_be_written_is_an_error() -> None:
    with Path("/dev/full").open("wb") as full:
        done = plan(full.fileno())
    assert done.returncode == 15
    assert done.stderr.startswith("error: standard output: No space left on device\nwhat to do: ")
