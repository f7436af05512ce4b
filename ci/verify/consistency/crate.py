"""Reads the facts back out of the crate, as cargo reads its manifest."""

from __future__ import annotations

import json

from ci.core.files import fresh_folder, unpack
from ci.verify.consistency.expected import Facts
from ci.verify.consistency.readers import ArtifactOfProject


def facts(source: ArtifactOfProject) -> Facts:
    """The crate, by `cargo metadata`."""
    folder, home = (fresh_folder(source.folder / name) for name in ("crate", "home"))
    unpack(source.path, folder)
    (top,) = folder.iterdir()
    words = ("cargo", "metadata", "--no-deps", "--offline", "--format-version", "1")
    (package,) = json.loads(source.run.output(*words, cwd=top, env={"CARGO_HOME": str(home)}))["packages"]
    needed = (one for one in package["dependencies"] if one["kind"] is None and not one["optional"])
    return {
        "name of the crate": package["name"],
        "version as cargo spells it": package["version"],
        "licence": package["license"] or "",
        "home page": package["homepage"] or "",
        "dependencies of the crate": ", ".join(sorted(f"{one['name']} {one['req']}" for one in needed)),
    }
