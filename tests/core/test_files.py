"""Folders that are made, and what is in the way of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ci.core.errors import HostError, host_error
from ci.core.files import fresh_folder, make_folder, write_atomically


def a_file(path: Path) -> None:
    path.write_text("mine\n")


def a_link_to_nothing(path: Path) -> None:
    path.symlink_to("nothing")


IN_THE_WAY = [a_file, a_link_to_nothing]


@pytest.mark.parametrize("plant", IN_THE_WAY)
@pytest.mark.parametrize("below", ["", "one/two"])
def test_what_is_in_the_way_of_a_folder_is_named(tmp_path: Path, plant: Callable[[Path], None], below: str) -> None:
    plant(tmp_path / "dist")
    with pytest.raises(NotADirectoryError) as caught:
        make_folder(tmp_path / "dist" / below)
    error = host_error(caught.value)
    assert str(error) == f"{tmp_path / 'dist'}: this must be a folder, and something else is there"
    assert error.hint == "remove it or move it away, and run the same command again"


def test_a_file_is_not_written_below_another_file(tmp_path: Path) -> None:
    a_file(tmp_path / "dist")
    with pytest.raises(NotADirectoryError, match="must be a folder"):
        write_atomically(tmp_path / "dist" / "file", b"new\n")
    assert (tmp_path / "dist").read_text() == "mine\n"


@pytest.mark.parametrize("plant", [*IN_THE_WAY, Path.mkdir, lambda path: path.symlink_to(path.parent)])
def test_a_fresh_folder_replaces_whatever_was_there(tmp_path: Path, plant: Callable[[Path], None]) -> None:
    (tmp_path / "other").write_text("kept\n")
    plant(tmp_path / "work")
    assert fresh_folder(tmp_path / "work").is_dir()
    assert not (tmp_path / "work").is_symlink()
    assert (tmp_path / "other").read_text() == "kept\n"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (PermissionError(13, "Permission denied", "/srv/dist"), "rpm: /srv/dist: Permission denied"),
        (PermissionError(13, "Permission denied", b"/srv/dist"), "rpm: /srv/dist: Permission denied"),
        (OSError(28, "No space left on device"), "rpm: No space left on device"),
        (OSError("the server has closed the connection"), "rpm: the server has closed the connection"),
    ],
)
def test_an_error_of_the_system_has_no_number(error: OSError, expected: str) -> None:
    found = host_error(error, "rpm")
    assert isinstance(found, HostError)
    assert str(found) == expected
