"""The crate for functions in Rust: what its macro refuses, and its tests under sanitizers.

Its own tests are in `runtime/crate/tests`; `test_rust_glue.py` runs them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cache import CACHE, lock
from tests.glue.support import MACHINE
from tests.support import ROOT, program

CRATE = ROOT / "runtime" / "crate"
REFUSED = sorted((Path(__file__).resolve().parent / "refused").glob("*.rs"))
WITH_HTTP = "http_"
"""How the names of those files begin that need the feature, which takes long to compile."""
GROWTH_KIB = 2048
MANIFEST = f"""\
[package]
name = "refused"
version = "0.1.0"
edition = "2021"
publish = false

[lib]
crate-type = ["cdylib"]

[features]
http = ["faas-function/http"]

[dependencies]
faas-function = {{ path = "{CRATE}" }}
"""


def run_cargo(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run cargo, with one target folder for each set of variables; its output is one text."""
    target = CACHE / "-".join(["crate", *(re.sub(r"\W+", "", value)[:40] for value in variables.values())])
    env = {
        **os.environ,
        "CARGO_TARGET_DIR": str(target),
        "RUST_BACKTRACE": "0",
        "CARGO_TERM_COLOR": "never",
        **variables,
    }
    with lock(target.name):
        return subprocess.run(
            [program("cargo"), *arguments],
            cwd=folder,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A crate that depends on ours, without a function."""
    folder = tmp_path_factory.mktemp("refused")
    (folder / "src").mkdir()
    (folder / "Cargo.toml").write_text(MANIFEST)
    shutil.copy(CRATE / "Cargo.lock", folder / "Cargo.lock")  # the same versions, so that nothing is asked for
    return folder


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(path, id=path.stem, marks=[pytest.mark.long] if path.name.startswith(WITH_HTTP) else [])
        for path in REFUSED
    ],
)
def test_compile_errors_point_at_the_line_and_say_what_is_accepted(project: Path, source: Path) -> None:
    """Each file ends with comments that say what the compiler must say, and where.

    They are lines that we write, not the whole text: the rest differs from one compiler to the next.
    """
    text = source.read_text()
    expected = re.findall(r"^// refused: (?:line (\d+): )?(.*)$", text, re.MULTILINE)
    assert expected
    (project / "src" / "lib.rs").write_text(text)
    features = ("--features", "http") if source.name.startswith(WITH_HTTP) else ()
    done = run_cargo(project, "check", *features)
    assert done.returncode == 101, done.stdout
    for line, message in expected:
        assert message in done.stdout
        if line:
            after = done.stdout[done.stdout.index(message) :]
            place = re.search(r"--> src/lib\.rs:(\d+):", after)
            assert place, done.stdout
            assert place[1] == line


@pytest.mark.long
def test_all_tests_pass_with_all_features() -> None:
    """Those in the documentation, too."""
    done = run_cargo(CRATE, "test", "--locked", "--all-features")
    assert done.returncode == 0, done.stdout
    style = run_cargo(CRATE, "clippy", "--locked", "--all-features", "--all-targets", "--", "-D", "warnings")
    assert style.returncode == 0, style.stdout


@pytest.mark.long
def test_a_million_invocations_do_not_grow(tmp_path: Path) -> None:
    """A quarter each are answers, panics, errors and streams, in four threads."""
    done = run_cargo(CRATE, "test", "--locked", "--release", "--test", "concurrency", "--", "62500")
    assert done.returncode == 0, done.stdout
    grown = re.search(r"^grown by (\d+) KiB$", done.stdout, re.MULTILINE)
    assert grown, done.stdout
    assert int(grown[1]) < GROWTH_KIB


@pytest.mark.long
def test_address_sanitizer() -> None:
    """It also looks for leaks. RUSTC_BOOTSTRAP allows the stable compiler to use it."""
    done = run_cargo(
        CRATE,
        *("test", "--locked", "--all-features", "--tests", "--target", f"{MACHINE}-unknown-linux-gnu"),
        RUSTFLAGS="-Zsanitizer=address",
        RUSTC_BOOTSTRAP="1",
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.long
def test_thread_sanitizer(tmp_path: Path) -> None:
    """It sees what this crate does, but not the standard library, which is compiled without it.

    So it runs the test without a harness and without tokio, and ignores how the standard library counts the owners of a
    thread.
    """
    ignored = tmp_path / "ignored.txt"
    ignored.write_text("race:std::thread\n")
    done = run_cargo(
        CRATE,
        *("test", "--locked", "--test", "concurrency", "--target", f"{MACHINE}-unknown-linux-gnu"),
        RUSTFLAGS="-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer",
        RUSTC_BOOTSTRAP="1",
        TSAN_OPTIONS=f"suppressions={ignored}",
    )
    assert done.returncode == 0, done.stdout
