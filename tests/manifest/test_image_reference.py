"""Which texts are names of images."""

from __future__ import annotations

import pytest
import yaml

from ci.manifest.image_reference import is_reference
from tests.support import ROOT

SHA256 = "sha256:" + "0a" * 32


@pytest.mark.parametrize(
    "text",
    [
        "alpine",
        "alpine:3.24",
        "docker.io/library/alpine:3.24",
        f"registry.example/ubi-minimal:10@{SHA256}",
        f"registry.example/ubi-minimal@{SHA256}",
        "registry.example/x@sha512:" + "0" * 128,
        "localhost/faas-runtime-tests/alpine-stand-in:4711",
        "localhost:5000/x:1",
        "127.0.0.1:5000/base:1",
        "[::1]:5000/x:latest",
        "Registry.EXAMPLE/x__y/a.b/c---d:A_b.C-d",
        "a/" + "b" * 253,
        "a:" + "t" * 128,
    ],
)
def test_a_name_that_engines_read_is_accepted(text: str) -> None:
    assert is_reference(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-alpine",
        "Alpine",
        "a b",
        "a\n",
        "docker://alpine",
        "https://docker.io/alpine",
        "alpine:",
        "alpine:-1",
        "alpine@",
        "alpine@sha256:12",
        f"alpine@{SHA256}0",
        "registry-.example/x",
        "-registry.example/x",
        "registry.example//x",
        "registry.example/x/",
        "registry.example:port/x",
        "registry.example:123456/x",
        "a___b",
        "ä",
        "a/" + "b" * 254,
        "a:" + "t" * 129,
    ],
)
def test_any_other_text_is_refused(text: str) -> None:
    assert not is_reference(text)


def test_the_bases_of_the_manifest_are_names_of_images() -> None:
    images = yaml.safe_load((ROOT / "release.yaml").read_text())["images"]
    assert is_reference(images["ubi"]["base"])
    assert is_reference(images["alpine"]["base"])
