"""The hosts of image registries."""

from __future__ import annotations

# What people call Docker's registry is not the host that answers for it.
_ANSWERING = {"docker.io": "registry-1.docker.io", "index.docker.io": "registry-1.docker.io"}


def answering_host(host: str) -> str:
    """The host that answers for a registry; `host` may have a port."""
    return _ANSWERING.get(host, host)
