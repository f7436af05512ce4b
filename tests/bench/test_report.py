"""What is made of the figures: ratios, targets, the chart, the document, the file of a part."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ci.bench import chart, clients, crate, document, emulators, python_runs, release, runtime, starts
from ci.bench.figures import Figure, FigureTarget, number, say_missing
from ci.bench.server import Command
from ci.bench.setup import NotMeasured
from ci.core.console import Console
from ci.core.errors import CommandFailed, ToolError, UsageError
from ci.core.run import Runner
from tests.support import ROOT, copy_checkout

TITLES = {
    "c": "C",
    "runtime": "ours <&>",
    "together": "C, 3 calls",
    "rust": "Rust",
    "awslambdaric": "Python",
    starts.BARE: "bare",
}


def all_figures(**values: float) -> dict[str, Figure]:
    figures = {figure.key: figure for figure in runtime._figures()}
    for figure in figures.values():
        for key in TITLES:
            figure.add(key, values.get(key, 10.0))
    figures["pollers"].values = {"runtime": [8.1]}
    figures["answer more"].values = {"runtime": [values.get("runtime", 10.0) / 100]}
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


def test_a_failure_removes_the_rounds_before() -> None:
    figure = Figure(key="k", what="w", unit="µs")
    figure.add("rust", 1.0)
    figure.fail("rust", "it crashed")
    figure.fail("rust", "again")
    assert figure.text("rust") == "not measured"
    assert figure.missing == {"rust": "it crashed"}


@pytest.mark.parametrize(
    ("target", "met", "limit"),
    [
        (FigureTarget(what="w", measured=1.35, most=1.35), True, "at most 1.35"),
        (FigureTarget(what="w", measured=1.36, most=1.35), False, "at most 1.35"),
        (FigureTarget(what="w", measured=0.25, below=0.25), False, "under 0.25"),
        (FigureTarget(what="w", measured=0.24, below=0.25), True, "under 0.25"),
        (FigureTarget(what="w", measured=7.1, least=7.2, most=8.8), False, "7.2 to 8.8"),
        (FigureTarget(what="w", measured=9.0, least=7.2, most=8.8), False, "7.2 to 8.8"),
        (FigureTarget(what="w", measured=None, most=1, reason="why"), False, "at most 1"),
    ],
)
def test_targets(target: FigureTarget, met: bool, limit: str) -> None:
    assert (target.met, target.limit) == (met, limit)
    assert target.row()[-1] == ("not measured" if target.measured is None else "yes" if met else "NO")


def test_targets_compare_with_the_right_client() -> None:
    met = runtime._targets(all_figures(c=10, together=8, runtime=10, rust=13, awslambdaric=50) | memory(2.0))
    assert [target.met for target in met] == [True] * 16
    missed = runtime._targets(all_figures(c=1, together=1, runtime=100, rust=1, awslambdaric=1) | memory(3.1))
    assert [target.met for target in missed] == [False] * 15 + [True]


def memory(payloads: float) -> dict[str, Figure]:
    keys = [f"memory {size}" for size in runtime.LARGE]
    return {key: Figure(key=key, what=key, unit="", values={"runtime": [payloads]}) for key in keys}


def test_a_target_of_a_missing_client_is_reported_and_not_met() -> None:
    figures = all_figures(c=9, runtime=10, rust=11, awslambdaric=50)
    figures["latency"].fail("rust", "cargo: not found on PATH")
    target = runtime._targets(figures)[4]
    assert target.data() == {
        "what": "latency p50 / lambda_runtime (Rust)",
        "measured": None,
        "limit": "under 1",
        "met": False,
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
    assert widths[1] == pytest.approx(widths[4] / 4, abs=0.1)
    assert sum(element.text == "not measured" for element in svg.iter()) == 1


def test_the_document_keeps_what_people_wrote() -> None:
    text = "before\n<!-- bench runtime: generated -->\nold\n<!-- bench runtime: end -->\nafter\n"
    assert document.replace_section(text, "runtime", "new\n") == (
        "before\n<!-- bench runtime: generated -->\n\nnew\n\n<!-- bench runtime: end -->\nafter\n"
    )
    with pytest.raises(UsageError, match="bench soak"):
        document.replace_section(text, "soak", "new")


def test_a_part_of_which_nothing_was_measured_keeps_its_section(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- bench layer: generated -->\nold\n<!-- bench layer: end -->\n")
    monkeypatch.setattr(document, "DOCUMENT", page)
    monkeypatch.setattr(document, "RESULTS", tmp_path)
    for measured, kept in ((None, True), (7.5, False)):
        target = FigureTarget(what="size", measured=measured, most=10, reason="there is no layer yet")
        (tmp_path / "layer.json").write_text(json.dumps({"command": "run", "targets": [target.data()]}))
        document.write()
        assert ("old" in page.read_text()) is kept


def test_each_reason_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    targets = [FigureTarget(what=what, measured=None, most=1, reason="there is no image yet") for what in "ab"]
    say_missing(Console(), [*targets, FigureTarget(what="c", measured=1, most=1, reason="none")])
    assert capsys.readouterr().err == "not measured: there is no image yet\n"


def test_the_document_of_the_repository_has_all_sections() -> None:
    text = document.DOCUMENT.read_text()
    for name in document.SECTIONS:
        assert "new" in document.replace_section(text, name, "new")
    assert ElementTree.fromstring(document.CHART.read_text()).tag.endswith("svg")
    assert str(ROOT) not in text + document.CHART.read_text()


def test_another_tree_and_interpreter_may_be_measured(tmp_path: Path) -> None:
    subject = clients.choose(ROOT / "runtime", sys.executable)
    assert subject.python == sys.executable
    assert subject.version
    with pytest.raises(ToolError, match="no such interpreter"):
        clients.choose(ROOT / "runtime", str(tmp_path / "python"))
    with pytest.raises(UsageError, match="no such file"):
        clients.choose(tmp_path)


def test_what_the_bench_writes_is_wrapped() -> None:
    why = "this machine has none of the programs that are needed, " * 3
    figure = {"what": "latency", "unit": "ms", "values": {}, "missing": {"one": why}}
    result = {
        "titles": {"one": "one client"}, "figures": {"latency": figure}, "targets": [], "command": "nox -s bench",
        "rounds": 9, "processor": "a processor with a long name " * 4, "kernel": "Linux 6", "libc": "glibc 2.36",
        "interpreter": "CPython 3.11", "versions": {f"client {number}": "1.2.3" for number in range(20)},
    }  # fmt: skip
    lines = document.runtime_section(result).splitlines()
    assert max(map(len, lines)) <= 120
    assert sum(line.startswith("- ") for line in lines) == 1
    assert "client 19 1.2.3." in lines[-1]


UTF_8 = """
import pathlib, sys
from ci.bench import clients, document, machine
document.DOCUMENT = pathlib.Path(sys.argv[1])
document.RESULTS = document.DOCUMENT.parent
document.write()
clients.choose(clients.BENCH.parents[1] / "runtime", sys.executable).version
clients.crate_version(), clients._pinned_version(), machine._processor()
"""


def test_files_are_read_as_utf_8_whatever_the_locale_is(tmp_path: Path) -> None:
    target = tmp_path / "OPTIMIZATION.md"
    target.write_text("µs\n", encoding="utf-8")
    strict = ("-X", "warn_default_encoding", "-W", "error::EncodingWarning")
    done = subprocess.run(
        [sys.executable, *strict, "-c", UTF_8, str(target)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert target.read_text(encoding="utf-8") == "µs\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["all"],
            "there is no part all; expected any of image, layer, tooling, release, publishing, runtime, "
            "bare-python, crate, emulator, features, soak",
        ),
        (["--rounds", "0"], "expected a number from 1 on, found 0"),
        (["--rounds", "-1"], "expected a number from 1 on, found -1"),
        (["--invokes", "0"], "expected a number from 1 on, found 0"),
        (["--invokes", "1e6"], "expected a number from 1 on, found 1e6"),
    ],
)
def test_what_cannot_be_measured_is_refused(words: list[str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ci.bench", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "[]" not in done.stderr


def test_reasons_are_listed_in_the_order_of_the_figures(capsys: pytest.CaptureFixture[str]) -> None:
    figures = all_figures()
    for key in ("start", "latency", "processor"):
        figures[key].fail("rust", f"why {key}")
    runtime._print(Console(), list(figures.values()), TITLES, [])
    said = [line.partition(" (")[0] for line in capsys.readouterr().err.splitlines()]
    assert said == [f"not measured: Rust: why {key}" for key in ("processor", "latency", "start")]


def failing(run: Runner, cwd: Path) -> Command:
    run("sh", "-c", "echo some words; echo no compiler here; exit 1", cwd=cwd)
    return Command(argv=())


def absent(run: Runner) -> Command:
    run("no-such-program")
    return Command(argv=())


def test_the_reason_for_a_missing_client_has_no_paths_of_this_machine(tmp_path: Path) -> None:
    run = Runner(log=tmp_path / "log")
    client = clients._if_available("rust", "Rust", "1", lambda: failing(run, ROOT))
    assert client.reason == "some words; no compiler here"
    client = clients._if_available("rust", "Rust", "1", lambda: absent(run))
    assert client.reason == "no-such-program: not found on PATH"


def test_a_process_that_has_ended_is_not_measured() -> None:
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    with pytest.raises(NotMeasured, match=f"the processor time of process {ended.pid} cannot be read"):
        emulators.processor_ns(ended.pid)


def test_a_command_that_fails_is_reported_with_what_it_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python_runs, "LOG", tmp_path / "log")
    with pytest.raises(CommandFailed, match=r"failed with exit code 3\n  \| it went wrong"):
        python_runs.python(tmp_path, "-c", "print('it went wrong'); raise SystemExit(3)")


def test_a_release_may_miss_what_a_snapshot_could_not_make(tmp_path: Path) -> None:
    made = {"kind": "image", "name": "x-1-micro-amd64.oci.tar", "status": "verified"}
    absent = [
        {"kind": kind, "name": name, "status": "unavailable"}
        for kind, name in (
            ("image", "x-1-ubi-amd64.oci.tar"),
            ("image", "x-1-ubi-arm64.oci.tar"),
            ("image-index", "x-1-ubi.oci-index.tar"),
            ("sbom", "x-1-ubi-amd64.oci.tar.cdx.json"),
        )
    ]
    (tmp_path / "artifacts.json").write_text(json.dumps({"artifacts": [made, *absent]}))
    assert release.missing_in(tmp_path / "artifacts.json") == ["ubi", "image-index"]


def test_the_section_of_a_release_has_targets_and_times() -> None:
    targets = [FigureTarget(what="ratio", measured=1.31, most=release.RELEASE_RATIO).data()]
    times = [release.Spent(wall=241.2, processor=402.4).row("snapshot")]
    section = document.release_section({"command": "run", "targets": targets, "processors": 2, "times": times})
    assert "| ratio | at most 1.25 | 1.31 | **no** |" in section
    assert "| on 2 processors | seconds | processor time |" in section
    assert "| snapshot | 241 | 402 |" in section


def test_a_short_soak_of_the_real_runtime(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path / "checkout")
    argv = [sys.executable, "-m", "ci.bench", "soak", "--invokes", "3000", "--python", sys.executable]
    ended = subprocess.run(argv, cwd=checkout, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    result = json.loads((checkout / "dist" / "bench" / "soak.json").read_text())
    assert list(result) == [
        "command", "invokes", "processor", "cores", "kernel", "libc", "interpreter", "versions", "targets", "columns",
        "samples",
    ]  # fmt: skip
    assert len(result["samples"]) == 1000
    assert str(tmp_path) not in json.dumps(result)


def test_the_targets_of_the_crate_are_ratios_to_awss() -> None:
    figures = {figure.key: figure for figure in crate._figures()}
    values = {"value": 2.0, "typed": 2.0, "async": 5.0, crate.AWS: 4.0, "http": 1.0, crate.AWS_HTTP: 2.0}
    for key, value in values.items():
        for figure in figures.values():
            figure.add(key, value)
    *ratios, tokio = crate._targets(figures)
    assert [(target.measured, target.met) for target in ratios] == [
        (0.5, True),
        (0.5, True),
        (1.25, False),
        (1.25, False),
        (0.5, True),
        (0.5, True),
    ]
    assert [target.what for target in ratios[4:]] == [
        "async fn(Request): processor time per invoke, HTTP / lambda_http (Rust)",
        "async fn(Request): latency p50, HTTP / lambda_http (Rust)",
    ]
    assert (tokio.measured, tokio.met) == (3.0, False)
