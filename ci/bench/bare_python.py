"""What a runtime in Python costs at least: a client that does nothing but receive, call and send, beside our own.

The difference between the two is what our own does besides: checks of what it receives, deadlines, signals, errors. The
difference between the bare ones is Python and ctypes.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ci.bench import small, starts
from ci.bench.clients import MeasuredClient, MeasuredRuntime
from ci.bench.figures import Figure
from ci.bench.paths import CACHE
from ci.bench.setup import Setup, open_setup, save
from ci.bench.starts import BARE
from ci.core.console import Console

CLIENT = Path(__file__).with_name("python_client.py")
KEYS = ("c", "together", "bare-python", "runtime")
PAUSES_MS = (0, 50)
COMPILE = "import py_compile, sys; py_compile.compile(sys.argv[1], sys.argv[2], doraise=True)"


def measure(rounds: int, subject: MeasuredRuntime) -> bool:
    """Measure, print the table, write `dist/bench/bare-python.json`. There is no target, so this returns True."""
    console = Console()
    with open_setup(subject, only_own=True) as setup:
        measured = _with_bare_python(setup)
        figures = {figure.key: figure for figure in (*_small_figures(), *starts.figures())}
        starts.measure(measured, figures, console)
        for number in range(1, rounds + 1):
            console.say(f"round {number} of {rounds}")
            for pause in PAUSES_MS:
                small.measure(measured, figures, pause)
        titles = {key: client.title for key, client in measured.clients.items()} | {BARE: "python3 -c pass"}
        result: dict[str, object] = {"command": "nox -s bench -- bare-python", "rounds": rounds, **measured.facts()}
    columns = ["what", *(f">{title}" for title in titles.values())]
    console.table("Medians", columns, [[figure.what, *map(figure.text, titles)] for figure in figures.values()])
    save("bare-python", result | {"titles": titles, "figures": {key: vars(figure) for key, figure in figures.items()}})
    return True


def _small_figures() -> list[Figure]:
    keys = {small.key_of(kind, pause) for kind in small.KINDS for pause in PAUSES_MS}
    return [figure for figure in small.figures() if figure.key in keys]


def _with_bare_python(setup: Setup) -> Setup:
    compiled = CACHE / "python_client.pyc"
    python, options = setup.subject.python, setup.subject.options
    setup.run(python, *options, "-c", COMPILE, CLIENT, compiled)
    ours = setup.clients["runtime"]
    command = replace(ours.command, argv=(python, *options, compiled))
    bare = MeasuredClient(key="bare-python", title="bare Python client", version="", command=command)
    clients = {**setup.clients, bare.key: bare}
    return replace(setup, clients={key: clients[key] for key in KEYS})
