"""docs/from-lambda-runtime.md can be followed, with the crate of this checkout in the place of the published one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cache import CACHE
from tests.docs.conftest import need, variables
from tests.docs.follow import Reader
from tests.docs.pages import blocks
from tests.docs.test_tutorial import PORT, free_port
from tests.support import ROOT

PAGE = "from-lambda-runtime.md"


def test_all_blocks_are_run() -> None:
    assert [block.about for block in blocks(PAGE) if block.note == "not run"] == []


@pytest.mark.long
def test_the_page_can_be_followed(tmp_path: Path, programs: Path) -> None:
    need("bash", "cargo", "curl")
    folder = tmp_path / "work"
    (folder / ".cargo").mkdir(parents=True)
    crate = ROOT / "runtime" / "crate"
    (folder / ".cargo" / "config.toml").write_text(f'[patch.crates-io]\nfaas-function.path = "{crate}"\n')
    port = free_port()
    environment = variables(tmp_path / "home", programs) | {
        "CARGO_BUILD_BUILD_DIR": str(CACHE / "from-lambda-runtime"),
        "FAAS_RUNTIME_LISTEN": f"127.0.0.1:{port}",
    }
    with Reader(folder, environment, instead=(f":{PORT}", f":{port}")) as person:
        person.follow(blocks(PAGE))
