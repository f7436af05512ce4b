"""The files of a set, sent by the bare tools as a short script would do it: curl, skopeo and git."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ci.core.run import Runner
from ci.core.secrets import Secret
from ci.publish.release_set import SetFile

REPOSITORY = "owner/name"
TAG = "v0.0.1"
USER = "x-access-token"
_WHO = {f"GIT_{role}_{what}": "bench" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


@dataclass(frozen=True, kw_only=True)
class BarePlaces:
    """The origins of the servers, and the token that all of them take."""

    github: str
    registry: str
    tap: str
    token: Secret
    repository: str = REPOSITORY


def to_github(files: Sequence[SetFile], places: BarePlaces, run: Runner) -> None:
    """A draft, all files over one connection, and the page made public."""
    pages = f"{places.github}/repos/{places.repository}/releases"
    uploads = f"{places.github}/uploads/repos/{places.repository}/releases"
    draft = json.loads(_curl(places, run, _document(pages, "POST", {"tag_name": TAG, "draft": True})))
    sent = (_upload(f"{uploads}/{draft['id']}/assets?name={file.name}", file.path) for file in files)
    _curl(places, run, *sent)
    _curl(places, run, _document(f"{pages}/{draft['id']}", "PATCH", {"tag_name": TAG, "draft": False}))


def to_registry(indexes: Sequence[SetFile], places: BarePlaces, run: Runner) -> None:
    """Each index with its images, under a tag."""
    place = f"docker://{places.registry.partition('://')[2]}/bare/image"
    words = ("copy", "--quiet", "--all", "--preserve-digests", "--dest-tls-verify=false")
    for number, file in enumerate(indexes):
        run("skopeo", *words, f"oci-archive:{file.path}", f"{place}:{number}")


def to_tap(file: SetFile, places: BarePlaces, clone: Path, run: Runner) -> None:
    """A clone, a commit with the formula, and a push."""
    login = base64.b64encode(f"{USER}:{places.token.reveal()}".encode()).decode()
    header = f"Authorization: Basic {login}"
    connected = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "http.extraHeader", "GIT_CONFIG_VALUE_0": header}
    run("git", "clone", "--quiet", f"{places.tap}/bare.git", clone, env=connected)
    formula = clone / "Formula" / file.name
    formula.parent.mkdir()
    formula.write_bytes(file.path.read_bytes())
    run("git", "-C", clone, "add", ".")
    run("git", "-C", clone, "commit", "--quiet", "--message", file.name, env=_WHO)
    run("git", "-C", clone, "push", "--quiet", "origin", "HEAD", env=connected)


def begin(bare: Path, run: Runner) -> None:
    """Give a repository its first commit."""
    tree = run.output("git", "-C", bare, "mktree", stdin=b"").strip()
    commit = run.output("git", "-C", bare, "commit-tree", "-m", "Begin", tree, env=_WHO).strip()
    run("git", "-C", bare, "update-ref", "refs/heads/main", commit)


def _curl(places: BarePlaces, run: Runner, *requests: str) -> str:
    """Send requests over one connection. The token is on standard input, where nobody sees it."""
    common = (
        f'header = "Authorization: Bearer {places.token.reveal()}"\n'
        'header = "X-GitHub-Api-Version: 2022-11-28"\nheader = "Accept: application/vnd.github+json"\n'
        'header = "Expect:"\n'
    )
    text = "next\n".join(common + request for request in requests)
    return run.output("curl", "--silent", "--show-error", "--fail", "--config", "-", stdin=text.encode())


def _document(url: str, method: str, fields: dict[str, object]) -> str:
    text = json.dumps(fields).replace("\\", "\\\\").replace('"', '\\"')
    return f'url = "{url}"\nrequest = "{method}"\nheader = "Content-Type: application/json"\ndata = "{text}"\n'


def _upload(url: str, path: Path) -> str:
    return (
        f'url = "{url}"\nrequest = "POST"\nheader = "Content-Type: application/octet-stream"\n'
        f'data-binary = "@{path}"\noutput = "/dev/null"\n'
    )
