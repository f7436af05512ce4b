"""`faas.h` compiles without a warning for the systems that the runtime is for, and has the expected layout."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.glue.support import HERE, STRICT, call, zig
from tests.support import ROOT, program

LAYOUT_64 = ROOT / "runtime" / "crate" / "tests" / "layout-64.txt"
LAYOUT_32 = HERE / "layout-32.txt"
TARGETS_64 = (
    *("x86_64-linux-gnu", "aarch64-linux-gnu", "x86_64-linux-musl", "aarch64-linux-musl"),
    *("x86_64-macos", "aarch64-macos", "x86_64-windows-gnu", "aarch64-windows-gnu"),
)
TARGETS_32 = ("x86-linux-gnu", "arm-linux-gnueabihf", "x86-windows-gnu")
STANDARDS = {"c": ("c99", "c11", "c17"), "c++": ("c++17", "c++20")}
FUNCTION = """
FAAS_EXPORT uint32_t faas_abi_version(void) { return FAAS_ABI_VERSION; }
FAAS_EXPORT void faas_shutdown(void) { }
FAAS_EXPORT int32_t faas_init(faas_response *response) { response->len = 0; return 0; }
FAAS_EXPORT int32_t handle(const faas_request *request, faas_response *response);
int32_t handle(const faas_request *request, faas_response *response)
{
    if (FAAS_HAS(request, stream) && request->write != NULL)
        return request->write(request->stream, request->payload, request->payload_len);
    return response->release == NULL ? 0 : 1;
}
extern const faas_handler type_checks;
const faas_handler type_checks = handle;
"""


def source(layout: Path) -> str:
    """A function, with an array of negative length for each field that is not where `layout` says."""
    checks = []
    for number, line in enumerate(layout.read_text().splitlines()):
        structure, field, offset, size = line.split()
        if field == "-":
            condition = f"sizeof({structure}) == {size}"
        else:
            place = f"offsetof({structure}, {field}) == {offset}"
            condition = f"{place} && sizeof((({structure} *)0)->{field}) == {size}"
        checks.append(f"typedef char check_{number}[{condition} ? 1 : -1]; /* {line} */\n")
    return "#include <faas.h>\n" + "".join(checks) + FUNCTION


def compile_everywhere(compilers: dict[str, list[str]], text: str, folder: Path) -> None:
    for language, compiler in compilers.items():
        for standard in STANDARDS[language]:
            file = folder / f"function.{language}"
            file.write_text(text)
            output = folder / f"{standard}.o"
            call(*compiler, "-x", language, f"-std={standard}", *STRICT, "-c", "-o", output, file)


@pytest.mark.parametrize("target", TARGETS_64)
def test_64_bit_targets(tmp_path: Path, target: str) -> None:
    compile_everywhere({"c": zig(target), "c++": zig(target, "c++")}, source(LAYOUT_64), tmp_path)


@pytest.mark.parametrize("target", TARGETS_32)
def test_32_bit_targets(tmp_path: Path, target: str) -> None:
    compile_everywhere({"c": zig(target), "c++": zig(target, "c++")}, source(LAYOUT_32), tmp_path)


@pytest.mark.parametrize(
    ("c", "cpp"),
    [("gcc", "g++"), ("clang", "clang++"), ("x86_64-w64-mingw32-gcc", "x86_64-w64-mingw32-g++")],
)
def test_compilers_of_the_machine(tmp_path: Path, c: str, cpp: str) -> None:
    compile_everywhere({"c": [program(c)], "c++": [program(cpp)]}, source(LAYOUT_64), tmp_path)


def test_names_are_plain_in_cpp(tmp_path: Path) -> None:
    compile_everywhere({"c++": [program("g++")]}, source(LAYOUT_64), tmp_path)
    symbols = call(program("nm"), "--defined-only", "--format=just-symbols", tmp_path / "c++17.o").split()
    assert {"handle", "faas_abi_version", "faas_init", "faas_shutdown"} <= set(symbols)


def test_a_wrong_layout_is_noticed(tmp_path: Path) -> None:
    wrong = source(LAYOUT_64).replace("offsetof(faas_request, stream) == 128", "offsetof(faas_request, stream) == 120")
    with pytest.raises(pytest.fail.Exception, match="faas_request stream 128 8"):
        compile_everywhere({"c": [program("gcc")]}, wrong, tmp_path)
