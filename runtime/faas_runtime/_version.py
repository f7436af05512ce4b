# Generated from recipes/packages and release.yaml by `nox -s bake`: edit those
"""The version of the runtime."""

__version__ = "0.1.0"
