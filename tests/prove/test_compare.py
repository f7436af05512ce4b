"""What `compare` says of two releases: each test plants one change, which must be found and nothing else."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ci.core import tars
from ci.core.errors import UnavailableError, UsageError, VerificationError
from ci.core.run import Runner
from ci.core.tars import FileTree
from ci.manifest.release import Budgets
from ci.pipeline import finished
from ci.prove import compare, header, previous
from ci.prove.compare import Comparison, Difference
from tests.fixtures import run
from tests.prove.dists import HEADER, image_settings, image_tree, listed, write_image, write_sdist

__all__ = ["run"]

IMAGE = "images/faas-runtime-0.1.0-micro-amd64.oci.tar"
BUDGETS = Budgets(image=5, package=10)
Settings = dict[str, Any]


def images(tmp_path: Path, run: Runner, plant: Callable[[FileTree, Settings], object]) -> Comparison:
    """Compare an image with a copy in which something was planted."""
    dists = []
    for name in ("before", "after"):
        tree, settings = image_tree(), image_settings()
        if name == "after":
            plant(tree, settings)
        write_image(tmp_path / name / IMAGE, tree, settings)
        dists.append(listed(tmp_path / name, {IMAGE: "image"}))
    (found,) = compare.compare(dists[0], dists[1], BUDGETS, tmp_path / "work", run)
    return found


def entry(path: str, **fields: object) -> Callable[[FileTree, Settings], None]:
    """Change an entry of the image."""
    return lambda tree, _: tree.update({path: dataclasses.replace(tree[path], **fields)})  # type: ignore[arg-type]


def data(path: str, old: bytes, new: bytes) -> Callable[[FileTree, Settings], None]:
    """Replace something in a file of the image."""

    def change(tree: FileTree, _: Settings) -> None:
        assert old in tree[path].data
        tree[path] = dataclasses.replace(tree[path], data=tree[path].data.replace(old, new, 1))

    return change


def setting(name: str, value: object) -> Callable[[FileTree, Settings], None]:
    return lambda _, settings: settings.update({name: value})


def label(name: str, value: str) -> Callable[[FileTree, Settings], None]:
    return lambda _, settings: settings["Labels"].update({name: value})


DPKG, APK = "var/lib/dpkg/status.d/libc6", "usr/lib/apk/db/installed"
COPYRIGHT = "usr/share/doc/libc6/copyright"
# What is planted, and what must be found of it: the aspect, the name, and the values before and after.
PLANTED = {
    "a package added to the base": (
        lambda tree, _: tree.update({f"{DPKG}-x": tars.file(b"Package: curl\nVersion: 8.1\n")}),
        ("packages", "curl", None, "8.1"),
    ),
    "a package removed from the base": (data(APK, b"P:tzdata\nV:2026a\n", b""), ("packages", "tzdata", "2026a", None)),
    "another version of Debian's package": (
        data(DPKG, b"41-12", b"41-13"), ("packages", "libc6", "2.41-12", "2.41-13"),
    ),
    "another version of Alpine's package": (
        data(APK, b"2.5-r9", b"2.5-r10"), ("packages", "musl", "1.2.5-r9", "1.2.5-r10"),
    ),
    "a package's licence": (data(APK, b"MIT", b"GPL-3.0-only"), ("licences", "musl", "MIT", "GPL-3.0-only")),
    "the licence of Debian's package": (
        data(COPYRIGHT, b"LGPL-2.1+", b"GPL-3+"),
        ("licences", "libc6", "LGPL-2.1-or-later AND MIT", "GPL-3.0-or-later AND MIT"),
    ),
    "a licence more of Debian's package": (
        data(COPYRIGHT, b"License: Expat\n", b"License: Expat\n\nFiles: x\nLicense: Zlib\n"),
        ("licences", "libc6", "LGPL-2.1-or-later AND MIT", "LGPL-2.1-or-later AND MIT AND Zlib"),
    ),
    "the image's licence": (
        label("org.opencontainers.image.licenses", "MIT"), ("licences", "image", "Apache-2.0", "MIT"),
    ),
    "a label": (label("version", "0.1.1"), ("settings", "label version", "0.1.0", "0.1.1")),
    "a label more": (label("release", "1"), ("settings", "label release", None, "1")),
    "the user": (setting("User", "0:0"), ("settings", "User", "65532:65532", "0:0")),
    "the environment": (setting("Env", ["A=2"]), ("settings", "Env", "['A=1']", "['A=2']")),
    "the entry point": (setting("Entrypoint", ["/x"]), ("settings", "Entrypoint", "['/usr/bin/program']", "['/x']")),
    "a mode": (entry("usr/bin/program", mode=0o775), ("modes", "usr/bin/program", "0755 0:0", "0775 0:0")),
    "a setuid bit": (entry("usr/bin/program", mode=0o4755), ("modes", "usr/bin/program", "0755 0:0", "4755 0:0")),
    "the mode of a folder": (entry("var", mode=0o777), ("modes", "var", "0755 0:0", "0777 0:0")),
    "an owner": (entry("usr/bin/program", uid=1000), ("modes", "usr/bin/program", "0755 0:0", "0755 1000:0")),
    "where a link leads": (entry("usr/bin/link", target="other"), ("files", "usr/bin/link", "-> program", "-> other")),
    "a byte of a file": (data("usr/bin/program", b"sh", b"ash"), ("files", "usr/bin/program", ..., ...)),
    "a file more": (lambda tree, _: tree.update({"etc/x": tars.file(b"")}), ("files", "etc/x", None, ...)),
    "a file less": (lambda tree, _: tree.pop("usr/bin/link"), ("files", "usr/bin/link", "-> program", None)),
    "a field more": (
        data("usr/include/faas.h", b"} faas_request;", b"int32_t more;\n} faas_request;"),
        ("symbols", "faas_request.more", None, "field 18: int32_t more"),
    ),
    "a function less": (
        data("usr/include/faas.h", b"FAAS_EXPORT void faas_shutdown(void);", b""),
        ("symbols", "faas_shutdown", "FAAS_EXPORT void faas_shutdown(void)", None),
    ),
    "the version of the ABI": (
        data("usr/include/faas.h", b"ABI_VERSION 1", b"ABI_VERSION 2"),
        ("symbols", "#define FAAS_ABI_VERSION", "1", "2"),
    ),
    "the type of a field": (
        data("usr/include/faas.h", b"int64_t deadline_ms", b"uint64_t deadline_ms"),
        ("symbols", "faas_request.deadline_ms", "field 6: int64_t deadline_ms", "field 6: uint64_t deadline_ms"),
    ),
}  # fmt: skip


@pytest.mark.mutant
@pytest.mark.parametrize("name", PLANTED)
def test_one_change_is_found_and_nothing_else(name: str, tmp_path: Path, run: Runner) -> None:
    plant, (aspect, key, before, after) = PLANTED[name]
    found = dict(images(tmp_path, run, plant).differences)
    difference = found.pop(aspect)
    if aspect in ("packages", "licences", "symbols") and not name.startswith("the image"):
        del found["files"]  # the list of packages, or the header, is a file too
    if name == "a package removed from the base":
        assert found.pop("licences").removed == {"tzdata": "Public-Domain"}
    if name == "the image's licence":
        del found["settings"]  # and a label
    assert found == {}
    assert difference.count == 1
    if before is None:
        assert list(difference.added) == [key]
        assert after in (..., difference.added[key])
    elif after is None:
        assert difference.removed == {key: before}
    else:
        assert list(difference.changed) == [key]
        assert before is ... or difference.changed[key] == (before, after)


def test_the_same_release_has_no_changes(tmp_path: Path, run: Runner) -> None:
    found = images(tmp_path, run, lambda *_: None)
    assert (found.differences, found.growth, found.is_within_budget) == ({}, 0.0, True)


def test_a_field_in_the_middle_moves_those_after_it() -> None:
    text = HEADER.decode().replace("uint32_t memory_limit_mb;", "uint32_t other; uint32_t memory_limit_mb;")
    found = compare.difference(header.declarations(HEADER.decode()), header.declarations(text))
    assert list(found.added) == ["faas_request.other"]
    assert len(found.changed) == 17
    assert found.changed["faas_request.stream"] == ("field 17: void *stream", "field 18: void *stream")


def test_the_version_in_a_path_is_no_change(tmp_path: Path, run: Runner) -> None:
    """The licence and what is needed are read out of the metadata."""
    metadata = "Requires-Python: >=3.9\nLicense-Expression: Apache-2.0"
    dists = []
    for version, fields in (("0.1.0", metadata), ("0.2.0", metadata.replace("Apache-2.0", "MIT").replace("9", "10"))):
        path = f"sdist/faas_runtime-{version}.tar.gz"
        write_sdist(tmp_path / version / path, version, fields, {"include/faas.h": HEADER})
        dists.append(listed(tmp_path / version, {path: "sdist"}, version))
    (found,) = compare.compare(dists[0], dists[1], BUDGETS, tmp_path / "work", run)
    assert set(found.differences) == {"licences", "dependencies", "files"}
    assert list(found.differences["files"].changed) == ["faas_runtime-VERSION/PKG-INFO"]
    assert found.differences["licences"] == Difference(added={}, removed={}, changed={"package": ("Apache-2.0", "MIT")})
    assert (found.differences["dependencies"].added, found.differences["dependencies"].removed) == (
        {"Python >=3.10": ""}, {"Python >=3.9": ""},
    )  # fmt: skip


@pytest.mark.mutant
@pytest.mark.parametrize(("size", "fits"), [(90, True), (100, True), (105, True), (106, False)])
def test_growth_has_a_budget(size: int, fits: bool) -> None:
    listings = [
        compare.ListedArtifact(subject="image micro-amd64", kind="image", path=IMAGE, size=one, sha256="")
        for one in (100, size)
    ]
    one = Comparison(subject="image micro-amd64", before=listings[0], after=listings[1], budget=5, differences={})
    if fits:
        compare.require_budgets([one])
        return
    with pytest.raises(VerificationError) as raised:
        compare.require_budgets([one])
    assert str(raised.value) == (
        f"{IMAGE}: 106 B (106 bytes), 6.0% more than 100 B (100 bytes) before; budgets.image is 5%"
    )
    assert "raise the budget in release.yaml" in raised.value.hint


def test_each_kind_has_its_budget(tmp_path: Path, run: Runner) -> None:
    path = "sdist/faas_runtime-0.1.0.tar.gz"
    write_sdist(tmp_path / path, "0.1.0", "", {})
    write_image(tmp_path / IMAGE, image_tree(), image_settings())
    dist = listed(tmp_path, {path: "sdist", IMAGE: "image"})
    found = compare.compare(dist, dist, BUDGETS, tmp_path / "work", run)
    assert {one.subject: one.budget for one in found} == {"sdist": 10, "image micro-amd64": 5}
    compare.write(tmp_path / "comparison.json", dist, dist, found)
    document = json.loads((tmp_path / "comparison.json").read_bytes())
    assert [one["artifact"] for one in document["artifacts"]] == ["sdist", "image micro-amd64"]
    assert (document["only_before"], document["only_after"]) == ([], [])


def test_the_layer_of_each_architecture_is_compared(tmp_path: Path) -> None:
    paths = [f"layers/faas-runtime-0.1.0-lambda-layer-{name}.zip" for name in ("x86_64", "arm64")]
    for path in paths:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(path.encode())
    found = compare.listed(listed(tmp_path, dict.fromkeys(paths, "lambda-layer")))
    assert {name: one.path for name, one in found.items()} == {
        "lambda-layer x86_64": paths[0],
        "lambda-layer arm64": paths[1],
    }


def test_two_artefacts_that_cannot_be_told_apart_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.rb").touch()
    (tmp_path / "b.rb").touch()
    with pytest.raises(VerificationError, match="lists formula twice"):
        compare.listed(listed(tmp_path, {"a.rb": "formula", "b.rb": "formula"}))


def test_releases_without_anything_in_common_are_no_proof_of_a_budget() -> None:
    with pytest.raises(UnavailableError, match="no artefact in common"):
        compare.require_budgets([])


def test_sboms_are_left_out(tmp_path: Path) -> None:
    write_image(tmp_path / IMAGE, image_tree(), image_settings())
    names = [f"sbom/{IMAGE.rpartition('/')[2]}.{form}.json" for form in ("spdx", "cdx")]
    (tmp_path / "sbom").mkdir()
    for name in names:
        (tmp_path / name).write_text("{}")
    assert set(compare.listed(listed(tmp_path, {IMAGE: "image", **dict.fromkeys(names, "sbom")}))) == {
        "image micro-amd64"
    }


@pytest.mark.mutant
def test_a_file_that_was_changed_since_is_refused(tmp_path: Path) -> None:
    write_image(tmp_path / IMAGE, image_tree(), image_settings())
    dist = listed(tmp_path, {IMAGE: "image"})
    with (tmp_path / IMAGE).open("ab") as file:
        file.write(b"\0")
    with pytest.raises(VerificationError, match="is not the file that"):
        compare.listed(dist)


def test_what_cannot_be_read_is_told(tmp_path: Path, run: Runner) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / IMAGE).write_bytes(b"no archive")
    dist = listed(tmp_path, {IMAGE: "image"})
    with pytest.raises(VerificationError, match=r"micro-amd64\.oci\.tar: its contents cannot be read"):
        compare.compare(dist, dist, BUDGETS, tmp_path / "work", run)


def test_a_folder_without_a_list_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="no list of artefacts"):
        finished.read(tmp_path, "dist/", hint="")
    (tmp_path / "artifacts.json").write_text('{"format": 2}')
    with pytest.raises(UnavailableError, match="no list of artefacts"):
        finished.read(tmp_path, "dist/", hint="")


@pytest.mark.parametrize("text", ["no-such-revision", "--upload-pack=x", "", "HEAD^{tree}"])
def test_what_is_neither_folder_nor_revision_is_told(text: str, tmp_path: Path, run: Runner) -> None:
    with pytest.raises(UsageError, match="neither a folder with artefacts nor a revision"):
        previous.of(text, Path(__file__).parents[2], tmp_path, run, print)
