"""Brings the digests of the base images in `release.yaml` up to date (`pin`)."""

from __future__ import annotations

import argparse
from pathlib import Path

from ci.commands.running import open_project, working
from ci.core.console import Console
from ci.manifest import editing
from ci.manifest.reader import load
from ci.pipeline.jobs import Options


def pin(root: Path, console: Console, chosen: argparse.Namespace) -> None:
    """Ask the registries what the tags of the bases mean now, write the digests into the manifest, and render."""
    from ci.bake.render import bake, drift
    from ci.release import pin as pinning

    manifest = root / "release.yaml"
    project = open_project(root, Options())
    pins = pinning.resolve(project.release)
    console.table("Bases", ["flavour", "what", "digest", "before"], pinning.rows(pins))
    values = pinning.values(pins)
    if chosen.dry_run:
        difference = editing.difference(manifest.name, *editing.edited(manifest, values))
        difference += drift(root, pinning.with_digests(project.release, pins))
        print(difference or "nothing would change\n", end="")
        return
    if not values:
        console.say("release.yaml has these digests already")
        return
    with working(project, console):
        editing.write_values(manifest, values)
        bake(root, load(manifest), root)
    console.say("release.yaml: " + ", ".join(f"images.{pin.flavour}.digest is new" for pin in pins if pin.is_new))
