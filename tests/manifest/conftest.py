"""A valid manifest and changelog, which tests change in one place."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ci.core.errors import ManifestError
from ci.manifest import reader
from tests.support import not_there

VALID = """\
format: 1
name: sample-tool
version: "1.2.0"
date: "2026-11-23"
summary: Sample of a manifest
description: >-
  One paragraph
  on two lines.
license: Apache-2.0
vendor: Sample vendor
maintainer: Sample <sample@example.org>
home: https://example.org/sample
documentation: https://example.org/sample#readme
python: "3.9"
source:
  url: https://example.org/sample/releases/download/v1.2.0/sample_tool-1.2.0.tar.gz
  sha256: "00000000000000000000000000000000000000000000000000000000000000ff" # written by a tool
rpm:
  release: 1
msys2:
  release: 2
  environments: [ucrt64, clang64]
homebrew:
  tap: sample/homebrew-tap
  python: "3.14"
images:
  registry: registry.example.org:5000/sample
  platforms: [linux/amd64]
  user: 65532
  ubi:
    base: registry.example.org/ubi-minimal:10
    digest: sha256:00000000000000000000000000000000000000000000000000000000000000aa
  alpine:
    base: registry.example.org/library/alpine:3.24
  micro:
    suite: trixie
    python: "3.13"
waivers:
  - tool: rpmlint
    rule: no-manual-page-for-binary
    reason: There is one, for another section.
    file: specs/sample-tool.spec
    until: "2027-11-30"
budgets:
  image: "5%"
  package: "10%"
keys:
  packages:
    - openpgp: "0123456789ABCDEF0123456789ABCDEF01234567"
      file: ci/keys/packages-2026.asc
      until: "2029-01-01"
  attestations:
    - ed25519: ci/keys/attestations-2026.pub
targets:
  repositories: {url: https://example.org/packages, folder: PACKAGES}
  copr: {project: sample/tool, chroots: [epel-9, fedora-all]}
  github: {repository: sample/tool, token: PAGE_TOKEN}
  registry:
    user: sample
    token: IMAGES_TOKEN
    floating: [{tag: "{minor}-{flavour}"}, {tag: latest, flavour: micro}]
  tap: {url: https://example.org/tap.git, branch: main, token: TAP_TOKEN}
  pypi: {upload: https://example.org/upload/, index: https://example.org/simple/, token: INDEX_TOKEN}
  crates: {index: https://example.org/index/, api: https://example.org, token: CRATES_TOKEN}
may_not_run:
  - gate: equivalence
    contains: no arm64
    reason: There is no such machine.
"""

CHANGELOG = """\
# Changelog

## [Unreleased]

### Added

- Something for later.

## [1.2.0] - 2026-11-23

### Added

- One thing,
  told on two lines.

### Fixed

- Another thing.

## [1.2.0rc1] - 2026-11-01

### Added

- The first thing.

[1.2.0]: https://example.org/sample/releases/v1.2.0
"""


@pytest.fixture(scope="session")
def right() -> str:
    """Return the text of a valid manifest."""
    return VALID


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """Return the path of a valid manifest, with its changelog."""
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG, encoding="utf-8")
    path = tmp_path / "release.yaml"
    path.write_text(VALID, encoding="utf-8")
    return path


@pytest.fixture
def faults(sample: Path) -> Callable[..., list[str]]:
    """Return the faults that the loader finds in a manifest and a changelog, one string each."""

    def load(manifest_text: str | bytes | None = None, changelog: str | bytes | None = None) -> list[str]:
        for path, text in ((sample, manifest_text), (sample.with_name("CHANGELOG.md"), changelog)):
            if text is not None:
                path.write_bytes(text.encode() if isinstance(text, str) else text)
        try:
            reader.load(sample)
        except ManifestError as error:
            return str(error).split("\n")
        return []

    return load


@pytest.fixture(scope="session")
def need() -> Callable[[str], str]:
    """Return a tool's path; its absence fails the run in CI and is reported as a skipped test elsewhere."""

    def find(tool: str) -> str:
        path = shutil.which(tool)
        if path is None:
            not_there(tool)
        return path

    return find
