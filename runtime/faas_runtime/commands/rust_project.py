"""What `faas-runtime new rust` does besides cookiecutter: where the crate comes from, and a workspace around it."""

import os

from . import crate, workspace

_PROFILE = """\
Cargo reads profiles from the Cargo.toml of the workspace alone. For a small library, have there:

    [profile.release]
    opt-level = "s"
    lto = true
    codegen-units = 1
    strip = true"""


class RustProject:
    """A project that is about to be made. `registry`: it takes the crate from a registry, and needs no copy."""

    def __init__(self, project: str, registry: bool) -> None:
        self.crate = crate.find_crate()
        self.registry = registry
        self.workspace = workspace.find(project)

    def fault(self) -> str:
        """Why the project cannot be made; empty if it can."""
        if self.registry and not self.crate:
            return f"this installation has no {crate.NAME}, so it does not know which version to take from a registry"
        if self.workspace and not self.registry:
            shared = os.path.join(self.workspace.root, crate.NAME)
            if os.path.lexists(shared) and not crate.version_of(shared):
                return f"{shared} exists, and is no copy of the crate {crate.NAME}. Use --registry, or move it away"
        return ""

    def values(self) -> "list[str]":
        """The values for cookiecutter that are not the recipe's own."""
        found = []
        if self.registry:
            found.append(f'_dependency="{crate.version_of(self.crate)}"')
        if self.workspace:
            if not self.registry:
                shared = self.workspace.from_member(os.path.join(self.workspace.root, crate.NAME))
                found.append(f'_dependency={{ path = "{shared}" }}')
            found += [f"_member={self.workspace.member}", f"_target={self.target()}"]
        return found

    def target(self) -> str:
        """The folder with what cargo builds, as seen from the project."""
        return self.workspace.from_member(self.workspace.target) if self.workspace else "target"

    def finish(self) -> "list[str]":
        """Do what is left once the project is there; returns what to tell the author. Raises OSError."""
        if not self.workspace:
            return []
        said = [] if self.registry else self._share(os.path.join(self.workspace.root, crate.NAME))
        return [*said, *_joined(self.workspace, not self.registry), *_not_in_a_member(self.workspace)]

    def _share(self, copy: str) -> "list[str]":
        """Have one copy of the crate for all members: cargo allows no second one of the same version."""
        known, version = crate.version_of(copy), crate.version_of(self.crate)
        if not known:
            crate.put_copy(self.crate, copy)
            return [f"{copy} is a copy of the crate, for all members of the workspace."]
        if known != version:
            return [f"{copy} is version {known}; `faas-runtime new rust --update` there makes it {version}."]
        return []


def _joined(found: workspace.CargoWorkspace, with_copy: bool) -> "list[str]":
    """Make the project a member, and say how."""
    added, left, fault = found.add_member(with_copy)
    said = []
    if added:
        said.append(f"{found.manifest} has new items below [workspace]: {', '.join(added)}.")
    if left:
        said.append(f"Add yourself, to the workspace in {found.manifest}: {', '.join(left)}.")
    if fault:
        said.append(f"Cargo does not accept the workspace: {fault}")
    return said


def _not_in_a_member(found: workspace.CargoWorkspace) -> "list[str]":
    """What cargo does not read in the folder of a member."""
    said = [] if found.has_profile() else [_PROFILE]
    if found.aborts():
        said.append(
            f'{found.manifest} has panic = "abort" in its release profile: there, a panic of the function would end '
            "the process. Remove that line."
        )
    said.append(
        f"For musl: cargo reads {found.member}/.cargo/config.toml, which has the option for it, if it is started in "
        "that folder."
    )
    return said
