"""What is made of the figures: ratios, promises, the chart, the document, the file of a part."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ci.bench import chart, contenders, document, runtime
from ci.bench.figures import Figure, Promise, number
from ci.errors import ToolError, UsageError
from tests.support import ROOT, copy_checkout

TITLES = {"c": "C", "runtime": "ours <&>", "rust": "Rust", "awslambdaric": "Python", runtime.BARE: "bare"}


def all_figures(**values: float) -> dict[str, Figure]:
    figures = {figure.key: figure for figure in runtime._figures()}
    for figure in figures.values():
        for key in TITLES:
            figure.add(key, values.get(key, 10.0))
    figures["pollers"].values = {"runtime": [8.1]}
    return figures


def test_ratios_are_of_values_side_by_side() -> None:
    figure = Figure(key="k", what="w", unit="µs")
    for base, value in ((1, 2), (10, 30), (100, 200)):
        figure.add("c", base)
        figure.add("runtime", value)
    assert figure.ratio("runtime", "c") == 2.0
    assert figure.median("runtime") == 30
    assert figure.ratio("runtime", "nobody") is None
    assert (figure.text("runtime"), figure.text("nobody")) == ("30.0 µs", "-")


def test_a_failure_takes_back_the_rounds_before() -> None:
    figure = Figure(key="k", what="w", unit="µs")
    figure.add("rust", 1.0)
    figure.fail("rust", "it fell over")
    figure.fail("rust", "again")
    assert figure.text("rust") == "not measured"
    assert figure.missing == {"rust": "it fell over"}


@pytest.mark.parametrize(
    ("promise", "kept", "limit"),
    [
        (Promise(what="w", measured=1.35, most=1.35), True, "at most 1.35"),
        (Promise(what="w", measured=1.36, most=1.35), False, "at most 1.35"),
        (Promise(what="w", measured=0.25, below=0.25), False, "under 0.25"),
        (Promise(what="w", measured=0.24, below=0.25), True, "under 0.25"),
        (Promise(what="w", measured=7.1, least=7.2, most=8.8), False, "7.2 to 8.8"),
        (Promise(what="w", measured=9.0, least=7.2, most=8.8), False, "7.2 to 8.8"),
        (Promise(what="w", measured=None, most=1, reason="why"), False, "at most 1"),
    ],
)
def test_promises(promise: Promise, kept: bool, limit: str) -> None:
    assert (promise.kept, promise.limit) == (kept, limit)
    assert promise.row()[-1] == ("not measured" if promise.measured is None else "yes" if kept else "NO")


def test_what_is_promised_is_compared_with_the_right_contender() -> None:
    kept = runtime._promises(all_figures(c=9, runtime=10, rust=11, awslambdaric=50) | memory(2.0))
    assert [promise.kept for promise in kept] == [True] * 10
    broken = runtime._promises(all_figures(c=1, runtime=100, rust=1, awslambdaric=1) | memory(3.1))
    assert [promise.kept for promise in broken] == [False] * 9 + [True]


def memory(payloads: float) -> dict[str, Figure]:
    keys = [f"memory {size}" for size in runtime.LARGE]
    return {key: Figure(key=key, what=key, unit="", values={"runtime": [payloads]}) for key in keys}


def test_a_contender_that_is_missing_is_told_and_not_taken_for_kept() -> None:
    figures = all_figures(c=9, runtime=10, rust=11, awslambdaric=50)
    figures["latency"].fail("rust", "cargo: not found on PATH")
    promise = runtime._promises(figures)[2]
    assert promise.data() == {
        "what": "latency p50 / lambda_runtime (Rust)",
        "measured": None,
        "promised": "under 1",
        "kept": False,
        "not_measured": "cargo: not found on PATH",
    }


def test_numbers_have_three_digits() -> None:
    assert [number(value) for value in (1234.5, 123.45, 12.345, 1.2345, 0.1)] == ["1234", "123", "12.3", "1.23", "0.10"]


def test_the_chart_is_svg_with_a_bar_for_each_value() -> None:
    figures = all_figures(c=1, runtime=5, rust=2, awslambdaric=20)
    figures["latency"].fail("rust", "why")
    svg = ElementTree.fromstring(chart.draw(figures, TITLES, "a & b"))
    bars = [element for element in svg.iter() if element.tag.endswith("rect")][1:]
    assert len(bars) == len(chart.PANELS) * len(TITLES) - 1
    widths = [float(bar.get("width", "")) for bar in bars[: len(TITLES)]]
    assert widths.index(max(widths)) == list(TITLES).index("awslambdaric")
    assert widths[1] == pytest.approx(widths[3] / 4, abs=0.1)
    assert sum(element.text == "not measured" for element in svg.iter()) == 1


def test_the_document_keeps_what_people_wrote() -> None:
    text = "before\n<!-- bench runtime: generated -->\nold\n<!-- bench runtime: end -->\nafter\n"
    assert document.replace_section(text, "runtime", "new\n") == (
        "before\n<!-- bench runtime: generated -->\n\nnew\n\n<!-- bench runtime: end -->\nafter\n"
    )
    with pytest.raises(UsageError, match="bench soak"):
        document.replace_section(text, "soak", "new")


def test_the_document_of_the_repository_has_both_sections() -> None:
    text = document.DOCUMENT.read_text()
    for name in ("runtime", "soak"):
        assert "new" in document.replace_section(text, name, "new")
    assert ElementTree.fromstring(document.CHART.read_text()).tag.endswith("svg")
    assert str(ROOT) not in text + document.CHART.read_text()


def test_another_tree_and_interpreter_may_be_measured(tmp_path: Path) -> None:
    subject = contenders.choose(ROOT / "runtime", sys.executable)
    assert subject.python == sys.executable
    assert subject.version
    with pytest.raises(ToolError, match="no such interpreter"):
        contenders.choose(ROOT / "runtime", str(tmp_path / "python"))
    with pytest.raises(UsageError, match="no such file"):
        contenders.choose(tmp_path)


def test_a_short_soak_of_the_real_runtime(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path / "checkout")
    argv = [sys.executable, "-m", "ci.bench", "soak", "--invokes", "3000", "--python", sys.executable]
    ended = subprocess.run(argv, cwd=checkout, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    result = json.loads((checkout / "dist" / "bench" / "soak.json").read_text())
    assert list(result) == [
        "command", "invokes", "processor", "cores", "kernel", "libc", "interpreter", "versions", "promises", "columns",
        "samples",
    ]  # fmt: skip
    assert len(result["samples"]) == 1000
    assert str(tmp_path) not in json.dumps(result)
