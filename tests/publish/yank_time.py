"""When the tests take a version back: on another day than that of its release."""

from __future__ import annotations

YANKED_AT = 1_798_000_000
"""2026-12-23T04:26:40Z, in seconds since 1970."""
