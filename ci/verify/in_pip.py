"""The wheel in a Debian root, installed by pip without a network into an environment of the root's Python."""

from __future__ import annotations

import csv
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ci.verify.in_root import Root

ENVIRONMENT = "/opt/environment"
_PIP = "srv/pip"


@dataclass(frozen=True, kw_only=True)
class Pip:
    """The pip of this Python, run by the Python of a root, which has none."""

    root: Root

    def offer(self, wheel: Path) -> None:
        """Make the environment, and a folder that has the wheel and nothing else."""
        folder = self.root.folder / "srv" / "wheels"
        folder.mkdir()
        shutil.copyfile(wheel, folder / wheel.name)
        found = find_spec("pip")
        assert found is not None
        assert found.origin is not None
        source = Path(found.origin).parent
        shutil.copytree(source, self.root.folder / _PIP / "pip", ignore=shutil.ignore_patterns("__pycache__"))
        self.root(self.root.python, "-m", "venv", "--without-pip", ENVIRONMENT)

    def __call__(self, *words: str) -> None:
        """Run pip. It knows the wheel that is offered, no index, and no settings of a user."""
        self.root("env", f"PYTHONPATH=/{_PIP}", "PYTHONDONTWRITEBYTECODE=1", *self._command(), *words)

    def _command(self) -> tuple[str, ...]:
        quiet = ("--disable-pip-version-check", "--no-cache-dir", "--no-color")
        return (f"{ENVIRONMENT}/bin/python", "-m", "pip", "--isolated", *quiet)

    @property
    def packages(self) -> str:
        """The folder of the environment's packages."""
        (folder,) = self.root.folder.glob(f"{ENVIRONMENT.lstrip('/')}/lib/python*/site-packages")
        return f"/{folder.relative_to(self.root.folder)}"

    def owned(self) -> set[str]:
        """The paths, without the first slash, that the wheel's record lists, and the folders that they are in."""
        top = self.root.folder / self.packages.lstrip("/")
        (record,) = top.glob("*.dist-info/RECORD")
        paths = [(top / row[0]).resolve() for row in csv.reader(record.read_text(encoding="utf-8").splitlines())]
        inside = {path.relative_to(self.root.folder) for path in paths}
        folders = {folder for path in inside for folder in path.parents}
        return {str(path) for path in inside | folders} - {"."}
