"""`nox -s bench`: measure, print tables, write `dist/bench/`; exit code 1 where a target is missed."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from ci.bench import (
    bare_python,
    clients,
    crate,
    document,
    emulator,
    features,
    image,
    layer,
    publishing,
    release,
    runtime,
    soak,
    tooling,
)
from ci.bench.clients import MeasuredRuntime
from ci.bench.paths import ROOT
from ci.core.errors import ReleaseError

PARTS: dict[str, Callable[[argparse.Namespace], bool]] = {
    "image": lambda chosen: image.measure(),
    "layer": lambda chosen: layer.measure(_subject(chosen)),
    "tooling": lambda chosen: tooling.measure(chosen.rounds),
    "release": lambda chosen: release.measure(chosen.rounds),
    "publishing": lambda chosen: publishing.measure(chosen.rounds, publishing.set_folder(chosen.set)),
    "runtime": lambda chosen: runtime.measure(chosen.rounds, _subject(chosen)),
    "bare-python": lambda chosen: bare_python.measure(chosen.rounds, _subject(chosen)),
    "crate": lambda chosen: crate.measure(chosen.rounds, _subject(chosen)),
    "emulator": lambda chosen: emulator.measure(chosen.rounds, _subject(chosen)),
    "features": lambda chosen: features.measure(chosen.rounds, _subject(chosen)),
    "soak": lambda chosen: soak.measure(chosen.invokes, _subject(chosen)),
}
# A release takes ten minutes a round, `features` compiles for as long, publishing needs a finished set, and
# `bare-python` has no target.
_BY_DEFAULT = [part for part in PARTS if part not in ("bare-python", "features", "publishing", "release")]


def _subject(chosen: argparse.Namespace) -> MeasuredRuntime:
    return clients.choose(chosen.runtime, chosen.python)


def _part(text: str) -> str:
    if text not in PARTS:
        raise argparse.ArgumentTypeError(f"there is no part {text}; expected any of {', '.join(PARTS)}")
    return text


def _count(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1 on, found {text}")
    return int(text)


def main() -> int:
    """Measure the parts that are named, or those of `_BY_DEFAULT`; returns the exit code."""
    parser = argparse.ArgumentParser(prog="nox -s bench --", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "parts",
        nargs="*",
        metavar="PART",
        type=_part,
        help=f"any of {', '.join(PARTS)}; default: all but {', '.join(sorted(set(PARTS) - set(_BY_DEFAULT)))}",
    )
    parser.add_argument("--rounds", type=_count, default=5, help="how often each measurement is repeated")
    parser.add_argument("--invokes", type=_count, default=soak.INVOKES, help="how many invokes the soak makes")
    parser.add_argument("--set", type=Path, help="the set that is published; default: dist/release")
    parser.add_argument("--runtime", type=Path, default=ROOT / "runtime", help="the tree of another version")
    parser.add_argument("--python", help="the interpreter for the runtime; default: the one that its launcher names")
    parser.add_argument("--document", action="store_true", help="put the results into OPTIMIZATION.md and docs/")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that started programs are ended too
    try:
        met = [PARTS[part](chosen) for part in chosen.parts or _BY_DEFAULT]
        if chosen.document:
            document.write()
    except ReleaseError as error:
        print(f"error: {error}" + (f"\nwhat to do: {error.hint}" if error.hint else ""), file=sys.stderr)
        return error.exit_code
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
