"""What the image `micro` consists of: each part, as an engine unpacks it, and compressed by itself."""

from __future__ import annotations

import re
from pathlib import Path

from ci.bench.figures import COLUMNS, FigureTarget, all_met, say_missing
from ci.bench.paths import ROOT
from ci.bench.setup import save
from ci.core import compression, tars
from ci.core.console import Console
from ci.images import oci
from ci.manifest import dist_paths
from ci.manifest.reader import load

PART_COLUMNS = ["part", ">entries", ">unpacked", ">compressed"]
# The first pattern that fits counts.
_PARTS = {
    "Debian's interpreter": r"usr/bin/python3\..+",
    "shared libraries": r"(usr/)?lib(64)?/([\w-]+/)?[\w.+-]+\.so[\d.]*",
    "extension modules": r"usr/lib/python[\d.]+/lib-dynload/.+",
    "byte code of the standard library": r"usr/lib/python[\d.]+/.+\.pyc",
    "byte code of the runtime": r"usr/lib/faas-runtime/.+\.pyc",
    "the runtime": r"usr/lib/faas-runtime/.+",
    "time zones": r"usr/share/zoneinfo/.+",
    "certificates of the authorities": r"etc/ssl/certs/.+",
    "licences": r"usr/share/(doc|common-licenses)/.+|licenses/.+",
    "lists of the packages": r"var/lib/dpkg/.+",
    "everything else": r".+",
}
# In bytes, by the architecture: unpacked and compressed.
_LIMITS = {"amd64": (16_000_000, 5_900_000), "arm64": (15_400_000, 5_500_000)}


def measure() -> bool:
    """Print the parts and the sizes, write `dist/bench/image.json`; returns whether every target is met."""
    release = load(ROOT / "release.yaml")
    archives = {one: ROOT / "dist" / dist_paths.image(release, "micro", one) for one in _LIMITS}
    parts = {one: _rows(path) for one, path in archives.items() if path.exists()}
    targets = [target for one, path in archives.items() for target in _targets(one, path)]
    for architecture, rows in parts.items():
        Console().table(f"Parts of micro, {architecture}", PART_COLUMNS, rows)
    Console().table("Sizes of micro", COLUMNS, [target.row() for target in targets])
    say_missing(Console(), targets)
    data = [target.data() for target in targets]
    save("image", {"command": "nox -s bench -- image", "targets": data, "parts": parts})
    return all_met(targets)


def _rows(path: Path) -> list[list[str]]:
    image, _ = oci.read_archive(path)
    sizes = {name: (len(part), *_sizes(part)) for name, part in parts_of(oci.added_by(image)).items()}
    return [
        [name, str(entries), f"{unpacked / 1e3:.0f} kB", f"{compressed / 1e3:.0f} kB"]
        for name, (entries, unpacked, compressed) in sizes.items()
    ]


def _targets(architecture: str, path: Path) -> list[FigureTarget]:
    sizes = oci.sizes(path).total if path.exists() else None
    measured = (sizes.unpacked / 1e6, sizes.compressed / 1e6) if sizes else (None, None)
    return [
        FigureTarget(
            what=f"{architecture}, {what}",
            measured=value,
            most=limit / 1e6,
            unit=" MB",
            reason="there is no image yet; run: nox -s images -- --flavour micro",
        )
        for what, value, limit in zip(("unpacked", "compressed"), measured, _LIMITS[architecture], strict=True)
    ]


def parts_of(tree: tars.FileTree) -> dict[str, tars.FileTree]:
    """The entries of each part; every entry is in one of them."""
    parts: dict[str, tars.FileTree] = {name: {} for name in _PARTS}
    for path, entry in tree.items():
        name = next(name for name, pattern in _PARTS.items() if re.fullmatch(pattern, path))
        parts[name][path] = entry
    return parts


def _sizes(part: tars.FileTree) -> tuple[int, int]:
    data = tars.pack(part, 0)
    return len(data), len(compression.deflate(data, compression.SMALL))
