# Generated from recipes/packages and release.yaml by `nox -s bake`: edit those
{% set release = cookiecutter._release %}
"""The version of the runtime, the address of its source, and the name of its images."""

__version__ = "{{ release.version }}"
HOME = {{ release.home | json }}
TAG = {{ release.version.tag | json }}
IMAGE = {{ (release.images.registry ~ "/" ~ release.name) | json }}
