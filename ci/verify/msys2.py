"""The MSYS2 packages, opened with bsdtar and pacman and installed into an empty root.

There is no Windows here: the POSIX script of the package starts the launcher, with the host's Python in place of the
environment's. The `.cmd` is compared with the script and not started.
"""

from __future__ import annotations

import os
import re
import sys
from collections import defaultdict
from pathlib import Path

from ci.manifest.msys2 import ENVIRONMENTS
from ci.pipeline.jobs import Verdict
from ci.verify.check import Check, launcher, require_answers
from ci.verify.payload import LAUNCHER, payload_of, require_payload, require_same_bytes

_FILE, _PROGRAM = "644", "755"
_METADATA = (".BUILDINFO", ".MTREE", ".PKGINFO")


def verify(check: Check) -> Verdict:
    """Verify one environment's package; a fault raises `VerificationError`."""
    release, environment = check.project.release, check.variant.environment
    _require_info(check, environment)
    root = check.folder / "root"
    untried = _install(check, root)
    _require_files(check, environment)
    prefix = root / environment
    require_payload(check, prefix / "lib" / "faas-runtime")
    beside = {
        "include/faas.h": prefix / "include" / "faas.h",
        "README.md": prefix / "share" / "doc" / release.name / "README.md",
        "LICENSE": prefix / "share" / "licenses" / release.name / "LICENSE",
        "man/faas-runtime.1": prefix / "share" / "man" / "man1" / "faas-runtime.1.gz",
    }
    require_same_bytes(check, beside)
    _require_commands(check, prefix)
    _require_hooks(check, environment, root)
    (prefix / "bin" / "python").symlink_to(Path(sys.executable).resolve())
    require_answers(check, launcher(prefix / "bin" / "faas-runtime"))
    return Verdict(untried=("the .cmd was not started: no Windows here", *untried))


def _require_info(check: Check, environment: str) -> None:
    """Compare the package's own description with the manifest."""
    release = check.project.release
    prefix = ENVIRONMENTS[environment].package_prefix
    text = check.run.output("bsdtar", "-xOf", check.path, ".PKGINFO")
    found: defaultdict[str, list[str]] = defaultdict(list)
    for line in text.splitlines():
        if not line.startswith("#"):
            key, _, value = line.partition(" = ")
            found[key].append(value)
    # The size depends on the file system that it was built on; makepkg writes xdata from version 6.1 on.
    check.require(len(size := found.pop("size", [])) == 1 and size[0].isdecimal(), ".PKGINFO has one size")
    check.require(found.pop("xdata", ["pkgtype=pkg"]) == ["pkgtype=pkg"], "it is a plain package")
    expected = {
        "pkgname": f"{prefix}-{release.name}",
        "pkgbase": f"mingw-w64-{release.name}",
        "pkgver": f"{release.version.pacman}-{release.msys2.release}",
        "pkgdesc": f"{release.summary} (mingw-w64)",
        "url": release.home,
        "builddate": str(release.epoch),
        "packager": release.maintainer,
        "arch": "any",
        "license": f"spdx:{release.license}",
        "depend": f"{prefix}-python>={release.python}",
    }
    check.require_equal(dict(found), {key: [value] for key, value in expected.items()}, ".PKGINFO")


def _install(check: Check, root: Path) -> tuple[str, ...]:
    """Install the package with pacman; only unpack it if this is not root. Return what was not tried."""
    root.mkdir()
    if os.geteuid() != 0:
        check.run("bsdtar", "-xf", check.path, "-C", root)
        return ("unpacked, not installed: pacman --root needs root",)
    database = root / "var" / "lib" / "pacman"
    database.mkdir(parents=True)
    config = check.folder / "pacman.conf"
    config.write_text("[options]\nArchitecture = auto\nSigLevel = Never\n", encoding="utf-8")
    options = ("--config", config, "--root", root, "--dbpath", database, "--cachedir", check.folder / "cache")
    hooks = ("--hookdir", check.folder / "hooks", "--noscriptlet")
    check.run("pacman", *options, *hooks, "--nodeps", "--nodeps", "--noconfirm", "-U", check.path)
    check.run("pacman", *options, "-Qkk")
    return ()


def _require_files(check: Check, environment: str) -> None:
    """The package's exact files, their modes, owners and times, read from its archive."""
    release = check.project.release
    hook = f"usr/share/libalpm/hooks/{ENVIRONMENTS[environment].package_prefix}-{release.name}"
    inside = {
        "bin/faas-runtime": _PROGRAM,
        "bin/faas-runtime.cmd": _FILE,
        "include/faas.h": _FILE,
        **{f"lib/faas-runtime/{path}": _PROGRAM if path == LAUNCHER else _FILE for path in payload_of(check)},
        f"share/doc/{release.name}/README.md": _FILE,
        f"share/licenses/{release.name}/LICENSE": _FILE,
        "share/man/man1/faas-runtime.1.gz": _FILE,
    }
    expected = {f"{environment}/{path}": mode for path, mode in inside.items()}
    expected |= {f"{hook}-{name}.hook": _FILE for name in ("clean", "compile", "start")} | dict.fromkeys(
        _METADATA, _FILE
    )
    listing = check.run.output(
        *("bsdtar", "-cf", "-", "--format=mtree", "--options", "!all,mode,uid,gid,time,type", f"@{check.path}")
    )
    entries = {}
    for line in listing.splitlines()[1:]:
        name, *fields = line.split()
        entries[_unescaped(name).removeprefix("./")] = dict(field.split("=") for field in fields)
    files = {name: entry["mode"] for name, entry in entries.items() if entry["type"] == "file"}
    folders = {name: entry["mode"] for name, entry in entries.items() if entry["type"] == "dir"}
    check.require_same_set(set(entries), set(files) | set(folders), "files and folders")
    check.require_same_set(set(files), set(expected), "files")
    check.require_equal(files, expected, "modes")
    parents = {str(parent) for name in expected for parent in Path(name).parents} - {"."}
    check.require_equal(folders, dict.fromkeys(parents, "755"), "folders")
    owners = {(entry["uid"], entry["gid"]) for entry in entries.values()}
    check.require_equal(owners, {("0", "0")}, "owners")
    times = {float(entry["time"]) for entry in entries.values()}
    check.require_equal(times, {float(release.epoch)}, "times")


def _unescaped(name: str) -> str:
    """A name of an mtree, where spaces and all bytes beyond ASCII are octal numbers (mtree(5))."""
    octal = re.compile(rb"\\([0-7]{3})")
    return octal.sub(lambda found: bytes([int(found[1], 8)]), name.encode()).decode(errors="surrogateescape")


def _require_commands(check: Check, prefix: Path) -> None:
    """The script for MSYS2's shells and the one for Windows start the same program with the same options."""
    script = (prefix / "bin" / "faas-runtime").read_bytes()
    batch = (prefix / "bin" / "faas-runtime.cmd").read_bytes()
    line = b'exec "${0%/*}/python" -IS -X utf8 "${0%/*}/../lib/faas-runtime/bin/faas-runtime" "$@"\n'
    check.require_equal(script, b"#!/bin/sh\n" + line, "bin/faas-runtime")
    same = line.replace(b"exec ", b"@").replace(b"${0%/*}/python", b"%~dp0python.exe").replace(b'"$@"\n', b"%*\r\n")
    same = same.replace(b"${0%/*}/../lib/faas-runtime/bin/", b"%~dp0..\\lib\\faas-runtime\\bin\\")
    check.require_equal(batch, same, "bin/faas-runtime.cmd")


def _require_hooks(check: Check, environment: str, root: Path) -> None:
    """Compare the hooks that make and remove byte code with the exact text: pacman runs them as they are."""
    package = f"{ENVIRONMENTS[environment].package_prefix}-{check.project.release.name}"
    code = f"{environment}/lib/faas-runtime/faas_runtime"
    python = f"{environment}/bin/python.exe"
    compiling = f"/{python} -IS -m compileall -q --invalidation-mode checked-hash -x faas_runtime.recipes. /{code}"
    starting = f"/{python} -IS /{code}/start_file.py"
    cleaning = f"/usr/bin/find /{code} -name __pycache__ -prune -exec rm -rf {{}} +"
    hooks = {
        "clean": ("Upgrade", "Remove", "Removing the byte code of {}", "Pre", cleaning),
        "compile": ("Install", "Upgrade", "Compiling {} for Python", "Post", compiling),
        "start": ("Install", "Upgrade", "Compiling the start of {} for Python", "Post", starting),
    }
    for name, (first, second, description, when, command) in hooks.items():
        trigger = f"[Trigger]\nType = Path\nOperation = {first}\nOperation = {second}\n"
        trigger += f"Target = {code}/*\nTarget = {python}\n"
        action = f"[Action]\nDescription = {description.format(package)}...\nWhen = {when}Transaction\n"
        hook = root / "usr" / "share" / "libalpm" / "hooks" / f"{package}-{name}.hook"
        found = hook.read_text(encoding="utf-8")
        check.require_equal(found, f"{trigger}\n{action}Exec = {command}\n", f"{name}.hook")
