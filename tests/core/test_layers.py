"""The layers of `ci` and of the runtime: the contracts are kept, and each of them notices an import that breaks it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

from tests.support import ROOT

LAYERS = "ci: one package per stage, imports go downwards"
RENDERING = "ci: the rendering knows no jobs"
BUILDERS = "ci: no builder imports another"
VERIFICATIONS = "ci: no verification of a kind imports another's"
APART = "ci and the runtime never import each other"
KINDS = "ci: the kinds of artefact import nothing of ours"
CIRCLES = "ci: no circles, neither between packages nor within one"
RUNTIME_LAYERS = "runtime: imports go downwards"
SANDBOX = "runtime: only the emulator imports the sandbox"
HTTP_SERVER = "runtime: only the emulator and the sandbox import the HTTP server"
EVENT_LOOP = "runtime: only the emulator, the sandbox and the HTTP server import the event loop"
RUNTIME_CIRCLES = "runtime: no circles, neither between packages nor within one"

LINT_IMPORTS = "from importlinter.cli import lint_imports_command; lint_imports_command()"
LAZY = "def lazily() -> None:\n    "
TYPING = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    "

# What is written at the end of which file, the contract that notices it, and what its report says.
FAULTS = {
    "a lower package imports a higher one": (
        "ci/core/files.py", "import ci.manifest.text", LAYERS, "ci.core.files -> ci.manifest.text",
    ),
    "within a function": (
        "ci/pipeline/jobs.py", f"{LAZY}from ci.builders import rpm", LAYERS, "ci.pipeline.jobs -> ci.builders.rpm",
    ),
    "for a type alone": (
        "ci/builders/brew.py", f"{TYPING}from ci.verify.check import Check", LAYERS,
        "ci.builders.brew -> ci.verify.check",
    ),
    "a verification imports the proofs": (
        "ci/verify/served.py", f"{LAZY}from ci.prove import html", LAYERS, "ci.verify.served -> ci.prove.html",
    ),
    "the measurements are imported": (
        "ci/commands/building.py", "from ci.bench import machine", LAYERS, "ci.commands.building -> ci.bench.machine",
    ),
    "the rendering imports the images": (
        "ci/bake/render.py", "from ci.images import oci", LAYERS, "ci.bake.render -> ci.images.oci",
    ),
    "the rendering imports jobs": (
        "ci/bake/render.py", "from ci.pipeline.jobs import Job", RENDERING, "ci.bake.render -> ci.pipeline.jobs",
    ),
    "a builder imports another": (
        "ci/builders/brew.py", f"{LAZY}from ci.builders import rpm", BUILDERS, "ci.builders.brew -> ci.builders.rpm",
    ),
    "a verification imports another": (
        "ci/verify/rpm.py", "from ci.verify.msys2 import verify as other", VERIFICATIONS,
        "ci.verify.rpm -> ci.verify.msys2",
    ),
    "the tooling imports the runtime": (
        "ci/verify/payload.py", "from faas_runtime import errors", APART, "ci.verify.payload -> faas_runtime.errors",
    ),
    "the runtime imports the tooling": (
        "runtime/faas_runtime/errors.py", f"{LAZY}import ci.core.errors", APART,
        "faas_runtime.errors -> ci.core.errors",
    ),
    "a circle within a package": (
        "ci/core/masking.py", f"{LAZY}from ci.core import errors", CIRCLES, "No cycles are allowed in ci.core.",
    ),
    "the kinds import something": (
        "ci/kinds.py", f"{LAZY}from ci.core import errors", KINDS, "ci.kinds -> ci.core.errors",
    ),
    "the runtime's core imports a command": (
        "runtime/faas_runtime/log.py", f"{LAZY}from .commands import check", RUNTIME_LAYERS,
        "faas_runtime.log -> faas_runtime.commands.check",
    ),
    "the sandbox knows the runtime": (
        "runtime/faas_runtime/sandbox/pool.py", f"{TYPING}from ..library import Handler", RUNTIME_LAYERS,
        "faas_runtime.sandbox.pool -> faas_runtime.library",
    ),
    "the HTTP server knows Lambda": (
        "runtime/faas_runtime/http_server/messages.py", "from ..emulator import size_limits", RUNTIME_LAYERS,
        "faas_runtime.http_server.messages -> faas_runtime.emulator.size_limits",
    ),
    "the reader of binaries knows the runtime": (
        "runtime/faas_runtime/binary/elf.py", f"{LAZY}from .. import errors", RUNTIME_LAYERS,
        "faas_runtime.binary.elf -> faas_runtime.errors",
    ),
    "the runtime's core imports the sandbox": (
        "runtime/faas_runtime/client.py", f"{LAZY}from .sandbox import pool", SANDBOX,
        "faas_runtime.client -> faas_runtime.sandbox.pool",
    ),
    "the runtime's core imports the HTTP server": (
        "runtime/faas_runtime/client.py", f"{TYPING}from .http_server.messages import HttpResponse", HTTP_SERVER,
        "faas_runtime.client -> faas_runtime.http_server.messages",
    ),
    "the runtime's core imports the event loop": (
        "runtime/faas_runtime/client.py", f"{LAZY}from .event_loop import loop", EVENT_LOOP,
        "faas_runtime.client -> faas_runtime.event_loop.loop",
    ),
    "a circle within the runtime's core": (
        "runtime/faas_runtime/errors.py", f"{LAZY}from .log import Log", RUNTIME_CIRCLES,
        "No cycles are allowed in faas_runtime.",
    ),
    "a circle between packages": (
        "ci/core/files.py", "import ci.manifest.text", CIRCLES, "No cycles are allowed in ci.",
    ),
}  # fmt: skip


def copy_sources(target: Path) -> Path:
    """Copy what the contracts are about."""
    ignored = shutil.ignore_patterns("__pycache__", "recipes", "samples", "native", "requirements")
    shutil.copytree(ROOT / "ci", target / "ci", ignore=ignored)
    shutil.copytree(ROOT / "runtime" / "faas_runtime", target / "runtime" / "faas_runtime", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", target)
    return target


def check_contracts(checkout: Path) -> tuple[int, str]:
    """What `nox -s lint` does about imports: the exit code, and all that was printed."""
    done = subprocess.run(
        [sys.executable, "-c", LINT_IMPORTS, "--no-cache", "--no-logo"],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": "runtime", "NO_COLOR": "1", "COLUMNS": "500"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report on a tree with all of `FAULTS`."""
    checkout = copy_sources(tmp_path_factory.mktemp("faults"))
    for path, code, _, _ in FAULTS.values():
        with (checkout / path).open("a") as file:
            file.write(f"\n\n{code}\n")
    exit_code, printed = check_contracts(checkout)
    assert exit_code == 1, printed
    return printed


def about(report: str, contract: str) -> str:
    """What a report says about a broken contract: the part below its underlined name."""
    found = re.search(rf"^{re.escape(contract)}\n-+\n(.*?)(?=^[^\n]+\n-{{5,}}$|\Z)", report, re.MULTILINE | re.DOTALL)
    assert found, report
    return found[1]


def test_the_contracts_are_kept() -> None:
    code, report = check_contracts(ROOT)
    assert code == 0, report


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_contract_notices_an_import_that_breaks_it(report: str, fault: str) -> None:
    _, _, contract, said = FAULTS[fault]
    assert said in about(report, contract)


def test_a_package_without_a_layer_is_noticed(tmp_path: Path) -> None:
    (copy_sources(tmp_path) / "ci" / "unknown.py").write_text("import ci.core.errors\n")
    code, report = check_contracts(tmp_path)
    assert code == 1
    assert "unknown" in report
    assert "exhaustive" in report


@pytest.mark.parametrize("package", ["ci", "faas_runtime"])
def test_there_is_no_circle(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    """The contract looks at siblings only; a package and a module in it could still import each other."""
    monkeypatch.syspath_prepend(str(ROOT / "runtime"))
    graph = grimp.build_graph(package, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert circles(imports) == []


def circles(imports: dict[str, set[str]]) -> list[str]:
    """Remove what imports nothing that is left, until nothing can be removed: what remains is in a circle, or above."""
    left = dict(imports)
    while free := [module for module, imported in left.items() if not imported & left.keys()]:
        for module in free:
            del left[module]
    return sorted(left)


def test_a_circle_is_seen() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == ["a", "b", "c"]
    assert circles({"a": {"b"}, "b": {"d"}, "d": set()}) == []
