"""Compression whose result depends on the data alone: by libdeflate, which is pinned with its binding.

zlib is the host's, and its result differs from one host to the next: Fedora and Windows have zlib-ng.
"""

from __future__ import annotations

import struct
import zlib

FAST, SMALL = 6, 10
"""Levels. `SMALL` makes a layer 3.6 % smaller than the best level of zlib, in half the time; the levels above it gain
0.15 %, in twice the time."""


def deflate(data: bytes, level: int) -> bytes:
    """The data as a stream of deflate, without a header (RFC 1951)."""
    from deflate import deflate_compress  # plans are made without it

    return bytes(deflate_compress(data, level))


def gzip(data: bytes, level: int) -> bytes:
    """The data in the format of gzip (RFC 1952), with a header of our own: what libraries write there differs."""
    header = b"\x1f\x8b\x08" + bytes(5) + b"\x02\xff"  # no name, no time; best compression, by an unknown system
    return header + deflate(data, level) + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)
