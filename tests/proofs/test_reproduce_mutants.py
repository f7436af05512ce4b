"""Faults that make a build depend on its surroundings: `nox -s reproduce` finds each, and names where it shows."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from tests.prove.support import committed_checkout, fast
from tests.support import run_ci
from tests.waiting import wait_until

__all__ = ["fast"]

pytestmark = pytest.mark.long

FORMULA = "formulae/faas-runtime.rb"
BREW = "ci/builders/brew.py"
_COPY = "    shutil.copyfile(formula, work.out / name)\n"


def in_formula(expression: str) -> dict[str, list[tuple[str, str]]]:
    """An edit after which the formula ends in a comment with the value of an expression."""
    line = f'    with (work.out / name).open("a") as file:\n        file.write(f"# {{{expression}}}\\n")\n'
    return {BREW: [(_COPY, _COPY + line)]}


def module(name: str) -> str:
    return f"__import__('{name}')"


_UMASK = ("ci/__main__.py", "    os.umask(0o022)  # modes in artefacts do not depend on whose shell this is\n")
_EPOCH = '"SOURCE_DATE_EPOCH": str(release.epoch),\n    }\n\n\ndef prepare('

# From what is planted to the edits, the file that differs, and what is said about the difference.
MUTANTS: dict[str, tuple[dict[str, list[tuple[str, str]]], str, str]] = {
    "a host name": (in_formula(f"{module('socket')}.gethostname()"), FORMULA, "another-host"),
    "a user name": (in_formula(f"{module('os')}.environ.get('USER')"), FORMULA, "elsewhere"),
    "a path": (in_formula("work.folder"), FORMULA, "another place"),
    "a time stamp": (in_formula(f"int({module('time')}.time())"), FORMULA, "byte"),
    "a time zone": (in_formula(f"{module('time')}.tzname"), FORMULA, "byte"),
    "a home folder": (in_formula(f"{module('pathlib')}.Path.home()"), FORMULA, "byte"),
    "a number of processors": (in_formula(f"len({module('os')}.sched_getaffinity(0))"), FORMULA, "byte"),
    "a variable": (in_formula(f"{module('os')}.environ.get('CFLAGS')"), FORMULA, "byte"),
    "the order of a folder": (in_formula(f"{module('os')}.listdir(work.project.root / 'docs')"), FORMULA, "byte"),
    "the order of a locale": (
        in_formula(f"{module('locale')}.setlocale(6, ''), sorted('aBcD', key={module('locale')}.strxfrm)"),
        FORMULA, "byte",
    ),
    "a mode that the umask decides": (
        {_UMASK[0]: [(_UMASK[1], "")], "ci/builders/rpm.py": [("    placed.chmod(0o644)\n", "")]},
        "rpm/faas-runtime-0.1.0-1.src.rpm", "mode",
    ),
    "a time of change": (  # a later one than the release's date would be cut down to that by rpm itself
        {"ci/builders/rpm.py": [
            ("    os.utime(placed, (epoch, epoch))\n", f"    os.utime(placed, (0, {module('time')}.time() // 9))\n"),
        ]},
        "rpm/faas-runtime-0.1.0-1.src.rpm", "time",
    ),
    "a build host": (
        {"ci/builders/rpm.py": [('        "_buildhost": "reproducible",\n', "")]},
        "rpm/faas-runtime-0.1.0-1.noarch.rpm", "BUILDHOST",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", sorted(MUTANTS))
def test_a_dependency_on_the_surroundings_is_named(tmp_path: Path, fast: dict[str, str], fault: str) -> None:
    edits, path, said = MUTANTS[fault]
    checkout = committed_checkout(tmp_path / "checkout", edits)
    built = run_ci(checkout, "build", env=fast)
    assert built.returncode == 0, built.stderr
    done = run_ci(checkout, "reproduce", env=fast)
    assert done.returncode == 14, done.stderr
    line = next(line for line in done.stderr.splitlines() if f"{path}: it differs" in line)
    assert said in line, done.stderr
    verdict = json.loads((checkout / "dist" / "reproducibility.json").read_bytes())
    assert verdict["verdict"] == "different"


def mounts() -> list[str]:
    """All mounts but those of container engines, which other tests may use at the same time."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [line for line in lines if "/containers/" not in line and "/docker/" not in line]


def processes_of(checkout: Path) -> list[str]:
    """The processes that name the checkout in their arguments, or that are in its folders."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_bytes().decode(errors="replace")
            folder = str((process / "cwd").readlink())
        except OSError:
            continue
        if str(checkout) in arguments or folder.startswith(str(checkout)):
            found.append(f"{process.name}: {arguments}")
    return found


def test_a_run_that_is_killed_leaves_nothing(tmp_path: Path, fast: dict[str, str]) -> None:
    checkout = committed_checkout(tmp_path / "checkout")
    assert run_ci(checkout, "build", env=fast).returncode == 0
    before, accounts = mounts(), Path("/etc/passwd").read_bytes()
    chosen = random.Random(seed := random.randrange(10**6))
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-m", "ci", "reproduce"],
            cwd=checkout,
            env={**os.environ, **fast},
            stderr=subprocess.PIPE,
            text=True,
        ) as run:
            assert run.stderr is not None
            for _line in islice(run.stderr, 2):
                pass
            try:
                run.wait(chosen.uniform(0, 12))
            except subprocess.TimeoutExpired:
                run.send_signal(chosen.choice([signal.SIGKILL, signal.SIGTERM]))
        wait_until(lambda: not processes_of(checkout), f"processes are left (seed {seed})")
        assert mounts() == before, f"seed {seed}"
        assert Path("/etc/passwd").read_bytes() == accounts
    done = run_ci(checkout, "reproduce", env=fast)
    assert done.returncode == 0, done.stderr
    assert not (checkout / "dist" / ".state" / "work" / "reproduce").exists()
