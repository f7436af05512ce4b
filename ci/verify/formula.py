"""The Homebrew formula: evaluated, installed and tested by a stand-in for brew, from the source tarball of this build.

The stand-in (`brew_stand_in.rb`) runs the formula's own `install` and `test`. It replaces the formula's Python by the
one that runs this check, and the download by the local tarball, whose name and hash must be right.
"""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

from ci.pipeline.jobs import Verdict
from ci.verify.check import Check, launcher, require_answers
from ci.verify.payload import (
    LAUNCHER,
    is_byte_code,
    modules_of,
    payload_of,
    require_payload,
    require_same_bytes,
    require_start_file,
)

_STAND_IN = Path(__file__).parent / "brew_stand_in.rb"


def verify(check: Check) -> Verdict:
    """Verify the formula; a fault raises `VerificationError`. The verdict notes that it was not Homebrew itself."""
    release = check.project.release
    output = check.run.output("ruby", _STAND_IN, check.path, check.project.sdist, check.folder, sys.executable)
    declared = json.loads(output.splitlines()[-1])
    keg = Path(declared.pop("prefix"))
    expected = {
        "desc": release.summary,
        "homepage": release.home,
        "url": release.source.url,
        "version": release.version.homebrew,
        "license": release.license,
        "depends_on": [f"python@{release.homebrew.python}"],
    }
    check.require_equal({key: declared.get(key) for key in expected}, expected, "what the formula declares")
    _require_files(check, keg)
    require_payload(check, keg / "libexec")
    beside = {path: keg / path for path in ("LICENSE", "README.md", "include/faas.h")}
    require_same_bytes(check, {**beside, "man/faas-runtime.1": keg / "share" / "man" / "man1" / "faas-runtime.1"})
    require_answers(check, launcher(keg / "bin" / "faas-runtime"))
    rendered = check.project.rendered / "formulae" / f"{release.name}.rb"
    check.require(check.path.read_bytes() == rendered.read_bytes(), "the formula is the rendered one")
    return Verdict(untried=("installed and tested by a stand-in for brew",))


def _require_files(check: Check, keg: Path) -> None:
    """The keg's exact files, which of them are programs, and that each module has byte code in the keg."""
    programs = {"bin/faas-runtime", f"libexec/{LAUNCHER}"}
    payload = {f"libexec/{path}" for path in payload_of(check)}
    beside = {"LICENSE", "README.md", "include/faas.h", "share/man/man1/faas-runtime.1"}
    files = [path for path in keg.rglob("*") if path.is_file()]
    byte_code = {path for path in files if is_byte_code(path.relative_to(keg).as_posix().removeprefix("libexec/"))}
    found = {path.relative_to(keg).as_posix(): path.stat().st_mode for path in files if path not in byte_code}
    check.require_same_set(set(found), programs | payload | beside, "files of the keg")
    runnable = {path for path, mode in found.items() if mode & stat.S_IXUSR}
    check.require_same_set(runnable, programs, "programs of the keg")
    require_start_file(check, {path.relative_to(keg / "libexec").as_posix(): path.read_bytes() for path in byte_code})
    compiled = [path for path in byte_code if path.suffix == ".pyc"]
    sources = {
        f"{path.parent.parent.relative_to(keg / 'libexec')}/{path.name.partition('.')[0]}.py" for path in compiled
    }
    check.require_same_set(sources, modules_of(payload_of(check)), "byte-compiled modules")
    check.require_equal(len(compiled), len(sources), "number of byte-compiled modules")
