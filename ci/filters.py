"""Hands the functions of `ci.quoting` to the templates; named in `recipes/packages/cookiecutter.json`."""

from __future__ import annotations

from jinja2 import Environment
from jinja2.ext import Extension

from ci.quoting import FILTERS


class Filters(Extension):
    """The quoting functions as Jinja filters."""

    def __init__(self, environment: Environment) -> None:
        """Register the functions with the templates' environment."""
        super().__init__(environment)
        environment.filters.update(FILTERS)
