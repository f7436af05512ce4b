"""Makes a virtual environment with pinned requirements: `python make_environment.py FOLDER REQUIREMENTS`.

`ci/bootstrap` makes `.venv` with it, and the noxfile makes the environments below `.nox/`. It imports the standard
library alone. Of the caller's settings of pip, in the environment or in pip's own files, only indexes, proxies and
certificates count. Others, such as `user = true`, must not reach a release.

If `dist/inputs/` has the wheels of the requirements (`nox -s inputs -- --fetch`), pip takes these, without a network.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

# The options of pip that say where packages come from, and how they get here.
_KEPT_OF_PIP = {
    *("index_url", "extra_index_url", "find_links", "no_index", "trusted_host"),
    *("cert", "client_cert", "proxy", "keyring_provider", "cache_dir", "timeout", "default_timeout", "retries"),
}
# Variables that change what programs do to the files of a release, by the beginnings of their names, or in whole.
_DROPPED_PREFIXES = ("PYTHON", "GIT_", "RPM", "LC_", "CARGO_", "VIRTUAL_ENV", "COOKIECUTTER_", "NOX_", "MAKEPKG")
_KEPT = re.compile(
    r"CARGO_HOME|CARGO_HTTP_\w+|CARGO_NET_\w+|CARGO_REGISTR\w+|GIT_SSL_\w+|GIT_SSH\w*|GIT_ASKPASS|GIT_TERMINAL_PROMPT"
)
_DROPPED = {
    *("LANG", "LANGUAGE", "TZ", "SOURCE_DATE_EPOCH", "POSIXLY_CORRECT", "BASH_ENV", "ENV", "CDPATH", "GREP_OPTIONS"),
    *("TAR_OPTIONS", "GZIP", "BZIP", "BZIP2", "XZ_OPT", "XZ_DEFAULTS", "ZSTD_CLEVEL", "ZSTD_NBTHREADS", "ZIPOPT"),
    *("MAKEFLAGS", "GNUMAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEFILES", "CC", "CXX", "CPP", "AR", "LD", "STRIP"),
    *("CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "ARFLAGS", "CPATH", "C_INCLUDE_PATH", "LIBRARY_PATH"),
    *("RUSTFLAGS", "RUSTDOCFLAGS", "RUSTC", "RUSTC_WRAPPER", "RUBYOPT", "RUBYLIB", "PERL5OPT", "PERL5LIB"),
}
_FIXED = {"LC_ALL": "C.UTF-8"}
_INPUTS = Path(__file__).resolve().parent.parent / "dist" / "inputs"


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that programs may see which make a release: all but those that change its bytes or break it."""
    kept = {name: value for name, value in environment.items() if _is_kept(name)}
    return {**kept, **_FIXED}


def _is_kept(name: str) -> bool:
    if name.startswith("PIP_"):
        return name.removeprefix("PIP_").lower() in _KEPT_OF_PIP
    if _KEPT.fullmatch(name):
        return True
    return name not in _DROPPED and not name.startswith(_DROPPED_PREFIXES)


def pip_environment(python: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables to run pip with: of its own files they have indexes, proxies and certificates, and nothing else."""
    listed = subprocess.run(
        [python, "-I", "-m", "pip", "config", "list"], env=environment, capture_output=True, text=True, check=False
    ).stdout
    options = {}
    for section, option, value in re.findall(r"^(\S+)\.([\w-]+)=(.*)$", listed, re.MULTILINE):
        name = option.replace("-", "_").lower()
        if name in _KEPT_OF_PIP and section in ("global", "install"):  # install's come after, and count more
            options[f"PIP_{name.upper()}"] = " ".join(str(ast.literal_eval(value)).split())
    return {**options, **environment, "PIP_CONFIG_FILE": os.devnull}


def interpreter() -> str:
    """What wheels are chosen by: the Python, the system and the processor."""
    return f"{sys.implementation.name} {sys.version_info[0]}.{sys.version_info[1]} {sys.platform} {platform.machine()}"


def kept_wheels(requirements: Path, inputs: Path, folder: Path) -> list[str]:
    """The options that let pip take the kept wheels of the requirements and nothing else; none if they are not kept.

    `folder` is filled with links to them, which have the names that pip needs. pip compares the hashes.
    """
    try:
        record = json.loads((inputs / "store.json").read_text(encoding="utf-8"))
        wanted = (hashlib.sha256(requirements.read_bytes()).hexdigest(), interpreter())
        if (record["requirements"], record["interpreter"]) != wanted:
            return []
        for name, sha256 in record["wheels"].items():
            if not (re.fullmatch(r"[\w.+-]+\.whl", name) and re.fullmatch(r"[0-9a-f]{64}", sha256)):
                return []
            (folder / name).symlink_to((inputs / "sha256" / sha256).resolve(strict=True))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
    return ["--no-index", "--find-links", str(folder)]


def make(location: Path, requirements: Path) -> None:
    """Make the environment anew. Raises `CalledProcessError` if a program fails, which has said why."""
    environment = clean_environment(os.environ)
    subprocess.run([sys.executable, "-I", "-m", "venv", "--clear", location], env=environment, check=True)
    python = location / ("Scripts" if os.name == "nt" else "bin") / "python"
    options = ["--disable-pip-version-check", "--no-input", "--require-hashes", "--progress-bar=off"]
    with tempfile.TemporaryDirectory(prefix="faas-runtime-wheels-") as wheels:
        options += kept_wheels(requirements, _INPUTS, Path(wheels))
        _install(python, [*options, "-r", str(requirements)], environment)


def _install(python: Path, options: list[str], environment: Mapping[str, str]) -> None:
    pip = subprocess.Popen(
        [python, "-I", "-m", "pip", "install", *options],
        env=pip_environment(python, environment),
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    assert pip.stdout is not None
    with pip:
        for number, line in enumerate(filter(_tells_progress, pip.stdout), 1):
            print(f"  {number}. {line.split(' (from ')[0].strip()}", file=sys.stderr, flush=True)
    if pip.returncode:
        raise subprocess.CalledProcessError(pip.returncode, pip.args)


def _tells_progress(line: str) -> bool:
    return line.startswith(("Collecting ", "Installing collected packages"))


if __name__ == "__main__":
    os.umask(0o022)
    folder, pinned = map(Path, sys.argv[1:])
    try:
        print(f"making {folder} with the requirements of {pinned.name}; this takes a minute, once", file=sys.stderr)
        make(folder, pinned)
    except subprocess.CalledProcessError as error:
        sys.exit(f"error: {folder} could not be made: {Path(str(error.cmd[0])).name} ended with {error.returncode}")
    except KeyboardInterrupt:
        sys.exit(130)
