"""What docs/from-lambda-runtime.md shows of an axum application, and does not let the reader build, is compiled."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cache import CACHE, lock
from tests.docs.pages import DOCS, blocks
from tests.glue.support import call
from tests.support import ROOT, program

PAGE = "from-lambda-runtime.md"
BEFORE = """\
use axum::routing::get;
use axum::Router;
use lambda_http::{run, Error};

"""
AFTER = BEFORE.replace("use lambda_http::{run, Error};\n", "")
MANIFEST = f"""\
[package]
name = "fragments"
version = "0.1.0"
edition = "2021"

[dependencies]
axum = {{ version = "0.8", default-features = false }}
faas-function = {{ path = "{ROOT / "runtime" / "crate"}", features = ["http"] }}
lambda_http = {{ version = "1", default-features = false, features = ["alb", "apigw_http", "apigw_rest", "tracing"] }}
tokio = {{ version = "1", features = ["macros"] }}

[[example]]
name = "before"

[[example]]
name = "after"
crate-type = ["cdylib"]

[[example]]
name = "streamed"
crate-type = ["cdylib"]
"""


@pytest.mark.long
def test_the_axum_application_compiles_before_and_after_the_move(tmp_path: Path) -> None:
    before, after, streamed = (block.text for block in blocks(PAGE) if block.note == "shown")
    app, _, main = before.partition("\n\n")
    assert main.startswith("#[tokio::main]")
    for folder in ("src", "examples"):
        (tmp_path / folder).mkdir()
    (tmp_path / "src" / "lib.rs").touch()
    (tmp_path / "Cargo.toml").write_text(MANIFEST)
    (tmp_path / "examples" / "before.rs").write_text(BEFORE + before)
    (tmp_path / "examples" / "after.rs").write_text(f"{AFTER}{app}\n{after}")
    (tmp_path / "examples" / "streamed.rs").write_text(f"{AFTER}{app}\n{streamed}")
    shutil.copy(DOCS / "examples" / "rust" / "Cargo.lock", tmp_path)  # the same versions, where it has them
    with lock("fragments"):
        env = {"CARGO_TARGET_DIR": str(CACHE / "fragments")}
        call(program("cargo"), "check", "--quiet", "--examples", cwd=tmp_path, env=env)
