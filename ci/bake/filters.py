"""Makes the functions of `ci.bake.quoting` available to the templates, in whose `cookiecutter.json` it is named."""

from __future__ import annotations

from jinja2 import Environment
from jinja2.ext import Extension

from ci.bake.quoting import FILTERS


class Filters(Extension):
    """The quoting functions as Jinja filters."""

    def __init__(self, environment: Environment) -> None:
        """Register the functions with the templates' environment."""
        super().__init__(environment)
        environment.filters.update(FILTERS)
