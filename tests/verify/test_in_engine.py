"""What the install gate makes of what a container of an image shows; the container itself is in `tests/images`."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from ci.core import tars
from ci.core.errors import VerificationError
from ci.core.tars import FileTree
from ci.images.oci import Image
from ci.pipeline.jobs import Project
from ci.verify import in_engine, look_in_image
from ci.verify.check import BuiltFunction, Check, expected_answer
from tests.packages.support import check_of

pytestmark = pytest.mark.mutant

NAME = "faas-runtime-0.1.0-micro-amd64.oci.tar"
PROGRAM = "usr/lib/faas-runtime/bin/faas-runtime"
NOTHING = "0000000000000000"

Seen = dict[str, list[tuple[Any, ...]]]


def tree() -> FileTree:
    own = {
        PROGRAM: tars.file(b"#!", 0o755),
        "usr/bin/faas-runtime": tars.link("../lib/faas-runtime/bin/faas-runtime"),
        "etc/services": tars.file(b"https"),
        "tmp": tars.folder(0o1777),
    }
    return tars.with_parents(own)


def seen_in(files: FileTree) -> Seen:
    """What a container of a right image shows."""
    kinds = {b"5": 0o040000, b"2": 0o120000}
    entries = [
        (f"/{path}", kinds.get(one.kind, 0o100000) | one.mode, (one.uid, one.gid), one.target, len(one.data), False)
        for path, one in files.items()
        if path != "tmp"
    ]
    answer = expected_answer(BuiltFunction(language="c", library=Path(LIBRARY)), "7") + b"\n"
    return {
        "user": [(65532, 65532, [65532])],
        "capabilities": [(NOTHING, NOTHING)],
        "entry": [*entries, ("/etc/hosts", 0o100644, (0, 0), "", 7, False)],
        "version": [(0, b"faas-runtime 0.1.0\n", b"")],
        "check": [("/var/task/c/libsimple_handler.so", 0, b"fine", b"")],
        "answer": [("/var/task/c/libsimple_handler.so", 0, answer, b"")],
    }


@pytest.fixture
def check(built: Project, tmp_path: Path) -> Check:
    function = BuiltFunction(language="c", library=tmp_path / "libsimple_handler.so")
    return check_of(built, "image", tmp_path / "images" / NAME, tmp_path / "check", function)


def look(check: Check, seen: Seen) -> None:
    image = Image(config={}, layers=(tars.pack(tree(), 0),))
    in_engine.require_user(check, seen)
    in_engine.require_entries(check, seen, image)
    in_engine.require_works(check, seen)


def entry(path: str, position: int, value: object) -> Callable[[Seen], None]:
    """Change one value of what is seen of a file."""

    def change(seen: Seen) -> None:
        (found,) = (one for one in seen["entry"] if one[0] == path)
        values = [*found[:position], value, *found[position + 1 :]]
        seen["entry"][seen["entry"].index(found)] = tuple(values)

    return change


def said(word: str, *values: object) -> Callable[[Seen], None]:
    return lambda seen: seen.update({word: [values]})


def more(*values: object) -> Callable[[Seen], None]:
    return lambda seen: seen["entry"].append(values)


LIBRARY = "/var/task/c/libsimple_handler.so"
FAULTS: dict[str, tuple[Callable[[Seen], object], str]] = {
    "root": (said("user", 0, 0, []), r"user and group in the container: found \(0, 0\)"),
    "a further group": (said("user", 65532, 65532, [10]), r"further groups in the container: found \[10\]"),
    "a capability": (said("capabilities", "0000000000000400", NOTHING), "capabilities in the container: found"),
    "a mode": (entry(f"/{PROGRAM}", 1, 0o104755), "bin/faas-runtime: found 'file 4755 0:0 of 2 bytes', expected"),
    "an owner": (entry("/etc/services", 2, (7, 0)), "/etc/services: found 'file 0644 7:0 of 5 bytes', expected"),
    "a size": (entry("/etc/services", 4, 6), "/etc/services: found 'file 0644 0:0 of 6 bytes', expected"),
    "a target": (entry("/usr/bin/faas-runtime", 3, "../x"), "/usr/bin/faas-runtime: found 'link 0:0 to ../x'"),
    "a file too many": (more("/root.key", 0o100644, (0, 0), "", 1, False), r"not expected \['/root.key'\]"),
    "a file too few": (lambda seen: seen["entry"].pop(0), "files in the container: missing"),
    "a file to write": (entry(f"/{PROGRAM}", 5, True), f"the container's user may write: found .*{PROGRAM}"),
    "another version": (said("version", 0, b"faas-runtime 9\n", b""), "what --version does: found .*9"),
    "no command": (said("version", 127, b"", b"not found"), "what --version does: found .*127"),
    "a check that fails": (said("check", LIBRARY, 1, b"WRONG", b""), "check of the c function ends with 1.*WRONG"),
    "no answer": (said("answer", LIBRARY, 7, b"", b"its process died"), "no answer of the c function.*its process"),
    "a swapped answer": (
        said("answer", LIBRARY, 0, b'{"request_id":"7","event":1}', b""),
        "answer of the c function: found .*event.*1",
    ),
}


def test_what_is_as_the_archive_declares_it_passes(check: Check) -> None:
    look(check, seen_in(tree()))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_container_is_named(check: Check, fault: str) -> None:
    plant, message = FAULTS[fault]
    plant(seen := seen_in(tree()))
    with pytest.raises(VerificationError, match=rf"(?s)^images/{re.escape(NAME)}: .*{message}"):
        look(check, seen)


def test_what_the_user_cannot_list_is_not_missing(check: Check) -> None:
    seen = seen_in(tree())
    seen["closed"] = [("/usr/lib/faas-runtime/bin",)]
    seen["entry"] = [one for one in seen["entry"] if one[0] != f"/{PROGRAM}"]
    look(check, seen)


def test_the_script_prints_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks at a folder here, and at / in a container."""
    (tmp_path / "file").write_text("text")
    (tmp_path / "file").chmod(0o640)
    (tmp_path / "link").symlink_to("file")
    entries = look_in_image._entries
    monkeypatch.setattr(look_in_image, "_entries", lambda folder: entries(str(tmp_path)))
    with redirect_stdout(io.StringIO()) as printed:
        look_in_image.main(sys.executable, "event")
    lines = [ast.literal_eval(line) for line in printed.getvalue().splitlines()]
    words = {word: values for word, *values in lines if word != "entry"}
    assert words["version"][:2] == [0, f"Python {sys.version.split()[0]}\n".encode()]
    found = {Path(path).name: values for word, path, *values in lines if word == "entry"}
    assert found["file"][0] & 0o7777 == 0o640
    assert found["file"][3] == 4
    assert found["link"][2] == "file"


def test_the_script_needs_no_more_than_the_runtime_does() -> None:
    """An image has no other module of the standard library."""
    code = f"import sys; sys.argv = ['x']; exec(open({look_in_image.__file__!r}).read().split('if __name__')[0]); "
    done = subprocess.run(
        [sys.executable, "-IS", "-c", code + "print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    assert not {"json", "subprocess", "pathlib", "hashlib"} & set(done.stdout.split())
