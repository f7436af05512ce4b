"""Writing the tarball's hash back: that scalar, no other byte, and all or nothing."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ci.core.errors import ManifestError
from ci.manifest import editing, reader
from ci.manifest.yaml_nodes import KeyPath

HASH = "12" * 32


def test_only_the_scalar_changes(sample: Path) -> None:
    before = sample.read_bytes()
    editing.write_source_sha256(sample, HASH)
    old = reader.load(sample).source.sha256
    assert old == HASH
    assert sample.read_bytes() == before.replace(b"0" * 62 + b"ff", HASH.encode(), 1)
    assert {path.name for path in sample.parent.iterdir()} == {"release.yaml", "CHANGELOG.md"}


@pytest.mark.parametrize(
    "spelling",
    ["'{}'", '"{}"', "{}", ">-\n    {}", '"{}"   # a comment'],
    ids=["single", "double", "plain", "folded", "comment"],
)
def test_any_spelling_becomes_quoted(sample: Path, right: str, spelling: str) -> None:
    old = "0" * 62 + "ff"
    text = right.replace(f'"{old}" # written by a tool', spelling.format("a" * 64))
    sample.write_text(text, encoding="utf-8")
    editing.write_source_sha256(sample, HASH)
    assert reader.load(sample).source.sha256 == HASH
    assert f'\n  sha256: "{HASH}"' in sample.read_text(encoding="utf-8")


def test_line_ends_comments_and_non_ascii_text_stay(sample: Path, right: str) -> None:
    text = right.replace("Sample vendor", "Ünïcode 漢字 🦀").replace("\n", "\r\n")
    sample.write_bytes(text.encode())
    editing.write_source_sha256(sample, HASH)
    assert sample.read_bytes() == text.replace("0" * 62 + "ff", HASH).encode()


def test_flow_mappings_too(sample: Path, right: str) -> None:
    start, end = right.index("source:"), right.index("rpm:")
    flow = f'source: {{sha256: "{"0" * 64}", url: "https://example.org/sample_tool-1.2.0.tar.gz"}}\n'
    sample.write_text(right[:start] + flow + right[end:], encoding="utf-8")
    editing.write_source_sha256(sample, HASH)
    assert sample.read_text(encoding="utf-8") == right[:start] + flow.replace("0" * 64, HASH) + right[end:]


def test_the_same_hash_writes_nothing(sample: Path) -> None:
    editing.write_source_sha256(sample, HASH)
    before = sample.stat()
    editing.write_source_sha256(sample, HASH)
    assert (sample.stat().st_ino, sample.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_the_mode_and_a_symbolic_link_stay(sample: Path, tmp_path: Path) -> None:
    sample.chmod(0o640)
    link = tmp_path / "sub" / "release.yaml"
    link.parent.mkdir()
    link.symlink_to(sample)
    editing.write_source_sha256(link, HASH)
    assert link.is_symlink()
    assert sample.stat().st_mode & 0o7777 == 0o640
    assert HASH in sample.read_text(encoding="utf-8")


@pytest.mark.parametrize("sha256", ["", "0" * 63, "A" * 64, "0" * 64 + "\n", '"' + "0" * 64])
def test_what_is_no_hash_is_refused(sample: Path, sha256: str) -> None:
    before = sample.read_bytes()
    with pytest.raises(ValueError, match="not a SHA-256"):
        editing.write_source_sha256(sample, sha256)
    assert sample.read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("source:", "sauce:", "release.yaml: source.sha256: is missing; expected the tarball's SHA-256"),
        ("vendor: S", "vendor: [S", "release.yaml:11:11: not YAML: "),
        (
            'sha256: "',
            'sha256: &a "',
            "release.yaml:17:11: source.sha256: has an anchor (&a); write the value without it",
        ),
    ],
)
def test_a_manifest_that_cannot_be_read_stays(sample: Path, right: str, old: str, new: str, fault: str) -> None:
    sample.write_text(right.replace(old, new), encoding="utf-8")
    with pytest.raises(ManifestError) as raised:
        editing.write_source_sha256(sample, HASH)
    assert str(raised.value).startswith(fault)
    assert sample.read_text(encoding="utf-8") == right.replace(old, new)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    sample: Path, right: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fchmod", full)
    with pytest.raises(OSError, match="No space left"):
        editing.write_source_sha256(sample, HASH)
    assert sample.read_text(encoding="utf-8") == right
    assert {path.name for path in sample.parent.iterdir()} == {"release.yaml", "CHANGELOG.md"}


DIGEST = "sha256:" + "ab" * 32
UBI = ("images", "ubi", "digest")


def write_digest(path: Path) -> str:
    editing.write_values(path, {UBI: DIGEST})
    assert reader.load(path).images.ubi.digest == DIGEST
    return path.read_text(encoding="utf-8")


def test_several_values_at_once(sample: Path) -> None:
    before = sample.read_text(encoding="utf-8")
    values: dict[KeyPath, str] = {
        ("images", "user"): "1000",
        ("source", "sha256"): f'"{HASH}"',
        ("rpm", "release"): "12",
    }
    editing.write_values(sample, values)
    lines = sample.read_text(encoding="utf-8").splitlines()
    changed = [new for old, new in zip(before.splitlines(), lines, strict=True) if old != new]
    assert changed == [f'  sha256: "{HASH}" # written by a tool', "  release: 12", "  user: 1000"]


@pytest.mark.parametrize("comment", ["", "  # the base"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_missing_key_gets_a_line(sample: Path, right: str, comment: str, newline: str) -> None:
    (base,) = (line for line in right.splitlines() if "ubi-minimal" in line)
    pinned = [line for line in right.splitlines() if not line.startswith("    digest:")]
    text = newline.join([*pinned, ""]).replace(base, base + comment)
    sample.write_bytes(text.encode())
    editing.write_values(sample, {UBI: DIGEST})
    assert sample.read_bytes() == text.replace(base + comment, f"{base}{comment}{newline}    digest: {DIGEST}").encode()
    assert reader.load(sample).images.ubi.digest == DIGEST


@pytest.mark.parametrize("form", ["{{base: {}}}", "{{\n      base: {}\n    }}"], ids=["one line", "several lines"])
def test_a_missing_key_in_braces(sample: Path, right: str, form: str) -> None:
    start, end = right.index("  ubi:"), right.index("  alpine:")
    base = "registry.example.org/ubi10/ubi-minimal:10.2"
    sample.write_text(f"{right[:start]}  ubi: {form.format(base)}\n{right[end:]}", encoding="utf-8")
    assert f"base: {base}, digest: {DIGEST}" in write_digest(sample)


def test_a_missing_key_at_the_end_of_the_file(sample: Path, right: str) -> None:
    text = right[: right.index("\nmay_not_run:")]  # a mapping is the last thing then
    sample.write_text(text, encoding="utf-8")
    assert editing.edited(sample, {("targets", "more"): '"1%"'}) == (text, f'{text}\n  more: "1%"')


def test_a_missing_mapping_is_a_fault(sample: Path) -> None:
    with pytest.raises(ManifestError, match=r"release.yaml: images.fedora: is missing; expected it with digest"):
        editing.write_values(sample, {("images", "fedora", "digest"): DIGEST})


def test_the_difference_has_the_changed_lines_alone(sample: Path) -> None:
    before, after = editing.edited(sample, {("rpm", "release"): "7"})
    lines = editing.difference("release.yaml", before, after).splitlines()
    assert [line for line in lines if line[0] in "+-"] == [
        "--- a/release.yaml",
        "+++ b/release.yaml",
        "-  release: 1",
        "+  release: 7",
    ]
    assert editing.difference("release.yaml", before, before) == ""
