"""Runs a native function, a shared library with a C ABI, behind the AWS Lambda Runtime API."""

from ._version import __version__

__all__ = ["__version__"]
