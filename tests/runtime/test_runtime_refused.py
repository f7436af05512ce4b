"""What the system's loader refuses, or crashes at: `faas-runtime check` and the runtime say why, and what helps."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from faas_runtime import binary

from ci.runtime_api import RuntimeApi
from tests.runtime.checking import LAUNCH, check
from tests.runtime.support import FUNCTIONS, LAUNCHER, SUFFIX, TIMEOUT_S, Runtime, compile_c
from tests.support import not_there

MACHINE = 18  # where an ELF file says which processor it is for
AARCH64 = (183).to_bytes(2, "little")


@pytest.fixture
def echo(functions: Path, tmp_path: Path) -> Path:
    """A copy of a good library, to be spoilt."""
    if SUFFIX != ".so":
        pytest.skip("not a system with ELF libraries")
    return Path(shutil.copy(functions / "libprobe.so", tmp_path / "libspoilt.so"))


def refusal(library: Path, handler: str = "spoilt.echo", command: Sequence[str] = LAUNCH) -> str:
    """What the runtime says when it is to run the library: the same as the check."""
    with RuntimeApi() as api, Runtime(api.address, handler, library.parent, command=command) as runtime:
        api.wait(timeout=TIMEOUT_S)
        exit_code, errors = runtime.end()
    assert exit_code == 1
    _, facts, _ = check(handler, library.parent, command)
    assert facts["mend"] in errors or facts["mend"] in facts["WRONG"]
    return errors


def test_other_processor(echo: Path) -> None:
    data = echo.read_bytes()
    other = AARCH64 if data[MACHINE : MACHINE + 2] != AARCH64 else (62).to_bytes(2, "little")
    echo.write_bytes(data[:MACHINE] + other + data[MACHINE + 2 :])
    here = binary.this_machine().machine
    assert f"and this machine is {here}; build it for {here}" in refusal(echo)


def test_other_c_library(tmp_path: Path) -> None:
    if binary.this_machine().libc != "glibc":
        pytest.skip("a musl library is at home on this machine")
    if shutil.which("musl-gcc") is None:
        not_there("musl-gcc")
    library = tmp_path / "libspoilt.so"
    include = f"-I{LAUNCHER.parent.parent / 'include'}"
    command = ["musl-gcc", "-shared", "-fPIC", include, "-o", str(library), str(FUNCTIONS / "probe.c")]
    subprocess.run(command, check=True)
    assert "It is built against musl, and this system has glibc; build it for glibc" in refusal(library)


def test_other_operating_system(tmp_path: Path) -> None:
    library = tmp_path / f"libspoilt{SUFFIX}"
    library.write_bytes(b"MZ" + bytes(58) + (64).to_bytes(4, "little") + b"PE\0\0" + (0x8664).to_bytes(2, "little"))
    assert "made for another operating system (PE); build it for this one" in refusal(library)


def test_program(tmp_path: Path) -> None:
    source = tmp_path / "program.c"
    source.write_text("int main(void) { return 0; }\n")
    compile_c(source, tmp_path / f"libspoilt{SUFFIX}")
    assert "build it as a shared library" in refusal(tmp_path / f"libspoilt{SUFFIX}")


def test_text_file(tmp_path: Path) -> None:
    (tmp_path / f"libspoilt{SUFFIX}").write_text("#!/bin/sh\n")
    assert "It is no shared library" in refusal(tmp_path / f"libspoilt{SUFFIX}")


def test_unreadable(echo: Path) -> None:
    echo.chmod(0)
    powerless: tuple[str, ...] = ()
    if os.geteuid() == 0:  # who reads everything, unless that power is taken away
        powers = "-dac_override,-dac_read_search"
        powerless = (
            shutil.which("setpriv") or not_there("setpriv"),
            f"--bounding-set={powers}",
            f"--inh-caps={powers}",
        )
    assert "make it readable" in refusal(echo, command=(*powerless, *LAUNCH))


def test_unresolved_symbol(tmp_path: Path) -> None:
    source = tmp_path / "spoilt.c"
    source.write_text("int nowhere(void); int handle(void) { return nowhere(); }\n")
    compile_c(source, tmp_path / f"libspoilt{SUFFIX}", "-shared", "-fPIC")
    assert "undefined symbol: nowhere" in refusal(tmp_path / f"libspoilt{SUFFIX}", "spoilt.handle")


def cut(library: Path, size: int) -> Path:
    """The library, cut off behind so many bytes."""
    with library.open("rb+") as file:
        file.truncate(size)
    return library


def test_cut_off_library(echo: Path) -> None:
    """At any place: it is not loaded, as that would be a crash."""
    whole = echo.stat().st_size
    for size in (whole - 1, whole - 1000, whole // 2, whole // 4, 1000):  # ever less
        exit_code, facts, errors = check("spoilt.echo", cut(echo, size).parent)
        assert (exit_code, errors) == (1, "")
        how = f"It is cut off: its headers promise {whole} bytes, and it has {size}"
        assert facts["WRONG"] == f"Runtime.LibraryNotLoadable: {echo} cannot be loaded. {how}"
        assert facts["mend"] == "build it anew, or copy it again"


@pytest.mark.parametrize(
    ("size", "how"), [(100, "It is cut off within its headers: it has 100 bytes"), (0, "It is empty")]
)
def test_cut_off_head(echo: Path, size: int, how: str) -> None:
    """The system's loader refuses it, so that the runtime tells as well."""
    assert f"{how}; build it anew, or copy it again" in refusal(cut(echo, size))


def in_two(folder: Path, *options: str) -> tuple[Path, Path]:
    """A library that needs another one in a folder of its own; both. For Linux."""
    (folder / "needed.c").write_text("int depth(void); int depth(void) { return 3; }\n")
    (folder / "parts").mkdir(exist_ok=True)
    name = "libneeded.so"
    needed = compile_c(folder / "needed.c", folder / "parts" / name, "-shared", "-fPIC", f"-Wl,-soname,{name}")
    (folder / "spoilt.c").write_text(
        "#include <faas.h>\nint depth(void); FAAS_EXPORT unsigned faas_abi_version(void) { return FAAS_ABI_VERSION; }\n"
        "FAAS_EXPORT int handle(void); FAAS_EXPORT int handle(void) { return depth(); }\n"
    )
    library = folder / f"libspoilt{SUFFIX}"
    return compile_c(
        folder / "spoilt.c", library, "-shared", "-fPIC", "-Wl,--no-as-needed", *options, str(needed)
    ), needed


@pytest.mark.skipif(sys.platform != "linux", reason="other loaders look elsewhere")
def test_missing_dependency(tmp_path: Path) -> None:
    """What the message names helps; to put it beside the library alone does not."""
    library, needed = in_two(tmp_path)
    refused = refusal(library, "spoilt.handle")
    assert "It needs a library that the system's loader does not find; link that statically" in refused
    shutil.copy(needed, tmp_path)
    _, facts, _ = check("spoilt", tmp_path)
    assert "LD_LIBRARY_PATH" in facts["mend"]
    assert check("spoilt", tmp_path, ("env", f"LD_LIBRARY_PATH={needed.parent}", *LAUNCH))[0] == 0
    option = facts["mend"].partition("link this one with ")[2].partition(" ")[0]
    in_two(tmp_path, option.replace("'", ""))
    assert check("spoilt", tmp_path)[0] == 0


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other signals for it")
def test_cut_off_dependency(tmp_path: Path) -> None:
    _, needed = in_two(tmp_path, "-Wl,-rpath,$ORIGIN/parts")
    cut(needed, needed.stat().st_size // 4)
    _, facts, _ = check("spoilt", tmp_path)
    assert facts["WRONG"] == "loading it crashed: SIGBUS"
    assert facts["mend"].startswith("look at the libraries that it needs, as one may be cut off")


@pytest.mark.parametrize(
    ("platform", "hint"),
    [("linux", "-Wl,-rpath,'$ORIGIN'"), ("darwin", "@loader_path/NAME"), ("win32", "or name its folder in PATH")],
)
def test_each_loader_has_its_own_hint(
    functions: Path, monkeypatch: pytest.MonkeyPatch, platform: str, hint: str
) -> None:
    found = binary.read(str(functions / f"libprobe{SUFFIX}"))
    assert found is not None
    monkeypatch.setattr(binary, "this_machine", lambda: found)
    monkeypatch.setattr(sys, "platform", platform)
    assert hint in binary.why_not(str(functions / f"libprobe{SUFFIX}"), "Could not find module, Library not loaded: x")
    assert ("LD_LIBRARY_PATH" in binary.why_not(str(functions / f"libprobe{SUFFIX}"), "?")) == (platform == "linux")


def test_too_new_a_system(functions: Path) -> None:
    error = "libm.so.6: version `GLIBC_9.9' not found (required by libprobe.so)"
    assert "on a system as old as this one" in binary.why_not(str(functions / f"libprobe{SUFFIX}"), error)
