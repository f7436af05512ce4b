"""Resolves the tags of the images' bases to digests, and writes these into `release.yaml`: `nox -s pin`."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ci.core.errors import ReleaseError
from ci.manifest.release import Base, Release
from ci.manifest.yaml_nodes import KeyPath
from ci.release import registry
from ci.release.registry import Resolved


@dataclass(frozen=True, kw_only=True)
class Pin:
    """The base of a flavour, and what its tag means now."""

    flavour: str
    base: Base
    found: Resolved

    @property
    def is_new(self) -> bool:
        """Whether the manifest has another digest, or none."""
        return self.base.digest != self.found.digest


def resolve(release: Release) -> list[Pin]:
    """Ask the registry of each base. Raises one error that names every base which has no answer."""
    pins: list[Pin] = []
    errors: list[ReleaseError] = []
    for flavour, base in (("ubi", release.images.ubi), ("alpine", release.images.alpine)):
        try:
            found = registry.resolve(registry.tag_of(base.base), release.images.platforms)
        except ReleaseError as error:
            errors.append(error)
        else:
            pins.append(Pin(flavour=flavour, base=base, found=found))
    if errors:
        hints = dict.fromkeys(error.hint for error in errors if error.hint)
        raise type(errors[0])("\n".join(map(str, errors)), hint="; ".join(hints))
    return pins


def values(pins: Sequence[Pin]) -> dict[KeyPath, str]:
    """The values of the manifest that change, by their keys."""
    return {("images", pin.flavour, "digest"): pin.found.digest for pin in pins if pin.is_new}


def with_digests(release: Release, pins: Sequence[Pin]) -> Release:
    """The release on the bases that were found."""
    bases: dict[str, Any] = {pin.flavour: dataclasses.replace(pin.base, digest=pin.found.digest) for pin in pins}
    return dataclasses.replace(release, images=dataclasses.replace(release.images, **bases))


def rows(pins: Sequence[Pin]) -> list[list[str]]:
    """For each base a row with its digest, then one for each platform: flavour, what, digest, what it was before."""
    found = []
    for pin in pins:
        before = "as before" if not pin.is_new else f"was {pin.base.digest}" if pin.base.digest else "was not pinned"
        found.append([pin.flavour, pin.base.base, pin.found.digest, before])
        found += [["", f"  {platform}", digest, ""] for platform, digest in pin.found.platforms.items()]
    return found
