"""The parts that the image `micro` is measured by."""

from __future__ import annotations

import pytest

from ci.bench.image import parts_of
from ci.core import tars


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("usr/bin/python3.13", "Debian's interpreter"),
        ("usr/bin/python3", "everything else"),
        ("usr/lib/x86_64-linux-gnu/libz.so.1.3.1", "shared libraries"),
        ("usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1", "shared libraries"),
        ("usr/lib/python3.13/lib-dynload/_ctypes.cpython-313-x86_64-linux-gnu.so", "extension modules"),
        ("usr/lib/python3.13/asyncio/events.pyc", "byte code of the standard library"),
        ("usr/lib/faas-runtime/faas_runtime/__pycache__/abi.cpython-313.pyc", "byte code of the runtime"),
        ("usr/lib/faas-runtime/faas_runtime/abi.py", "the runtime"),
        ("usr/share/zoneinfo/Europe/Berlin", "time zones"),
        ("etc/ssl/certs/ca-certificates.crt", "certificates of the authorities"),
        ("usr/share/common-licenses/GPL-3", "licences"),
        ("licenses/faas-runtime/LICENSE", "licences"),
        ("var/lib/dpkg/status.d/libc6", "lists of the packages"),
        ("etc/passwd", "everything else"),
    ],
)
def test_each_file_is_in_its_part(path: str, part: str) -> None:
    parts = parts_of({path: tars.file(b"")})
    assert [name for name, entries in parts.items() if entries] == [part]
