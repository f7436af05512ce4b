"""The C header and the structures in Python say the same; the header works for C and for C++."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest
from faas_runtime import abi

from tests.runtime.support import FUNCTIONS, RUNTIME, compile_c
from tests.support import not_there

Layout = list[tuple[str, str, int, int]]


def python_layout(name: str, fields: Iterable[tuple[str, int]]) -> Layout:
    rows, offset = [], 0
    for field, size in fields:
        rows.append((name, field, offset, size))
        offset += size
    return [*rows, (name, "-", 0, offset)]


@pytest.fixture(scope="module")
def c_layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    program = compile_c(FUNCTIONS / "layout.c", tmp_path_factory.mktemp("layout") / "layout")
    output = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
    rows = [line.split() for line in output.splitlines()]
    return [(structure, field, int(offset), int(size)) for structure, field, offset, size in rows]


def test_layouts_agree(c_layout: Layout) -> None:
    request = python_layout("faas_request", abi.REQUEST_FIELDS)
    assert c_layout == request + python_layout("faas_response", abi.RESPONSE_FIELDS)


@pytest.mark.parametrize(
    ("structure", "indexes"), [("faas_request", abi.REQUEST_INDEX), ("faas_response", abi.RESPONSE_INDEX)]
)
def test_indexes_are_those_of_the_fields(c_layout: Layout, structure: str, indexes: dict[str, int]) -> None:
    places = {field: (offset, size) for name, field, offset, size in c_layout if name == structure and field != "-"}
    assert {field: (index * places[field][1], places[field][1]) for field, index in indexes.items()} == places


def test_no_hidden_padding(c_layout: Layout) -> None:
    end = 0
    for structure, field, offset, size in c_layout:
        assert (size if field == "-" else offset) == end, f"{structure}.{field}"
        end = 0 if field == "-" else offset + size


@pytest.mark.parametrize("standard", ["c++17", "c++20"])
def test_header_is_clean_in_cpp(tmp_path: Path, standard: str) -> None:
    compiler = shutil.which(os.environ.get("CXX", "c++"))
    if compiler is None:
        not_there("a C++ compiler")
    source = tmp_path / "function.cpp"
    source.write_text(
        "#include <faas.h>\n"
        "static_assert(FAAS_ABI_VERSION == 1);\n"
        "FAAS_EXPORT int32_t handle(const faas_request *request, faas_response *response)\n"
        "{ return FAAS_HAS(request, stream) && response->len == 0 ? 0 : 1; }\n"
        "faas_handler type_checks = handle;\n"
    )
    options = [f"-std={standard}", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]
    subprocess.run([compiler, *options, f"-I{RUNTIME / 'include'}", str(source)], check=True)
