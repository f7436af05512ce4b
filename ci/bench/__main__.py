"""`nox -s bench`: measure, print tables, write `dist/bench/`; exit code 1 where a promise is not kept."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from ci.bench import contenders, document, emulator, runtime, soak, tooling
from ci.bench.contenders import Subject
from ci.bench.workshop import ROOT
from ci.errors import ReleaseError

PARTS: dict[str, Callable[[argparse.Namespace], bool]] = {
    "tooling": lambda chosen: tooling.measure(chosen.rounds),
    "runtime": lambda chosen: runtime.measure(chosen.rounds, _subject(chosen)),
    "emulator": lambda chosen: emulator.measure(chosen.rounds, _subject(chosen)),
    "soak": lambda chosen: soak.measure(chosen.invokes, _subject(chosen)),
}


def _subject(chosen: argparse.Namespace) -> Subject:
    return contenders.choose(chosen.runtime, chosen.python)


def main() -> int:
    """Measure the parts that were asked for, or all."""
    parser = argparse.ArgumentParser(prog="nox -s bench --", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", choices=[[], *PARTS], default=[], help=f"of {', '.join(PARTS)}; default: all"
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often each measurement is repeated")
    parser.add_argument("--invokes", type=int, default=soak.INVOKES, help="how long the soak is")
    parser.add_argument("--runtime", type=Path, default=ROOT / "runtime", help="another tree, to compare versions")
    parser.add_argument("--python", help="the interpreter for the runtime; default: the one that its launcher names")
    parser.add_argument("--document", action="store_true", help="put the results into OPTIMIZATION.md and docs/")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that what was started ends too
    try:
        kept = [PARTS[part](chosen) for part in chosen.parts or PARTS]
        if chosen.document:
            document.write()
    except ReleaseError as error:
        print(f"error: {error}" + (f"\nwhat to do: {error.hint}" if error.hint else ""), file=sys.stderr)
        return error.exit_code
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
