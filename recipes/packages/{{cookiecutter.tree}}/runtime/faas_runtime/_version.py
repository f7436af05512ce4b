# Generated from recipes/packages and release.yaml by `nox -s bake`: edit those
{% set release = cookiecutter._release %}
"""The version of the runtime, and where its source is: what tells of it reads it here."""

__version__ = "{{ release.version }}"
HOME = {{ release.home | json }}
TAG = {{ release.version.tag | json }}
