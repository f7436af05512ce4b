"""Mbed TLS for musl, which functions for `alpine` can link: built out of Debian's source package, for want of Alpine's.

Whatever changes in this file has it built anew.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.cache import kept, key_of
from tests.glue.support import call
from tests.matrix import musl_python
from tests.support import program


def folder() -> Path:
    """A folder with libmbedtls.a, the whole library, and its headers in `include/`; built when there is none yet."""
    return kept("musl-mbedtls", key_of(Path(__file__)), _build)


def _build(target: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        musl_python.fetch(work / "root", ("mbedtls",))
        (archive,) = (work / "root" / "src").glob("mbedtls_*.orig.tar.*z*")
        call("tar", "-xf", archive, "-C", work)
        (source,) = work.glob("mbedtls-*")
        included = ("include", "library", "3rdparty/everest/include", "3rdparty/everest/include/everest")
        options = ("-w", "-O1", "-fPIC", *(f"-I{source / name}" for name in (*included, "3rdparty/p256-m")))
        objects = work / "objects"
        objects.mkdir()
        call(program("musl-gcc"), *options, "-c", *sorted((source / "library").glob("*.c")), cwd=objects)
        target.mkdir()
        call("ar", "rcs", target / "libmbedtls.a", *sorted(objects.glob("*.o")))
        (source / "include").rename(target / "include")
