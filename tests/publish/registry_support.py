"""What the tests of the registry need: the target with small settings, and what a server has in the end."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ci.core.secrets import Secret
from ci.core.web import Web
from ci.publish.floating_tags import MovingTag
from ci.publish.ledger import PublicationLedger
from ci.publish.registry import Registry
from ci.publish.rehearse.registry_server import RegistryServer
from ci.publish.release_set import ReleaseSet

REPOSITORY = "faas-runtime/faas-runtime"


def floating_of(version: str, *flavours: str) -> dict[str, Sequence[MovingTag]]:
    """The tags that move: `0.1-FLAVOUR` for each flavour, `0.1` and `latest` for the first one."""
    line = version.rpartition(".")[0]
    found: dict[str, Sequence[MovingTag]] = {
        flavour: [MovingTag(name=f"{line}-{flavour}", line=line)] for flavour in flavours
    }
    found[flavours[0]] = [*found[flavours[0]], MovingTag(name=line, line=line), MovingTag(name="latest")]
    return found


def target(
    release_set: ReleaseSet,
    origin: str,
    ledger: Path,
    *,
    say: Callable[[str], None] = lambda line: None,
    token: Secret | None = None,
    floating: bool = True,
    flavours: Sequence[str] = ("micro",),
) -> Registry:
    """The target for a server; it pauses for no time."""
    return Registry(
        release_set=release_set,
        web=Web(name="registry", say=say, sleep=lambda seconds: None),
        origin=origin,
        repository=REPOSITORY,
        ledger=PublicationLedger(ledger, release_set.version),
        say=say,
        user="releaser",
        token=token,
        floating_tags=floating_of(release_set.version.partition("rc")[0], *flavours),
        floating=floating,
    )


def end_state(server: RegistryServer) -> dict[str, Any]:
    """All that a registry has for others to see: blobs, manifests and tags."""
    return {
        name: {"blobs": sorted(one.blobs), "manifests": dict(sorted(one.manifests.items())), "tags": one.tags}
        for name, one in server.repositories.items()
    }


def tags(server: RegistryServer) -> dict[str, str]:
    """The tags of the repository, by name; without those that clients keep lists of referrers under."""
    found = server.repositories[REPOSITORY].tags
    return {name: digest for name, digest in found.items() if not name.startswith("sha256-")}


def referrers_of(server: RegistryServer, digest: str) -> list[dict[str, Any]]:
    """The manifests that have a subject, as the server keeps them."""
    documents = (json.loads(data) for data in server.repositories[REPOSITORY].manifests.values())
    return [one for one in documents if one.get("subject", {}).get("digest") == digest]
