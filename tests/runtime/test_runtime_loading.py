"""Libraries that the system cannot load: `faas-runtime check` and the runtime say why, and how to fix it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from faas_runtime.binary import inspection

from ci.core.runtime_api_stub import RuntimeApiStub
from tests.runtime.check_command import LAUNCH, check
from tests.runtime.support import FUNCTIONS, LAUNCHER, SUFFIX, Runtime, compile_c
from tests.support import not_there
from tests.waiting import TIMEOUT_S

MACHINE = 18  # e_machine of an ELF file
AARCH64 = (183).to_bytes(2, "little")


@pytest.fixture
def echo(functions: Path, tmp_path: Path) -> Path:
    """A copy of a good library, which the test damages."""
    if SUFFIX != ".so":
        pytest.skip("not a system with ELF libraries")
    return Path(shutil.copy(functions / "libprobe.so", tmp_path / "libdamaged.so"))


def refusal(library: Path, handler: str = "damaged.echo", command: Sequence[str] = LAUNCH) -> str:
    """What the runtime reports when it loads the library: the same as the check."""
    with RuntimeApiStub() as api, Runtime(api.address, handler, library.parent, command=command) as runtime:
        api.wait(timeout=TIMEOUT_S)
        exit_code, errors = runtime.end()
    assert exit_code == 1
    _, facts, _ = check(handler, library.parent, command)
    assert facts["fix"] in errors or facts["fix"] in facts["WRONG"]
    return errors


def test_other_processor(echo: Path) -> None:
    data = echo.read_bytes()
    other = AARCH64 if data[MACHINE : MACHINE + 2] != AARCH64 else (62).to_bytes(2, "little")
    echo.write_bytes(data[:MACHINE] + other + data[MACHINE + 2 :])
    here = inspection.this_machine().machine
    assert f"and this machine is {here}; build it for {here}" in refusal(echo)


def test_other_c_library(tmp_path: Path) -> None:
    if inspection.this_machine().libc != "glibc":
        pytest.skip("a musl library is at home on this machine")
    if shutil.which("musl-gcc") is None:
        not_there("musl-gcc")
    library = tmp_path / "libdamaged.so"
    include = f"-I{LAUNCHER.parent.parent / 'include'}"
    command = ["musl-gcc", "-shared", "-fPIC", include, "-o", str(library), str(FUNCTIONS / "probe.c")]
    subprocess.run(command, check=True)
    assert "It is built against musl, and this system has glibc; build it for glibc" in refusal(library)


def test_other_operating_system(tmp_path: Path) -> None:
    library = tmp_path / f"libdamaged{SUFFIX}"
    library.write_bytes(b"MZ" + bytes(58) + (64).to_bytes(4, "little") + b"PE\0\0" + (0x8664).to_bytes(2, "little"))
    assert "built for another operating system (PE); build it for this one" in refusal(library)


def test_program(tmp_path: Path) -> None:
    source = tmp_path / "program.c"
    source.write_text("int main(void) { return 0; }\n")
    compile_c(source, tmp_path / f"libdamaged{SUFFIX}")
    assert "build it as a shared library" in refusal(tmp_path / f"libdamaged{SUFFIX}")


def test_text_file(tmp_path: Path) -> None:
    (tmp_path / f"libdamaged{SUFFIX}").write_text("#!/bin/sh\n")
    assert "It is not a shared library" in refusal(tmp_path / f"libdamaged{SUFFIX}")


def test_unreadable(echo: Path) -> None:
    echo.chmod(0)
    powerless: tuple[str, ...] = ()
    if os.geteuid() == 0:  # root can read everything, unless that capability is dropped
        powers = "-dac_override,-dac_read_search"
        powerless = (
            shutil.which("setpriv") or not_there("setpriv"),
            f"--bounding-set={powers}",
            f"--inh-caps={powers}",
        )
    assert "make it readable" in refusal(echo, command=(*powerless, *LAUNCH))


def test_unresolved_symbol(tmp_path: Path) -> None:
    source = tmp_path / "damaged.c"
    source.write_text("int nowhere(void); int handle(void) { return nowhere(); }\n")
    compile_c(source, tmp_path / f"libdamaged{SUFFIX}", "-shared", "-fPIC")
    assert "undefined symbol: nowhere" in refusal(tmp_path / f"libdamaged{SUFFIX}", "damaged.handle")


def cut(library: Path, size: int) -> Path:
    """The library, cut off after this many bytes."""
    with library.open("rb+") as file:
        file.truncate(size)
    return library


def test_cut_off_library(echo: Path) -> None:
    """It is not loaded, because that would crash, wherever it is cut off."""
    whole = echo.stat().st_size
    for size in (whole - 1, whole - 1000, whole // 2, whole // 4, 1000):  # shorter and shorter
        exit_code, facts, errors = check("damaged.echo", cut(echo, size).parent)
        assert (exit_code, errors) == (1, "")
        how = f"It is cut off: it should have {whole} bytes, and has {size}"
        assert facts["WRONG"] == f"Runtime.LibraryNotLoadable: {echo} cannot be loaded. {how}"
        assert facts["fix"] == "build it or copy it again"


@pytest.mark.parametrize(
    ("size", "how"), [(100, "It is cut off within its headers: it has 100 bytes"), (0, "It is empty")]
)
def test_cut_off_head(echo: Path, size: int, how: str) -> None:
    """The system's loader refuses it, so the runtime reports it as well."""
    assert f"{how}; build it or copy it again" in refusal(cut(echo, size))


def in_two(folder: Path, *options: str) -> tuple[Path, Path]:
    """A library that needs another one in a folder of its own; both. For Linux."""
    (folder / "needed.c").write_text("int depth(void); int depth(void) { return 3; }\n")
    (folder / "parts").mkdir(exist_ok=True)
    name = "libneeded.so"
    needed = compile_c(folder / "needed.c", folder / "parts" / name, "-shared", "-fPIC", f"-Wl,-soname,{name}")
    (folder / "damaged.c").write_text(
        "#include <faas.h>\nint depth(void); FAAS_EXPORT unsigned faas_abi_version(void) { return FAAS_ABI_VERSION; }\n"
        "FAAS_EXPORT int handle(void); FAAS_EXPORT int handle(void) { return depth(); }\n"
    )
    library = folder / f"libdamaged{SUFFIX}"
    return compile_c(
        folder / "damaged.c", library, "-shared", "-fPIC", "-Wl,--no-as-needed", *options, str(needed)
    ), needed


@pytest.mark.skipif(sys.platform != "linux", reason="other loaders look elsewhere")
def test_missing_dependency(tmp_path: Path) -> None:
    """The fixes in the message work; placing it beside the library is not enough."""
    library, needed = in_two(tmp_path)
    refused = refusal(library, "damaged.handle")
    assert "It needs a library that the system's loader does not find; link that statically" in refused
    shutil.copy(needed, tmp_path)
    _, facts, _ = check("damaged", tmp_path)
    assert "LD_LIBRARY_PATH" in facts["fix"]
    assert check("damaged", tmp_path, ("env", f"LD_LIBRARY_PATH={needed.parent}", *LAUNCH))[0] == 0
    option = facts["fix"].partition("link this one with ")[2].partition(" ")[0]
    in_two(tmp_path, option.replace("'", ""))
    assert check("damaged", tmp_path)[0] == 0


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other signals for it")
def test_cut_off_dependency(tmp_path: Path) -> None:
    _, needed = in_two(tmp_path, "-Wl,-rpath,$ORIGIN/parts")
    cut(needed, needed.stat().st_size // 4)
    _, facts, _ = check("damaged", tmp_path)
    assert facts["WRONG"] == "loading it crashed: SIGBUS"
    assert facts["fix"].startswith("check the libraries that it needs, as one may be cut off")


@pytest.mark.parametrize(
    ("platform", "hint"),
    [("linux", "-Wl,-rpath,'$ORIGIN'"), ("darwin", "@loader_path/NAME"), ("win32", "or name its folder in PATH")],
)
def test_each_loader_has_its_own_hint(
    functions: Path, monkeypatch: pytest.MonkeyPatch, platform: str, hint: str
) -> None:
    found = inspection.read(str(functions / f"libprobe{SUFFIX}"))
    assert found is not None
    monkeypatch.setattr(inspection, "this_machine", lambda: found)
    monkeypatch.setattr(sys, "platform", platform)
    path = str(functions / f"libprobe{SUFFIX}")
    assert hint in inspection.why_not_loadable(path, "Could not find module, Library not loaded: x")
    assert ("LD_LIBRARY_PATH" in inspection.why_not_loadable(path, "?")) == (platform == "linux")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such mounts")
@pytest.mark.parametrize(
    ("said", "of_needed"),
    [
        ("{}: failed to map segment from shared object", False),
        ("{}: failed to map segment from shared object", True),
        ("Error loading shared library {}: Operation not permitted", False),
    ],
)
def test_a_mount_that_forbids_to_run_what_is_there(
    echo: Path, monkeypatch: pytest.MonkeyPatch, said: str, of_needed: bool
) -> None:
    place = shutil.copy(echo, echo.with_name("libneeded.so")) if of_needed else echo
    asked: list[Path] = []
    flags = os.ST_NOEXEC | os.ST_NOSUID

    def statvfs(path: str) -> SimpleNamespace:
        asked.append(Path(path))
        return SimpleNamespace(f_flag=flags)

    monkeypatch.setattr(os, "statvfs", statvfs)
    why = inspection.why_not_loadable(str(echo), said.format(place))
    assert f"{place if of_needed else 'It'} is on a file system that is mounted noexec; put it on another" in why
    assert "set TMPDIR to a folder there" in why
    assert asked == [place]
    flags = os.ST_NOSUID
    assert "noexec" not in inspection.why_not_loadable(str(echo), said.format(place))


def test_too_new_a_system(functions: Path) -> None:
    error = "libm.so.6: version `GLIBC_9.9' not found (required by libprobe.so)"
    assert "on a system that is not newer than this one" in inspection.why_not_loadable(
        str(functions / f"libprobe{SUFFIX}"), error
    )
