"""Put a copy of the crate faas-function into the project, unless `_dependency` names another place.

In a checkout, the crate is in runtime/crate; where the runtime is installed, it is beside the recipe.
"""

# ruff: noqa: F821, INP001 (cookiecutter fills the values in)

import os
import shutil
import sys

DEPENDENCY = {{ cookiecutter._dependency | tojson }}
MEMBER = {{ cookiecutter._member | tojson }}
RECIPE = {{ (cookiecutter.get("_repo_dir") or cookiecutter.get("_template") or "") | tojson }}

# The files that cargo would publish.
PUBLISHED = ("Cargo.toml", "LICENSE", "README.md", "rustfmt.toml", "src")


def find_crate():
    # cookiecutter may say where the recipe is as seen from the folder that it was started in.
    for start in (os.getcwd(), os.path.dirname(os.getcwd()), os.environ.get("PWD", "")):
        recipe = os.path.join(start, RECIPE)
        for place in ("../faas-function", "../../runtime/crate"):
            crate = os.path.normpath(os.path.join(recipe, place))
            if RECIPE and os.path.isfile(os.path.join(crate, "src", "export.rs")):
                return crate
    sys.exit(
        "rust-function: the crate faas-function was not found beside the recipe. Use `faas-runtime new rust`, or "
        "cookiecutter 2.2 or later with the whole repository, or take the crate from a registry, as in "
        "cookiecutter ... _dependency='\"0.1\"'"
    )


def copy(source, target):
    if not os.path.isdir(source):
        shutil.copyfile(source, target)
        return
    os.mkdir(target)
    for name in sorted(os.listdir(source)):
        copy(os.path.join(source, name), os.path.join(target, name))


if DEPENDENCY == '{ path = "faas-function" }':
    crate = find_crate()
    os.mkdir("faas-function")
    for name in PUBLISHED:
        copy(os.path.join(crate, name), os.path.join("faas-function", name))
if MEMBER:  # cargo reads the Cargo.lock of the workspace, and podman the ignored files beside the Containerfile
    os.remove("Cargo.lock")
    os.rename(".dockerignore", "Containerfile.dockerignore")
