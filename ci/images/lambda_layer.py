"""The files of the layer for Lambda's OS-only runtime: those of `micro`, so that they work below any folder.

Lambda unpacks a layer below /opt, beside files of its own system. So the layer leaves out what only a whole root needs,
and its `bootstrap` names the layer's own loader, libraries and Python: nothing of the system around it is used.
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-provided.html
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ci.core import tars, zips
from ci.core.architectures import Architecture
from ci.core.errors import VerificationError
from ci.core.tars import FileTree
from ci.manifest.release import Release

BOOTSTRAP = "bootstrap"
FOLDER = "faas-runtime"
DESCRIPTION = "layer.json"
RUNTIME = "provided.al2023"

# Accounts, name resolution and places that the system around the layer has; other names of files that are found in one
# place; and what starts Python by a path of the root, which the layer is not.
_LEFT_OUT = re.compile(
    r"etc/(?:passwd|group|nsswitch\.conf|protocols|services|ssl/cert\.pem|pki/.+)|usr/lib/ssl/.+"
    r"|usr/bin/(?:python3|faas-runtime)|lib(?:64)?|usr/lib64/.+|usr/lib/ld-linux[^/]+"
)
_STATUS = "var/lib/dpkg/status.d"
_SUMS = ".md5sums"

# Lambda's system has /bin/sh, and a shell starts in less than a millisecond. The layer's libraries come first, because
# those of the system are of another glibc; LD_LIBRARY_PATH, where Lambda names /var/task/lib and its own folders, comes
# second, for the libraries of the function. The environment of the function's own programs is not changed by that.
_START = """\
#!/bin/sh
# Starts the runtime with the Python, the loader and the libraries of this folder, wherever the folder is.
own=$0
if [ -h "$own" ]; then own=$(readlink -f "$own"); fi
case $own in /*) folder=${{own%/*}} ;; */*) folder=$PWD/${{own%/*}} ;; *) folder=$PWD ;; esac
case $folder in *[:\\;\\$]*)
    echo "bootstrap: the loader takes no path with a colon, a semicolon or a dollar sign: move $folder" >&2
    exit 1 ;;
esac
root=$folder/{folder}
libraries=$root/{libraries}
export SSL_CERT_FILE="${{SSL_CERT_FILE:-$root/etc/ssl/certs/ca-certificates.crt}}"
export TZDIR="${{TZDIR:-$root/usr/share/zoneinfo}}"
exec "$libraries/{loader}" --inhibit-cache --library-path "$libraries${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}" \\
    "$root/usr/bin/python{python}" -IS -X utf8 "$root/var/runtime/bootstrap" "$@"
"""
_LOADERS = {"amd64": "ld-linux-x86-64.so.2", "arm64": "ld-linux-aarch64.so.1"}
_AWS_NAMES = {"amd64": "x86_64", "arm64": "arm64"}


@dataclass(frozen=True, kw_only=True)
class FoundLayer:
    """What a finished layer has: its entries, its files by their paths below its folder, and what it says of itself."""

    entries: FileTree
    root: FileTree
    said: Mapping[str, str]


def read(path: Path) -> FoundLayer:
    """Read a finished layer. Raises `VerificationError` for a damaged file, or one that does not say what it is."""
    entries = zips.read(path)
    start = f"{FOLDER}/"
    root = {name.removeprefix(start): entry for name, entry in entries.items() if name.startswith(start)}
    try:
        return FoundLayer(entries=entries, root=root, said=json.loads(root[DESCRIPTION].data))
    except (KeyError, ValueError) as error:
        raise VerificationError(f"{path.name}: not a layer that this tooling makes: {error!r}") from error


def aws_name(architecture: str) -> str:
    """What Lambda calls an architecture, by its name in Debian."""
    return _AWS_NAMES[architecture]


def layer_tree(root: FileTree, runtime: FileTree, architecture: Architecture, release: Release) -> FileTree:
    """The entries of a layer, by their paths below /opt; `root` and `runtime` are the layers of `micro`."""
    kept = {
        name: entry
        for name, entry in {**root, **runtime}.items()
        if entry.kind != tarfile.DIRTYPE and not _LEFT_OUT.fullmatch(name)
    }
    tree = {**_without_absent(kept), DESCRIPTION: tars.file(description(release, architecture).encode())}
    return {
        BOOTSTRAP: tars.file(start_script(architecture, release.images.micro.python).encode(), 0o755),
        **{f"{FOLDER}/{name}": entry for name, entry in tree.items()},
    }


def start_script(architecture: Architecture, python: str) -> str:
    """The text of `bootstrap`."""
    return _START.format(
        folder=FOLDER,
        libraries=f"usr/lib/{architecture.triplet}",
        loader=_LOADERS[architecture.name],
        python=python,
    )


def description(release: Release, architecture: Architecture) -> str:
    """What the layer is, as a JSON document: a zip file has no metadata of its own."""
    said = {
        "name": release.name,
        "version": str(release.version),
        "date": release.date.isoformat(),
        "summary": release.summary,
        "license": release.license,
        "vendor": release.vendor,
        "maintainer": release.maintainer,
        "home": release.home,
        "documentation": release.documentation,
        "python": release.images.micro.python,
        "runtime": RUNTIME,
        "architecture": aws_name(architecture.name),
    }
    return json.dumps(said, indent=2) + "\n"


def _without_absent(tree: FileTree) -> FileTree:
    """The tree with dpkg's lists of the files that are in it, and without the packages that have none."""
    found = dict(tree)
    for name in [name for name in tree if name.startswith(f"{_STATUS}/") and name.endswith(_SUMS)]:
        lines = tree[name].data.splitlines(keepends=True)
        left = [line for line in lines if line.decode().rstrip("\n").partition("  ")[2] in tree]
        if lines and not left:
            package = name.removeprefix(f"{_STATUS}/").removesuffix(_SUMS)
            gone = (name, name.removesuffix(_SUMS), f"usr/share/doc/{package}", f"usr/share/doc/{package}/copyright")
            for path in gone:
                found.pop(path, None)
        else:
            found[name] = tars.file(b"".join(left))
    return found
