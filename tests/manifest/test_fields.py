"""Each key of the manifest: what is refused, with position and message, and what is accepted."""
# ruff: noqa: E501  (a fault is one line)

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ci.manifest import reader

Faults = Callable[..., list[str]]

# What is replaced in the manifest of conftest.py, by what, and the faults without the name of the file.
FIELDS = [
    ("format: 1", "format: 2", [
        "1:9: format: 2 is not supported; expected 1",
    ]),
    ("format: 1", 'format: "1"', [
        '1:9: format: "1" is not supported; expected 1',
    ]),
    ("format: 1", "format: 1.0", [
        "1:9: format: 1.0 is not supported; expected 1",
    ]),
    ("format: 1\n", "", [
        "1:1: format: is missing; expected the version of this file's format, always 1",
    ]),
    ("name: sample-tool", "name: Sample Tool", [
        '2:7: name: "Sample Tool" is not valid; expected lower-case words joined by hyphens, such as "my-tool"',
    ]),
    ("name: sample-tool", "name: -rf", [
        '2:7: name: "-rf" begins with a dash, which a tool may read as an option; begin with another character',
    ]),
    ("name: sample-tool", "name: \"a\\nb\"", [
        "2:7: name: \"a\\u000ab\" contains a line break; write one line (a long one below `>-`, which folds it)",
    ]),
    ("name: sample-tool", "name:", [
        '2:6: name: is empty; expected lower-case words joined by hyphens, such as "my-tool"',
    ]),
    ("name: sample-tool", 'name: ""', [
        '2:7: name: "" is not valid; expected lower-case words joined by hyphens, such as "my-tool"',
    ]),
    ("name: sample-tool", "name: [a]", [
        "2:7: name: expected a string, found a list",
    ]),
    ("name: sample-tool", "name: no", [
        '2:7: name: no is not in quotes; write "no"',
    ]),
    ("name: sample-tool", "name: ~", [
        '2:7: name: ~ is not in quotes; write "~"',
    ]),
    ("name: sample-tool", 'name: "%{lua:os.exit()}"', [
        '2:7: name: "%{lua:os.exit()}" is not valid; expected lower-case words joined by hyphens, such as "my-tool"',
    ]),
    ("name: sample-tool", "name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", [
        "2:7: name: is 65 characters long; the limit is 64",
    ]),
    ('"1.2.0"', "1.2.0", [
        '3:10: version: 1.2.0 is not in quotes; write "1.2.0"',
    ]),
    ('"1.2.0"', "1.2", [
        '3:10: version: 1.2 is not in quotes; write "1.2"',
    ]),
    ('"1.2.0"', "1.10", [
        '3:10: version: 1.10 is not in quotes; write "1.10"',
    ]),
    ('"1.2.0"', '"1.2-rc1"', [
        '3:10: version: "1.2-rc1" is not in the canonical form; write "1.2rc1"',
    ]),
    ('"1.2.0"', '"1!1.2.0"', [
        '3:10: version: "1!1.2.0" has an epoch, which not every packaging system supports; write "1.2.0"',
    ]),
    ('"1.2.0"', '"1.2.0+x"', [
        '3:10: version: "1.2.0+x" has a local part "+x", which cannot be published; write "1.2.0"',
    ]),
    ('"1.2.0"', '"1.3.0"', [
        '3:10: version: "1.3.0" is not the newest version in CHANGELOG.md, which is "1.2.0"; add an entry "## [1.3.0] - 2026-11-23" at its top',
        "16:8: source.url: ends in \"sample_tool-1.2.0.tar.gz\", but this version's source tarball is \"sample_tool-1.3.0.tar.gz\"",
    ]),
    ('"2026-11-23"', "2026-11-23", [
        '4:7: date: 2026-11-23 is not in quotes; write "2026-11-23"',
    ]),
    ('"2026-11-23"', '"2026-02-30"', [
        '4:7: date: "2026-02-30" is not a date; expected one such as "2026-11-23"',
    ]),
    ('"2026-11-23"', '"20261123"', [
        '4:7: date: "20261123" is not a date; expected one such as "2026-11-23"',
    ]),
    ('"2026-11-23"', '"1979-12-31"', [
        '4:7: date: "1979-12-31" is too early for the timestamps in a wheel; expected "1980-01-01" or later',
    ]),
    ('"2026-11-23"', '"9999-12-31"', [
        '4:7: date: "9999-12-31" is too late for the timestamps in an RPM; expected "2105-12-31" or earlier',
    ]),
    ('"2026-11-23"', '"2026-11-24"', [
        '4:7: date: "2026-11-24" is not the date in CHANGELOG.md, which is "2026-11-23"; write the same date in both',
    ]),
    ("Sample of a", "A sample of a", [
        '5:10: summary: "A sample of a manifest" begins with an article; remove it',
    ]),
    ("Sample of a", "sample of a", [
        '5:10: summary: "sample of a manifest" does not begin with a capital letter; change the first letter',
    ]),
    ("of a manifest", "of it.", [
        '5:10: summary: "Sample of it." ends with a full stop; remove it',
    ]),
    ("Sample of a", "Sample tool, a", [
        '5:10: summary: begins with the name "sample-tool"; remove it, Homebrew shows the name beside the summary',
    ]),
    ("Sample of a manifest", "SSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSS", [
        "5:10: summary: is 80 characters long; the limit is 79",
    ]),
    ("Sample of a manifest", '" Sample"', [
        '5:10: summary: " Sample" begins or ends with a space; remove it',
    ]),
    (">-\n  One", "|\n  One", [
        "6:14: description: \"One paragraph\\u000aon two lines.\\u000a\" contains a line break; write one line (a long one below `>-`, which folds it)",
    ]),
    (">-\n  One paragraph\n  on two lines.", "\"a\\tb\"", [
        "6:14: description: \"a\\u0009b\" contains a control character, U+0009; remove it",
    ]),
    (">-\n  One paragraph\n  on two lines.", "\"a\\u202eb\"", [
        "6:14: description: \"a\\u202eb\" contains an invisible or direction-changing character, U+202E; remove it",
    ]),
    (">-\n  One paragraph\n  on two lines.", "\"a\\ud800b\"", [
        "6:14: description: \"a\\ud800b\" contains half a surrogate pair, U+D800; remove it",
    ]),
    (">-\n  One paragraph\n  on two lines.", "\"a\\0b\"", [
        "6:14: description: \"a\\u0000b\" contains a control character, U+0000; remove it",
    ]),
    ("name: sample-tool", "name: \"\\ufffd\"", [
        "2:7: name: contains the replacement character U+FFFD; write the original character",
    ]),
    ("license: Apache-2.0", "license: Apache", [
        '9:10: license: "Apache" is not an SPDX licence expression; expected one such as "Apache-2.0" or "MIT OR Apache-2.0"',
    ]),
    ("license: Apache-2.0", "license: apache-2.0", [
        '9:10: license: "apache-2.0" is not the canonical SPDX expression; write "Apache-2.0"',
    ]),
    ("license: Apache-2.0", "license: MIT or", [
        '9:10: license: "MIT or" is not an SPDX licence expression; expected one such as "Apache-2.0" or "MIT OR Apache-2.0"',
    ]),
    ("Sample vendor", "-vendor", [
        '10:9: vendor: "-vendor" begins with a dash, which a tool may read as an option; begin with another character',
    ]),
    ("Sample vendor", '"--vendor "', [
        '10:9: vendor: "--vendor " begins or ends with a space; remove it',
    ]),
    ("home: https://example.org/sample", "home: http://example.org", [
        '12:7: home: "http://example.org" is not an https URL; expected "https://..."',
    ]),
    ("home: https://example.org/sample", "home: https://user:x@example.org/", [
        '12:7: home: "https://user:x@example.org/" contains a user name; remove it',
    ]),
    ("home: https://example.org/sample", 'home: "https://example.org/a b"', [
        '12:7: home: "https://example.org/a b" is not valid; expected an https URL with a host, such as "https://example.org/project"',
    ]),
    ("home: https://example.org/sample", 'home: "https:///path"', [
        '12:7: home: "https:///path" has no host, or one in another spelling; expected a host in lower case',
    ]),
    ("home: https://example.org/sample", "home: https://[::1", [
        '12:7: home: "https://[::1" is not a URL; expected an https URL',
    ]),
    ("home: https://example.org/sample", "home: https://example.org/../x", [
        '12:7: home: "https://example.org/../x" contains `..`; remove it',
    ]),
    ("home: https://example.org/sample", "home: https://EXAMPLE.org/", [
        '12:7: home: "https://EXAMPLE.org/" has no host, or one in another spelling; expected a host in lower case',
    ]),
    ("home: https://example.org/sample", "home: javascript:alert(1)", [
        '12:7: home: "javascript:alert(1)" is not an https URL; expected "https://..."',
    ]),
    ("home: https://example.org/sample", "home: https://example.org/$(id)", [
        '12:7: home: "https://example.org/$(id)" is not valid; expected an https URL with a host, such as "https://example.org/project"',
    ]),
    ("home: https://example.org/sample", "home: https://example.org:port/", [
        '12:7: home: "https://example.org:port/" is not a URL; expected an https URL',
    ]),
    ('python: "3.9"', "python: 3.9", [
        '14:9: python: 3.9 is not in quotes; write "3.9"',
    ]),
    ('python: "3.9"', 'python: "3"', [
        '14:9: python: "3" is not valid; expected two numbers, such as "3.14"',
    ]),
    ('python: "3.9"', 'python: "3.15"', [
        '25:11: homebrew.python: Python 3.14 is not supported by the runtime; expected "3.15" or later',
        '37:13: images.micro.python: Python 3.13 is not supported by the runtime; expected "3.15" or later',
    ]),
    ("sample_tool-1.2.0.tar.gz", "sample-tool-1.2.0.tar.gz", [
        "16:8: source.url: ends in \"sample-tool-1.2.0.tar.gz\", but this version's source tarball is \"sample_tool-1.2.0.tar.gz\"",
    ]),
    ("v1.2.0/", "v1.1.0/", [
        "16:8: source.url: contains the tag \"v1.1.0\", but this version's tag is \"v1.2.0\"",
    ]),
    ('ff" #', '" #', [
        '17:11: source.sha256: "000000000000000000000000000000000000000000000000000000000..." is not valid; expected 64 lower-case hexadecimal digits',
    ]),
    ('ff" #', 'FF" #', [
        '17:11: source.sha256: "000000000000000000000000000000000000000000000000000000000..." is not valid; expected 64 lower-case hexadecimal digits',
    ]),
    ("rpm:\n  release: 1", "rpm:\n  release: 0", [
        "19:12: rpm.release: 0 is too small; expected 1 or more",
    ]),
    ("rpm:\n  release: 1", "rpm:\n  release: \"1\"", [
        '19:12: rpm.release: "1" is in quotes; write 1',
    ]),
    ("rpm:\n  release: 1", "rpm:\n  release: 010", [
        "19:12: rpm.release: 010 is not a whole number; expected decimal digits",
    ]),
    ("rpm:\n  release: 1", "rpm:\n  release: true", [
        "19:12: rpm.release: true is not a whole number; expected decimal digits",
    ]),
    ("rpm:\n  release: 1", "rpm:\n  release: -1", [
        "19:12: rpm.release: -1 is too small; expected 1 or more",
    ]),
    ("rpm:\n  release: 1", "rpm:\n  release: 1_0", [
        "19:12: rpm.release: 1_0 is not a whole number; expected decimal digits",
    ]),
    ("rpm:\n  release: 1", "rpm:\n  release: 10000", [
        "19:12: rpm.release: 10000 is too large; expected 9999 or less",
    ]),
    ("rpm:\n  release: 1", "rpm:", [
        "18:5: rpm: expected a mapping, found nothing",
    ]),
    ("rpm:\n  release: 1", "rpm: []", [
        "18:6: rpm: expected a mapping, found a list",
    ]),
    ("rpm:\n  release: 1", "rpm: {}", [
        "18:1: rpm.release: is missing; expected the number of this packaging of the version, from 1",
    ]),
    ("[ucrt64, clang64]", "[ucrt64, clang46]", [
        '22:26: msys2.environments[1]: "clang46" is unknown; did you mean "clang64"?',
    ]),
    ("[ucrt64, clang64]", "[ucrt64, ucrt64]", [
        '22:17: msys2.environments: "ucrt64" is listed twice; list it once',
    ]),
    ("[ucrt64, clang64]", "[]", [
        "22:17: msys2.environments: is empty; expected the MSYS2 environments that get a package",
    ]),
    ("[ucrt64, clang64]", "ucrt64", [
        '22:17: msys2.environments: expected a list, found the string "ucrt64"',
    ]),
    ("[ucrt64, clang64]", "[ucrt64, 64]", [
        '22:26: msys2.environments[1]: 64 is unknown; expected "ucrt64", "clang64" or "clangarm64"',
    ]),
    ("sample/homebrew-tap", "sample/tap", [
        '24:8: homebrew.tap: "sample/tap" is not valid; expected OWNER/homebrew-NAME, such as "example/homebrew-tap"',
    ]),
    ("sample/homebrew-tap", "../homebrew-tap", [
        '24:8: homebrew.tap: "../homebrew-tap" is not valid; expected OWNER/homebrew-NAME, such as "example/homebrew-tap"',
    ]),
    ('python: "3.14"', 'python: "3.8"', [
        '25:11: homebrew.python: Python 3.8 is not supported by the runtime; expected "3.9" or later',
    ]),
    ("registry: registry.example.org:5000/sample", "registry: sample", [
        '27:13: images.registry: "sample" is not valid; expected HOST/PATH in lower case, such as "ghcr.io/example"',
    ]),
    ("registry: registry.example.org:5000/sample", "registry: Registry.example.org/x;id", [
        '27:13: images.registry: "Registry.example.org/x;id" is not valid; expected HOST/PATH in lower case, such as "ghcr.io/example"',
    ]),
    ("[linux/amd64]", "[linux/386]", [
        '28:15: images.platforms[0]: "linux/386" is unknown; did you mean "linux/arm64"?',
    ]),
    ("user: 65532", "user: root", [
        '29:9: images.user: expected a whole number, found the string "root"',
    ]),
    ("user: 65532", "user: 0", [
        "29:9: images.user: 0 is too small; expected 1 or more",
    ]),
    ("user: 65532", "user: 1.5", [
        "29:9: images.user: 1.5 is not a whole number; expected decimal digits",
    ]),
    ("ubi-minimal:10\n", "ubi-minimal\n", [
        '31:11: images.ubi.base: "registry.example.org/ubi-minimal" is not valid; expected REGISTRY/NAME:TAG with a tag other than latest, such as "docker.io/library/alpine:3.24"',
    ]),
    ("ubi-minimal:10\n", "ubi-minimal:latest\n", [
        '31:11: images.ubi.base: "registry.example.org/ubi-minimal:latest" is not valid; expected REGISTRY/NAME:TAG with a tag other than latest, such as "docker.io/library/alpine:3.24"',
    ]),
    ("digest: sha256:", "digest: sha1:", [
        '32:13: images.ubi.digest: "sha1:0000000000000000000000000000000000000000000000000000..." is not valid; expected "sha256:" and 64 lower-case hexadecimal digits',
    ]),
    ("suite: trixie", "suite: trixie; id", [
        "36:12: images.micro.suite: \"trixie; id\" is not valid; expected a Debian suite's name, such as \"trixie\"",
    ]),
    ("tool: rpmlint", "tool: rpmlnt", [
        '39:11: waivers[0].tool: "rpmlnt" is unknown; did you mean "rpmlint"?',
    ]),
    ("rule: no-m", "rule: --no-m", [
        '40:11: waivers[0].rule: "--no-manual-page-for-binary" begins with a dash, which a tool may read as an option; begin with another character',
    ]),
    ("rule: no-m", "rul: no-m", [
        '40:5: waivers[0].rul: unknown key; did you mean "rule"?',
    ]),
    ("There is one, for another section.", '""', [
        "41:13: waivers[0].reason: is empty; expected one line of text",
    ]),
    ("file: specs/", "file: ../specs/", [
        '42:11: waivers[0].file: "../specs/sample-tool.spec" is outside the repository; expected a path below its root',
    ]),
    ("file: specs/", "file: /specs/", [
        '42:11: waivers[0].file: "/specs/sample-tool.spec" is outside the repository; expected a path below its root',
    ]),
    ("file: specs/", "file: specs/../../", [
        '42:11: waivers[0].file: "specs/../../sample-tool.spec" is outside the repository; expected a path below its root',
    ]),
    ("file: specs/", "file: C:/specs/", [
        '42:11: waivers[0].file: "C:/specs/sample-tool.spec" is outside the repository; expected a path below its root',
    ]),
    ("file: specs/sample-tool.spec", "file: ./specs/x", [
        '42:11: waivers[0].file: "./specs/x" is not valid; expected a path inside the repository, such as "containers/ubi/Containerfile"',
    ]),
    ('    until: "2027-11-30"\n', "", [
        "39:5: waivers[0].until: is missing; expected the last day on which it is accepted, in quotes; it is compared with the release's date",
    ]),
    ('"2027-11-30"', "2027-11-30", [
        '43:12: waivers[0].until: 2027-11-30 is not in quotes; write "2027-11-30"',
    ]),
    ('"2027-11-30"', '"2027-02-30"', [
        '43:12: waivers[0].until: "2027-02-30" is not a date; expected one such as "2026-11-23"',
    ]),
    ('"2027-11-30"', '"2026-11-22"', [
        "43:12: waivers[0].until: the waiver ended on 2026-11-22, before this release's date 2026-11-23; fix the finding and remove the waiver, or set a later day if its reason still holds",
    ]),
    ('"5%"', "5%", [
        '45:10: budgets.image: 5% is not in quotes; write "5%"',
    ]),
    ('"10%"', '"ten"', [
        '46:12: budgets.package: "ten" is not valid; expected whole per cent, such as "5%"',
    ]),
    ('openpgp: "0123456789AB', 'openpgp: "0123456789ab', [
        '49:16: keys.packages[0].openpgp: "0123456789abCDEF0123456789ABCDEF01234567" is not valid; expected a fingerprint of 40 hexadecimal digits, in capitals and without spaces',
    ]),
    ('      until: "2029-01-01"\n', "", [
        "49:7: keys.packages[0].until: is missing; expected the last day on which the key signs, in quotes",
    ]),
    ('"2029-01-01"', '"2029-02-30"', [
        '51:14: keys.packages[0].until: "2029-02-30" is not a date; expected one such as "2026-11-23"',
    ]),
    ("file: ci/keys/", "file: ../keys/", [
        '50:13: keys.packages[0].file: "../keys/packages-2026.asc" is outside the repository; expected a path below its root',
    ]),
    ("file: ci/keys/", "file: docs/", [
        '50:13: keys.packages[0].file: "docs/packages-2026.asc" is not valid; expected a file in ci/keys/, such as "ci/keys/packages-2026.asc"',
    ]),
    ("ci/keys/attestations-2026.pub", "ci/keys/packages-2026.asc", [
        '53:16: keys.attestations[0].ed25519: "ci/keys/packages-2026.asc" is the same as keys.packages[0].file; list each key once',
    ]),
    ("  attestations:\n", '    - {openpgp: "0123456789ABCDEF0123456789ABCDEF01234567", file: ci/keys/b.asc, until: "2030-01-01"}\n  attestations:\n', [
        '52:17: keys.packages[1].openpgp: "0123456789ABCDEF0123456789ABCDEF01234567" is the same as keys.packages[0].openpgp; list each key once',
    ]),
    ("gate: equivalence", "gate: equivalance", [
        '66:11: may_not_run[0].gate: "equivalance" is unknown; did you mean "equivalence"?',
    ]),
    ("contains: no arm64", 'contains: ""', [
        "67:15: may_not_run[0].contains: is empty; expected one line of text",
    ]),
    ("api: https://example.org, ", "", [
        "64:3: targets.crates.api: is missing; expected the URL of the API, which the index names as well",
    ]),
    ("api: https://example.org, ", "api: example.org, ", [
        '64:52: targets.crates.api: "example.org" is not valid; expected an https URL with a host, such as "https://example.org/project"',
    ]),
    ("repository: sample/tool", "repository: sample", [
        '57:24: targets.github.repository: "sample" is not valid; expected OWNER/REPOSITORY, such as "example/tools"',
    ]),
    ("token: PAGE_TOKEN", "token: page-token", [
        '57:44: targets.github.token: "page-token" is not valid; expected the name of a variable of the environment, such as "RELEASE_TOKEN"',
    ]),
    ("{tag: latest,", '{tag: "{major}",', [
        '61:50: targets.registry.floating[1].tag: "{major}" is not valid; expected a tag such as "latest" or "{minor}-{flavour}"',
    ]),
    ("flavour: micro}]", "flavour: mikro}]", [
        '61:67: targets.registry.floating[1].flavour: "mikro" is unknown; did you mean "micro"?',
    ]),
    ("url: https://example.org/tap.git", "url: http://example.org/tap.git", [
        '62:14: targets.tap.url: "http://example.org/tap.git" is not valid; expected an https URL with a host, such as "https://example.org/project"',
    ]),
    ("folder: PACKAGES", "folder: /srv/packages", [
        '55:61: targets.repositories.folder: "/srv/packages" is not valid; expected the name of a variable of the environment, such as "RELEASE_TOKEN"',
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
    assert getattr(reader.load(sample), key) == value


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
    """After a valid value, too: what a tool sees always matches the pattern."""
    right = sample.read_text(encoding="utf-8")
    found = re.search(rf"(?m)^ *(?:- )?{key}: (.*?)(?: #.*)?$", right)
    assert found
    # A dash after a valid value may be legal; everything else is refused everywhere.
    for value in (text,) if text == "-a" else (text, found[1].strip('"') + text):
        spoilt = right[: found.start(1)] + json.dumps(value) + right[found.end(1) :]
        line = right.count("\n", 0, found.start()) + 1
        assert [fault for fault in faults(spoilt) if fault.startswith(f"release.yaml:{line}:")], value
