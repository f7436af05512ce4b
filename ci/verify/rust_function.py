"""A function in Rust that takes the crate from a registry, as its author would, and is built by cargo."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ci.core.run import Runner
from ci.verify.check import BuiltFunction

_SOURCE = Path(__file__).with_suffix(".rs")
_NAME = "simple_handler"
_MANIFEST = """[package]
name = "{name}"
version = "0.1.0"
edition = "2021"
publish = false

[lib]
crate-type = ["cdylib"]

[dependencies]
{crate} = {{ {stated} }}
serde_json = "1"
"""


@dataclass(frozen=True, kw_only=True)
class FunctionProject:
    """A project in a new folder. `crate` is the name of the crate, `stated` what the manifest says of it.

    `options` are those of cargo, `home` is its own folder, in which it finds nothing of this user's.
    """

    folder: Path
    home: Path
    run: Runner
    options: Sequence[str] = ()
    environment: Mapping[str, str] | None = None

    def write(self, crate: str, stated: str) -> None:
        """Write the project's files."""
        (self.folder / "src").mkdir(parents=True)
        self.home.mkdir(exist_ok=True)
        text = _MANIFEST.format(name=_NAME, crate=crate, stated=stated)
        (self.folder / "Cargo.toml").write_text(text, encoding="utf-8")
        shutil.copyfile(_SOURCE, self.folder / "src" / "lib.rs")

    def cargo(self, *words: str) -> str:
        """Run cargo in the project; returns what it printed."""
        environment = {"CARGO_HOME": str(self.home), **(self.environment or {})}
        return self.run.output("cargo", *words, *self.options, cwd=self.folder, env=environment)

    def build(self) -> BuiltFunction:
        """The function, built. It is none of the recipes' examples, so it has a language of its own."""
        target = self.folder / "target"
        self.cargo("build", "--target-dir", str(target))
        return BuiltFunction(language="crate", library=target / "debug" / f"lib{_NAME}.so")
