"""A function in C++ where there is no libstdc++, as in the image `micro`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT, not_there

LAUNCHER = ROOT / "runtime" / "bin" / "faas-runtime"
SOURCE = """\
#include <faas.h>
int depth(void);
FAAS_EXPORT unsigned faas_abi_version(void) { return FAAS_ABI_VERSION; }
FAAS_EXPORT int handle(void);
FAAS_EXPORT int handle(void) { return depth(); }
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the C++ library has another name")
def test_check_names_the_option_that_links_it_statically(tmp_path: Path) -> None:
    """The library that is missing bears libstdc++'s name with another number, as the host has the real one."""
    if shutil.which("gcc") is None:
        not_there("gcc")
    (tmp_path / "needed.c").write_text("int depth(void); int depth(void) { return 3; }\n")
    (tmp_path / "function.c").write_text(SOURCE)
    needed, library = tmp_path / "libstdc++.so.99", tmp_path / "libfunction.so"
    shared = ("gcc", "-shared", "-fPIC", f"-I{ROOT / 'runtime' / 'include'}")
    subprocess.run([*shared, "-Wl,-soname,libstdc++.so.99", "-o", needed, tmp_path / "needed.c"], check=True)
    subprocess.run([*shared, "-o", library, tmp_path / "function.c", needed], check=True)
    needed.unlink()
    done = subprocess.run([sys.executable, LAUNCHER, "check", library], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "libstdc++.so.99: cannot open shared object file" in said
    assert "It needs C++'s standard library, which is not here" in said
    assert "fix: link it with -static-libstdc++ -static-libgcc" in said
