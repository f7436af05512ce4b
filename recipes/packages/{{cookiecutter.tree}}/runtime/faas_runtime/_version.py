# Generated from recipes/packages and release.yaml by `nox -s bake`: edit those
{% set release = cookiecutter._release %}
"""The version of the runtime."""

__version__ = "{{ release.version }}"
