"""A formula in a prefix: installed, linked and removed by brew, or where there is none by a stand-in for it.

The verification of the formula has looked at the files of the keg and had the function answer from there. This looks at
what people get: the links in the prefix, and that nothing is beside the keg or stays when it is removed.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ci.core.errors import CommandFailed, VerificationError
from ci.core.program_environment import Argument
from ci.pipeline.jobs import Project, Verdict
from ci.verify.check import Check, launcher, require_answers

_STAND_IN = Path(__file__).parent / "brew_stand_in.rb"
_TAP = "faas-runtime-gate/local"
# The folders of a prefix in which a formula can leave something.
_FOLDERS = ("Cellar", "bin", "etc", "include", "lib", "opt", "sbin", "share", "var")
_SETTINGS = {
    f"HOMEBREW_NO_{name}": "1"
    for name in ("ANALYTICS", "AUTO_UPDATE", "AUTOREMOVE", "ENV_HINTS", "INSTALL_CLEANUP", "INSTALLED_DEPENDENTS_CHECK")
}
_SOURCE = "#include <faas.h>\nuint32_t version(void) { return FAAS_ABI_VERSION; }\n"


@dataclass(frozen=True, kw_only=True)
class FoundBrew:
    """The path of brew, if it can be used: it refuses to work for root. Empty otherwise."""

    program: str


def probe(project: Project) -> FoundBrew:
    """Look for brew."""
    return FoundBrew(program=brew())


def brew() -> str:
    """The path of brew, if it can be used; empty otherwise."""
    found = shutil.which("brew")
    return found if found and os.geteuid() != 0 else ""


@dataclass(frozen=True, kw_only=True)
class BrewStandIn:
    """`brew_stand_in.rb` with a prefix in the job's folder."""

    check: Check

    @property
    def prefix(self) -> Path:
        """The prefix, which is empty before."""
        return self.check.folder / "prefix"

    def prepare(self) -> None:
        """Make the prefix."""
        self.prefix.mkdir()

    def install(self) -> Path:
        """Install and test the formula; returns its keg."""
        words = (self.check.path, self.check.project.sdist, self.prefix, sys.executable)
        printed = self.check.run.output("ruby", _STAND_IN, *words)
        return Path(json.loads(printed.splitlines()[-1])["prefix"])

    def uninstall(self) -> None:
        """Remove the formula."""
        self.check.run("ruby", _STAND_IN, "uninstall", self.check.path, self.prefix)

    def end(self) -> None:
        """There is nothing to undo: the job's folder is removed."""


@dataclass(frozen=True, kw_only=True)
class Brew:
    """Homebrew, with the formula in a tap for this run, and the local tarball in the place of a download."""

    check: Check
    program: str

    @property
    def prefix(self) -> Path:
        """Homebrew's own prefix."""
        return Path(self.check.run.output(self.program, "--prefix").strip())

    @property
    def _name(self) -> str:
        return f"{_TAP}/{self.check.project.release.name}"

    def prepare(self) -> None:
        """Make the tap, and install what the formula depends on."""
        self.end()
        self._brew("tap-new", "--no-git", _TAP)
        tap = Path(self.check.run.output(self.program, "--repository", _TAP, env=_SETTINGS).strip())
        (tap / "Formula").mkdir(exist_ok=True)
        shutil.copyfile(self.check.path, tap / "Formula" / f"{self.check.project.release.name}.rb")
        cached = self.check.run.output(self.program, "--cache", "--build-from-source", self._name, env=_SETTINGS)
        Path(cached.strip()).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.check.project.sdist, cached.strip())
        self._brew("install", "--only-dependencies", "--build-from-source", self._name)

    def install(self) -> Path:
        """Install and test the formula; returns its keg."""
        self._brew("install", "--build-from-source", self._name)
        self._brew("test", self._name)
        return (self.prefix / "opt" / self.check.project.release.name).resolve()

    def uninstall(self) -> None:
        """Remove the formula."""
        self._brew("uninstall", self._name)

    def end(self) -> None:
        """Remove the tap, also that of a run that was killed, with what was installed from it."""
        if _TAP in self.check.run.output(self.program, "tap", env=_SETTINGS).split():
            self._brew("untap", "--force", _TAP)

    def _brew(self, *words: Argument) -> None:
        self.check.run(self.program, *words, env=_SETTINGS)


def install(check: Check) -> Verdict:
    """Install the formula, use it by the links in the prefix, and remove it; a fault raises `VerificationError`."""
    found = brew()
    manager = Brew(check=check, program=found) if found else BrewStandIn(check=check)
    try:
        manager.prepare()
        before = _entries(manager.prefix)
        keg = manager.install()
        require_only_the_keg(check, keg, before, after := _entries(manager.prefix))
        untried = require_works(check, manager.prefix)
        check.require_equal(_entries(manager.prefix), after, "files that the runtime has changed")
        manager.uninstall()
        require_removed(check, before, _entries(manager.prefix))
    except CommandFailed as error:
        raise VerificationError(f"{check.output.path}: it does not install and run\n{error}") from error
    finally:
        manager.end()
    return Verdict(untried=untried if found else ("by a stand-in for brew", *untried))


def _entries(prefix: Path) -> dict[str, str]:
    """Each file and link of the prefix, with its mode, its owner, and a link's target or a file's size and time."""
    found = {}
    for folder in _FOLDERS:
        for path in (prefix / folder).rglob("*"):
            if path.is_symlink() or not path.is_dir():
                found[path.relative_to(prefix).as_posix()] = _described(path)
    # The Python that the formula depends on is not a part of it; the stand-in links it there.
    return {name: value for name, value in found.items() if not name.startswith("opt/python@")}


def _described(path: Path) -> str:
    status = path.lstat()
    content = str(path.readlink()) if path.is_symlink() else f"{status.st_size} bytes of {status.st_mtime_ns}"
    return f"{stat.S_IMODE(status.st_mode):04o} {status.st_uid} {content}"


def require_only_the_keg(check: Check, keg: Path, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """What is new lies in the keg or is a link into it; its owner alone may write it, and everybody may read it."""
    keg, name = keg.resolve(), check.project.release.name
    prefix = keg.parent.parent.parent
    changed = {path for path in before if before[path] != after.get(path)}
    check.require_equal(sorted(changed), [], "files that the installation has changed")
    new = {path: prefix / path for path in set(after) - set(before)}
    beside = {path for path, place in new.items() if not (place.parent.resolve() / place.name).is_relative_to(keg)}
    strays = {path for path in beside if not (new[path].is_symlink() and new[path].resolve().is_relative_to(keg))}
    check.require_equal(sorted(strays), [], "files beside the keg")
    wanted = {
        "bin/faas-runtime",
        "include/faas.h",
        "share/man/man1/faas-runtime.1",
        f"opt/{name}",
    }
    check.require_same_set(beside - {f"var/homebrew/linked/{name}"}, wanted, "links to the keg")
    modes = {path: stat.S_IMODE(place.lstat().st_mode) for path, place in new.items() if not place.is_symlink()}
    odd = {f"{path} {mode:04o}" for path, mode in modes.items() if mode & 0o7022 or mode & 0o444 != 0o444}
    check.require_equal(sorted(odd), [], "modes of files")
    owners = {path for path, place in new.items() if place.lstat().st_uid != os.geteuid()}
    check.require_equal(sorted(owners), [], "files that belong to another user")


def require_works(check: Check, prefix: Path) -> tuple[str, ...]:
    """The command says its version, accepts the functions and lets them answer; manual page and header are usable.

    Returns notes on what this machine has no program for.
    """
    release = check.project.release
    command = prefix / "bin" / "faas-runtime"
    said = check.run.output(command, "--version")
    check.require_equal(said, f"{release.name} {release.version}\n", "the output of --version")
    for function in check.functions:
        check.run(command, "check", function.library)
    require_answers(check, launcher(command))
    notes = []
    if shutil.which("mandoc"):
        page = prefix / "share" / "man" / "man1" / "faas-runtime.1"
        text = check.run.output("mandoc", "-T", "utf8", "-W", "warning,stop", page)
        check.require(f"{release.name.upper()}(1)" in text, f"the manual page is that of {release.name.upper()}(1)")
    else:
        notes.append("the manual page was not rendered: no mandoc here")
    if shutil.which("cc"):
        options = ("-fsyntax-only", "-Wall", "-Werror", "-I", prefix / "include", "-x", "c", "-")
        check.run("cc", *options, stdin=_SOURCE.encode())
    else:
        notes.append("the header was not compiled: no cc here")
    return tuple(notes)


def require_removed(check: Check, before: Mapping[str, str], after: Mapping[str, str]) -> None:
    """The prefix is as it was before the installation."""
    check.require_equal(sorted(set(after) - set(before)), [], "files that are left after the removal")
    check.require_equal(sorted(set(before) - set(after)), [], "files of others that are gone after the removal")
