"""Nothing that the caller's environment says gets into the bytes of an artefact, or breaks a session."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ci.core.program_environment import base_environment
from ci.make_environment import clean_environment, pip_environment
from tests.support import copy_checkout, run_ci

# Variables that change what programs write, or what they are; each kind has several members.
HARMFUL = {
    "PYTHONSAFEPATH": "1",
    "PYTHONPATH": "/nowhere",
    "PYTHONOPTIMIZE": "2",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "PYTHONHASHSEED": "17",
    "PYTHONPYCACHEPREFIX": "/nowhere",
    "PYTHONWARNINGS": "error",
    "PIP_USER": "1",
    "PIP_TARGET": "/nowhere",
    "PIP_REQUIRE_VIRTUALENV": "1",
    "PIP_CONSTRAINT": "/nowhere",
    "PIP_CONFIG_FILE": "/nowhere/pip.conf",
    "LC_ALL": "POSIX",
    "LANG": "de_DE.ISO-8859-1",
    "TZ": "Pacific/Auckland",
    "GIT_DIR": "/nowhere",
    "GIT_WORK_TREE": "/nowhere",
    "GIT_INDEX_FILE": "/nowhere/index",
    "GIT_CONFIG_COUNT": "broken",
    "RPM_CONFIGDIR": "/nowhere",
    "TAR_OPTIONS": "--no-such-option",
    "GZIP": "-1",
    "XZ_OPT": "-0",
    "ZSTD_CLEVEL": "1",
    "MAKEFLAGS": "--no-such-option",
    "MAKELEVEL": "3",
    "CFLAGS": "-no-such-option",
    "LDFLAGS": "-no-such-option",
    "RUSTFLAGS": "--no-such-option",
    "CARGO_BUILD_TARGET": "no-such-target",
    "RUBYOPT": "--no-such-option",
    "SOURCE_DATE_EPOCH": "1",
    "POSIXLY_CORRECT": "1",
    "BASH_ENV": "/nowhere",
    "COOKIECUTTER_CONFIG": "/nowhere",
}
# What says where programs, packages and certificates are.
NEEDED = {
    "PATH": "/usr/bin",
    "HOME": "/root",
    "TMPDIR": "/var/tmp",
    "CARGO_HOME": "/root/.cargo",
    "RUSTUP_HOME": "/root/.rustup",
    "PIP_INDEX_URL": "https://index.invalid/simple",
    "PIP_EXTRA_INDEX_URL": "https://index.invalid/extra",
    "PIP_FIND_LINKS": "/srv/wheels",
    "PIP_CERT": "/etc/ca.pem",
    "PIP_TRUSTED_HOST": "index.invalid",
    "https_proxy": "http://proxy.invalid:3128",
    "SSL_CERT_FILE": "/etc/ca.pem",
    "REQUESTS_CA_BUNDLE": "/etc/ca.pem",
}


@pytest.mark.parametrize("name", HARMFUL)
def test_it_reaches_neither_a_session_nor_a_program(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert clean_environment({name: HARMFUL[name]}) == {"LC_ALL": "C.UTF-8"}
    monkeypatch.setenv(name, HARMFUL[name])
    assert base_environment().get(name) in {None, "C.UTF-8", "UTC"}


@pytest.mark.parametrize("name", NEEDED)
def test_it_reaches_sessions_and_programs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert clean_environment({name: NEEDED[name]})[name] == NEEDED[name]
    monkeypatch.setenv(name, NEEDED[name])
    assert base_environment()[name] == NEEDED[name]


def test_of_pips_own_files_only_the_way_to_packages_counts(tmp_path: Path) -> None:
    config = tmp_path / ".config" / "pip" / "pip.conf"
    config.parent.mkdir(parents=True)
    config.write_text(
        "[global]\nindex-url = https://index.invalid/simple\ntarget = /nowhere\nrequire-virtualenv = true\n"
        "[install]\nuser = true\nfind-links =\n    /srv/one\n    /srv/two\n[list]\nformat = json\n"
    )
    base = clean_environment({"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PIP_CERT": "/etc/ca.pem"})
    found = pip_environment(Path(sys.executable), base)
    options = {name: value for name, value in found.items() if name.startswith("PIP_")}
    assert options["PIP_INDEX_URL"] == "https://index.invalid/simple"
    assert options["PIP_FIND_LINKS"] == "/srv/one /srv/two"
    assert options["PIP_CERT"] == "/etc/ca.pem"  # the environment counts more than a file
    assert options["PIP_CONFIG_FILE"] == os.devnull
    assert not {"PIP_USER", "PIP_TARGET", "PIP_REQUIRE_VIRTUALENV", "PIP_FORMAT"} & set(options)


@pytest.mark.long
def test_the_packages_are_the_same_bytes_in_any_locale(tmp_path: Path) -> None:
    """The maintainer's name gets into packages by way of files, of arguments and of names of programs' settings."""
    hashes = []
    for name, environment in (("plain", {}), ("hostile", HARMFUL)):
        checkout = copy_checkout(tmp_path / name)
        manifest = checkout / "release.yaml"
        text = manifest.read_text().replace("maintainer: faas-runtime maintainers", "maintainer: Jürgen Groß")
        manifest.write_text(text.replace("environments: [ucrt64, clang64, clangarm64]", "environments: [ucrt64]"))
        usable = {key: value for key, value in environment.items() if key not in ("PYTHONSAFEPATH", "PYTHONWARNINGS")}
        for command in ("bake", "msys2", "rpm"):
            done = run_ci(checkout, command, env=usable)
            assert done.returncode == 0, done.stderr
        built = [*(checkout / "dist" / "msys2").iterdir(), *(checkout / "dist" / "rpm").iterdir()]
        hashes.append({path.name: path.read_bytes() for path in built})
    assert len(hashes[0]) == 4
    assert hashes[0] == hashes[1]


@pytest.mark.long
@pytest.mark.parametrize("settings", [{}, HARMFUL])
def test_an_environment_is_made_whatever_pip_is_told(tmp_path: Path, settings: dict[str, str]) -> None:
    """With pip's own setup, and a package that needs no index."""
    home = tmp_path / "home"
    (home / ".config" / "pip").mkdir(parents=True)
    (home / ".config" / "pip" / "pip.conf").write_text("[install]\nuser = true\n")
    (tmp_path / "requirements.txt").write_text("")
    environment = {**settings, "PATH": os.environ["PATH"], "HOME": str(home)}
    script = Path(__file__).parents[2] / "ci" / "make_environment.py"
    done = subprocess.run(
        [sys.executable, "-I", script, tmp_path / "made", tmp_path / "requirements.txt"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "making " in done.stderr
    assert (tmp_path / "made" / "bin" / "pip").exists()
