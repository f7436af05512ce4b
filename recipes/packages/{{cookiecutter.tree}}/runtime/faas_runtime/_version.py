# Generated from recipes/packages and release.yaml by `nox -s bake`: edit those
{% set release = cookiecutter._release %}
"""The version of the runtime, and the address of its source."""

__version__ = "{{ release.version }}"
HOME = {{ release.home | json }}
TAG = {{ release.version.tag | json }}
