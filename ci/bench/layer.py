"""The layer for Lambda beside the image `micro`: its size, and its start to the first answer.

Both are unpacked, and started on this machine: micro with chroot, which takes less than a millisecond itself.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from ci.bench import starts
from ci.bench.clients import MeasuredRuntime
from ci.bench.figures import COLUMNS, Figure, FigureTarget, all_met, say_missing
from ci.bench.paths import CACHE, ROOT
from ci.bench.server import Command
from ci.bench.setup import Setup, open_setup, save
from ci.core.architectures import host_name
from ci.core.console import Console
from ci.core.errors import CommandFailed
from ci.core.files import fresh_folder
from ci.images import micro_layers
from ci.images.lambda_layer import BOOTSTRAP, aws_name
from ci.manifest import dist_paths
from ci.manifest.reader import load

ROUNDS = 20
_MOST_MB = 10.0
_MOST = 1.3
_LAYER, _MICRO = "layer", "micro"


def measure(subject: MeasuredRuntime) -> bool:
    """Print size and start, write `dist/bench/layer.json`; returns whether both targets are met."""
    release = load(ROOT / "release.yaml")
    layer = ROOT / "dist" / dist_paths.lambda_layer(release, aws_name(host_name()))
    roots = [ROOT / "dist" / path for path in (micro_layers.root(host_name()), micro_layers.RUNTIME)]
    answer = Figure(key="answer", what="start to the first answer", unit="ms")
    if layer.exists() and all(path.exists() for path in roots):
        with open_setup(subject, only_own=True) as setup:
            _measure(setup, answer, layer, roots)
    targets = _targets(layer, answer)
    Console().table("The layer for Lambda", COLUMNS, [target.row() for target in targets])
    say_missing(Console(), targets)
    times = {key: answer.median(key) for key in (_LAYER, _MICRO)}
    data = [target.data() for target in targets]
    save("layer", {"command": "nox -s bench -- layer", "targets": data, "first answer, ms": times})
    return all_met(targets)


def _measure(setup: Setup, answer: Figure, layer: Path, roots: list[Path]) -> None:
    library = setup.native.task_root / "libecho.so"
    opt, root = fresh_folder(CACHE / _LAYER), fresh_folder(CACHE / _MICRO)
    setup.run("bsdtar", "-xf", layer, "-C", opt)
    for path in roots:
        setup.run("bsdtar", "-xf", path, "-C", root)
    shutil.copy(library, root / "var" / "task")
    variables = {"_HANDLER": "echo.handle", "LAMBDA_TASK_ROOT": str(library.parent)}
    inside = {**variables, "LAMBDA_TASK_ROOT": "/var/task"}
    commands = {
        _LAYER: Command(argv=(opt / BOOTSTRAP,), env=variables),
        _MICRO: Command(argv=(shutil.which("chroot") or "chroot", root, "/var/runtime/bootstrap"), env=inside),
    }
    program = starts.compile_program(setup.run, CACHE)
    for number in range(-1, ROUNDS):  # the first one fills the page cache, and does not count
        try:
            found = {
                key: starts.start(setup.run, program, setup.server.core, command) for key, command in commands.items()
            }
        except CommandFailed as error:
            answer.fail(_LAYER, str(error))
            return
        for key, seen in found.items() if number >= 0 else ():
            answer.add(key, seen.answer_ms)


def _targets(layer: Path, answer: Figure) -> list[FigureTarget]:
    missing = "there is no layer yet; run: nox -s layer"
    return [
        FigureTarget(
            what=f"size of the layer for {aws_name(host_name())}",
            measured=layer.stat().st_size / 1e6 if layer.exists() else None,
            most=_MOST_MB,
            unit=" MB",
            reason=missing,
        ),
        FigureTarget(
            what="start to the first answer / micro",
            measured=answer.ratio(_LAYER, _MICRO),
            most=_MOST,
            reason=answer.missing.get(_LAYER, missing),
        ),
    ]
