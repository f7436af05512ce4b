"""An image of one flavour and architecture, and what this machine has to build images with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ci.images.engines import Engine
from ci.pipeline.jobs import Variant


@dataclass(frozen=True, kw_only=True)
class Flavour:
    """One image of one architecture. `base` is the reference of its base image; None: it is built from scratch.

    `context` are the files that its Containerfile copies from `dist/`. `after` are the jobs that make them.
    """

    name: str
    architecture: str
    base: str | None
    context: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def id(self) -> str:
        """The name of its job."""
        return f"image-{self.name}-{self.architecture}"

    @property
    def variant(self) -> Variant:
        """What its job says about itself."""
        libc = "musl" if self.name == "alpine" else "glibc"
        return Variant(flavour=self.name, architecture=self.architecture, libc=libc)

    @property
    def contains_base(self) -> bool:
        """Whether the image contains the layers of its base; alpine only copies files from its base."""
        return self.name == "ubi"


@dataclass(frozen=True, kw_only=True)
class BaseFound:
    """The digest of a base image, or the reason why its flavour cannot be built on this machine."""

    digest: str = ""
    missing: str = ""


@dataclass(frozen=True, kw_only=True)
class ImageTools:
    """The container engine that works here, or the reason why there is none.

    `bases` are by the id of the flavour's job; an image from scratch has none. `revision` is the images' label.
    """

    engine: Engine | None
    missing: str = ""
    bases: Mapping[str, BaseFound] = field(default_factory=dict)
    revision: str
