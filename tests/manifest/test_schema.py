"""The JSON Schema that editors use: it is valid, and refuses the same as the loader."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from ci.kinds import GATES
from ci.manifest import release

SCHEMA: dict[str, Any] = json.loads(
    (Path(release.__file__).with_name("release.schema.json")).read_text(encoding="utf-8")
)
KEYWORDS = {
    "$schema", "$defs", "$ref", "title", "description", "type", "properties", "required", "additionalProperties",
    "const", "enum", "pattern", "patternErrorMessage", "minLength", "maxLength", "minimum", "maximum",
    "items", "minItems", "uniqueItems",
}  # fmt: skip


def schemas(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    for part in (*schema.get("properties", {}).values(), *schema.get("$defs", {}).values()):
        yield from schemas(part)
    if "items" in schema:
        yield from schemas(schema["items"])


def accepts(data: object) -> bool:
    return bool(jsonschema.Draft202012Validator(SCHEMA).is_valid(data))


def test_the_schema_is_valid() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_every_keyword_has_a_sentence_in_the_loader() -> None:
    """A misspelt keyword is ignored by every validator; a new one needs its words in `ci.manifest.rules`."""
    assert {keyword for schema in schemas(SCHEMA) for keyword in schema} <= KEYWORDS


def test_every_key_is_described_and_every_pattern_explained() -> None:
    for schema in schemas(SCHEMA):
        for name, part in schema.get("properties", {}).items():
            assert part.get("description"), name
        if "pattern" in schema:
            assert schema.get("patternErrorMessage"), schema
        if schema.get("type") == "object":
            assert schema["additionalProperties"] is False
            assert set(schema["required"]) <= schema["properties"].keys()


def test_the_manifest_of_this_repository_names_the_schema_and_fits_it() -> None:
    root = Path(__file__).parents[2]
    text = (root / "release.yaml").read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=ci/manifest/release.schema.json\n")
    assert accepts(yaml.safe_load(text))


def test_every_gate_may_be_named() -> None:
    """And so may the verification of each artefact, and the comparison of two builds."""
    named = SCHEMA["properties"]["may_not_run"]["items"]["properties"]["gate"]["enum"]
    assert set(named) == {"verify", "reproduce", *(gate.name for gate in GATES)}


def test_the_keys_are_the_fields_of_the_dataclass(right: str) -> None:
    fields = set(release.Release.__dataclass_fields__) - {"changelog"}
    assert SCHEMA["properties"].keys() - {"format"} == fields


@pytest.mark.parametrize(
    ("key", "bad"),
    [
        ("format", [0, 2, "1", None, True]),
        ("name", ["", "A", "a b", "a_b", "-a", "a-", "a--b", 1, None, ["a"], "a" * 65, "a;b", "é"]),
        ("version", ["", "v1", "1.02", "1!1", "1+x", "1.2-rc1", "1.2RC1", "1.", 1, 1.2, "1." * 40 + "1"]),
        ("date", ["", "2026-1-1", "2026-13-01", "20261123", "23.11.2026", 20261123, "2026-11-32"]),
        ("summary", ["", "a sample", "A sample", "The sample", "Ends.", "Trails ", "S" * 80, 1]),
        ("description", ["", None, 1, "d" * 1001]),
        ("license", ["", None, 1]),
        ("home", ["", "http://example.org", "https://", "https://a b.example.org", "https://u:p@example.org/",
                  "https://example.org/`id`", "https://example.org/$(id)", "https://example.org/'", "//example.org"]),
        ("python", ["3", "2.7", "3.09", "3.9.1", 3.9, "3.100"]),
        ("source.url", ["ftp://example.org/sample_tool-1.2.0.tar.gz", 1]),
        ("source.sha256", ["", "0" * 63, "0" * 65, "A" * 64, "g" * 64, 0]),
        ("rpm.release", [0, -1, 1.5, "1", None, 10000]),
        ("msys2.release", [0, "1"]),
        ("msys2.environments", [[], ["mingw64"], ["ucrt64", "ucrt64"], "ucrt64", None]),
        ("homebrew.tap", ["", "tap", "a/b", "a/homebrew-", "/homebrew-x", "a/b/homebrew-x", "a/homebrew-x/y"]),
        ("homebrew.python", [3.14, "3"]),
        ("images.registry", ["", "localhost", "ghcr.io/UPPER", "https://ghcr.io/x", "ghcr.io/x/", "ghcr.io//x",
                             "ghcr-.io/x", "ghcr.-io/x", "ghcr.io:123456/x"]),
        ("images.platforms", [[], ["linux/386"], ["linux/amd64", "linux/amd64"]]),
        ("images.user", [0, -1, "65532", "root", 2**31]),
        ("images.ubi.base", ["ubi", "ubi:1", "registry.example.org/ubi", "registry.example.org/ubi:latest", "x y",
                             "registry-.example.org/ubi:1", "registry.-example.org/ubi:1"]),
        ("images.ubi.digest", ["", "sha256:", "sha512:" + "0" * 64, "0" * 64]),
        ("images.alpine", [None, {}, {"base": "docker.io/alpine:3", "tag": "3"}, []]),
        ("images.micro.suite", ["", "Trixie", "trixie;id", "../x"]),
        ("waivers", [None, {}, "x", [{}], [1], [{"tool": "rpmlint", "rule": "x"}],
                     [{"tool": "rpmlint", "rule": "x", "reason": "r"}],
                     [{"tool": "rpmlint", "rule": "x", "reason": "r", "until": "2027-1-1"}],
                     [{"tool": "rpmlint", "rule": "x", "reason": "r", "until": None}]]),
        ("waivers", [[{"tool": tool, "rule": rule, "reason": "r", "until": "2027-11-30", "file": file}]
                     for tool, rule, file in [
            ("lint", "x", "a"), ("rpmlint", "-x", "a"), ("rpmlint", "x y", "a"), ("rpmlint", "x", "/a"),
            ("rpmlint", "x", "../a"), ("rpmlint", "x", "a/../b"), ("rpmlint", "x", ""), ("rpmlint", "x", "a/.."),
            ("rpmlint", "x", "./a"), ("rpmlint", "x", "a\\b"), ("rpmlint", "x", "C:/a"), ("rpmlint", "x", "~/a"),
        ]]),
        ("budgets", [None, {}, "5%", {"image": "5%"}, {"image": "5%", "package": "10%", "other": "1%"}]),
        ("budgets.image", ["", "5", 5, 0.05, "-1%", "5.5%", "05%", "1000%", "5 %", None]),
        ("keys", [None, {}, [], {"packages": []}, {"packages": [], "attestations": [], "other": []}]),
        ("keys.packages", [None, {}, [{}], ["x"], [{"openpgp": "A" * 40, "file": "ci/keys/a.asc"}]]),
        ("keys.packages", [[{"openpgp": openpgp, "file": file, "until": until}] for openpgp, file, until in [
            ("A" * 39, "ci/keys/a", "2029-01-01"), ("a" * 40, "ci/keys/a", "2029-01-01"),
            ("0x" + "A" * 40, "ci/keys/a", "2029-01-01"), ("A" * 40, "ci/keys/../a", "2029-01-01"),
            ("A" * 40, "ci/keys/.a", "2029-01-01"), ("A" * 40, "ci/keys/", "2029-01-01"),
            ("A" * 40, "a", "2029-01-01"), ("A" * 40, "ci/keys/a b", "2029-01-01"),
            ("A" * 40, "ci/keys/a", "2029"), ("A" * 40, "ci/keys/a", None),
        ]]),
        ("keys.attestations", [None, [{}], [{"ed25519": "a.pub"}], [{"ed25519": "ci/keys/a", "until": "2029-01-01"}]]),
        ("may_not_run", [None, {}, [{}], [{"gate": "lint", "contains": "a", "reason": "b"}],
                         [{"gate": "verify", "contains": "", "reason": "b"}], [{"gate": "verify", "contains": "a"}],
                         [{"gate": "verify", "contains": "a", "reason": "b"}] * 2]),
        ("colour", ["red"]),
        ("rpm.colour", ["red"]),
    ],
)  # fmt: skip
def test_schema_and_loader_refuse_the_same(
    faults: Callable[..., list[str]], right: str, key: str, bad: list[object]
) -> None:
    *parents, last = key.split(".")
    for value in bad:
        data = yaml.safe_load(right)
        holder = data
        for parent in parents:
            holder = holder[parent]
        holder[last] = value
        assert not accepts(data), value
        # JSON is YAML: the loader is given the very data that the schema refuses.
        assert [fault for fault in faults(json.dumps(data)) if f": {key}" in fault], value


@pytest.mark.parametrize("key", sorted(SCHEMA["properties"]))
def test_each_key_is_required_by_both(faults: Callable[..., list[str]], right: str, key: str) -> None:
    data = yaml.safe_load(right)
    del data[key]
    assert not accepts(data)
    fault = f"release.yaml:1:1: {key}: is missing; expected "
    assert any(found.startswith(fault) for found in faults(json.dumps(data)))


def test_both_take_what_is_right(faults: Callable[..., list[str]], right: str) -> None:
    data = yaml.safe_load(right)
    assert accepts(data)
    assert faults(json.dumps(data)) == []
