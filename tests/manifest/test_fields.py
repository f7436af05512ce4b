"""Each key of the manifest: what is refused, with its position and text, and what is legal."""
# ruff: noqa: E501  (a fault is one line)

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ci import manifest

Faults = Callable[..., list[str]]

# What is replaced in the manifest of conftest.py, by what, and the faults without the name of the file.
FIELDS = [
    ("format: 1", "format: 2", [
        "1:9: format: 2 is not a form that this version reads; 1",
    ]),
    ("format: 1", 'format: "1"', [
        '1:9: format: "1" is not a form that this version reads; 1',
    ]),
    ("format: 1", "format: 1.0", [
        "1:9: format: 1.0 is not a form that this version reads; 1",
    ]),
    ("format: 1\n", "", [
        "1:1: format: missing; the form of this file; 1 is the only one so far",
    ]),
    ("name: sample-tool", "name: Sample Tool", [
        '2:7: name: "Sample Tool" does not fit; lower-case words joined by hyphens, such as "my-tool"',
    ]),
    ("name: sample-tool", "name: -rf", [
        '2:7: name: "-rf" begins with a dash, which a tool may take for an option; another first character',
    ]),
    ("name: sample-tool", "name: \"a\\nb\"", [
        "2:7: name: \"a\\u000ab\" holds a line break; one line (a long one goes below `>-`, which folds it)",
    ]),
    ("name: sample-tool", "name:", [
        '2:6: name: is empty; lower-case words joined by hyphens, such as "my-tool"',
    ]),
    ("name: sample-tool", 'name: ""', [
        '2:7: name: "" does not fit; lower-case words joined by hyphens, such as "my-tool"',
    ]),
    ("name: sample-tool", "name: [a]", [
        "2:7: name: is a list; a text",
    ]),
    ("name: sample-tool", "name: no", [
        '2:7: name: no is not in quotes; "no"',
    ]),
    ("name: sample-tool", "name: ~", [
        '2:7: name: ~ is not in quotes; "~"',
    ]),
    ("name: sample-tool", 'name: "%{lua:os.exit()}"', [
        '2:7: name: "%{lua:os.exit()}" does not fit; lower-case words joined by hyphens, such as "my-tool"',
    ]),
    ("name: sample-tool", "name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", [
        "2:7: name: is 65 characters long; 64 at most",
    ]),
    ('"1.2.0"', "1.2.0", [
        '3:10: version: 1.2.0 is not in quotes; "1.2.0"',
    ]),
    ('"1.2.0"', "1.2", [
        '3:10: version: 1.2 is not in quotes; "1.2"',
    ]),
    ('"1.2.0"', "1.10", [
        '3:10: version: 1.10 is not in quotes; "1.10"',
    ]),
    ('"1.2.0"', '"1.2-rc1"', [
        '3:10: version: "1.2-rc1" is not in the canonical form; "1.2rc1"',
    ]),
    ('"1.2.0"', '"1!1.2.0"', [
        '3:10: version: "1!1.2.0" has an epoch, which not every ecosystem can spell; "1.2.0"',
    ]),
    ('"1.2.0"', '"1.2.0+x"', [
        '3:10: version: "1.2.0+x" has a local part "+x", which cannot be published; "1.2.0"',
    ]),
    ('"1.2.0"', '"1.3.0"', [
        '3:10: version: "1.3.0" is not the newest in CHANGELOG.md, "1.2.0" is; an entry "## [1.3.0] - 2026-11-23" at its top',
        "16:8: source.url: ends in \"sample_tool-1.2.0.tar.gz\", which is not this version's source tarball; \"sample_tool-1.3.0.tar.gz\"",
    ]),
    ('"2026-11-23"', "2026-11-23", [
        '4:7: date: 2026-11-23 is not in quotes; "2026-11-23"',
    ]),
    ('"2026-11-23"', '"2026-02-30"', [
        '4:7: date: "2026-02-30" is not a day; such as "2026-11-23"',
    ]),
    ('"2026-11-23"', '"20261123"', [
        '4:7: date: "20261123" is not a day; such as "2026-11-23"',
    ]),
    ('"2026-11-23"', '"1979-12-31"', [
        '4:7: date: "1979-12-31" is a day that a wheel cannot hold; "1980-01-01" or later',
    ]),
    ('"2026-11-23"', '"2026-11-24"', [
        '4:7: date: "2026-11-24" is not the day in CHANGELOG.md, "2026-11-23" is; the same in both',
    ]),
    ("Sample of a", "A sample of a", [
        '5:10: summary: "A sample of a manifest" begins with an article; without it',
    ]),
    ("Sample of a", "sample of a", [
        '5:10: summary: "sample of a manifest" does not begin with a capital letter; a capital',
    ]),
    ("of a manifest", "of it.", [
        '5:10: summary: "Sample of it." ends with a full stop; without it',
    ]),
    ("Sample of a", "Sample tool, a", [
        '5:10: summary: begins with the name "sample-tool"; say what it is, Homebrew shows the name beside it',
    ]),
    ("Sample of a manifest", "SSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSS", [
        "5:10: summary: is 80 characters long; 79 at most",
    ]),
    ("Sample of a manifest", '" Sample"', [
        '5:10: summary: " Sample" begins or ends with a space; the text without it',
    ]),
    (">-\n  One", "|\n  One", [
        "6:14: description: \"One paragraph\\u000aon two lines.\\u000a\" holds a line break; one line (a long one goes below `>-`, which folds it)",
    ]),
    (">-\n  One paragraph\n  on two lines.", "\"a\\tb\"", [
        "6:14: description: \"a\\u0009b\" holds a control character, U+0009; remove it",
    ]),
    (">-\n  One paragraph\n  on two lines.", "\"a\\u202eb\"", [
        "6:14: description: \"a\\u202eb\" holds an invisible or direction-changing character, U+202E; remove it",
    ]),
    (">-\n  One paragraph\n  on two lines.", "\"a\\ud800b\"", [
        "6:14: description: \"a\\ud800b\" holds half a surrogate pair, U+D800; remove it",
    ]),
    (">-\n  One paragraph\n  on two lines.", "\"a\\0b\"", [
        "6:14: description: \"a\\u0000b\" holds a control character, U+0000; remove it",
    ]),
    ("name: sample-tool", "name: \"\\ufffd\"", [
        "2:7: name: holds the replacement character U+FFFD; the character that was meant",
    ]),
    ("license: Apache-2.0", "license: Apache", [
        '9:10: license: "Apache" is not an SPDX licence expression; such as "Apache-2.0" or "MIT OR Apache-2.0"',
    ]),
    ("license: Apache-2.0", "license: apache-2.0", [
        '9:10: license: "apache-2.0" is not the canonical SPDX expression; "Apache-2.0"',
    ]),
    ("license: Apache-2.0", "license: MIT or", [
        '9:10: license: "MIT or" is not an SPDX licence expression; such as "Apache-2.0" or "MIT OR Apache-2.0"',
    ]),
    ("Sample vendor", "-vendor", [
        '10:9: vendor: "-vendor" begins with a dash, which a tool may take for an option; another first character',
    ]),
    ("Sample vendor", '"--vendor "', [
        '10:9: vendor: "--vendor " begins or ends with a space; the text without it',
    ]),
    ("home: https://example.org/sample", "home: http://example.org", [
        '12:7: home: "http://example.org" is not an https URL; "https://..."',
    ]),
    ("home: https://example.org/sample", "home: https://user:x@example.org/", [
        '12:7: home: "https://user:x@example.org/" holds a user; an https URL without one',
    ]),
    ("home: https://example.org/sample", 'home: "https://example.org/a b"', [
        '12:7: home: "https://example.org/a b" does not fit; an https URL with a host, such as "https://example.org/project"',
    ]),
    ("home: https://example.org/sample", 'home: "https:///path"', [
        '12:7: home: "https:///path" has no host, or one in another spelling; a host in lower case',
    ]),
    ("home: https://example.org/sample", "home: https://[::1", [
        '12:7: home: "https://[::1" is not a URL; an https URL',
    ]),
    ("home: https://example.org/sample", "home: https://example.org/../x", [
        '12:7: home: "https://example.org/../x" holds `..`; the path without it',
    ]),
    ("home: https://example.org/sample", "home: https://EXAMPLE.org/", [
        '12:7: home: "https://EXAMPLE.org/" has no host, or one in another spelling; a host in lower case',
    ]),
    ("home: https://example.org/sample", "home: javascript:alert(1)", [
        '12:7: home: "javascript:alert(1)" is not an https URL; "https://..."',
    ]),
    ("home: https://example.org/sample", "home: https://example.org/$(id)", [
        '12:7: home: "https://example.org/$(id)" does not fit; an https URL with a host, such as "https://example.org/project"',
    ]),
    ("home: https://example.org/sample", "home: https://example.org:port/", [
        '12:7: home: "https://example.org:port/" is not a URL; an https URL',
    ]),
    ('python: "3.9"', "python: 3.9", [
        '14:9: python: 3.9 is not in quotes; "3.9"',
    ]),
    ('python: "3.9"', 'python: "3"', [
        '14:9: python: "3" does not fit; two numbers, such as "3.14"',
    ]),
    ('python: "3.9"', 'python: "3.15"', [
        '25:11: homebrew.python: Python 3.14 is older than the oldest that the runtime supports; "3.15" or later',
        '37:13: images.micro.python: Python 3.13 is older than the oldest that the runtime supports; "3.15" or later',
    ]),
    ("sample_tool-1.2.0.tar.gz", "sample-tool-1.2.0.tar.gz", [
        "16:8: source.url: ends in \"sample-tool-1.2.0.tar.gz\", which is not this version's source tarball; \"sample_tool-1.2.0.tar.gz\"",
    ]),
    ("v1.2.0/", "v1.1.0/", [
        "16:8: source.url: holds the tag \"v1.1.0\", which is not this version's; \"v1.2.0\"",
    ]),
    ('ff" #', '" #', [
        '17:11: source.sha256: "000000000000000000000000000000000000000000000000000000000..." does not fit; 64 lower-case hexadecimal digits',
    ]),
    ('ff" #', 'FF" #', [
        '17:11: source.sha256: "000000000000000000000000000000000000000000000000000000000..." does not fit; 64 lower-case hexadecimal digits',
    ]),
    ("rpm:\n  release: 1", "rpm:\n  release: 0", [
        "19:12: rpm.release: 0 is too small; 1 or more",
    ]),
    ("rpm:\n  release: 1", "rpm:\n  release: \"1\"", [
        '19:12: rpm.release: "1" is in quotes; 1',
    ]),
    ("rpm:\n  release: 1", "rpm:\n  release: 010", [
        "19:12: rpm.release: 010 is not plain decimal digits; a whole number",
    ]),
    ("rpm:\n  release: 1", "rpm:\n  release: true", [
        "19:12: rpm.release: true is not plain decimal digits; a whole number",
    ]),
    ("rpm:\n  release: 1", "rpm:\n  release: -1", [
        "19:12: rpm.release: -1 is too small; 1 or more",
    ]),
    ("rpm:\n  release: 1", "rpm:\n  release: 1_0", [
        "19:12: rpm.release: 1_0 is not plain decimal digits; a whole number",
    ]),
    ("rpm:\n  release: 1", "rpm:\n  release: 10000", [
        "19:12: rpm.release: 10000 is too large; 9999 or less",
    ]),
    ("rpm:\n  release: 1", "rpm:", [
        "18:5: rpm: is empty; a mapping of keys",
    ]),
    ("rpm:\n  release: 1", "rpm: []", [
        "18:6: rpm: is a list; a mapping of keys",
    ]),
    ("rpm:\n  release: 1", "rpm: {}", [
        "18:1: rpm.release: missing; which packaging of the version this is, from 1",
    ]),
    ("[ucrt64, clang64]", "[ucrt64, clang46]", [
        '22:26: msys2.environments[1]: "clang46" is not known; did you mean "clang64"?',
    ]),
    ("[ucrt64, clang64]", "[ucrt64, ucrt64]", [
        '22:17: msys2.environments: "ucrt64" stands twice; once',
    ]),
    ("[ucrt64, clang64]", "[]", [
        "22:17: msys2.environments: is empty; the MSYS2 environments that get a package",
    ]),
    ("[ucrt64, clang64]", "ucrt64", [
        '22:17: msys2.environments: "ucrt64" is a text; a list',
    ]),
    ("[ucrt64, clang64]", "[ucrt64, 64]", [
        '22:26: msys2.environments[1]: 64 is not known; "ucrt64" or "clang64" or "clangarm64"',
    ]),
    ("sample/homebrew-tap", "sample/tap", [
        '24:8: homebrew.tap: "sample/tap" does not fit; OWNER/homebrew-NAME, such as "example/homebrew-tap"',
    ]),
    ("sample/homebrew-tap", "../homebrew-tap", [
        '24:8: homebrew.tap: "../homebrew-tap" does not fit; OWNER/homebrew-NAME, such as "example/homebrew-tap"',
    ]),
    ('python: "3.14"', 'python: "3.8"', [
        '25:11: homebrew.python: Python 3.8 is older than the oldest that the runtime supports; "3.9" or later',
    ]),
    ("registry: registry.example.org:5000/sample", "registry: sample", [
        '27:13: images.registry: "sample" does not fit; HOST/PATH in lower case, such as "ghcr.io/example"',
    ]),
    ("registry: registry.example.org:5000/sample", "registry: Registry.example.org/x;id", [
        '27:13: images.registry: "Registry.example.org/x;id" does not fit; HOST/PATH in lower case, such as "ghcr.io/example"',
    ]),
    ("[linux/amd64]", "[linux/386]", [
        '28:15: images.platforms[0]: "linux/386" is not known; did you mean "linux/arm64"?',
    ]),
    ("user: 65532", "user: root", [
        '29:9: images.user: "root" is a text; a whole number',
    ]),
    ("user: 65532", "user: 0", [
        "29:9: images.user: 0 is too small; 1 or more",
    ]),
    ("user: 65532", "user: 1.5", [
        "29:9: images.user: 1.5 is not plain decimal digits; a whole number",
    ]),
    ("ubi-minimal:10\n", "ubi-minimal\n", [
        '31:11: images.ubi.base: "registry.example.org/ubi-minimal" does not fit; REGISTRY/NAME:TAG with a tag other than latest, such as "docker.io/library/alpine:3.24"',
    ]),
    ("ubi-minimal:10\n", "ubi-minimal:latest\n", [
        '31:11: images.ubi.base: "registry.example.org/ubi-minimal:latest" does not fit; REGISTRY/NAME:TAG with a tag other than latest, such as "docker.io/library/alpine:3.24"',
    ]),
    ("digest: sha256:", "digest: sha1:", [
        '32:13: images.ubi.digest: "sha1:0000000000000000000000000000000000000000000000000000..." does not fit; "sha256:" and 64 lower-case hexadecimal digits',
    ]),
    ("suite: trixie", "suite: trixie; id", [
        "36:12: images.micro.suite: \"trixie; id\" does not fit; a Debian suite's name, such as \"trixie\"",
    ]),
    ("tool: rpmlint", "tool: rpmlnt", [
        '39:11: waivers[0].tool: "rpmlnt" is not known; did you mean "rpmlint"?',
    ]),
    ("rule: no-m", "rule: --no-m", [
        '40:11: waivers[0].rule: "--no-manual-page-for-binary" begins with a dash, which a tool may take for an option; another first character',
    ]),
    ("rule: no-m", "rul: no-m", [
        '40:5: waivers[0].rul: unknown key; did you mean "rule"?',
    ]),
    ("There is one, for another section.", '""', [
        "41:13: waivers[0].reason: is empty; one line of text",
    ]),
    ("file: specs/", "file: ../specs/", [
        '42:11: waivers[0].file: "../specs/sample-tool.spec" leaves the repository; a path below its root',
    ]),
    ("file: specs/", "file: /specs/", [
        '42:11: waivers[0].file: "/specs/sample-tool.spec" leaves the repository; a path below its root',
    ]),
    ("file: specs/", "file: specs/../../", [
        '42:11: waivers[0].file: "specs/../../sample-tool.spec" leaves the repository; a path below its root',
    ]),
    ("file: specs/", "file: C:/specs/", [
        '42:11: waivers[0].file: "C:/specs/sample-tool.spec" leaves the repository; a path below its root',
    ]),
    ("file: specs/sample-tool.spec", "file: ./specs/x", [
        '42:11: waivers[0].file: "./specs/x" does not fit; a path inside the repository, such as "containers/ubi/Containerfile"',
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), FIELDS)
def test_fault(faults: Faults, sample: Path, old: str, new: str, expected: list[str]) -> None:
    text = sample.read_text(encoding="utf-8")
    assert old in text
    assert faults(text.replace(old, new, 1)) == [f"release.yaml:{fault}" for fault in expected]


@pytest.mark.parametrize("key", ["summary", "description", "vendor", "maintainer"])
@pytest.mark.parametrize(
    "text",
    [
        "%(id)",
        "%{lua:os.exit(1)}",
        "#{`id`}",
        "`id`",
        "$(id)",
        "${HOME}",
        "a'b",
        'a"b',
        "a\\b",
        "a; id",
        "a && b",
        "é ü 漢",
        "{{ x }}",
    ],
)
def test_printable_text_is_taken_as_it_is(sample: Path, key: str, text: str) -> None:
    lines = sample.read_text(encoding="utf-8").replace(">-\n  One paragraph\n  on two lines.", "x").split("\n")
    value = f"Text {text} of it"
    lines = [f"{key}: {json.dumps(value)}" if line.startswith(f"{key}:") else line for line in lines]
    sample.write_text("\n".join(lines), encoding="utf-8")
    assert getattr(manifest.load(sample), key) == value


@pytest.mark.parametrize(
    "key",
    [
        "name",
        "version",
        "date",
        "license",
        "home",
        "python",
        "sha256",
        "tap",
        "registry",
        "base",
        "digest",
        "suite",
        "rule",
        "file",
    ],
)
@pytest.mark.parametrize(
    "text",
    [
        "%(id)",
        "%{lua:os.exit(1)}",
        "#{id}",
        "`id`",
        "$(id)",
        "a'b",
        'a"b',
        "a\\b",
        "a;id",
        "a b",
        "a\nb",
        "-a",
        "a\0",
        "é",
    ],
)
def test_identifiers_take_no_syntax(faults: Faults, sample: Path, key: str, text: str) -> None:
    """Behind what is right, too: what a tool would see is never more than the pattern."""
    right = sample.read_text(encoding="utf-8")
    found = re.search(rf"(?m)^ *(?:- )?{key}: (.*?)(?: #.*)?$", right)
    assert found
    # A dash behind what is right is legal; everything else is nowhere.
    for value in (text,) if text == "-a" else (text, found[1].strip('"') + text):
        spoilt = right[: found.start(1)] + json.dumps(value) + right[found.end(1) :]
        line = right.count("\n", 0, found.start()) + 1
        assert [fault for fault in faults(spoilt) if fault.startswith(f"release.yaml:{line}:")], value
