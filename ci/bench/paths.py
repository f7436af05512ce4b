"""Where the bench reads and writes."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "dist" / "bench"
CACHE = ROOT / "dist" / ".cache" / "bench"
LOG = ROOT / "dist" / "logs" / "bench.log"
