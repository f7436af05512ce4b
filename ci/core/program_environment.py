"""What every outside program gets from its caller: a small, fixed environment, and nothing else of this process.

A caller's locale, time zone or build flags do not get into the bytes of an artefact.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from ci.core.masking import PROCESS, Masks

Argument = str | Path

# Where programs live, where they may write, and how they reach the network; nothing else is handed down.
_PASSED_ON = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "XDG_CACHE_HOME",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "DOCKER_HOST",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "PIP_CERT",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "PIP_INDEX_URL",
    "PIP_PROXY",
    "PIP_TRUSTED_HOST",
    "SYSTEMROOT",
)
_FIXED = {"LC_ALL": "C.UTF-8", "TZ": "UTC"}


def base_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment that every outside program starts from, with `extra` on top."""
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**environment, **_FIXED, **(extra or {})}


def pasteable(
    argv: Sequence[Argument],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    masks: Masks = PROCESS,
) -> str:
    """The command as one line to paste into a POSIX shell: its folder, its arguments and all variables that are set.

    It does the same there, with three exceptions that one line cannot hold: variables of that shell which a `Runner`
    keeps from programs, such as CFLAGS; what the program was given on standard input; and secrets, which are masked.
    """
    words = [f"{name}={shlex.quote(masks.mask(value))}" for name, value in sorted({**_FIXED, **(env or {})}.items())]
    words += [shlex.quote(masks.mask(str(word))) for word in argv]
    return f"cd {shlex.quote(masks.mask(str(cwd or '/')))} && {' '.join(words)}"
