"""What `check --for` says of a library, compared with what happens when it is loaded in a root of that kind.

The roots are those of the matrix. That with Debian 13 is what `micro` is made of. Neither EL 10 nor Amazon Linux 2023
can be fetched: the oldest Debian stands in for a glibc that is older than a library, with its own line in the table.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from faas_runtime.binary import linkage
from faas_runtime.commands.check_for import TargetVerdict
from faas_runtime.commands.targets import CPLUSPLUS, GLIBC_LIBRARIES, TARGETS, UNWINDER, X86_64, BuildTarget

from tests.glue.support import MACHINE, call
from tests.matrix.roots import HOME, MUSL, PythonRoot, unpack
from tests.runtime.target_libraries import LIBRARIES, libraries
from tests.support import not_there, program

pytestmark = pytest.mark.long

BULLSEYE = BuildTarget(
    "bullseye",
    (X86_64,),
    libc="glibc",
    newest={"GLIBC": (2, 31), "GCC": (7, 0, 0), "GLIBCXX": (3, 4, 28), "CXXABI": (1, 3, 12)},
    libraries=GLIBC_LIBRARIES | {CPLUSPLUS, UNWINDER, "libz.so.1"},
)
TARGET_OF = {"bullseye": BULLSEYE, "trixie": TARGETS["micro"], MUSL: TARGETS["alpine"]}
NOT_LOADED = 1
# The root with musl has no libgcc_s, which Alpine's package of that name brings into the image. musl's loader looks
# neither at the processor nor at the system that a library is built for.
LEFT_OUT = {MUSL: {"unwinder", "beside-for-another-processor", "freebsd"}}


@pytest.fixture(scope="module", params=TARGET_OF)
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> PythonRoot:
    if MACHINE != X86_64:
        not_there("an x86_64 machine", optional=True)
    made = unpack(request.param, tmp_path_factory.mktemp(request.param))
    for name in ("proc", "var/libraries"):
        (made.path / name).mkdir(parents=True, exist_ok=True)
    call("cp", "-a", *sorted(libraries().iterdir()), made.path / "var" / "libraries")
    return made


@pytest.fixture(scope="module")
def runs(root: PythonRoot) -> Callable[[str, str], bool]:
    """Whether the runtime of the root can load a library: `check` without `--for` does it, in a child."""

    def run(name: str, file: str) -> bool:
        mount = 'mount -t proc proc "$1/proc" && exec chroot "$1" "/$2" check "$3"'
        path = f"/var/libraries/{name}/{file}"
        command = (program("unshare"), "--mount", "sh", "-c", mount, "sh", str(root.path), f"{HOME}/bin/faas-runtime")
        done = subprocess.run([*command, path], capture_output=True, text=True, check=False)
        assert done.returncode in (0, NOT_LOADED), done.stderr
        assert done.stdout, done.stderr
        return done.returncode == 0

    return run


def test_the_symbols_of_musl_are_those_of_its_library(root: PythonRoot) -> None:
    if root.suite != MUSL:
        pytest.skip("it has another C library")
    (musl,) = root.path.glob("usr/lib/*-linux-musl/libc.so")
    found = linkage.read(str(musl))
    assert found is not None
    assert (
        sorted(found.functions | found.others)
        == Path(linkage.__file__).with_name("musl_symbols.txt").read_text().split()
    )


def test_each_verdict_is_what_happens(root: PythonRoot, runs: Callable[[str, str], bool]) -> None:
    targets = [TARGET_OF[root.suite], TARGETS[X86_64]]
    compared, other = 0, []
    for name, made in LIBRARIES.items():
        if name in LEFT_OUT.get(root.suite, ()):
            continue
        said = TargetVerdict(str(root.path / "var" / "libraries" / name / made.file), "handle", targets).fits
        happened = runs(name, made.file)
        compared += 1
        if said != happened:
            other.append(
                f"{name}: said to {'fit' if said else 'be wrong'}, and it {'runs' if happened else 'does not'}"
            )
    assert other == []
    assert compared >= 50
