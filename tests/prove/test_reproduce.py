"""`nox -s reproduce`, for real: what depends on its surroundings is found; and what cannot be compared is told.

It builds no images here, which take a minute; `tests/proofs` and CI build them too.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import jsonschema
import pytest

from ci.pipeline.jobs import Options
from tests.keys import signing_keys
from tests.packages.support import build, open_project
from tests.prove.support import committed_checkout, fast
from tests.support import ROOT, copy_checkout, run_ci

__all__ = ["fast"]

FORMULA = "formulae/faas-runtime.rb"
_COPY = "    shutil.copyfile(formula, work.out / name)\n"
_HOST_NAME = (
    '    with (work.out / name).open("a") as file:\n        file.write("# " + __import__("socket").gethostname())\n'
)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory, fast: dict[str, str]) -> Path:
    """A checkout that has built everything and signed its RPMs, with a host name in the formula."""
    edits = {"ci/builders/brew.py": [(_COPY, _COPY + _HOST_NAME)]}
    made = committed_checkout(tmp_path_factory.mktemp("reproduce") / "checkout", edits)
    built = run_ci(made, "build", env=fast)
    assert built.returncode == 0, built.stderr
    with signing_keys(tmp_path_factory.mktemp("keys") / "k") as keys:
        signed = dataclasses.replace(open_project(made, made / "dist"), options=Options(signing=keys.signing))
        build(signed, "rpm")
    packages = shutil.copytree(made / "dist" / "rpm", made.with_name("signed"))
    described = run_ci(made, "build", "--signatures", str(packages), env=fast)
    assert described.returncode == 0, described.stderr
    return made


@pytest.mark.long
@pytest.mark.mutant
def test_what_depends_on_its_surroundings_is_named(checkout: Path, fast: dict[str, str]) -> None:
    done = run_ci(checkout, "reproduce", env=fast)
    assert done.returncode == 14, done.stderr
    assert f"{FORMULA}: it differs, plain and varied: byte" in done.stderr
    assert "shows the host name" in done.stderr
    verdict = json.loads((checkout / "dist" / "reproducibility.json").read_bytes())
    jsonschema.validate(verdict, json.loads((ROOT / "ci" / "pipeline" / "reproducibility.schema.json").read_bytes()))
    proofs = json.loads((checkout / "dist" / "artifacts.json").read_bytes())["proofs"]
    assert [(one["file"], one["verdict"]) for one in proofs] == [("reproducibility.json", "different")]
    verdicts = {entry["path"]: entry["verdict"] for entry in verdict["artifacts"]}
    different = [path for path, found in verdicts.items() if found == "different"]
    assert different == [FORMULA, *(f"sbom/faas-runtime.rb.{form}.json" for form in ("spdx", "cdx"))]
    assert verdicts["baked"] == "same"
    assert verdicts["sdist/faas_runtime-0.1.0.tar.gz"] == "same"
    assert verdicts["crates/faas-function-0.1.0.crate"] == verdicts["local-registry"] == "same"
    assert verdicts["unsigned/rpm/faas-runtime-0.1.0-1.noarch.rpm"] == "same"
    assert verdicts["rpm/faas-runtime-0.1.0-1.noarch.rpm"] == "same"  # the clones have no key
    assert verdicts["images/faas-runtime-0.1.0-micro-amd64.oci.tar"] == "not compared"
    names = {entry["name"] for entry in (*verdict["varied"], *verdict["not_varied"])}
    assert {"path", "clock", "time zone", "locale", "umask", "user", "host name", "directory order", "kernel"} <= names
    assert {"path", "umask", "time zone", "environment"} <= {entry["name"] for entry in verdict["varied"]}
    assert not (checkout / "dist" / ".state" / "work" / "reproduce").exists()


def test_a_checkout_with_changes_cannot_be_compared(checkout: Path, fast: dict[str, str]) -> None:
    (checkout / "new").write_text("not committed")
    done = run_ci(checkout, "reproduce", env=fast)
    (checkout / "new").unlink()
    assert done.returncode == 2
    assert "changes that are not committed" in done.stderr


def test_without_a_snapshot_there_is_nothing_to_compare(tmp_path: Path) -> None:
    done = run_ci(committed_checkout(tmp_path / "checkout"), "reproduce")
    assert done.returncode == 18
    assert "nox -s snapshot" in done.stderr


def test_without_git_nothing_can_be_built_again(tmp_path: Path) -> None:
    done = run_ci(copy_checkout(tmp_path / "checkout"), "reproduce")
    assert done.returncode == 2
    assert "not a git checkout" in done.stderr
