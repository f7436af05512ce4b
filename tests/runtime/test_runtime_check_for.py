"""`faas-runtime check --for` reads a library, and says whether it fits each target. It loads nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from faas_runtime.binary import linkage
from faas_runtime.binary.elf import PT_DYNAMIC, ElfNumbers
from faas_runtime.binary.inspection import this_machine
from faas_runtime.binary.truncation import FileOnDisk
from faas_runtime.commands.targets import GLIBC, TARGETS
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.runtime.check_command import LAUNCH
from tests.runtime.support import FUZZ_FACTOR, compile_c
from tests.runtime.target_building import ALL
from tests.runtime.target_libraries import LIBRARIES, RPATH, libraries
from tests.waiting import TIMEOUT_S

EVERY = ",".join(TARGETS)
FAR = 80 << 20  # bytes


@pytest.fixture(scope="session")
def made() -> Path:
    return libraries()


def check(*arguments: str | Path, folder: Path | None = None) -> tuple[int, list[str], str]:
    """The exit code, the lines, and standard error."""
    command = [*LAUNCH, "check", *map(str, arguments)]
    done = subprocess.run(
        command, cwd=folder, env={}, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout.splitlines(), done.stderr


def verdicts(lines: list[str]) -> dict[str, list[str]]:
    """What is wrong, by the target; under ALL what is wrong with the library itself."""
    found: dict[str, list[str]] = {ALL: []}
    for line in lines:
        start, _, what = line.partition("WRONG: ")
        if line.startswith("for "):
            found.setdefault(line[4:].partition(":")[0], []).extend([what] if what else [])
        elif not start and what:
            found[ALL].append(what)
    return found


@pytest.mark.parametrize("name", LIBRARIES)
def test_each_library_gets_the_right_verdict_for_each_target(made: Path, name: str) -> None:
    library = LIBRARIES[name]
    expected = {**library.wrong, "x86_64": library.x86_64, "arm64": library.arm64}
    exit_code, lines, errors = check(made / name / library.file, "--for", EVERY)
    found = verdicts(lines)
    assert (exit_code, errors) == (1, "")  # none is for both processors
    for target in (ALL, *TARGETS):
        if ALL in expected and target != ALL:
            continue
        message = expected.get(target, "")
        assert bool(found.get(target)) == bool(message), lines
        assert not message or any(message in what for what in found[target]), lines
    wrong = [line for line in lines if "WRONG: " in line]
    assert sum(line.startswith("  fix: ") for line in lines) == len(wrong)


def test_one_verdict_for_each_target_in_the_order_of_the_command_line(made: Path) -> None:
    library = made / "arm64" / "libfunction.so"
    assert check(library, "--for", "ubi,arm64,micro,ubi") == (
        0,
        [
            f"library: {library}",
            "format: ELF, aarch64, glibc 2.17",
            "needs: libc.so.6",
            "hooks: none",
            "for ubi: fits",
            "for arm64: fits",
            "for micro: fits",
        ],
        "",
    )


def test_targets_in_a_file(made: Path, tmp_path: Path) -> None:
    (tmp_path / "targets").write_text("ubi,x86_64\n")
    exit_code, lines, _ = check(made / "glibc" / "libfunction.so", "--for", "@targets", folder=tmp_path)
    assert exit_code == 0
    assert lines[-2:] == ["for ubi: fits", "for x86_64: fits"]
    exit_code, _, errors = check(made / "glibc" / "libfunction.so", "--for", "@absent", folder=tmp_path)
    assert exit_code == 2
    assert "--for @absent cannot be read: No such file or directory" in errors


def test_every_fault_is_reported_at_once(made: Path) -> None:
    exit_code, lines, _ = check(f"{made}/arm64/libfunction.so.absent", "--for", "alpine,x86_64,micro")
    assert exit_code == 1
    assert lines[4:] == [
        f"WRONG: Runtime.HandlerNotFound: {made}/arm64/libfunction.so does not export the symbol absent",
        "  fix: export it, or name another symbol: LIBRARY.so.SYMBOL",
        "for alpine: WRONG: it is built against glibc, and alpine has musl",
        "  fix: build it for musl: faas-runtime build --for alpine",
        "for x86_64: WRONG: it is built for aarch64, and not for x86_64",
        "  fix: build it for x86_64: faas-runtime build --for x86_64",
        "for micro: fits otherwise",
    ]


def test_name_in_the_task_root(made: Path) -> None:
    exit_code, lines, _ = check("function.handle", "--for=micro", folder=made / "no-libc")
    assert (exit_code, lines[0]) == (0, f"library: {made}/no-libc/libfunction.so")


def test_nothing_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "trap.c").write_text(
        "#include <stdlib.h>\n__attribute__((constructor)) static void start(void) { abort(); }\n"
        "int faas_abi_version(void) { abort(); }\nint handle(void) { abort(); }\n"
    )
    compile_c(tmp_path / "trap.c", tmp_path / "libtrap.so", "-shared", "-fPIC", "-std=gnu99")
    assert check("./libtrap.so", "--for", "micro", folder=tmp_path)[0] == 0
    assert check("./libtrap.so", folder=tmp_path)[0] == 1


def test_dynamic_section_behind_much_data(made: Path, tmp_path: Path) -> None:
    """A large table of data that does not change lies before it. Here that is a hole in the file."""
    path = tmp_path / "liblarge.so"
    path.write_bytes((made / "glibc" / "libfunction.so").read_bytes())
    with path.open("r+b") as file:
        data = ElfNumbers(FileOnDisk(file))
        (header,) = data.headers(PT_DYNAMIC)
        ((offset, _, size),) = data.segments(PT_DYNAMIC)
        section = data.data[offset : offset + size]
        for at, content in ((offset, bytes(size)), (FAR, section), (header + 8, FAR.to_bytes(8, "little"))):
            file.seek(at)
            file.write(content)
    exit_code, lines, _ = check(path, "--for", "micro,alpine")
    assert (exit_code, lines[1]) == (1, "format: ELF, x86_64, glibc 2.2.5")
    assert verdicts(lines) == {ALL: [], "micro": [], "alpine": ["it is built against glibc, and alpine has musl"]}


OLD = "-Wl,--disable-new-dtags"
A, B = "-l:liba.so", "-l:libb.so"


@pytest.mark.parametrize(
    ("main", "a", "glibc", "musl"),
    [
        ((A, B, RPATH), (B,), True, True),
        ((B, A, RPATH), (B,), True, True),
        ((A, RPATH), (B,), False, True),
        ((A, RPATH, OLD), (B,), True, True),
        ((A, RPATH, OLD), (B, "-Wl,-rpath,$ORIGIN/below"), False, True),
        ((A, RPATH, OLD), (B, "-Wl,-rpath,$ORIGIN/below", OLD), True, True),
        ((A, RPATH), (B, RPATH), True, True),
        ((A, RPATH, "-Wl,-soname,libb.so"), (B,), True, True),
        ((A, "-Wl,-rpath,$ORIGIN/below", "-Wl,-soname,libb.so"), (B,), True, False),
    ],
)
def test_others_are_found_as_the_loaders_find_them(
    tmp_path: Path, main: tuple[str, ...], a: tuple[str, ...], glibc: bool, musl: bool
) -> None:
    """One that another one needs: by the search path of either, or since it is loaded already."""
    (tmp_path / "other.c").write_text("typedef int nothing;\n")
    options = ("-shared", "-fPIC", "-nostdlib", f"-L{tmp_path}", "-Wl,--no-as-needed", "-Wl,--allow-shlib-undefined")
    (tmp_path / "main.c").write_text("int faas_abi_version(void) { return 1; }\nint handle(void) { return 0; }\n")
    compile_c(tmp_path / "other.c", tmp_path / "libb.so", *options)
    compile_c(tmp_path / "other.c", tmp_path / "liba.so", *options, *a)
    library = compile_c(tmp_path / "main.c", tmp_path / "libmain.so", *options, *main)
    if "-Wl,-rpath,$ORIGIN/below" in main:
        (tmp_path / "below").mkdir()
        (tmp_path / "liba.so").rename(tmp_path / "below" / "liba.so")
    found = verdicts(check(library, "--for", "micro,alpine")[1])
    assert [not found["micro"], not found["alpine"]] == [glibc, musl], found
    if this_machine().libc == GLIBC:
        assert (check(library)[0] == 0) == glibc


def test_the_loader_of_glibc_knows_the_own_name_of_what_it_has_loaded(tmp_path: Path) -> None:
    """Already for the next name that the same library needs."""
    (tmp_path / "other.c").write_text("typedef int nothing;\n")
    options = ("-shared", "-fPIC", "-nostdlib", f"-L{tmp_path}", "-Wl,--no-as-needed", "-Wl,--allow-shlib-undefined")
    (tmp_path / "main.c").write_text("int faas_abi_version(void) { return 1; }\nint handle(void) { return 0; }\n")
    for name in ("liba.so", "libb.so"):
        compile_c(tmp_path / "other.c", tmp_path / name, *options)
    library = compile_c(tmp_path / "main.c", tmp_path / "libmain.so", *options, A, B, RPATH)
    compile_c(tmp_path / "other.c", tmp_path / "liba.so", *options, "-Wl,-soname,libb.so")
    (tmp_path / "libb.so").unlink()
    found = verdicts(check(library, "--for", "micro,alpine")[1])
    assert [not found["micro"], not found["alpine"]] == [True, False], found
    if this_machine().libc == GLIBC:
        assert check(library)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("./libx.so", "--for", "debian"), "there is no target 'debian'; --for takes micro, ubi, alpine, al2023, "),
        (("./libx.so", "--for", "micro,"), "there is no target ''"),
        (("./libx.so", "--for"), "expected one argument"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], message: str) -> None:
    exit_code, lines, errors = check(*arguments)
    assert (exit_code, lines) == (2, [])
    assert message in errors


def test_missing_file(tmp_path: Path) -> None:
    exit_code, lines, _ = check("./absent", "--for", "micro", folder=tmp_path)
    assert exit_code == 1
    there = f"{tmp_path}/libabsent.so, {tmp_path}/absent.so"
    assert lines == [
        f"WRONG: Runtime.LibraryNotFound: the function's library was not found at {there}",
        "  fix: check its name (LIBRARY.SYMBOL, or a path) and LAMBDA_TASK_ROOT",
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="the libraries are Linux's")
@settings(max_examples=300 * FUZZ_FACTOR, deadline=None)
@given(st.data())
def test_any_bytes_are_read_or_refused(
    made: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(["gnu-hash", "old-hash", "glibc", "with-debugging-information"]))
    whole = bytearray((made / name / "libfunction.so").read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(whole) - 1))
        noise = data.draw(st.binary(min_size=1, max_size=16))
        whole[at : at + len(noise)] = noise
    path = tmp_path_factory.getbasetemp() / "broken.so"
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    linkage.read(str(path))
