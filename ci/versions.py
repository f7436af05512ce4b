"""One version, in PEP 440 form, as each ecosystem spells it."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Version:
    """A version in its canonical PEP 440 form, and its spelling everywhere else."""

    pep440: str

    def __str__(self) -> str:
        """Return the PEP 440 form."""
        return self.pep440

    @property
    def tag(self) -> str:
        """The git tag."""
        return f"v{self.pep440}"

    @property
    def oci(self) -> str:
        """The tag of an image."""
        return self.pep440
