"""What a figure depends on besides the programs: the processor, the kernel, the interpreter."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

from ci.bench.clients import MeasuredRuntime
from ci.core.run import Runner


def facts(run: Runner, subject: MeasuredRuntime) -> dict[str, str]:
    """The machine in a few words, without anything private."""
    version = run.output(subject.python, "-I", "-S", "-c", "import sys; print(sys.version.split()[0])").strip()
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "kernel": "Linux " + ".".join(platform.release().split(".")[:2]),
        "libc": " ".join(platform.libc_ver()),
        "interpreter": f"CPython {version}",
    }


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return re.sub(r"\s+", " ", found[1]) if found else platform.machine()
