"""Writing the tarball's hash back: that scalar, no other byte, and all or nothing."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from ci import manifest
from ci.errors import ManifestError

HASH = "12" * 32


def test_only_the_scalar_changes(sample: Path) -> None:
    before = sample.read_bytes()
    manifest.write_source_sha256(sample, HASH)
    old = manifest.load(sample).source.sha256
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
    manifest.write_source_sha256(sample, HASH)
    assert manifest.load(sample).source.sha256 == HASH
    assert f'\n  sha256: "{HASH}"' in sample.read_text(encoding="utf-8")


def test_line_ends_comments_and_non_ascii_text_stay(sample: Path, right: str) -> None:
    text = right.replace("Sample vendor", "Ünïcode 漢字 🦀").replace("\n", "\r\n")
    sample.write_bytes(text.encode())
    manifest.write_source_sha256(sample, HASH)
    assert sample.read_bytes() == text.replace("0" * 62 + "ff", HASH).encode()


def test_flow_mappings_too(sample: Path, right: str) -> None:
    start, end = right.index("source:"), right.index("rpm:")
    flow = f'source: {{sha256: "{"0" * 64}", url: "https://example.org/sample_tool-1.2.0.tar.gz"}}\n'
    sample.write_text(right[:start] + flow + right[end:], encoding="utf-8")
    manifest.write_source_sha256(sample, HASH)
    assert sample.read_text(encoding="utf-8") == right[:start] + flow.replace("0" * 64, HASH) + right[end:]


def test_the_same_hash_writes_nothing(sample: Path) -> None:
    manifest.write_source_sha256(sample, HASH)
    before = sample.stat()
    manifest.write_source_sha256(sample, HASH)
    assert (sample.stat().st_ino, sample.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_the_mode_and_a_symbolic_link_stay(sample: Path, tmp_path: Path) -> None:
    sample.chmod(0o640)
    link = tmp_path / "sub" / "release.yaml"
    link.parent.mkdir()
    link.symlink_to(sample)
    manifest.write_source_sha256(link, HASH)
    assert link.is_symlink()
    assert sample.stat().st_mode & 0o7777 == 0o640
    assert HASH in sample.read_text(encoding="utf-8")


@pytest.mark.parametrize("sha256", ["", "0" * 63, "A" * 64, "0" * 64 + "\n", '"' + "0" * 64])
def test_what_is_no_hash_is_refused(sample: Path, sha256: str) -> None:
    before = sample.read_bytes()
    with pytest.raises(ValueError, match="not a SHA-256"):
        manifest.write_source_sha256(sample, sha256)
    assert sample.read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("source:", "sauce:", "release.yaml: source.sha256: missing; the tarball's SHA-256"),
        ("vendor: S", "vendor: [S", "release.yaml:11:11: not YAML: "),
        (
            'sha256: "',
            'sha256: &a "',
            "release.yaml:17:11: source.sha256: has an anchor (&a); the value alone",
        ),
    ],
)
def test_a_manifest_that_cannot_be_read_stays(sample: Path, right: str, old: str, new: str, fault: str) -> None:
    sample.write_text(right.replace(old, new), encoding="utf-8")
    with pytest.raises(ManifestError) as raised:
        manifest.write_source_sha256(sample, HASH)
    assert str(raised.value).startswith(fault)
    assert sample.read_text(encoding="utf-8") == right.replace(old, new)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    sample: Path, right: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fchmod", full)
    with pytest.raises(OSError, match="No space left"):
        manifest.write_source_sha256(sample, HASH)
    assert sample.read_text(encoding="utf-8") == right
    assert {path.name for path in sample.parent.iterdir()} == {"release.yaml", "CHANGELOG.md"}
