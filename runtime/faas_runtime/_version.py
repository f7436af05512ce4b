# Generated from recipes/packages and release.yaml by `nox -s bake`: edit those
"""The version of the runtime, the address of its source, and the name of its images."""

__version__ = "0.1.0"
HOME = "https://github.com/faas-runtime/faas-runtime"
TAG = "v0.1.0"
IMAGE = "ghcr.io/faas-runtime/faas-runtime"
