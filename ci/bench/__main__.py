"""`nox -s bench`: measure, print tables, write `dist/bench/`; exit code 1 where a promise is not kept."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from ci.bench import tooling

PARTS: dict[str, Callable[[int], bool]] = {"tooling": tooling.measure}


def main() -> int:
    """Measure the parts that were asked for, or all."""
    parser = argparse.ArgumentParser(prog="nox -s bench --", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", choices=[[], *PARTS], default=[], help=f"of {', '.join(PARTS)}; default: all"
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often each measurement is repeated")
    chosen = parser.parse_args()
    kept = [PARTS[part](chosen.rounds) for part in chosen.parts or PARTS]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
