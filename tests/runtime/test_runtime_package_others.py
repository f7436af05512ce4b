"""`faas-runtime package` takes the libraries that a function needs to where the loader will look for them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from ci.core.runtime_api_stub import RuntimeApiStub
from tests.runtime import target_building
from tests.runtime.support import Runtime, compile_c
from tests.runtime.target_building import SHARED, MadeLibrary
from tests.runtime.target_libraries import RPATH
from tests.runtime.test_runtime_package_command import layer, package, unpack
from tests.runtime.test_runtime_package_image import package as package_image
from tests.runtime.test_runtime_package_image import programs, stand_in
from tests.waiting import TIMEOUT_S

__all__ = ["layer", "programs"]

OTHER = "libother.so"
BODY = "extern int other(void); return other() - 1;"


def make(folder: Path, search: str, needed: str = OTHER) -> Path:
    """A library that looks for another one in a folder, and that one beside it."""
    made = MadeLibrary(
        body=BODY,
        options=(*SHARED, "-nostdlib", f"-l:{OTHER}", f"-Wl,-rpath,{search}"),
        change=target_building.another(OTHER),
    )
    target_building.make(folder, {"app": made})
    library = folder / "app" / "libfunction.so"
    content = library.read_bytes().replace(f"{OTHER}\0".encode(), f"{needed}\0".encode().ljust(len(OTHER) + 1, b"\0"))
    library.write_bytes(content)
    return library


def test_library_in_a_folder_below(layer: Path, tmp_path: Path) -> None:
    library = make(tmp_path / "made", "$ORIGIN/below")
    (library.parent / "below").mkdir()
    (library.parent / OTHER).rename(library.parent / "below" / OTHER)
    assert package(tmp_path, library, "--layer", layer)[0] == 0
    task = unpack(tmp_path / "function.zip", tmp_path / "task")
    assert (task / "below" / OTHER).is_file()
    with RuntimeApiStub() as api, Runtime(api.address, "function.handle", task, command=(str(task / "bootstrap"),)):
        assert api.invoke(b"{}", timeout=TIMEOUT_S).body == b""


@pytest.mark.parametrize(("target", "packaged"), [("alpine", True), ("micro,alpine", False), ("micro", False)])
def test_library_that_only_the_loader_of_the_target_finds(tmp_path: Path, target: str, packaged: bool) -> None:
    """musl looks for what a needed library needs in the search path of the first one, too."""
    (tmp_path / "made").mkdir()
    search = f"-L{tmp_path}/made"
    options = ("-shared", "-fPIC", "-nostdlib", "-Wl,--allow-shlib-undefined", search, "-Wl,--no-as-needed")
    for name, body, needed in (
        ("last", "int last(void) { return 1; }\n", ()),
        ("next", "int next(void) { return 1; }\n", ("-l:liblast.so",)),
        (
            "main",
            "int faas_abi_version(void) { return 1; }\nint handle(void) { return 0; }\n",
            ("-l:libnext.so", RPATH),
        ),
    ):
        (tmp_path / "made" / f"{name}.c").write_text(body)
        compile_c(tmp_path / "made" / f"{name}.c", tmp_path / "made" / f"lib{name}.so", *options, *needed)
    exit_code, output, _ = package(
        tmp_path, tmp_path / "made" / "libmain.so", "--to", "layer+zip", "--for", target
    )  # fmt: skip
    assert (exit_code == 0) == packaged, output
    if packaged:
        names = zipfile.ZipFile(tmp_path / "main.zip").namelist()
        assert sorted(names) == ["liblast.so", "libmain.so", "libnext.so"]


def test_library_in_a_folder_below_in_an_image(tmp_path: Path, programs: Path) -> None:
    library = make(tmp_path / "made", "$ORIGIN/below")
    (library.parent / "below").mkdir()
    (library.parent / OTHER).rename(library.parent / "below" / OTHER)
    stand_in(programs, "podman")
    exit_code, output, errors = package_image(tmp_path, programs, library)
    assert exit_code == 0, output + errors
    listed = [line.split() for line in (tmp_path / "LISTING").read_text().splitlines()[1:]]
    assert [(words[0], words[5], words[6]) for words in listed] == [
        ("drwxr-xr-x", "0", "below"), ("-rwxr-xr-x", "0", "libfunction.so"),
    ]  # fmt: skip


@pytest.mark.parametrize("search", ["$ORIGIN/../lib", "$ORIGIN/../app"])
def test_search_path_that_leaves_the_folder(tmp_path: Path, search: str) -> None:
    """Also one that comes back: the task root has another name."""
    library = make(tmp_path / "made", search)
    folder = tmp_path / "made" / search.rpartition("/")[2]
    folder.mkdir(exist_ok=True)
    (library.parent / OTHER).rename(folder / OTHER)
    exit_code, _, errors = package(tmp_path, library, "--to", "layer+zip")
    assert exit_code == 2
    assert f"{folder}/{OTHER} is needed, and its search path leads out of the folder of the library; move it" in errors
    assert not (tmp_path / "function.zip").exists()


@pytest.mark.parametrize("to", ["zip", "layer+zip"])
def test_library_that_would_replace_the_start_script(layer: Path, tmp_path: Path, to: str) -> None:
    """In a zip for use with the layer as well: Lambda starts /var/task/bootstrap before the one in /opt."""
    library = make(tmp_path / "made", "$ORIGIN", "bootstrap")
    (library.parent / OTHER).rename(library.parent / "bootstrap")
    words = ("--layer", layer) if to == "zip" else ()
    exit_code, _, errors = package(tmp_path, library, "--to", to, *words)
    assert exit_code == 2
    assert "the library needs bootstrap, which takes the place of the layer's; give it another name" in errors
    assert not (tmp_path / "function.zip").exists()
